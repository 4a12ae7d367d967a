/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/pattern.h"

#include <errno.h>
#include <regex.h>

#include "base/mem.h"

/* Compiling takes a hundred times as long as matching, and the same few dozen
 * patterns come again and again. */
struct compiled {
        const char *pattern; /* the very same bytes */
        regex_t regex;
        bool usable;
};

static struct compiled all[SCHEMA_PATTERNS_MAX];
static size_t n_all;

static const struct compiled *find(struct str pattern)
{
        for (size_t i = 0; i < n_all; i++)
                if (all[i].pattern == pattern.data)
                        return &all[i];
        return NULL;
}

static int compile(struct str pattern, struct compiled *to)
{
        int r = regcomp(&to->regex, pattern.data, REG_EXTENDED | REG_NOSUB);

        to->pattern = pattern.data;
        to->usable = r == 0;
        return r == REG_ESPACE ? -ENOMEM : 0;
}

static int match(const struct compiled *c, struct str text)
{
        char *copy;
        int r;

        if (!c->usable)
                return 1;
        /* regexec ends at a NUL, and no pattern of ours lets one through. */
        if (str_index(text, '\0') >= 0)
                return 0;
        copy = mem_strndup(text.len ? text.data : "", text.len);
        if (!copy)
                return -ENOMEM;
        r = regexec(&c->regex, copy, 0, NULL, 0);
        mem_free(copy);
        if (r == REG_ESPACE)
                return -ENOMEM;
        return r == 0;
}

/* There is no place left to keep it. */
static int match_once(struct str pattern, struct str text)
{
        struct compiled c;
        int r = compile(pattern, &c);

        if (r < 0)
                return r;
        r = match(&c, text);
        if (c.usable)
                regfree(&c.regex);
        return r;
}

int schema_match(struct str pattern, struct str text)
{
        const struct compiled *c = find(pattern);
        int r;

        if (c)
                return match(c, text);
        if (n_all == SCHEMA_PATTERNS_MAX)
                return match_once(pattern, text);
        r = compile(pattern, &all[n_all]);
        return r < 0 ? r : match(&all[n_all++], text);
}
