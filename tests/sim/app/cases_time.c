/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases about what the server tells, and when: late, twice, in pieces, not at
 * all, or under odd versions.
 */
#include "app/cases.h"

#include <stdlib.h>
#include <string.h>

#include "sim/wrap.h"

#define UID_MAX 64

static const struct cache_kind *const kinds[] = {
        &common_serviceaccount_kind,      &common_networkpolicy_kind, &app_deployment_kind,
        &common_poddisruptionbudget_kind, &common_service_kind,
};

struct uids {
        char of[ARRAY_SIZE(kinds)][UID_MAX];
};

static struct uids uids_now(const struct run *r)
{
        struct uids u;

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                snprintf(u.of[i], UID_MAX, "%.*s", STR_FMT(child_str(r, kinds[i], "web", "/metadata/uid")));
        return u;
}

static void expect_same_children(const struct run *r, const struct uids *before)
{
        struct uids now = uids_now(r);

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                expect(strcmp(now.of[i], before->of[i]) == 0, "the %.*s was replaced: its UID was %s, is %s",
                       STR_FMT(kinds[i]->api.kind), before->of[i], now.of[i]);
}

static const char second[] = "\"image\":\"registry.example/web:2\",\"port\":8080,\"replicas\":3";

/* --- F03 ------------------------------------------------------------------------------ */

/* Old deletions are told of objects under whose names there are new ones. */
void case_back_in_time(uint64_t seed)
{
        static struct run r;
        struct uids before;
        uint64_t deletes;

        run_converged(&r, seed);
        user_deletes(&r, "web");
        user_applies(&r, "web", PLAIN);
        run_for(&r, 2 * USEC_MINUTE);
        expect_ready(&r, "web");
        before = uids_now(&r);
        deletes = r.w.n_calls[CALL_DELETE];
        r.w.weather = (struct world_weather){ .stale = 900, .repeat = 900, .cut = 100 };
        for (int i = 0; i < 20; i++) {
                world_relist(&r.w);
                run_for(&r, 30 * USEC_SEC);
                if (i == 10)
                        user_applies(&r, "web", second);
                if (i % 5 == 4) {
                        world_crash(&r.w);
                        world_start(&r.w);
                }
        }
        world_calm(&r.w);
        run_for(&r, 10 * USEC_MINUTE);
        expect_ready(&r, "web");
        expect_same_children(&r, &before);
        expect(r.w.n_calls[CALL_DELETE] == deletes, "something was deleted");
        run_end(&r);
}

/* --- F04 ------------------------------------------------------------------------------- */

/* While the garbage collector is away, what the App before left behind stands
 * under the names of the new one's children. */
void case_made_again(uint64_t seed)
{
        static struct run r;
        void (*actor)(struct world * w);
        struct uids before;
        char version[UID_MAX];

        run_converged(&r, seed);
        before = uids_now(&r);
        snprintf(version, sizeof(version), "%.*s",
                 STR_FMT(child_str(&r, &app_deployment_kind, "web", "/metadata/resourceVersion")));
        actor = r.w.actor;
        r.w.actor = NULL;
        user_deletes(&r, "web");
        user_applies(&r, "web", second);
        run_for(&r, 5 * USEC_MINUTE);
        expect_same_children(&r, &before);
        expect(str_eq_c(child_str(&r, &app_deployment_kind, "web", "/metadata/resourceVersion"), version),
               "the Deployment of the App before was changed");
        expect_condition(&r, "web", "Ready", "False", "WaitingForRemoval");
        r.w.actor = actor;
        r.w.acted_on = 0;
        run_for(&r, 10 * USEC_MINUTE);
        expect_ready(&r, "web");
        expect(strcmp(uids_now(&r).of[2], before.of[2]) != 0,
               "the Deployment is still that of the App before");
        run_end(&r);
}

/* --- F05 -------------------------------------------------------------------------------- */

static void walk_badly(enum road_name road, uint64_t seed, struct world_weather weather)
{
        char *expected = road_end(road, seed), *state;
        static struct run r;

        run_init(&r, seed);
        r.w.weather = weather;
        run_start(&r);
        road_walk(road, &r);
        world_calm(&r.w);
        run_for(&r, 10 * USEC_MINUTE);
        resync(&r);
        run_for(&r, 5 * USEC_MINUTE);
        state = oracle_state(&r.w);
        expect_same_state(state, expected);
        run_end(&r);
        free(state);
        free(expected);
}

