/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

/* TO holds the head of a text that was longer: makes it end in "...", and not
 * amid a character, since these texts end up in JSON. */
static void mark_cut(char *to, size_t size)
{
        size_t end = size - 4;

        while (end > 0 && ((unsigned char)to[end] & 0xc0) == 0x80)
                end--;
        memcpy(to + end, "...", 4);
}

static void _printf_(3, 0) fill(char *to, size_t size, const char *format, va_list args)
{
        int n = vsnprintf(to, size, format, args);

        if (n < 0)
                to[0] = '\0';
        else if ((size_t)n >= size)
                mark_cut(to, size);
}

static void _printf_(3, 4) fill_with(char *to, size_t size, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        fill(to, size, format, args);
        va_end(args);
}

int error_set(struct error *err, int code, const char *format, ...)
{
        va_list args;

        if (!err)
                return code;
        err->code = code;
        err->path[0] = '\0';
        va_start(args, format);
        fill(err->message, sizeof(err->message), format, args);
        va_end(args);
        return code;
}

int error_set_at(struct error *err, int code, struct str path, const char *format, ...)
{
        va_list args;

        if (!err)
                return code;
        err->code = code;
        fill_with(err->path, sizeof(err->path), "%.*s", STR_FMT(path));
        va_start(args, format);
        fill(err->message, sizeof(err->message), format, args);
        va_end(args);
        return code;
}

void error_prefix(struct error *err, const char *format, ...)
{
        char context[sizeof(err->message)], whole[sizeof(err->message)];
        va_list args;

        if (!err)
                return;
        va_start(args, format);
        fill(context, sizeof(context), format, args);
        va_end(args);
        fill_with(whole, sizeof(whole), "%s: %s", context, err->message);
        memcpy(err->message, whole, sizeof(whole));
}
