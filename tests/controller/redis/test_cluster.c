/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

START_TEST(it_comes_up_and_rests)
{
        struct world w;

        begin(&w, 1);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_str_eq(said(&w, "/status/primary"), "db-0");
        check_rest(&w);
        end(&w);
}
END_TEST

static bool was_told(const struct world *w, const char *reason)
{
        list_for_each (link, &w->api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);
                yyjson_mut_val *root = yyjson_mut_doc_get_root(o->doc);

                if (str_eq(o->kind->plural, STR("events")) &&
                    yyjson_mut_equals_str(yyjson_mut_obj_get(root, "reason"), reason))
                        return true;
        }
        return false;
}

START_TEST(all_that_may_change_changes_without_a_loss)
{
        static const char *const told[] = { "PrimaryChanged", "Replacing",    "HandoverRequested",
                                            "PasswordAdded",  "PasswordTold", "PasswordRotated",
                                            "VolumesGrown",   "ScaledDown",   "AnnotationRefused" };
        struct world w;

        begin(&w, 1);
        world_start(&w);
        story(&w);
        check_end(&w);
        ck_assert_int_eq(sim_api_int(&w.api, &redis_kind.api, NS, NAME, "/status/readyReplicas"), 2);
        sim_api_patch(&w.api, &redis_kind.api, NS, NAME,
                      "{\"metadata\":{\"annotations\":{\"keelson.dev/handover\":\"db-7\"}}}", "kubectl");
        world_run(&w, USEC_MINUTE);
        for (size_t i = 0; i < ARRAY_SIZE(told); i++)
                ck_assert_msg(was_told(&w, told[i]), "there was no event %s", told[i]);
        end(&w);
}
END_TEST

/* The record says something new with each renewal, and the operator is not woken by that. */
START_TEST(a_renewal_wakes_nobody)
{
        struct world w;
        uint64_t reconciles;

        begin(&w, 1);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        reconciles = w.op[0].manager.n_reconciles;
        for (int i = 0; i < 30; i++) {
                sim_api_patch(&w.api, &redis_lease_kind.api, NS, NAME,
                              i % 2 ? "{\"spec\":{\"renewTime\":\"2024-01-01T00:00:00.000000Z\"}}"
                                    : "{\"spec\":{\"renewTime\":\"2024-01-01T00:00:01.000000Z\"}}",
                              "keelson-agent");
                world_run(&w, USEC_SEC);
        }
        ck_assert_uint_eq(w.op[0].manager.n_reconciles, reconciles);
        end(&w);
}
END_TEST

/* After the FIRST write, and after every sixth one behind it. */
static void die_after(uint64_t first)
{
        for (uint64_t n = first;; n += 6) {
                struct world w;
                bool crashed;

                begin(&w, n);
                w.crash_after = n;
                world_start(&w);
                story(&w);
                crashed = w.n_crashes > 0;
                check_end(&w);
                end(&w);
                if (!crashed) {
                        ck_assert_uint_gt(n, 40);
                        return;
                }
        }
}

/* Each has its own time. */
#define DIES(name, first)                                                                                    \
        START_TEST(name)                                                                                     \
        {                                                                                                    \
                die_after(first);                                                                            \
        }                                                                                                    \
        END_TEST

DIES(it_may_die_after_the_first_write, 1)
DIES(it_may_die_after_the_second, 2)
DIES(it_may_die_after_the_third, 3)
DIES(it_may_die_after_the_fourth, 4)
DIES(it_may_die_after_the_fifth, 5)
DIES(it_may_die_after_the_sixth, 6)

/* Whoever has one of our names: it is left as it is, and told; and once it has gone we go on. */
START_TEST(what_is_anothers_is_never_touched)
{
        static const struct {
                const struct cache_kind *kind;
                const char *name, *text;
        } taken[] = {
                { &redis_statefulset_kind, NAME,
                  "\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"spec\":{\"replicas\":7}" },
                { &redis_lease_kind, NAME, "\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\"" },
                { &redis_role_kind, NAME "-agent",
                  "\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"Role\"" },
                { &common_service_kind, NAME "-ro", "\"apiVersion\":\"v1\",\"kind\":\"Service\"" },
                { &redis_secret_kind, NAME "-agent",
                  "\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"eA==\"}" },
                { &redis_secret_kind, NAME "-ca",
                  "\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"data\":{\"a\":\"eA==\"}" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
                const struct kube_kind *kind = &taken[i].kind->api;
                char json[512], before[64];
                struct world w;

                begin(&w, i + 1);
                snprintf(json, sizeof(json), "{%s,\"metadata\":{\"namespace\":\"" NS "\",\"name\":\"%s\"}}",
                         taken[i].text, taken[i].name);
                sim_api_apply(&w.api, kind, json, "somebody");
                snprintf(before, sizeof(before), "%.*s",
                         STR_FMT(sim_api_str(&w.api, kind, NS, taken[i].name, "/metadata/resourceVersion")));
                run.planted = true; /* without a Lease or a StatefulSet of ours nothing else is so */
                world_start(&w);
                world_run(&w, 5 * USEC_MINUTE);
                ck_str_eq(sim_api_str(&w.api, kind, NS, taken[i].name, "/metadata/resourceVersion"), before);
                ck_str_eq(said(&w, "/status/conditions/0/reason"), "NameConflict");
                sim_api_delete(&w.api, kind, NS, taken[i].name);
                run.caught = NULL;
                world_run(&w, 30 * USEC_MINUTE);
                check_rest(&w);
                ck_assert_msg(run.caught == NULL, "%s", run.caught);
                end(&w);
        }
}
END_TEST

START_TEST(bad_weather_does_no_harm)
{
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world w;

                begin(&w, seed);
                w.weather = (struct world_weather){ .lose_request = 50,
                                                    .lose_reply = 50,
                                                    .refuse = 50,
                                                    .delay = 50,
                                                    .cut = 20,
                                                    .stale = 100,
                                                    .repeat = 100 };
                world_start(&w);
                story(&w);
                world_calm(&w);
                world_run(&w, 30 * USEC_MINUTE);
                check_end(&w);
                end(&w);
        }
}
END_TEST

static const TTest *const tests[] = {
        it_comes_up_and_rests,       all_that_may_change_changes_without_a_loss,
        a_renewal_wakes_nobody,      it_may_die_after_the_first_write,
        it_may_die_after_the_second, it_may_die_after_the_third,
        it_may_die_after_the_fourth, it_may_die_after_the_fifth,
        it_may_die_after_the_sixth,  what_is_anothers_is_never_touched,
        bad_weather_does_no_harm,
};
TEST_MAIN("redis/cluster", tests)
