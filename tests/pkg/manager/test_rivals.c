/* SPDX-License-Identifier: Apache-2.0
 *
 * Apps that claim one host, in a simulated cluster: who has it, how soon it goes over,
 * and that it is never in two routes.
 */
#include "story.h"

#define HOST "a.example"
#define WITH(hosts) "\"image\":\"registry.example/web:1\",\"port\":8080,\"replicas\":2,\"hosts\":[" hosts "]"
#define CLAIMING WITH("\"" HOST "\"")
#define A_SECOND (USEC_SEC + 100 * USEC_MSEC) /* the news have to travel as well */

static void apply(struct world *w, const char *namespace, const char *name, const char *spec)
{
        char json[1024];

        snprintf(
                json, sizeof(json),
                "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{\"namespace\":\"%s\","
                "\"name\":\"%s\"},\"spec\":{%s}}",
                namespace, name, spec);
        user_applies(w, json);
}

static bool serves(yyjson_mut_val *ingress)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(yyjson_mut_ptr_get(ingress, "/spec/rules"));
        yyjson_mut_val *rule;

        while ((rule = yyjson_mut_arr_iter_next(&it)))
                if (yyjson_mut_equals_str(yyjson_mut_obj_get(rule, "host"), HOST))
                        return true;
        return false;
}

/* "shop/web shop/api ": whose routes have the host. */
static const char *served_by(const struct world *w)
{
        static char names[256];
        size_t len = 0;

        names[0] = '\0';
        list_for_each (link, &w->api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);
                yyjson_mut_val *root = yyjson_mut_doc_get_root(o->doc);

                if (str_eq(o->kind->plural, app_ingress_kind.api.plural) && serves(root))
                        len += (size_t)snprintf(
                                names + len, sizeof(names) - len, "%s/%s ",
                                yyjson_mut_get_str(yyjson_mut_ptr_get(root, "/metadata/namespace")),
                                yyjson_mut_get_str(yyjson_mut_ptr_get(root, "/metadata/name")));
        }
        return names;
}

static void never_two(struct world *w)
{
        const char *names = served_by(w), *first = strchr(names, ' ');

        ck_assert_msg(!first || !first[1], "two routes have the host: %s", names);
}

static struct str reason_of(const struct world *w, const char *namespace, const char *name)
{
        return sim_api_str(&w->api, &app_kind.api, namespace, name, "/status/conditions/0/reason");
}

/* "web" is older than "api" of another namespace, and both claim the host. */
static void begin_rivals(struct world *w)
{
        begin(w, 1);
        w->watcher = never_two;
        apply(w, NS, NAME, CLAIMING);
        world_start(w);
        world_run(w, 2 * USEC_SEC);
        apply(w, "other", "api", CLAIMING);
        world_run(w, USEC_MINUTE);
        ck_assert_str_eq(served_by(w), "shop/web ");
        ck_str_eq(reason_of(w, NS, NAME), "Ready");
        ck_str_eq(reason_of(w, "other", "api"), "HostConflict");
}

START_TEST(the_older_keeps_it)
{
        uint64_t changes;
        struct world w;

        begin_rivals(&w);
        ck_assert_uint_eq(count_events(&w, "HostConflict"), 1);
        /* Nor does a restart change anything, and nobody is kept awake. */
        changes = w.api.n_changes;
        world_crash(&w);
        world_start(&w);
        world_run(&w, USEC_HOUR);
        ck_assert_uint_eq(w.api.n_changes, changes);
        ck_assert(manager_idle(&w.op[0].manager));
        end(&w);
}
END_TEST

START_TEST(the_younger_has_it_within_a_second_of_its_being_given_up)
{
        struct world w;

        begin_rivals(&w);
        apply(&w, NS, NAME, WITH("\"b.example\""));
        world_run(&w, A_SECOND);
        ck_assert_str_eq(served_by(&w), "other/api ");
        ck_str_eq(reason_of(&w, "other", "api"), "Ready");
        end(&w);
}
END_TEST

