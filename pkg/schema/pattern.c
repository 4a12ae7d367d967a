/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/pattern.h"

#include <regex.h>

/* Compiling takes a hundred times as long as matching, and the same few dozen
 * patterns come again and again. */
struct compiled {
        const char *pattern; /* the very same bytes */
        regex_t regex;
        bool usable;
};

static struct compiled all[SCHEMA_PATTERNS_MAX];
static size_t n_all;

static const struct compiled *compile(struct str pattern)
{
        struct compiled *c;

        for (size_t i = 0; i < n_all; i++)
                if (all[i].pattern == pattern.data)
                        return &all[i];
        if (n_all == SCHEMA_PATTERNS_MAX)
                return NULL;
        c = &all[n_all++];
        c->pattern = pattern.data;
        c->usable = regcomp(&c->regex, pattern.data, REG_EXTENDED | REG_NOSUB) == 0;
        return c;
}

bool schema_matches(struct str pattern, struct str text)
{
        const struct compiled *c = compile(pattern);
        regmatch_t whole = { .rm_so = 0, .rm_eo = (regoff_t)text.len };

        if (!c || !c->usable)
                return true;
        /* Not up to the first NUL, but all of it. */
        return regexec(&c->regex, text.data, 1, &whole, REG_STARTEND) == 0;
}
