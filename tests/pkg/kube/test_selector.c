/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/selector.h"

#include <errno.h>

#include "harness.h"

/* "key op values;" of each requirement. */
static void check_read(enum kube_selector_syntax syntax, const char *selector, const char *expected)
{
        static const char *const ops[] = { "=", "!=", "in", "notin", "exists", "absent" };
        char said[512] = "";
        struct str rest = str_c(selector);
        struct kube_requirement q;
        struct error err = ERROR_INIT;
        size_t n = 0;
        int r;

        while ((r = kube_selector_next(syntax, &rest, &q, &err)) > 0)
                n += (size_t)snprintf(said + n, sizeof(said) - n, "%.*s %s %.*s;", STR_FMT(q.key), ops[q.op],
                                      STR_FMT(q.values));
        ck_assert_msg(r == 0, "%s: %s", selector, err.message);
        ck_assert_str_eq(said, expected);
        ck_assert_int_eq(kube_selector_check(syntax, str_c(selector), NULL), 0);
}

START_TEST(labels_are_read)
{
        check_read(KUBE_BY_LABELS, "app=web", "app = web;");
        check_read(KUBE_BY_LABELS, "app==web,tier!=back", "app = web;tier != back;");
        check_read(KUBE_BY_LABELS, " app = web , ! canary ", "app = web;canary absent ;");
        check_read(KUBE_BY_LABELS, "app.kubernetes.io/managed-by=keelson",
                   "app.kubernetes.io/managed-by = keelson;");
        check_read(KUBE_BY_LABELS, "a,!b", "a exists ;b absent ;");
        check_read(KUBE_BY_LABELS, "a in (b,c), d notin ( e , ),f", "a in b,c;d notin e , ;f exists ;");
        check_read(KUBE_BY_LABELS, "a=", "a = ;");
        check_read(KUBE_BY_LABELS, "in=in,notin in (in)", "in = in;notin in in;");
}
END_TEST

START_TEST(fields_are_read)
{
        check_read(KUBE_BY_FIELDS, "metadata.name=web", "metadata.name = web;");
        check_read(KUBE_BY_FIELDS, "status.phase!=Failed,spec.nodeName==n1",
                   "status.phase != Failed;spec.nodeName = n1;");
        check_read(KUBE_BY_FIELDS, "a=b\\,c\\=d\\\\,e=", "a = b\\,c\\=d\\\\;e = ;");
        check_read(KUBE_BY_FIELDS, "type=kubernetes.io/tls", "type = kubernetes.io/tls;");
        check_read(KUBE_BY_FIELDS, "a=b c(d)", "a = b c(d);");
}
END_TEST

START_TEST(what_cannot_be_one_is_refused)
{
        static const struct {
                enum kube_selector_syntax syntax;
                const char *selector, *part;
        } cases[] = {
                { KUBE_BY_LABELS, ",", "between two commas" },
                { KUBE_BY_LABELS, "a,", "between two commas" },
                { KUBE_BY_LABELS, "a,,b", "between two commas" },
                { KUBE_BY_LABELS, "=b", "\"\" is not a label" },
                { KUBE_BY_LABELS, "!", "\"\" is not a label" },
                { KUBE_BY_LABELS, "a b", "\"a b\" is not a label" },
                { KUBE_BY_LABELS, "-a=b", "\"-a\" is not a label" },
                { KUBE_BY_LABELS, "Exa.mple/a=b", "\"Exa.mple/a\" is not a label" },
                { KUBE_BY_LABELS, "a/b/c", "\"a/b/c\" is not a label" },
                { KUBE_BY_LABELS, "/b", "\"/b\" is not a label" },
                { KUBE_BY_LABELS, "a/", "\"a/\" is not a label" },
                { KUBE_BY_LABELS, "a..b/c", "\"a..b/c\" is not a label" },
                { KUBE_BY_LABELS, "a=b=c", "\"b=c\" is not the value of a label" },
                { KUBE_BY_LABELS, "a=b!", "\"b!\" is not the value of a label" },
                { KUBE_BY_LABELS, "a=_", "\"_\" is not the value of a label" },
                { KUBE_BY_LABELS, "a in (b", "no \")\"" },
                { KUBE_BY_LABELS, "a in (b))", "\"b)\" is not the value of a label" },
                { KUBE_BY_LABELS, "a in b)", "write KEY in (A,B)" },
                { KUBE_BY_LABELS, "a of (b)", "write KEY in (A,B)" },
                { KUBE_BY_LABELS, "in (b)", "write KEY in (A,B)" },
                { KUBE_BY_LABELS, "a in (b c)", "\"b c\" is not the value of a label" },
                { KUBE_BY_FIELDS, "metadata.name", "write FIELD=VALUE" },
                { KUBE_BY_FIELDS, "a=b,", "between two commas" },
                { KUBE_BY_FIELDS, "=b", "\"\" is not the path of a field" },
                { KUBE_BY_FIELDS, "a b=c", "\"a b\" is not the path of a field" },
                { KUBE_BY_FIELDS, "a=b=c", "a \"=\" needs a backslash" },
                { KUBE_BY_FIELDS, "a=b\\c", "a \"\\\" needs a backslash" },
                { KUBE_BY_FIELDS, "a=b\\", "a \"\\\" needs a backslash" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error err = ERROR_INIT;

                ck_assert_msg(kube_selector_check(cases[i].syntax, str_c(cases[i].selector), &err) == -EINVAL,
                              "%s was taken", cases[i].selector);
                ck_assert_msg(strstr(err.message, cases[i].part), "%s: %s", cases[i].selector, err.message);
        }
}
END_TEST

START_TEST(lengths_are_bounded)
{
        static char text[KUBE_SELECTOR_MAX + 2];

        memset(text, 'a', 63);
        ck_assert_int_eq(kube_selector_check(KUBE_BY_LABELS, str_c(text), NULL), 0);
        text[63] = 'a';
        ck_assert_int_eq(kube_selector_check(KUBE_BY_LABELS, str_c(text), NULL), -EINVAL);
        memset(text, 'a', sizeof(text) - 1);
        text[1] = '=';
        ck_assert_int_eq(kube_selector_check(KUBE_BY_FIELDS, str_n(text, KUBE_SELECTOR_MAX), NULL), 0);
        ck_assert_int_eq(kube_selector_check(KUBE_BY_FIELDS, str_n(text, KUBE_SELECTOR_MAX + 1), NULL),
                         -EINVAL);
        ck_assert_int_eq(kube_selector_check(KUBE_BY_LABELS, STR_NULL, NULL), 0);
        ck_assert_int_eq(kube_selector_check(KUBE_BY_FIELDS, STR(""), NULL), 0);
}
END_TEST

static const TTest *const tests[] = { labels_are_read, fields_are_read, what_cannot_be_one_is_refused,
                                      lengths_are_bounded };

TEST_MAIN("kube/selector", tests)
