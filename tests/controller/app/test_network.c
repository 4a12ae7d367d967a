/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

static yyjson_val *policy(struct fixture *f, const char *environment, const char *spec)
{
        char app[2048];

        snprintf(app, sizeof(app), APP("web", "1", "\"spec\":{\"image\":\"x\"%s}"), spec);
        begin(f, app);
        if (environment)
                put(f, &environment_kind, environment);
        ck_assert_int_eq(reconcile(f), 0);
        return json_get_path(child(f, &common_networkpolicy_kind), "/spec");
}

/* The text of what stands at PATH, which must be there. */
static void check_text(yyjson_val *value, const char *path, const char *expected)
{
        yyjson_val *at = json_get_path(value, path);
        char *text = at ? yyjson_val_write(at, 0, NULL) : NULL;

        ck_assert_msg(text && strcmp(text, expected) == 0, "at %s stands\n%s\ninstead of\n%s", path,
                      text ? text : "nothing", expected);
        free(text);
}

START_TEST(without_a_word_nobody_comes_in_and_only_dns_goes_out)
{
        static const char *const specs[] = { "", ",\"port\":80", ",\"port\":80,\"access\":{}",
                                             ",\"port\":80,\"access\":{\"from\":[],\"to\":[]}" };

        for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
                struct fixture f;
                yyjson_val *p = policy(&f, NULL, specs[i]);

                check_text(p, "/podSelector",
                           "{\"matchLabels\":{\"app.kubernetes.io/name\":\"app\","
                           "\"app.kubernetes.io/instance\":\"web\"}}");
                check_text(p, "/policyTypes", "[\"Ingress\",\"Egress\"]");
                /* An empty list would not be stored. */
                ck_assert_ptr_null(json_get_path(p, "/ingress"));
                ck_assert_uint_eq(yyjson_arr_size(json_get_path(p, "/egress")), 1);
                check_text(p, "/egress/0/ports",
                           "[{\"protocol\":\"UDP\",\"port\":53},{\"protocol\":\"TCP\",\"port\":53}]");
                check_text(p, "/egress/0/to/0", "{\"namespaceSelector\":{}}");
                end(&f);
        }
}
END_TEST

#define PODS(kind, name)                                                                                     \
        "{\"podSelector\":{\"matchLabels\":{\"app.kubernetes.io/name\":\"" kind                              \
        "\",\"app.kubernetes.io/instance\":\"" name "\"}}}"

START_TEST(named_apps_come_in_at_the_port)
{
        struct fixture f;
        yyjson_val *p =
                policy(&f, NULL, ",\"port\":80,\"access\":{\"from\":[{\"app\":\"web\"},{\"app\":\"jobs\"}]}");

        ck_assert_uint_eq(yyjson_arr_size(json_get_path(p, "/ingress")), 1);
        check_text(p, "/ingress/0/from", "[" PODS("app", "web") "," PODS("app", "jobs") "]");
        check_text(p, "/ingress/0/ports", "[{\"protocol\":\"TCP\",\"port\":\"http\"}]");
        end(&f);
}
END_TEST

START_TEST(nobody_comes_in_where_no_port_is)
{
        struct fixture f;
        yyjson_val *p = policy(&f, NULL, ",\"access\":{\"from\":[{\"app\":\"web\"}]}");

        ck_assert_ptr_null(json_get_path(p, "/ingress"));
        end(&f);
}
END_TEST

START_TEST(hosts_let_the_outside_in)
{
        struct fixture f;
        yyjson_val *p = policy(&f, NULL, ",\"port\":80,\"hosts\":[\"a.example\"]");

        check_text(p, "/ingress/0/from", "[{\"namespaceSelector\":{}}]");
        end(&f);
        p = policy(&f, PRODUCTION("\"ingressNamespace\":\"edge\""),
                   ",\"port\":80,\"hosts\":[\"a.example\"],\"access\":{\"from\":[{\"app\":\"b\"}]}");
        check_text(p, "/ingress/0/from",
                   "[" PODS("app", "b") ",{\"namespaceSelector\":{\"matchLabels\":{"
                                        "\"kubernetes.io/metadata.name\":\"edge\"}}}]");
        end(&f);
        /* Without hosts the gateway has no business there. */
        p = policy(&f, PRODUCTION("\"ingressNamespace\":\"edge\""), ",\"port\":80");
        ck_assert_ptr_null(json_get_path(p, "/ingress"));
        end(&f);
}
END_TEST