START_TEST(the_younger_has_it_once_the_route_of_the_deleted_is_gone)
{
        struct world w;
        int i = 0;

        begin_rivals(&w);
        sim_api_delete(&w.api, &app_kind.api, NS, NAME);
        while (exists(&w, &app_ingress_kind)) {
                world_run(&w, 10 * USEC_MSEC);
                ck_assert_int_lt(++i, 6000);
        }
        world_run(&w, A_SECOND);
        ck_assert_str_eq(served_by(&w), "other/api ");
        ck_str_eq(reason_of(&w, "other", "api"), "Ready");
        end(&w);
}
END_TEST

/* Who asks for it later and is older has it all the same, but not before it is free. */
START_TEST(an_older_one_takes_over_what_is_let_go)
{
        struct world w;

        begin_rivals(&w);
        apply(&w, NS, NAME, WITH("\"b.example\""));
        world_run(&w, USEC_MINUTE);
        ck_assert_str_eq(served_by(&w), "other/api ");
        apply(&w, NS, NAME, WITH("\"b.example\",\"" HOST "\""));
        world_run(&w, USEC_MINUTE);
        ck_assert_str_eq(served_by(&w), "shop/web ");
        ck_str_eq(reason_of(&w, NS, NAME), "Ready");
        ck_str_eq(reason_of(&w, "other", "api"), "HostConflict");
        end(&w);
}
END_TEST

/* Both at once: neither knows of the other's request that is under way. */
START_TEST(two_who_ask_at_once_do_not_both_get_it)
{
        struct world w;

        begin(&w, 1);
        w.watcher = never_two;
        apply(&w, NS, NAME, WITH("\"b.example\""));
        apply(&w, "other", "api", WITH("\"c.example\""));
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        for (int i = 0; i < 40; i++) {
                /* The second comes while the first's request is anywhere. */
                apply(&w, i % 2 ? NS : "other", i % 2 ? NAME : "api", CLAIMING);
                world_run(&w, i * 2 * USEC_MSEC);
                apply(&w, i % 2 ? "other" : NS, i % 2 ? "api" : NAME, CLAIMING);
                world_run(&w, USEC_MINUTE);
                ck_assert_str_eq(served_by(&w), "other/api "); /* as old, and "other" sorts first */
                apply(&w, NS, NAME, WITH("\"b.example\""));
                apply(&w, "other", "api", WITH("\"c.example\""));
                world_run(&w, USEC_MINUTE);
                ck_assert_str_eq(served_by(&w), "");
        }
        end(&w);
}
END_TEST

/* Of many, one after the other, in the order of their coming. */
START_TEST(it_goes_down_the_line)
{
        static const char *const line[] = { "e", "d", "c", "b", "a" };
        char expected[32];
        struct world w;

        begin(&w, 3);
        w.watcher = never_two;
        world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(line); i++) {
                apply(&w, NS, line[i], CLAIMING);
                world_run(&w, 2 * USEC_SEC);
        }
        for (size_t i = 0; i < ARRAY_SIZE(line); i++) {
                world_run(&w, USEC_MINUTE);
                snprintf(expected, sizeof(expected), "shop/%s ", line[i]);
                ck_assert_str_eq(served_by(&w), expected);
                sim_api_delete(&w.api, &app_kind.api, NS, line[i]);
        }
        world_run(&w, USEC_MINUTE);
        ck_assert_str_eq(served_by(&w), "");
        end(&w);
}
END_TEST

static const TTest *const tests[] = {
        the_older_keeps_it,
        the_younger_has_it_within_a_second_of_its_being_given_up,
        the_younger_has_it_once_the_route_of_the_deleted_is_gone,
        an_older_one_takes_over_what_is_let_go,
        two_who_ask_at_once_do_not_both_get_it,
        it_goes_down_the_line,
};
TEST_MAIN("manager/rivals", tests)
