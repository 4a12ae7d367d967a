/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

#define GATEWAY "\"gateway\":{\"name\":\"public\",\"namespace\":\"edge\"}"
#define ISSUER "\"certificateIssuer\":{\"name\":\"ca\"}"
#define HOSTS "\"port\":80,\"hosts\":[\"*.a.example\",\"b.example\"]"

#define CLASS(name) "\"ingressClassName\":\"" name "\""

/* What is there of an earlier time. */
#define OURS(name, rest)                                                                                     \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"" name "\",\"resourceVersion\":"   \
        "\"12\",\"ownerReferences\":[{\"kind\":\"App\",\"name\":\"web\",\"uid\":\"u-app\","                  \
        "\"controller\":true}]}" rest "}"

#define CONDITION(status, reason)                                                                            \
        "{\"type\":\"Accepted\",\"status\":\"" status "\",\"reason\":\"" reason "\"}"
#define PARENTS(list) ",\"status\":{\"parents\":[{\"conditions\":[" list "]}]}"

/* What the cluster has. */
enum {
        ROUTES = 1 << 0,   /* the Gateway API, */
        ACCEPTED = 1 << 1, /* and the Gateway has accepted the route, */
        REFUSED = 1 << 2,  /* or refused it */
        CLASSES = 1 << 3,  /* it may be known which IngressClasses there are: "nginx" alone, */
        CLASSED = 1 << 4,  /* and the Ingress got it as the default */
        ASKED = 1 << 5,    /* the certificate's Secret was asked for, */
        SECRET = 1 << 6,   /* and is there, */
        ISSUED = 1 << 7,   /* with a certificate */
};

static void put_route(struct fixture *f, unsigned has)
{
        serve_httproutes(f);
        put(f, &app_httproute_kind,
            has & ACCEPTED
                    ? OURS("u-route", PARENTS(CONDITION("False", "Other") "," CONDITION("True", "Accepted")))
            : has & REFUSED ? OURS("u-route", PARENTS(CONDITION("False", "NotAllowedByListeners")))
                            : OURS("u-route", ""));
}

static void put_classes(struct fixture *f)
{
        cache_list_begin(&f->cache, &app_ingressclass_kind, STR_NULL);
        put(f, &app_ingressclass_kind,
            "{\"metadata\":{\"name\":\"nginx\",\"uid\":\"u-class\",\"resourceVersion\":\"1\"}}");
        ck_assert_int_eq(cache_list_end(&f->cache, &app_ingressclass_kind, STR_NULL, STR("1")), 0);
}

static void put_certificate(struct fixture *f, unsigned has)
{
        if (has & SECRET)
                put(f, &app_certificate_kind,
                    has & ISSUED
                            ? "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-tls\",\"uid\":\"u-tls\","
                              "\"resourceVersion\":\"1\"},\"data\":{\"tls.crt\":\"eA==\",\"tls.key\":\"eA==\"}}"
                            : "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-tls\",\"uid\":\"u-tls\","
                              "\"resourceVersion\":\"1\"},\"data\":{\"tls.crt\":\"\",\"tls.key\":\"eA==\"}}");
        ck_assert_int_eq(cache_note_read(&f->cache, &app_certificate_kind, STR("shop"), STR("web-tls"),
                                         has & SECRET, f->view.now),
                         0);
}

static void begin_route(struct fixture *f, const char *spec, const char *environment, unsigned has)
{
        char app[1024];

        snprintf(app, sizeof(app), APP("web", "1", "\"spec\":{\"image\":\"x\",%s}"), spec);
        begin(f, app);
        f->view.now = USEC_HOUR;
        if (environment)
                put(f, &environment_kind, environment);
        put(f, &app_ingress_kind,
            has & CLASSED ? OURS("u-ingress", ",\"spec\":{\"ingressClassName\":\"nginx\"}")
                          : OURS("u-ingress", ""));
        if (has & ROUTES)
                put_route(f, has);
        if (has & CLASSES)
                put_classes(f);
        if (has & ASKED)
                put_certificate(f, has);
        ck_assert_int_eq(reconcile(f), 0);
}