#define PUBLIC                                                                                                \
        "[{\"ipBlock\":{\"cidr\":\"0.0.0.0/0\",\"except\":[\"10.0.0.0/8\",\"100.64.0.0/10\",\"127.0.0.0/8\"," \
        "\"169.254.0.0/16\",\"172.16.0.0/12\",\"192.168.0.0/16\"]}},{\"ipBlock\":{\"cidr\":\"::/0\","         \
        "\"except\":[\"::1/128\",\"fc00::/7\",\"fe80::/10\"]}}]"

START_TEST(each_destination_is_let_through_and_no_more)
{
        static const struct {
                const char *to, *peers, *ports; /* NULL: every port */
        } cases[] = {
                { "\"app\":\"pay\"", "[" PODS("app", "pay") "]", NULL },
                { "\"postgres\":\"shop\"", "[" PODS("postgres", "shop") "]", "5432" },
                { "\"redis\":\"sessions\"", "[" PODS("redis", "sessions") "]", "6379" },
                { "\"host\":\"api.stripe.com\"", PUBLIC, "443" },
                { "\"host\":\"smtp.example.com\",\"port\":587", PUBLIC, "587" },
                { "\"cidr\":\"10.20.0.0/16\"", "[{\"ipBlock\":{\"cidr\":\"10.20.0.0/16\"}}]", NULL },
                { "\"cidr\":\"2001:db8::/32\",\"port\":443", "[{\"ipBlock\":{\"cidr\":\"2001:db8::/32\"}}]",
                  "443" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char spec[256], ports[64];
                struct fixture f;
                yyjson_val *p;

                snprintf(spec, sizeof(spec), ",\"access\":{\"to\":[{%s}]}", cases[i].to);
                p = policy(&f, NULL, spec);
                ck_assert_uint_eq(yyjson_arr_size(json_get_path(p, "/egress")), 2);
                check_text(p, "/egress/1/to", cases[i].peers);
                snprintf(ports, sizeof(ports), "[{\"protocol\":\"TCP\",\"port\":%s}]",
                         cases[i].ports ? cases[i].ports : "");
                if (cases[i].ports)
                        check_text(p, "/egress/1/ports", ports);
                else
                        ck_assert_ptr_null(json_get_path(p, "/egress/1/ports"));
                end(&f);
        }
}
END_TEST

START_TEST(the_status_says_that_names_are_not_enforced)
{
        struct fixture f;

        policy(&f, NULL,
               ",\"access\":{\"to\":[{\"app\":\"a\"},{\"host\":\"a.example\"},{\"cidr\":\"10.0.0.0/8\"},"
               "{\"host\":\"b.example\"}]}");
        ck_assert_uint_eq(yyjson_arr_size(json_get_path(status(&f), "/access/notEnforced")), 2);
        ck_str_eq(str_at(status(&f), "/access/notEnforced/0/setting"), "access.to[1].host");
        ck_str_eq(str_at(status(&f), "/access/notEnforced/1/setting"), "access.to[3].host");
        ck_assert(str_starts(str_at(status(&f), "/access/notEnforced/0/reason"),
                             STR("allowed by address range only")));
        end(&f);
        policy(&f, NULL, ",\"access\":{\"to\":[{\"app\":\"a\"}]}");
        ck_assert_ptr_null(json_get_path(status(&f), "/access"));
        end(&f);
}
END_TEST

static const TTest *const tests[] = {
        without_a_word_nobody_comes_in_and_only_dns_goes_out,
        named_apps_come_in_at_the_port,
        nobody_comes_in_where_no_port_is,
        hosts_let_the_outside_in,
        each_destination_is_let_through_and_no_more,
        the_status_says_that_names_are_not_enforced,
};
TEST_MAIN("app/network", tests)
