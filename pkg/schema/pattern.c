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

/* --- for people -------------------------------------------------------------------- */

#define NAME "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define NUMBER "(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))"

/* Those of the CRDs: what to write, for whoever reads no regular expressions. */
static const struct {
        struct str pattern, words;
} in_words[] = {
        { STR_INIT("^[^[:space:]]+$"), STR_INIT("must not have white space in it") },
        { STR_INIT("^/[^[:space:]]*$"), STR_INIT("must begin with / and have no white space in it") },
        { STR_INIT("^[A-Za-z_][A-Za-z0-9_]*$"),
          STR_INIT("must be letters, digits and _, and not begin with a digit") },
        { STR_INIT("^[-._a-zA-Z0-9]+$"), STR_INIT("must be letters, digits, -, . and _") },
        { STR_INIT("^" NAME "$"),
          STR_INIT("must be lower-case letters, digits and -, and begin and end with a letter or a digit") },
        { STR_INIT("^" NAME "(\\." NAME ")*$"),
          STR_INIT("must be lower-case letters, digits and -, in parts between dots that each begin and end "
                   "with a letter or a digit") },
        { STR_INIT("^(\\*\\.)?" NAME "(\\." NAME ")*$"),
          STR_INIT("must be a host in lower case, such as shop.example.com or *.example.com") },
        { STR_INIT("^(/[A-Za-z0-9_.-]+)+$"),
          STR_INIT(
                  "must be the absolute path of a folder, of letters, digits, _, . and -, such as /etc/shop") },
        { STR_INIT("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"),
          STR_INIT("must be the path of a file below the folder, of letters, digits, _, . and -, such as "
                   "payment/key") },
        { STR_INIT("^([0-9]{1,6}(h|m|s))+$"), STR_INIT("must be a duration such as 30s, 5m or 1h30m") },
        { STR_INIT("^[0-9a-fA-F:.]+/[0-9]{1,3}$"),
          STR_INIT("must be a range of addresses such as 10.20.0.0/16 or 2001:db8::/32") },
        { STR_INIT("^(\\+|-)?" NUMBER "(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?" NUMBER "))?$"),
          STR_INIT("must be a quantity such as 500m, 2 or 1Gi") },
};

struct str schema_pattern_words(struct str pattern)
{
        for (size_t i = 0; i < ARRAY_SIZE(in_words); i++)
                if (str_eq(pattern, in_words[i].pattern))
                        return in_words[i].words;
        return STR_NULL;
}
