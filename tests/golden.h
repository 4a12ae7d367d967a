/* SPDX-License-Identifier: Apache-2.0
 *
 * Golden files: a text that is compared with what is checked in. With
 * KEELSON_UPDATE_GOLDEN=1 in the environment the files are written anew
 * instead; look at the difference before you commit it.
 */
#pragma once

#include "harness.h"

#include <stdio.h>

#define GOLDEN_MAX ((size_t)64 * 1024)

static inline char *golden_read(const char *path)
{
        char *text = calloc(1, GOLDEN_MAX);
        FILE *in = fopen(path, "r");

        ck_assert_ptr_nonnull(text);
        if (in) {
                ck_assert_uint_lt(fread(text, 1, GOLDEN_MAX - 1, in), GOLDEN_MAX - 1);
                fclose(in);
        }
        return text;
}

static inline void golden_write(const char *path, const char *text)
{
        FILE *out = fopen(path, "w");

        ck_assert_msg(out, "cannot write %s", path);
        fputs(text, out);
        fclose(out);
}

static inline const char *golden_line_end(const char *s)
{
        const char *end = strchr(s, '\n');

        return end ? end + 1 : s + strlen(s);
}

/* Equal, or it fails with the lines around the first that differs. */
static inline void check_golden(const char *path, const char *text)
{
        const char *a, *b = text, *context, *before;
        char *golden;

        if (getenv("KEELSON_UPDATE_GOLDEN")) {
                golden_write(path, text);
                return;
        }
        a = context = before = golden = golden_read(path);
        while (*a && golden_line_end(a) - a == golden_line_end(b) - b &&
               memcmp(a, b, (size_t)(golden_line_end(a) - a)) == 0) {
                context = before;
                before = a;
                a = golden_line_end(a);
                b = golden_line_end(b);
        }
        ck_assert_msg(strcmp(a, b) == 0, "differs from %s:\n %.*s-%.*s+%.*s", path, (int)(a - context),
                      context, (int)(golden_line_end(a) - a), a, (int)(golden_line_end(b) - b), b);
        free(golden);
}
