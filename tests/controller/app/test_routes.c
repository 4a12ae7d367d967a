/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

#define GATEWAY "\"gateway\":{\"name\":\"public\",\"namespace\":\"edge\"}"
#define ISSUER "\"certificateIssuer\":{\"name\":\"ca\"}"
#define HOSTS "\"port\":80,\"hosts\":[\"*.a.example\",\"b.example\"]"

/* What is there of an earlier time. */
#define OURS(name)                                                                                           \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"" name "\",\"resourceVersion\":"   \
        "\"12\",\"ownerReferences\":[{\"kind\":\"App\",\"name\":\"web\",\"uid\":\"u-app\","                  \
        "\"controller\":true}]}}"

static void route(struct fixture *f, const char *spec, const char *environment, bool served)
{
        char app[1024];

        snprintf(app, sizeof(app), APP("web", "1", "\"spec\":{\"image\":\"x\",%s}"), spec);
        begin(f, app);
        if (environment)
                put(f, &environment_kind, environment);
        if (served)
                serve_httproutes(f);
        put(f, &app_ingress_kind, OURS("u-ingress"));
        if (served)
                put(f, &app_httproute_kind, OURS("u-route"));
        ck_assert_int_eq(reconcile(f), 0);
}

struct way {
        const char *spec, *environment;
        bool served;
        /* What is so: the kind (NULL: no hosts), the gaps, the URL. */
        const char *kind, *gaps, *url;
};

static const struct way ways[] = {
        { "\"port\":80", PRODUCTION(GATEWAY), true, NULL, NULL, "http://web.shop.svc:80" },
        { "\"port\":80,\"hosts\":[]", PRODUCTION(GATEWAY), true, NULL, NULL, "http://web.shop.svc:80" },
        { HOSTS, NULL, true, "Ingress", "tls ", "http://web.shop.svc:80" },
        { HOSTS, PRODUCTION(""), true, "Ingress", "tls ", "http://web.shop.svc:80" },
        { HOSTS, PRODUCTION(ISSUER), true, "Ingress", "redirectToHTTPS ", "https://b.example" },
        { HOSTS, PRODUCTION(ISSUER ",\"redirectToHTTPS\":false"), true, "Ingress", "", "https://b.example" },
        { "\"port\":80,\"hosts\":[\"*.a.example\"]", PRODUCTION(ISSUER), true, "Ingress", "redirectToHTTPS ",
          "http://web.shop.svc:80" },
        { HOSTS, PRODUCTION(GATEWAY), true, "HTTPRoute", "", "http://web.shop.svc:80" },
        { HOSTS, PRODUCTION(GATEWAY "," ISSUER), true, "HTTPRoute", "tls redirectToHTTPS ",
          "https://b.example" },
        { HOSTS, PRODUCTION(GATEWAY "," ISSUER ",\"redirectToHTTPS\":false"), true, "HTTPRoute", "tls ",
          "https://b.example" },
        { HOSTS, PRODUCTION(GATEWAY), false, "Ingress", "gateway tls ", "http://web.shop.svc:80" },
};

static void check_gaps(yyjson_val *st, const char *expected, size_t n)
{
        yyjson_val *list = json_get_path(st, "/routing/notEnforced"), *gap;
        char gaps[256] = "";
        size_t i, max;

        yyjson_arr_foreach (list, i, max, gap) {
                size_t len = strlen(gaps);

                snprintf(gaps + len, sizeof(gaps) - len, "%.*s ", STR_FMT(json_get_str(gap, "setting")));
                ck_assert_uint_gt(json_get_str(gap, "reason").len, 10);
        }
        ck_assert_msg(strcmp(gaps, expected) == 0, "way %zu: not enforced are %s", n, gaps);
}

/* The one that is not in use is deleted. */
START_TEST(hosts_are_served_as_the_environment_says)
{
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                const struct way *w = &ways[i];
                bool ingress = w->kind && strcmp(w->kind, "Ingress") == 0;
                bool httproute = w->kind && strcmp(w->kind, "HTTPRoute") == 0;
                struct fixture f;

                route(&f, w->spec, w->environment, w->served);
                ck_assert_msg(!find_effect(&f, EFFECT_APPLY, &app_ingress_kind) == !ingress, "way %zu", i);
                ck_assert_msg(!find_effect(&f, EFFECT_DELETE, &app_ingress_kind) == ingress, "way %zu", i);
                ck_assert_msg(!find_effect(&f, EFFECT_APPLY, &app_httproute_kind) == !httproute, "way %zu",
                              i);
                ck_assert_msg(!find_effect(&f, EFFECT_DELETE, &app_httproute_kind) ==
                                      (httproute || !w->served),
                              "way %zu", i);
                ck_str_eq(str_at(status(&f), "/url"), w->url);
                if (w->kind) {
                        ck_str_eq(str_at(status(&f), "/routing/kind"), w->kind);
                        check_gaps(status(&f), w->gaps, i);
                } else {
                        ck_assert_ptr_null(json_get_path(status(&f), "/routing"));
                }
                end(&f);
        }
}
END_TEST

START_TEST(an_ingress_has_its_certificate_from_the_issuer)
{
        yyjson_val *ingress;
        struct fixture f;

        route(&f, HOSTS, PRODUCTION(ISSUER), false);
        ingress = child(&f, &app_ingress_kind);
        ck_str_eq(str_at(ingress, "/metadata/annotations/cert-manager.io~1issuer"), "ca");
        ck_assert_ptr_null(json_get_path(ingress, "/metadata/annotations/cert-manager.io~1cluster-issuer"));
        ck_str_eq(str_at(ingress, "/spec/tls/0/secretName"), "web-tls");
        ck_assert_uint_eq(yyjson_arr_size(json_get_path(ingress, "/spec/tls/0/hosts")), 2);
        ck_assert_ptr_null(json_get_path(ingress, "/spec/ingressClassName"));
        end(&f);
        route(&f, HOSTS, PRODUCTION("\"ingressClassName\":\"nginx\""), false);
        ingress = child(&f, &app_ingress_kind);
        ck_assert_ptr_null(json_get_path(ingress, "/metadata/annotations"));
        ck_assert_ptr_null(json_get_path(ingress, "/spec/tls"));
        ck_str_eq(str_at(ingress, "/spec/ingressClassName"), "nginx");
        end(&f);
}
END_TEST

START_TEST(a_route_is_attached_to_the_gateway)
{
        yyjson_val *parent;
        struct fixture f;

        route(&f, HOSTS, PRODUCTION(GATEWAY), true);
        parent = json_get_path(child(&f, &app_httproute_kind), "/spec/parentRefs/0");
        ck_str_eq(json_get_str(parent, "name"), "public");
        ck_str_eq(json_get_str(parent, "namespace"), "edge");
        ck_assert_ptr_null(yyjson_obj_get(parent, "sectionName"));
        end(&f);
        route(&f, HOSTS, PRODUCTION("\"gateway\":{\"name\":\"here\"}"), true);
        parent = json_get_path(child(&f, &app_httproute_kind), "/spec/parentRefs/0");
        ck_assert_ptr_null(yyjson_obj_get(parent, "namespace"));
        end(&f);
}
END_TEST

static const TTest *const tests[] = {
        hosts_are_served_as_the_environment_says,
        an_ingress_has_its_certificate_from_the_issuer,
        a_route_is_attached_to_the_gateway,
};
TEST_MAIN("app/routes", tests)
