/* SPDX-License-Identifier: Apache-2.0
 *
 * The App "web" in the namespace "shop", made at NOON, and others who claim its hosts.
 */
#include "cluster.h"

#define NOON "2026-01-01T12:00:00Z"
#define BEFORE "2026-01-01T11:59:59Z"
#define AFTER "2026-01-01T12:00:01Z"
#define TWO "\"image\":\"x:1\",\"port\":80,\"replicas\":2,\"hosts\":[\"a.example\",\"*.b.example\"]"

struct other {
        const char *place, *name, *made;
        const char *hosts;
        bool deleting;
};

static void put_other(struct cluster *c, const struct other *o)
{
        char *json = print_("{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u-%s-%s\","
                            "\"resourceVersion\":\"%lld\",\"creationTimestamp\":\"%s\"%s},\"spec\":"
                            "{\"image\":\"y\",\"port\":80,\"hosts\":[%s]}}",
                            o->place, o->name, o->place, o->name, ++c->version, o->made,
                            o->deleting ? ",\"deletionTimestamp\":\"" NOON "\"" : "", o->hosts);

        put(&c->f, &app_kind, json);
        free(json);
}

/* An Ingress of HOST: of the App of that name and UID, or of nobody (NULL). */
static void put_route(struct cluster *c, const char *name, const char *host, const char *uid)
{
        char owner[256] = "", *json;

        if (uid)
                snprintf(owner, sizeof(owner),
                         ",\"ownerReferences\":[{\"kind\":\"App\",\"name\":\"%s\",\"uid\":\"%s\","
                         "\"controller\":true}]",
                         name, uid);
        json = print_(
                "{\"metadata\":{\"namespace\":\"other\",\"name\":\"%s\",\"uid\":\"u-route-%s\","
                "\"resourceVersion\":\"%lld\"%s},\"spec\":{\"rules\":[{\"http\":{}},{\"host\":\"%s\"}]}}",
                name, name, ++c->version, owner, host);
        put(&c->f, &app_ingress_kind, json);
        free(json);
}

static void begin_web(struct cluster *c, const char *spec)
{
        begin_cluster(c, spec);
        c->created = NOON;
        c->f.self = "web";
        put_app(c);
}

/* The hosts of what would be applied, in their order, with a space behind each. */
static const char *served(struct cluster *c)
{
        static char hosts[1024];
        const struct effect *e;
        yyjson_val *list, *one;
        size_t i, n, len = 0;

        hosts[0] = '\0';
        look(c);
        e = find_effect(&c->f, EFFECT_APPLY, &app_ingress_kind);
        list = e ? json_get_path(child(&c->f, &app_ingress_kind), "/spec/rules") : NULL;
        yyjson_arr_foreach (list, i, n, one)
                len += (size_t)snprintf(hosts + len, sizeof(hosts) - len, "%.*s ",
                                        STR_FMT(json_get_str(one, "host")));
        return hosts;
}

static const struct contest {
        struct other other;
        const char *served;
} contests[] = {
        /* Whoever is older has it, in whatever namespace. */
        { { "other", "api", BEFORE, "\"a.example\"" }, "*.b.example " },
        { { "shop", "api", BEFORE, "\"a.example\"" }, "*.b.example " },
        { { "other", "api", AFTER, "\"a.example\"" }, "a.example *.b.example " },
        /* Of two as old, whose namespace and name sort first. */
        { { "other", "zoo", NOON, "\"a.example\"" }, "*.b.example " },
        { { "shop", "api", NOON, "\"a.example\"" }, "*.b.example " },
        { { "shop", "zoo", NOON, "\"a.example\"" }, "a.example *.b.example " },
        { { "zoo", "api", NOON, "\"a.example\"" }, "a.example *.b.example " },
        /* A wildcard is that wildcard, and nothing below it. */
        { { "other", "api", BEFORE, "\"*.b.example\"" }, "a.example " },
        { { "other", "api", BEFORE, "\"x.b.example\",\"*.example\",\"b.example\"" },
          "a.example *.b.example " },
        { { "other", "api", BEFORE, "\"A.Example\"" }, "*.b.example " },
        { { "other", "api", BEFORE, "\"*.b.example\",\"a.example\"" }, "" },
        /* One that goes away claims nothing more. */
        { { "other", "api", BEFORE, "\"a.example\"", .deleting = true }, "a.example *.b.example " },
        { { "other", "api", BEFORE, "" }, "a.example *.b.example " },
};

START_TEST(a_host_belongs_to_whoever_comes_first)
{
        for (size_t i = 0; i < ARRAY_SIZE(contests); i++) {
                struct cluster c;

                begin_web(&c, TWO);
                settle(&c);
                put_other(&c, &contests[i].other);
                ck_assert_msg(strcmp(served(&c), contests[i].served) == 0, "contest %zu: served is %s", i,
                              served(&c));
                ck_assert(!find_effect(&c.f, EFFECT_DELETE, &app_ingress_kind) ==
                          (contests[i].served[0] != 0));
                end_cluster(&c);
        }
}
END_TEST

START_TEST(the_status_says_who_has_it)
{
        static const struct other older = { "other", "api", BEFORE, "\"a.example\"" };
        struct cluster c;

        begin_web(&c, TWO);
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        put_other(&c, &older);
        settle(&c);
        ck_condition(&c, "Ready", "False", "HostConflict");
        ck_condition(&c, "Stalled", "True", "HostConflict");
        ck_condition(&c, "Available", "True", "MinimumReplicasAvailable");
        ck_has(condition_at(&c, "Stalled", "message"), "a.example");
        ck_has(condition_at(&c, "Stalled", "message"), "App api in the namespace other");
        ck_str_eq(status_at(&c, "/routing/kind"), "Ingress");
        ck_str_eq(status_at(&c, "/routing/notEnforced/1/setting"), "hosts[0]");
        ck_has(status_at(&c, "/routing/notEnforced/1/reason"), "App api in the namespace other");
        /* It is said once, and the pods are what they were. */
        put_other(&c, &older);
        step(&c);
        ck_assert_uint_eq(c.n_changes + c.n_events, 0);
        ck_assert_int_eq(c.deployment_generation, 1);
        end_cluster(&c);
}
END_TEST

