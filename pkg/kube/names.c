/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/names.h"

#define DOMAIN_MAX_LEN ((size_t)253)
#define WORD_MAX_LEN ((size_t)63)

static bool is_lower_or_digit(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(char c)
{
        return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

bool kube_is_part(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (!is_lower_or_digit(s.data[i]) && s.data[i] != '-')
                        return false;
        return s.len > 0 && s.data[0] != '-' && s.data[s.len - 1] != '-';
}

bool kube_is_domain(struct str s)
{
        struct str part, rest = s;

        if (s.len > DOMAIN_MAX_LEN)
                return false;
        while (str_cut(rest, '.', &part, &rest))
                if (!kube_is_part(part))
                        return false;
        return kube_is_part(part);
}

bool kube_is_word(struct str s)
{
        if (s.len == 0 || s.len > WORD_MAX_LEN)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                char c = s.data[i];
                bool inner = i > 0 && i + 1 < s.len && (c == '-' || c == '_' || c == '.');

                if (!is_letter_or_digit(c) && !inner)
                        return false;
        }
        return true;
}

bool kube_is_qualified(struct str s)
{
        struct str domain, word;

        return str_cut(s, '/', &domain, &word) && kube_is_domain(domain) && kube_is_word(word);
}

bool kube_is_key(struct str s)
{
        return kube_is_word(s) || kube_is_qualified(s);
}
