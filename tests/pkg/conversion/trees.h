/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees from text, with ' for ", and to text again.
 */
#pragma once

#include "conversion/convert.h"
#include "harness.h"

#define TREES_MEMORY_MAX ((size_t)16 * 1024 * 1024)

struct trees {
        struct arena arena;
        struct error err;
        struct conversion c;
};

static inline void trees_init(struct trees *t)
{
        yyjson_alc alc;

        *t = (struct trees){ .arena = ARENA_INIT(TREES_MEMORY_MAX) };
        alc = json_arena_alc(&t->arena);
        t->c = (struct conversion){ yyjson_mut_doc_new(&alc), &t->arena, &t->err };
}

static inline void trees_release(struct trees *t)
{
        arena_release(&t->arena);
}

/* NULL without memory. */
static inline yyjson_val *trees_read(struct trees *t, const char *text)
{
        struct str copy = arena_str(&t->arena, str_c(text));
        char *at = (char *)(uintptr_t)copy.data; /* made just now */
        yyjson_doc *doc;

        for (size_t i = 0; i < copy.len; i++)
                if (at[i] == '\'')
                        at[i] = '"';
        if (!copy.data || json_parse_arena(copy, &t->arena, &doc, &t->err) < 0) {
                ck_assert_msg(t->arena.failed, "%s: %s", text, t->err.message);
                return NULL;
        }
        return yyjson_doc_get_root(doc);
}

static inline yyjson_mut_val *trees_make(struct trees *t, const char *text)
{
        return tree_of(t->c.doc, trees_read(t, text));
}

static inline void trees_is(struct trees *t, yyjson_mut_val *value, const char *expected)
{
        const yyjson_alc alc = json_arena_alc(&t->arena);
        char *text = yyjson_mut_val_write_opts(value, YYJSON_WRITE_NOFLAG, &alc, NULL, NULL);

        ck_assert_ptr_nonnull(text);
        for (char *at = text; *at; at++)
                if (*at == '"')
                        *at = '\'';
        ck_assert_str_eq(text, expected);
}
