/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/problem.h"

#include <errno.h>

void problems_init(struct problems *p, struct arena *a)
{
        p->arena = a;
        p->n = p->more = 0;
}

/* The length of the control character that TEXT begins with; 0: it begins with none. */
static size_t control_length(const char *text, size_t len)
{
        const unsigned char *c = (const unsigned char *)text;

        if (c[0] < ' ' || c[0] == 0x7f)
                return 1;
        return len > 1 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0 ? 2 : 0; /* U+0080 to U+009F */
}

void problem_clean(char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                for (size_t n = control_length(text + i, len - i); n; n--)
                        text[i + n - 1] = '?';
}

static bool is_clean(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (control_length(text.data + i, text.len - i))
                        return false;
        return true;
}

static struct str clean(struct str text, struct arena *a)
{
        struct str copy;

        if (is_clean(text))
                return text;
        copy = arena_str(a, text);
        if (copy.data)
                problem_clean((char *)(uintptr_t)copy.data, copy.len);
        return copy;
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

void problems_add_all(struct problems *p, const struct problems *from)
{
        for (size_t i = 0; i < from->n; i++)
                problem_add(p, from->all[i].path, "%.*s", STR_FMT(from->all[i].message));
        p->more += from->more;
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
