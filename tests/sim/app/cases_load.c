/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases where the server or the machine says no, for long; and where somebody
 * else was there first.
 */
#include "app/cases.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "queue/queue.h"

static bool has(struct str text, struct str part)
{
        return text.data && memmem(text.data, text.len, part.data, part.len);
}

static const char second[] = "\"image\":\"registry.example/web:2\",\"port\":8080,\"replicas\":3";

/* --- F06, F07 --------------------------------------------------------------------------- */

#define STORM (20 * USEC_MINUTE)

/* The times between the attempts at the Deployment while RULE holds. */
static size_t storm(struct run *r, uint64_t seed, struct world_rule rule, usec_t gaps[SENT_MAX])
{
        size_t n = 0;

        run_converged(r, seed);
        rule.fate = WORLD_REFUSE;
        rule.kind = &app_deployment_kind.api;
        rule.type = CALL_APPLY;
        rule.times = -1;
        world_rule(&r->w, rule);
        r->n_sent = 0;
        user_applies(r, "web", second);
        run_for(r, STORM);
        for (size_t i = 1; i < r->n_sent; i++)
                gaps[n++] = r->sent[i] - r->sent[i - 1];
        world_clear_rules(&r->w);
        run_for(r, 2 * QUEUE_BACKOFF_MAX + USEC_MINUTE);
        expect_ready(r, "web");
        run_end(r);
        return n;
}

/* Twice the longest backoff apart in the end, never as fast as the network goes. */
static void expect_backoff(const usec_t *gaps, size_t n)
{
        size_t equal = 0;

        expect(n >= (size_t)(STORM / (3 * QUEUE_BACKOFF_MAX)), "it gave up after %zu attempts", n);
        expect(n <= (size_t)(3 * STORM / QUEUE_BACKOFF_MAX) + 20, "%zu attempts: a hot loop", n);
        for (size_t i = 1; i < n; i++)
                equal += gaps[i] == gaps[i - 1];
        expect(equal < n / 2, "%zu of %zu attempts came at equal intervals: no jitter", equal, n);
}

void case_conflict_storm(uint64_t seed)
{
        static struct run r;
        usec_t gaps[SENT_MAX];
        size_t n = storm(&r, seed,
                         (struct world_rule){ .status = 409, .reason = "Conflict", .message = "no" }, gaps);

        expect_backoff(gaps, n);
}

void case_told_to_wait(uint64_t seed)
{
        static const struct world_rule rules[] = {
                { .status = 429, .reason = "TooManyRequests", .message = "no", .retry_after = 45 },
                { .status = 503, .reason = "ServiceUnavailable", .message = "no", .retry_after = 45 },
                { .status = 429, .reason = "TooManyRequests", .message = "no" },
                { .status = 503, .reason = "ServiceUnavailable", .message = "no" },
                { .status = 500, .reason = "InternalError", .message = "no" },
        };
        static struct run r;
        usec_t gaps[SENT_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
                size_t n = storm(&r, seed, rules[i], gaps);

                expect_backoff(gaps, n);
                for (size_t j = 0; j < n; j++)
                        expect(gaps[j] >= rules[i].retry_after * USEC_SEC,
                               "told to wait for %d s, it came back after %lld ms", rules[i].retry_after,
                               (long long)(gaps[j] / USEC_MSEC));
        }
}

/* --- F12 ------------------------------------------------------------------------------------ */

#define MANY 20

/* How long it takes until the change of an App is that of its Deployment: of
 * MANY changes, the one that only one in MANY exceeds. */
static usec_t slowest_but_one(struct run *r)
{
        usec_t slowest = 0, second_slowest = 0;

        for (int i = 0; i < MANY; i++) {
                char name[32], spec[128], image[64];
                usec_t begun = r->w.now;

                snprintf(name, sizeof(name), "good%d", i);
                snprintf(image, sizeof(image), "registry.example/x:%lld", (long long)r->w.now);
                snprintf(spec, sizeof(spec), "\"image\":\"%s\"", image);
                user_applies(r, name, spec);
                while (!str_eq_c(
                        child_str(r, &app_deployment_kind, name, "/spec/template/spec/containers/0/image"),
                        image)) {
                        run_for(r, USEC_MSEC);
                        expect(r->w.now - begun < USEC_MINUTE, "%s is held up", name);
                }
                if (r->w.now - begun > slowest) {
                        second_slowest = slowest;
                        slowest = r->w.now - begun;
                } else {
                        second_slowest = MAX(second_slowest, r->w.now - begun);
                }
        }
        return second_slowest;
}

void case_poison(uint64_t seed)
{
        static struct run r;
        usec_t before, with;

        run_init(&r, seed);
        for (int i = 0; i < MANY; i++) {
                char name[32];

                snprintf(name, sizeof(name), "good%d", i);
                user_applies(&r, name, "\"image\":\"registry.example/x:0\"");
        }
        run_start(&r);
        run_for(&r, 2 * USEC_MINUTE);
        before = slowest_but_one(&r);
        world_rule(&r.w, (struct world_rule){ .fate = WORLD_REFUSE,
                                              .type = CALL_APPLY,
                                              .kind = &app_deployment_kind.api,
                                              .name = "poison",
                                              .times = -1,
                                              .status = 500,
                                              .reason = "InternalError",
                                              .message = "the webhook is broken" });
        user_applies(&r, "poison", PLAIN);
        run_for(&r, USEC_MINUTE);
        with = slowest_but_one(&r);
        expect(with <= before + before / 2, "others' changes took %lld ms, and with a poisoned one %lld ms",
               (long long)(before / USEC_MSEC), (long long)(with / USEC_MSEC));
        r.n_sent = 0;
        run_for(&r, STORM);
        expect(r.n_sent > 0 && r.n_sent <= (size_t)(3 * STORM / QUEUE_BACKOFF_MAX), "%zu attempts", r.n_sent);
        expect(has(app_condition(&r, "poison", "Ready", "message"), STR("the webhook is broken")),
               "the App does not say why");
        world_clear_rules(&r.w);
        run_for(&r, 5 * USEC_MINUTE);
        expect_ready(&r, "poison");
        run_end(&r);
}