#define READY (ASKED | SECRET | ISSUED)
#define INSIDE "http://web.shop.svc:80"

struct way {
        const char *spec, *environment;
        unsigned has;
        /* What is so: the kind (NULL: no hosts), what is enforced, the gaps, the URL. */
        const char *kind, *enforced, *gaps, *url;
};

static const struct way ways[] = {
        { "\"port\":80", PRODUCTION(GATEWAY), ROUTES, NULL, "", NULL, INSIDE },
        { "\"port\":80,\"hosts\":[]", PRODUCTION(GATEWAY), ROUTES, NULL, "", NULL, INSIDE },
        { HOSTS, NULL, ROUTES, "Ingress", "hosts ", "tls ", "http://b.example" },
        { HOSTS, PRODUCTION(""), ROUTES, "Ingress", "hosts ", "tls ", "http://b.example" },
        /* Whether somebody has a certificate. */
        { HOSTS, PRODUCTION(ISSUER), READY, "Ingress", "hosts tls ", "redirectToHTTPS ",
          "https://b.example" },
        { HOSTS, PRODUCTION(ISSUER ",\"redirectToHTTPS\":false"), READY, "Ingress", "hosts tls ", "",
          "https://b.example" },
        { "\"port\":80,\"hosts\":[\"*.a.example\"]", PRODUCTION(ISSUER), READY, "Ingress", "hosts tls ",
          "redirectToHTTPS ", INSIDE },
        { HOSTS, PRODUCTION(ISSUER), ASKED, "Ingress", "hosts ", "tls redirectToHTTPS ", "http://b.example" },
        { HOSTS, PRODUCTION(ISSUER), ASKED | SECRET, "Ingress", "hosts ", "tls redirectToHTTPS ",
          "http://b.example" },
        /* Whether somebody serves an Ingress. */
        { HOSTS, PRODUCTION(""), CLASSES, "Ingress", "", "hosts tls ", INSIDE },
        { HOSTS, PRODUCTION(""), CLASSES | CLASSED, "Ingress", "hosts ", "tls ", "http://b.example" },
        { HOSTS, PRODUCTION(CLASS("nginx")), CLASSES, "Ingress", "hosts ", "tls ", "http://b.example" },
        { HOSTS, PRODUCTION(CLASS("web")), CLASSES | CLASSED, "Ingress", "", "hosts tls ", INSIDE },
        { HOSTS, PRODUCTION(CLASS("web")), 0, "Ingress", "hosts ", "tls ", "http://b.example" },
        { HOSTS, PRODUCTION(CLASS("web") "," ISSUER), CLASSES | READY, "Ingress", "",
          "hosts redirectToHTTPS ", INSIDE },
        /* Whether somebody serves an HTTPRoute. */
        { HOSTS, PRODUCTION(GATEWAY), ROUTES | ACCEPTED, "HTTPRoute", "hosts ", "", "http://b.example" },
        { HOSTS, PRODUCTION(GATEWAY), ROUTES | REFUSED, "HTTPRoute", "", "hosts ", INSIDE },
        { HOSTS, PRODUCTION(GATEWAY), ROUTES, "HTTPRoute", "", "hosts ", INSIDE },
        { HOSTS, PRODUCTION(GATEWAY "," ISSUER), ROUTES | ACCEPTED | READY, "HTTPRoute", "hosts ",
          "tls redirectToHTTPS ", "http://b.example" },
        { HOSTS, PRODUCTION(GATEWAY "," ISSUER ",\"redirectToHTTPS\":false"), ROUTES | ACCEPTED, "HTTPRoute",
          "hosts ", "tls ", "http://b.example" },
        { HOSTS, PRODUCTION(GATEWAY), 0, "Ingress", "hosts ", "gateway tls ", "http://b.example" },
};

