/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/pattern.h"

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
        char *copy;
        bool matches;

        if (!c || !c->usable)
                return true;
        /* regexec ends at a NUL, and no pattern of ours lets one through. */
        if (str_index(text, '\0') >= 0)
                return false;
        copy = mem_strndup(text.len ? text.data : "", text.len);
        matches = !copy || regexec(&c->regex, copy, 0, NULL, 0) == 0;
        mem_free(copy);
        return matches;
}
