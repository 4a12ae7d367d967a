/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/problem.h"

#include <errno.h>

void problems_init(struct problems *p, struct arena *a)
{
        p->arena = a;
        p->n = p->more = 0;
}

static bool is_control(char c)
{
        return (unsigned char)c < ' ' || c == 0x7f;
}

/* What somebody wrote stands in it, and goes to terminals and logs, where a line break
 * or an escape sequence would pass for a word of ours. */
static struct str clean(struct str text, struct arena *a)
{
        struct str copy = STR_NULL;

        for (size_t i = 0; i < text.len; i++) {
                if (!is_control(text.data[i]))
                        continue;
                if (!copy.data)
                        copy = arena_str(a, text);
                if (!copy.data)
                        return STR_NULL;
                ((char *)(uintptr_t)copy.data)[i] = '?';
        }
        return copy.data ? copy : text;
}

void problem_add(struct problems *p, struct str path, const char *format, ...)
{
        va_list args;

        if (p->n == PROBLEMS_MAX) {
                p->more++;
                return;
        }
        va_start(args, format);
        p->all[p->n++] = (struct problem){ clean(path, p->arena),
                                           clean(arena_vprintf(p->arena, format, args), p->arena) };
        va_end(args);
}

int problems_result(const struct problems *p)
{
        if (p->arena->failed)
                return -ENOMEM;
        return p->n ? -EINVAL : 0;
}

struct str problems_text(const struct problems *p)
{
        struct str text = STR_NULL;

        for (size_t i = 0; i < p->n; i++)
                text = arena_printf(p->arena, "%.*s%s%.*s%s%.*s", STR_FMT(text), i ? "; " : "",
                                    STR_FMT(p->all[i].path), p->all[i].path.len ? ": " : "",
                                    STR_FMT(p->all[i].message));
        if (p->more)
                text = arena_printf(p->arena, "%.*s; and %zu more", STR_FMT(text), p->more);
        return text;
}