/* The settings in LIST, each with a blank behind it. */
static void check_list(yyjson_val *list, const char *expected, size_t n)
{
        char all[256] = "";
        yyjson_val *one;
        size_t i, max;

        yyjson_arr_foreach (list, i, max, one) {
                struct str setting = yyjson_is_str(one) ? json_val_str(one) : json_get_str(one, "setting");
                size_t len = strlen(all);

                snprintf(all + len, sizeof(all) - len, "%.*s ", STR_FMT(setting));
                ck_assert(yyjson_is_str(one) || json_get_str(one, "reason").len > 10);
        }
        ck_assert_msg(strcmp(all, expected) == 0, "way %zu: \"%s\" is not \"%s\"", n, all, expected);
}

/* The one that is not in use is deleted. */
START_TEST(hosts_are_served_as_the_environment_says)
{
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                const struct way *w = &ways[i];
                bool ingress = w->kind && strcmp(w->kind, "Ingress") == 0;
                bool httproute = w->kind && strcmp(w->kind, "HTTPRoute") == 0;
                struct fixture f;

                begin_route(&f, w->spec, w->environment, w->has);
                ck_assert_msg(!find_effect(&f, EFFECT_APPLY, &app_ingress_kind) == !ingress, "way %zu", i);
                ck_assert_msg(!find_effect(&f, EFFECT_DELETE, &app_ingress_kind) == ingress, "way %zu", i);
                ck_assert_msg(!find_effect(&f, EFFECT_APPLY, &app_httproute_kind) == !httproute, "way %zu",
                              i);
                ck_assert_msg(!find_effect(&f, EFFECT_DELETE, &app_httproute_kind) ==
                                      (httproute || !(w->has & ROUTES)),
                              "way %zu", i);
                if (w->kind) {
                        ck_str_eq(str_at(status(&f), "/routing/kind"), w->kind);
                        check_list(json_get_path(status(&f), "/routing/enforced"), w->enforced, i);
                        check_list(json_get_path(status(&f), "/routing/notEnforced"), w->gaps, i);
                } else {
                        ck_assert_ptr_null(json_get_path(status(&f), "/routing"));
                }
                ck_str_eq(str_at(status(&f), "/url"), w->url);
                end(&f);
        }
}
END_TEST

/* Until the answer is there nothing changes: a restart must not turn an address. */
START_TEST(what_is_not_known_yet_is_not_told)
{
        static const char before[] = HOSTS
                "},\"status\":{\"url\":\"https://b.example\",\"routing\":{\"kind\":\"Ingress\",\"enforced\":["
                "\"hosts\",\"tls\"]}";
        struct fixture f;

        begin_route(&f, before, PRODUCTION(ISSUER), 0);
        ck_assert_ptr_nonnull(find_effect(&f, EFFECT_READ, &app_certificate_kind));
        ck_str_eq(str_at(status(&f), "/url"), "https://b.example");
        check_list(json_get_path(status(&f), "/routing/enforced"), "hosts tls ", 0);
        end(&f);
        begin_route(&f, HOSTS, PRODUCTION(ISSUER), 0);
        ck_assert_ptr_null(json_get_path(status(&f), "/url"));
        ck_assert_ptr_null(json_get_path(status(&f), "/routing"));
        end(&f);
        /* Who asks for none is not kept waiting. */
        begin_route(&f, HOSTS, PRODUCTION(GATEWAY "," ISSUER), ROUTES);
        ck_assert_ptr_null(find_effect(&f, EFFECT_READ, &app_certificate_kind));
        end(&f);
}
END_TEST

/* One that is missing may come any minute; one that is there stays. */
START_TEST(a_certificate_is_looked_for_again)
{
        struct fixture f;

        begin_route(&f, HOSTS, PRODUCTION(ISSUER), ASKED);
        ck_assert_int_eq(f.plan.wake, f.view.now + VIEW_READ_AGE);
        f.view.now += VIEW_READ_AGE;
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_ptr_nonnull(find_effect(&f, EFFECT_READ, &app_certificate_kind));
        end(&f);
        begin_route(&f, HOSTS, PRODUCTION(ISSUER), READY);
        f.view.now += VIEW_READ_AGE;
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_ptr_null(find_effect(&f, EFFECT_READ, &app_certificate_kind));
        ck_assert_int_gt(f.plan.wake, f.view.now);
        ck_assert_int_lt(f.plan.wake, f.view.now + CACHE_READING_AGE_MAX);
        end(&f);
}
END_TEST