void case_cut_streams(uint64_t seed)
{
        static const enum road_name roads[] = { ROAD_UPDATE, ROAD_RESHAPE, ROAD_RECREATE, ROAD_REPAIR,
                                                ROAD_ROLLBACK };
        const struct world_weather weather = { .cut = 400, .gone = 400 };

        for (size_t i = 0; i < ARRAY_SIZE(roads); i++)
                for (uint64_t n = 0; n < 10; n++)
                        walk_badly(roads[i], seed + n * 1000003, weather);
}

/* --- F10 ---------------------------------------------------------------------------------- */

static void jump(struct run *r, usec_t offset)
{
        uint64_t calls = all_calls(r);
        const struct replica *leader = r->w.op[0].leading ? &r->w.op[0] : &r->w.op[1];

        r->w.wall_offset = offset;
        world_note(&r->w, "world", "the clock is off by %lld s", (long long)(offset / USEC_SEC));
        run_for(r, 10 * USEC_MINUTE);
        expect(leader->leading, "%s lost the Lease", leader->name);
        expect(all_calls(r) == calls, "%llu calls", (unsigned long long)(all_calls(r) - calls));
}

void case_clock_jumps(uint64_t seed)
{
        static const usec_t offsets[] = { USEC_HOUR, -USEC_HOUR, 0, -USEC_HOUR, USEC_HOUR, 0 };
        static struct run r;

        run_init(&r, seed);
        r.w.elects = true;
        user_applies(&r, "web", PLAIN);
        run_start(&r);
        expect(replica_start(&r.w.op[1]), "no memory");
        run_for(&r, 2 * USEC_MINUTE);
        expect_ready(&r, "web");
        for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
                jump(&r, offsets[i]);
        /* In the middle of a rollout that takes its time. */
        for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
                char spec[128];

                snprintf(spec, sizeof(spec), "\"image\":\"registry.example/web:" ACTORS_SLOW "%zu\"", i);
                user_applies(&r, "web", spec);
                run_for(&r, 10 * USEC_SEC);
                r.w.wall_offset = offsets[i];
                run_for(&r, 2 * USEC_MINUTE);
                expect_ready(&r, "web");
        }
        run_end(&r);
}

/* --- F11 ------------------------------------------------------------------------------------ */

static const struct versions {
        const char *prefix;
        uint64_t first;
} versions[] = {
        { "123456789012345678901234567890123456", 1000 }, /* 40 digits */
        { "", 9990 },                                     /* 4 digits become 5 */
        { "99999999999999999999", 9990 },
        { "r-", 1000 }, /* what a server may well do: they are opaque */
};

static void walk_with_versions(const struct versions *v, enum road_name road, uint64_t seed)
{
        char *expected = road_end(road, seed), *state;
        static struct run r;

        run_init(&r, seed);
        r.w.api.version_prefix = v->prefix;
        r.w.api.version = v->first;
        run_start(&r);
        road_walk(road, &r);
        run_for(&r, 10 * USEC_MINUTE);
        world_relist(&r.w);
        run_for(&r, 10 * USEC_MINUTE);
        state = oracle_state(&r.w);
        expect_same_state(state, expected);
        run_end(&r);
        free(state);
        free(expected);
}

void case_odd_versions(uint64_t seed)
{
        static const enum road_name roads[] = { ROAD_UPDATE, ROAD_RECREATE, ROAD_REPAIR, ROAD_ROLLBACK };

        for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
                for (size_t j = 0; j < ARRAY_SIZE(roads); j++)
                        walk_with_versions(&versions[i], roads[j], seed);
}

/* --- F15 ------------------------------------------------------------------------------------- */

#define NOTICED (90 * USEC_SEC)

/* As with a machine on the way that has forgotten the connection. */
void case_silent_watch(uint64_t seed)
{
        static struct run r;

        run_converged(&r, seed);
        world_silence(&r.w);
        user_applies(&r, "web", second);
        run_for(&r, NOTICED + 5 * USEC_SEC);
        expect(str_eq(child_str(&r, &app_deployment_kind, "web", "/spec/template/spec/containers/0/image"),
                      STR("registry.example/web:2")),
               "a change was not noticed within %lld s", (long long)(NOTICED / USEC_SEC));
        run_for(&r, 5 * USEC_MINUTE);
        expect_ready(&r, "web");
        run_end(&r);
}