/* --- F13 --------------------------------------------------------------------------------------- */

#define ALLOCATIONS_TRIED 250

/* Fails the N-th allocation of a road; a process that cannot even start is
 * started again, as the kubelet would. How many allocations there were. */
static uint64_t fail_allocation(enum road_name road, uint64_t seed, uint64_t n, const char *expected)
{
        static struct run r;
        uint64_t before, used;
        char *state;

        sim_context("F13, allocation %llu of road %d fails, seed %llu", (unsigned long long)n, (int)road,
                    (unsigned long long)seed);
        run_init(&r, seed);
        before = mem_count();
        mem_fail_after(n);
        if (!replica_start(&r.w.op[0]))
                expect(replica_start(&r.w.op[0]), "it does not start with memory either");
        road_walk(road, &r);
        used = mem_count() - before;
        mem_fail_after(0);
        run_for(&r, 10 * USEC_MINUTE);
        resync(&r);
        run_for(&r, 5 * USEC_MINUTE);
        state = oracle_state(&r.w);
        expect_same_state(state, expected);
        run_end(&r);
        free(state);
        return used;
}

void case_no_memory(uint64_t seed)
{
        static const enum road_name roads[] = { ROAD_UPDATE, ROAD_RECREATE, ROAD_ROLLBACK_CONFIG };
        struct rand rand = { .state = seed };

        for (size_t i = 0; i < ARRAY_SIZE(roads); i++) {
                char *expected = road_end(roads[i], seed);
                uint64_t total = fail_allocation(roads[i], seed, 0, expected);

                for (int n = 0; n < ALLOCATIONS_TRIED; n++)
                        fail_allocation(roads[i], seed, 1 + rand_below(&rand, total), expected);
                free(expected);
        }
}

/* --- F14 ------------------------------------------------------------------------------------------ */

static void take_name(const struct cache_kind *kind, uint64_t seed, bool first)
{
        static struct run r;
        const char *spec = "\"image\":\"registry.example/web:1\",\"port\":8080,\"resources\":{\"requests\":{"
                           "\"cpu\":\"100m\"}},\"autoscaling\":{\"minReplicas\":2,\"maxReplicas\":5}";

        run_init(&r, seed);
        if (first)
                foreign_comes(&r, &kind->api, "web");
        user_applies(&r, "web", spec);
        run_start(&r);
        run_for(&r, 2 * USEC_MINUTE);
        if (!first) {
                expect_ready(&r, "web");
                foreign_takes(&r, &kind->api, "web");
                run_for(&r, 2 * USEC_MINUTE);
        }
        expect_condition(&r, "web", "Ready", "False", "NameConflict");
        expect(has(app_condition(&r, "web", "Ready", "message"), kind->api.kind),
               "the App does not say that it is the %.*s", STR_FMT(kind->api.kind));
        run_for(&r, USEC_HOUR);
        foreign_leaves(&r, &kind->api, "web");
        run_for(&r, 10 * USEC_MINUTE);
        expect_ready(&r, "web");
        run_end(&r);
}

void case_foreign(uint64_t seed)
{
        static const struct cache_kind *const kinds[] = {
                &common_serviceaccount_kind, &common_networkpolicy_kind,
                &app_deployment_kind,        &common_poddisruptionbudget_kind,
                &common_service_kind,        &app_horizontalpodautoscaler_kind,
        };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                take_name(kinds[i], seed, true);
                take_name(kinds[i], seed, false);
        }
}

/* Somebody takes a child's name while the operator, which has not heard of it
 * yet, is about to change or to delete its own. */
static void take_name_unheard(const struct cache_kind *kind, uint64_t seed, const char *spec, usec_t delay)
{
        static struct run r;

        run_converged(&r, seed);
        r.w.watch_lag = r.w.slow_lag = 5 * USEC_SEC;
        user_applies(&r, "web", spec);
        run_for(&r, delay);
        foreign_takes(&r, &kind->api, "web");
        run_for(&r, 5 * USEC_MINUTE);
        r.w.watch_lag = USEC_MSEC;
        run_for(&r, 5 * USEC_MINUTE);
        foreign_leaves(&r, &kind->api, "web");
        run_for(&r, 10 * USEC_MINUTE);
        expect_ready(&r, "web");
        run_end(&r);
}

void case_foreign_unheard(uint64_t seed)
{
        static const char worker[] = "\"image\":\"registry.example/web:2\",\"replicas\":3";

        for (usec_t delay = 0; delay < 6 * USEC_SEC; delay += 250 * USEC_MSEC) {
                take_name_unheard(&app_deployment_kind, seed, second, delay);
                take_name_unheard(&common_service_kind, seed, worker, delay);
        }
}
