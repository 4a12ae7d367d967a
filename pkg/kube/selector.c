/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/selector.h"

#include <errno.h>

#define PREFIX_MAX 253
#define NAME_MAX_BYTES 63

/* --- words ---------------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?, up to 63 characters. */
static bool is_label_value(struct str s)
{
        if (s.len == 0)
                return true;
        if (s.len > NAME_MAX_BYTES || !is_alphanumeric(s.data[0]) || !is_alphanumeric(s.data[s.len - 1]))
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (!is_alphanumeric(s.data[i]) && !strchr("-_.", s.data[i]))
                        return false;
        return true;
}

/* A DNS subdomain (RFC 1123). */
static bool is_prefix(struct str s)
{
        if (s.len == 0 || s.len > PREFIX_MAX)
                return false;
        while (s.data) {
                struct str label;

                (void)str_cut(s, '.', &label, &s);
                if (label.len == 0 || label.len > NAME_MAX_BYTES || label.data[0] == '-' ||
                    label.data[label.len - 1] == '-')
                        return false;
                for (size_t i = 0; i < label.len; i++)
                        if (!(is_alphanumeric(label.data[i]) &&
                              !(label.data[i] >= 'A' && label.data[i] <= 'Z')) &&
                            label.data[i] != '-')
                                return false;
        }
        return true;
}

static bool is_label_key(struct str s)
{
        struct str prefix, name;

        if (!str_cut(s, '/', &prefix, &name))
                return s.len > 0 && is_label_value(s);
        return is_prefix(prefix) && name.len > 0 && is_label_value(name);
}

/* "spec.nodeName", "metadata.labels[a]": what a kind has is the server's to say. */
static bool is_field_key(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (!is_alphanumeric(s.data[i]) && !strchr("-_.[]/", s.data[i]))
                        return false;
        return s.len > 0;
}

static int check_key(enum kube_selector_syntax syntax, struct str key, struct error *err)
{
        if (syntax == KUBE_BY_FIELDS) {
                if (is_field_key(key))
                        return 0;
                return error_set(err, -EINVAL,
                                 "\"%.*s\" is not the path of a field: write one such as metadata.name",
                                 STR_FMT(key));
        }
        if (is_label_key(key))
                return 0;
        return error_set(err, -EINVAL,
                         "\"%.*s\" is not a label: write NAME or DOMAIN/NAME, with up to 63 letters, digits, "
                         "\"-\", \"_\" and \".\" in the name",
                         STR_FMT(key));
}

static int check_label_value(struct str value, struct error *err)
{
        if (is_label_value(value))
                return 0;
        return error_set(err, -EINVAL,
                         "\"%.*s\" is not the value of a label: up to 63 letters, digits, \"-\", \"_\" and "
                         "\".\", and a letter or digit at both ends",
                         STR_FMT(value));
}

/* A backslash stands before what would end the value, and before itself. */
static int check_field_value(struct str value, struct error *err)
{
        for (size_t i = 0; i < value.len; i++) {
                if (value.data[i] == '\\' && i + 1 < value.len && strchr(",=\\", value.data[i + 1]) &&
                    value.data[i + 1])
                        i++;
                else if (strchr("=\\", value.data[i]) && value.data[i])
                        return error_set(err, -EINVAL,
                                         "in the value \"%.*s\" a \"%c\" needs a backslash before it",
                                         STR_FMT(value), value.data[i]);
        }
        return 0;
}

/* --- requirements ------------------------------------------------------------------ */

/* Up to the comma that ends it: one outside of parentheses, and not behind a backslash. */
static struct str cut_requirement(enum kube_selector_syntax syntax, struct str *rest)
{
        struct str all = *rest;
        bool inside = false;

        for (size_t i = 0; i < all.len; i++) {
                char c = all.data[i];

                if (syntax == KUBE_BY_FIELDS && c == '\\') {
                        i++;
                } else if (syntax == KUBE_BY_LABELS && (c == '(' || c == ')')) {
                        inside = c == '(';
                } else if (c == ',' && !inside) {
                        *rest = str_n(all.data + i + 1, all.len - i - 1);
                        return str_n(all.data, i);
                }
        }
        *rest = STR_NULL;
        return all;
}

