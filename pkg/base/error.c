/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static void fill(char *to, size_t size, const char *format, va_list args)
{
        int n = vsnprintf(to, size, format, args);

        if (n >= (int)size)
                memcpy(to + size - 4, "...", 4);
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
        snprintf(err->path, sizeof(err->path), "%.*s", STR_FMT(path));
        va_start(args, format);
        fill(err->message, sizeof(err->message), format, args);
        va_end(args);
        return code;
}

int error_prefix(struct error *err, const char *format, ...)
{
        char context[sizeof(err->message)], whole[2 * sizeof(err->message) + 2];
        va_list args;

        if (!err)
                return 0;
        va_start(args, format);
        fill(context, sizeof(context), format, args);
        va_end(args);
        snprintf(whole, sizeof(whole), "%s: %s", context, err->message);
        snprintf(err->message, sizeof(err->message), "%.*s", (int)sizeof(err->message) - 1, whole);
        return err->code;
}