START_TEST(the_reason_says_what_is_missing)
{
        static const struct {
                const char *environment;
                unsigned has;
                const char *says;
        } cases[] = {
                { PRODUCTION(CLASS("web")), CLASSES, "the cluster has no IngressClass web, so " },
                { PRODUCTION(""), CLASSES, "names no ingressClassName and the cluster had no default" },
                { PRODUCTION(GATEWAY), ROUTES, "no Gateway public has accepted the HTTPRoute" },
                { PRODUCTION(GATEWAY), ROUTES | REFUSED,
                  "the Gateway public does not accept the HTTPRoute: NotAllowedByListeners" },
                { PRODUCTION(ISSUER), ASKED, "the Secret web-tls is not there: " },
                { PRODUCTION(ISSUER), ASKED | SECRET, "the Secret web-tls has no tls.crt and tls.key: " },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct fixture f;
                struct str reason;

                begin_route(&f, HOSTS, cases[i].environment, cases[i].has);
                reason = str_at(status(&f), "/routing/notEnforced/0/reason");
                ck_assert_msg(memmem(reason.data, reason.len, cases[i].says, strlen(cases[i].says)), "%.*s",
                              STR_FMT(reason));
                end(&f);
        }
}
END_TEST

START_TEST(what_is_told_survives_the_lack_of_memory)
{
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                struct fixture f;

                begin_route(&f, ways[i].spec, ways[i].environment, ways[i].has);
                torture(reconcile_once, &f, 0);
                end(&f);
        }
}
END_TEST

START_TEST(an_ingress_has_its_certificate_from_the_issuer)
{
        yyjson_val *ingress;
        struct fixture f;

        begin_route(&f, HOSTS, PRODUCTION(ISSUER), 0);
        ingress = child(&f, &app_ingress_kind);
        ck_str_eq(str_at(ingress, "/metadata/annotations/cert-manager.io~1issuer"), "ca");
        ck_assert_ptr_null(json_get_path(ingress, "/metadata/annotations/cert-manager.io~1cluster-issuer"));
        ck_str_eq(str_at(ingress, "/spec/tls/0/secretName"), "web-tls");
        ck_assert_uint_eq(yyjson_arr_size(json_get_path(ingress, "/spec/tls/0/hosts")), 2);
        ck_assert_ptr_null(json_get_path(ingress, "/spec/ingressClassName"));
        end(&f);
        begin_route(&f, HOSTS, PRODUCTION(CLASS("nginx")), 0);
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

        begin_route(&f, HOSTS, PRODUCTION(GATEWAY), ROUTES);
        parent = json_get_path(child(&f, &app_httproute_kind), "/spec/parentRefs/0");
        ck_str_eq(json_get_str(parent, "name"), "public");
        ck_str_eq(json_get_str(parent, "namespace"), "edge");
        ck_assert_ptr_null(yyjson_obj_get(parent, "sectionName"));
        end(&f);
        begin_route(&f, HOSTS, PRODUCTION("\"gateway\":{\"name\":\"here\"}"), ROUTES);
        parent = json_get_path(child(&f, &app_httproute_kind), "/spec/parentRefs/0");
        ck_assert_ptr_null(yyjson_obj_get(parent, "namespace"));
        end(&f);
}
END_TEST

static const TTest *const tests[] = {
        hosts_are_served_as_the_environment_says, what_is_not_known_yet_is_not_told,
        a_certificate_is_looked_for_again,        the_reason_says_what_is_missing,
        what_is_told_survives_the_lack_of_memory, an_ingress_has_its_certificate_from_the_issuer,
        a_route_is_attached_to_the_gateway,
};
TEST_MAIN("app/routes", tests)