/* "a != b": the operator that comes first. */
static bool cut_equality(struct str s, struct kube_requirement *q)
{
        ptrdiff_t at = str_index(s, '=');
        size_t key, value;

        if (at < 0)
                return false;
        key = (size_t)at;
        value = key + 1;
        q->op = KUBE_EQUALS;
        if (key > 0 && s.data[key - 1] == '!') {
                q->op = KUBE_NOT_EQUALS;
                key--;
        } else if (value < s.len && s.data[value] == '=') {
                value++;
        }
        q->key = str_n(s.data, key);
        q->values = str_n(s.data + value, s.len - value);
        return true;
}

/* "a in (b, c)" */
static int cut_set(struct str s, struct kube_requirement *q, struct error *err)
{
        struct str head, tail, rest;

        (void)str_cut(s, '(', &head, &tail);
        head = str_trim(head);
        tail = str_trim(tail);
        if (str_ends(head, STR(" notin")))
                q->op = KUBE_NOT_IN;
        else if (str_ends(head, STR(" in")))
                q->op = KUBE_IN;
        else
                return error_set(err, -EINVAL, "\"%.*s\": write KEY in (A,B) or KEY notin (A,B)", STR_FMT(s));
        q->key = str_trim(str_n(head.data, head.len - (q->op == KUBE_IN ? 3 : 6)));
        if (!str_ends(tail, STR(")")))
                return error_set(err, -EINVAL, "\"%.*s\": the list has no \")\" at its end", STR_FMT(s));
        q->values = str_n(tail.data, tail.len - 1);
        rest = q->values;
        while (rest.data) {
                struct str one;
                int r;

                (void)str_cut(rest, ',', &one, &rest);
                r = check_label_value(str_trim(one), err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_labels(struct str s, struct kube_requirement *q, struct error *err)
{
        if (str_index(s, '(') >= 0 || str_index(s, ')') >= 0)
                return cut_set(s, q, err);
        if (cut_equality(s, q)) {
                q->key = str_trim(q->key);
                q->values = str_trim(q->values);
                return check_label_value(q->values, err);
        }
        q->op = str_starts(s, STR("!")) ? KUBE_NOT_EXISTS : KUBE_EXISTS;
        q->key = q->op == KUBE_EXISTS ? s : str_trim(str_n(s.data + 1, s.len - 1));
        return 0;
}

static int read_fields(struct str s, struct kube_requirement *q, struct error *err)
{
        if (!cut_equality(s, q))
                return error_set(err, -EINVAL, "\"%.*s\": write FIELD=VALUE or FIELD!=VALUE", STR_FMT(s));
        return check_field_value(q->values, err);
}

int kube_selector_next(enum kube_selector_syntax syntax, struct str *rest, struct kube_requirement *ret,
                       struct error *err)
{
        struct kube_requirement q = { 0 };
        struct str s;
        int r;

        if (!rest->data)
                return 0;
        if (rest->len > KUBE_SELECTOR_MAX)
                return error_set(err, -EINVAL, "the selector is longer than %zu bytes", KUBE_SELECTOR_MAX);
        s = cut_requirement(syntax, rest);
        if (syntax == KUBE_BY_LABELS)
                s = str_trim(s);
        if (s.len == 0)
                return error_set(err, -EINVAL, "there is nothing before, behind or between two commas");
        r = syntax == KUBE_BY_LABELS ? read_labels(s, &q, err) : read_fields(s, &q, err);
        if (r == 0)
                r = check_key(syntax, q.key, err);
        if (r < 0)
                return r;
        *ret = q;
        return 1;
}

int kube_selector_check(enum kube_selector_syntax syntax, struct str selector, struct error *err)
{
        struct kube_requirement q;
        int r;

        if (str_empty(selector))
                return 0;
        do
                r = kube_selector_next(syntax, &selector, &q, err);
        while (r > 0);
        if (r < 0)
                error_prefix(err, syntax == KUBE_BY_LABELS ? "label selector" : "field selector");
        return r;
}