START_TEST(it_is_an_event_when_it_turns)
{
        struct cluster c;
        bool told = false;

        begin_web(&c, TWO);
        settle(&c);
        put_other(&c, &(struct other){ "other", "api", BEFORE, "\"a.example\"" });
        for (int i = 0; i < STEPS_MAX; i++) {
                step(&c);
                told |= strncmp(c.event, "HostConflict: ", 14) == 0;
                if (c.n_changes == 0)
                        break;
        }
        ck_assert(told);
        end_cluster(&c);
}
END_TEST

START_TEST(without_any_host_there_is_no_route)
{
        struct cluster c;

        begin_web(&c, TWO);
        settle(&c);
        put_other(&c, &(struct other){ "other", "api", BEFORE, "\"a.example\",\"*.b.example\"" });
        settle(&c);
        ck_condition(&c, "Stalled", "True", "HostConflict");
        ck_has(condition_at(&c, "Stalled", "message"), "2 hosts are not served");
        ck_str_eq(status_at(&c, "/routing/kind"), "None");
        ck_str_eq(status_at(&c, "/routing/notEnforced/0/setting"), "hosts[0]");
        ck_str_eq(status_at(&c, "/routing/notEnforced/1/setting"), "hosts[1]");
        ck_assert_ptr_null(status_at(&c, "/routing/enforced/0").data);
        ck_assert_uint_eq(count_held(&c, &app_ingress_kind), 0);
        end_cluster(&c);
}
END_TEST

/* The next in line has it, and the App is as if nothing had been. */
START_TEST(a_host_that_is_given_up_is_taken_over)
{
        struct cluster c;

        begin_web(&c, TWO);
        put_other(&c, &(struct other){ "other", "api", BEFORE, "\"a.example\"" });
        settle(&c);
        ck_condition(&c, "Stalled", "True", "HostConflict");
        put_other(&c, &(struct other){ "other", "api", BEFORE, "\"c.example\"" });
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_str_eq(served(&c), "a.example *.b.example ");
        end_cluster(&c);
}
END_TEST

/* Not before it is out of the route of him who had it. */
START_TEST(a_host_is_never_in_two_routes)
{
        struct cluster c;

        begin_web(&c, TWO);
        put_other(&c, &(struct other){ "other", "api", AFTER, "\"a.example\"" });
        put_route(&c, "api", "A.example", "u-other-api");
        settle(&c);
        ck_assert_str_eq(served(&c), "*.b.example ");
        ck_condition(&c, "Ready", "False", "WaitingForHost");
        ck_condition(&c, "Reconciling", "True", "WaitingForHost");
        ck_has(condition_at(&c, "Reconciling", "message"), "Ingress of the App api in the namespace other");
        put_route(&c, "api", "c.example", "u-other-api");
        settle(&c);
        ck_assert_str_eq(served(&c), "a.example *.b.example ");
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

START_TEST(a_route_that_nobody_controls_must_be_deleted)
{
        struct cluster c;

        begin_web(&c, TWO);
        put_route(&c, "old", "a.example", NULL);
        settle(&c);
        ck_assert_str_eq(served(&c), "*.b.example ");
        ck_condition(&c, "Stalled", "True", "HostConflict");
        ck_has(condition_at(&c, "Stalled", "message"), "Ingress old in the namespace other");
        end_cluster(&c);
}
END_TEST

/* What a person must mend is told before what goes on by itself. */
START_TEST(the_worst_is_told)
{
        struct cluster c;

        begin_web(&c, TWO);
        put_route(&c, "api", "a.example", "u-other-api");
        put_other(&c, &(struct other){ "other", "zoo", BEFORE, "\"*.b.example\"" });
        settle(&c);
        ck_condition(&c, "Stalled", "True", "HostConflict");
        ck_has(condition_at(&c, "Stalled", "message"), "*.b.example");
        ck_has(condition_at(&c, "Stalled", "message"), "2 hosts are not served");
        end_cluster(&c);
}
END_TEST

/* Its pods are good, whoever has the host: should the next rollout fail, that is what
 * it goes back to. */
START_TEST(a_revision_is_kept_in_spite_of_a_conflict)
{
        struct cluster c;

        begin_web(&c, TWO);
        put_other(&c, &(struct other){ "other", "api", BEFORE, "\"a.example\"" });
        settle(&c);
        ck_condition(&c, "Stalled", "True", "HostConflict");
        ck_assert_uint_eq(count_held(&c, &app_revision_kind), 1);
        end_cluster(&c);
}
END_TEST

START_TEST(it_survives_the_lack_of_memory)
{
        struct cluster c;

        begin_web(&c, TWO);
        settle(&c);
        put_other(&c, &(struct other){ "other", "api", BEFORE, "\"a.example\"" });
        put_route(&c, "old", "*.b.example", "u-old");
        look(&c);
        torture(reconcile_once, &c.f, 0);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        a_host_belongs_to_whoever_comes_first,
        the_status_says_who_has_it,
        it_is_an_event_when_it_turns,
        without_any_host_there_is_no_route,
        a_host_that_is_given_up_is_taken_over,
        a_host_is_never_in_two_routes,
        a_route_that_nobody_controls_must_be_deleted,
        the_worst_is_told,
        a_revision_is_kept_in_spite_of_a_conflict,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("app/hosts", tests)
