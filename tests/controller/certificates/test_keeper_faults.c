/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper while the API server refuses, the network loses, clocks jump, replicas die,
 * lose their Lease or run out of memory.
 */
#include "cluster.h"

#include <errno.h>

/* --- refusals ---------------------------------------------------------------------------------- */

static const struct world_rule refusals[] = {
        { .fate = WORLD_REFUSE, .status = 403, .reason = "Forbidden", .message = "may not" },
        { .fate = WORLD_REFUSE, .status = 404, .reason = "NotFound", .message = "not there" },
        { .fate = WORLD_REFUSE, .status = 409, .reason = "Conflict", .message = "was modified" },
        { .fate = WORLD_REFUSE, .status = 409, .reason = "AlreadyExists", .message = "is there" },
        { .fate = WORLD_REFUSE, .status = 422, .reason = "Invalid", .message = "immutable" },
        { .fate = WORLD_REFUSE, .status = 429, .reason = "TooManyRequests", .message = "slow down" },
        { .fate = WORLD_REFUSE, .status = 500, .reason = "InternalError", .message = "etcd" },
        { .fate = WORLD_REFUSE, .status = 503, .reason = "ServiceUnavailable", .message = "starting" },
        { .fate = WORLD_LOSE_REQUEST },
        { .fate = WORLD_LOSE_REPLY },
        { .fate = WORLD_NO_MEMORY },
};
static const enum call_type writes[] = { CALL_CREATE, CALL_PATCH, CALL_PATCH_AT };

/* What is written first, and what when the serving certificate is gone. */
static void make_and_renew(struct cluster *c)
{
        world_start(&c->w);
        world_run(&c->w, 2 * USEC_MINUTE);
        sim_api_patch(&c->w.api, &kube_secret_kind, SPACE, SECRET, "{\"data\":{\"tls.crt\":null}}",
                      "kubectl-edit");
        empty_bundle(c);
        world_run(&c->w, 2 * USEC_MINUTE);
}

START_TEST(what_is_refused_a_few_times_is_done_in_the_end)
{
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
                for (size_t j = 0; j < ARRAY_SIZE(writes); j++)
                        for (int times = 1; times <= 3; times += 2) {
                                struct world_rule rule = refusals[i];
                                char when[64];
                                struct cluster c;

                                rule.type = writes[j];
                                rule.times = times;
                                begin(&c, 1);
                                world_rule(&c.w, rule);
                                make_and_renew(&c);
                                snprintf(when, sizeof(when), "fate %d, status %d, call %d, %d times",
                                         rule.fate, rule.status, rule.type, times);
                                check_well(&c, when);
                                ck_assert_uint_eq(sim_api_count(&c.w.api, &kube_secret_kind), 1);
                                check_rest(&c);
                                end(&c);
                        }
}
END_TEST

/* How often it looks at all in the next hour. */
static unsigned looks_in_an_hour(struct cluster *c)
{
        usec_t due = 0;
        unsigned n = 0;

        for (int i = 0; i < 3600; i++) {
                world_run(&c->w, USEC_SEC);
                n += c->keepers[0].timer.node.due != due;
                due = c->keepers[0].timer.node.due;
        }
        return n;
}

/* And what is refused for good is not asked for all the time; the rest goes on. */
START_TEST(a_right_that_is_missing_holds_nothing_else_up)
{
        struct world_rule rule = refusals[0];
        uint64_t before;
        struct cluster c;

        begin(&c, 1);
        rule.type = CALL_PATCH_AT;
        rule.kind = &mutating_kind;
        rule.times = -1;
        world_rule(&c.w, rule);
        world_start(&c.w);
        world_run(&c.w, 10 * USEC_MINUTE);
        ck_assert_uint_gt(bundle(&c, 0).len, 0);
        ck_assert_uint_eq(bundle(&c, 2).len, 0);
        ck_assert_ptr_nonnull(strstr(c.keepers[0].problem, "may not"));
        before = calls(&c);
        ck_assert_uint_le(looks_in_an_hour(&c), 240);
        ck_assert_uint_ge(calls(&c) - before, 60); /* so often that it goes on soon after */
        ck_assert_uint_le(calls(&c) - before, 120);
        empty_bundle(&c);
        world_run(&c.w, USEC_SEC);
        ck_assert_uint_gt(bundle(&c, 1).len, 0);
        world_clear_rules(&c.w);
        world_run(&c.w, KEEPER_BACKOFF_MAX);
        check_well(&c, "granted");
        ck_assert_str_eq(c.keepers[0].problem, "");
        check_rest(&c);
        end(&c);
}
END_TEST

START_TEST(retry_after_is_honoured_up_to_a_bound)
{
        static const struct {
                int asked;
                usec_t none_before, done_by;
        } cases[] = {
                { 30, 29 * USEC_SEC, 32 * USEC_SEC },
                { 86400, KEEPER_PAUSE_MAX - USEC_SEC, KEEPER_PAUSE_MAX + 2 * USEC_SEC },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct cluster c;

                begin(&c, 1);
                world_rule(&c.w, (struct world_rule){ .fate = WORLD_REFUSE,
                                                      .any_type = true,
                                                      .kind = &kube_secret_kind,
                                                      .times = 1,
                                                      .status = 429,
                                                      .reason = "TooManyRequests",
                                                      .message = "slow down",
                                                      .retry_after = cases[i].asked });
                world_start(&c.w);
                world_run(&c.w, cases[i].none_before);
                ck_assert_uint_eq(calls(&c), 1);
                world_run(&c.w, cases[i].done_by - cases[i].none_before);
                check_well(&c, "after the pause");
                end(&c);
        }
}
END_TEST

/* The step is to see what it wrote before it is asked again. */
START_TEST(while_the_secret_is_on_its_way_nothing_is_decided)
{
        struct cluster c;

        begin_made(&c);
        world_run(&c.w, USEC_MINUTE);
        world_rule(&c.w, (struct world_rule){ .fate = WORLD_LOSE_REQUEST, .type = CALL_PATCH, .times = 1 });
        sim_api_patch(&c.w.api, &kube_secret_kind, SPACE, SECRET, "{\"data\":{\"tls.crt\":null}}",
                      "kubectl-edit");
        world_run(&c.w, 100 * USEC_MSEC);
        ck_assert_ptr_nonnull(c.keepers[0].objects[0].write);
        empty_bundle(&c);
        world_run(&c.w, USEC_SEC);
        ck_assert_uint_eq(calls(&c), 5);
        world_run(&c.w, 10 * USEC_SEC);
        ck_assert_uint_eq(calls(&c), 7);
        check_well(&c, "given up and made again");
        end(&c);
}
END_TEST

/* etcd was restored from a backup: until there is a new list nothing is known. */
START_TEST(what_is_out_of_view_is_not_taken_for_absent)
{
        struct reflector *r;
        struct cluster c;

        begin_made(&c);
        world_run(&c.w, USEC_MINUTE);
        r = &c.keepers[0].objects[0].reflector;
        r->handlers.on_set_back(r, r->handlers.arg);
        empty_bundle(&c); /* so that it looks */
        world_run(&c.w, 10 * USEC_SEC);
        ck_assert_uint_eq(calls(&c), 4);
        world_relist(&c.w);
        world_run(&c.w, 10 * USEC_SEC);
        check_well(&c, "listed again");
        ck_assert_uint_eq(calls(&c), 5);
        end(&c);
}
END_TEST

/* --- dying ---------------------------------------------------------------------------------------- */

/* Makes all, and all anew; the operator dies once. How many requests there were. */
static uint64_t die(uint64_t before, uint64_t after, uint64_t replied)
{
        uint64_t served;
        struct cluster c;
        char when[64];

        begin(&c, 1);
        c.w.crash_before = before;
        c.w.crash_after = after;
        c.w.crash_replied = replied;
        world_start(&c.w);
        world_run(&c.w, 2 * USEC_MINUTE);
        delete_secret(&c);
        world_run(&c.w, 2 * USEC_MINUTE);
        ck_assert_uint_eq(c.w.n_crashes, before || after || replied ? 1 : 0);
        snprintf(when, sizeof(when), "died before %llu, after %llu, told of %llu", (unsigned long long)before,
                 (unsigned long long)after, (unsigned long long)replied);
        check_well(&c, when);
        served = c.w.n_served;
        ck_assert_uint_eq(calls_of(&c, CALL_PATCH), 0); /* the Secret was right the first time */
        check_rest(&c);
        end(&c);
        return served;
}

START_TEST(it_may_die_at_any_request)
{
        const uint64_t requests = die(0, 0, 0);

        ck_assert_uint_eq(requests, 16); /* the Secret and three bundles, twice, and that is told */
        for (uint64_t n = 1; n <= requests; n++) {
                (void)die(n, 0, 0);
                (void)die(0, n, 0);
                (void)die(0, 0, n);
        }
}
END_TEST

/* --- the Lease ------------------------------------------------------------------------------------- */

static void begin_two(struct cluster *c, uint64_t seed)
{
        begin(c, seed);
        c->w.elects = true;
        world_start(&c->w);
        world_run(&c->w, USEC_MINUTE);
        ck_assert(replica_start(&c->w.op[1]));
        world_run(&c->w, USEC_MINUTE);
        ck_assert(c->w.op[0].leading && !c->w.op[1].leading);
}

static size_t changes_by(const struct cluster *c, const char *who, size_t from)
{
        size_t n = 0;

        for (size_t i = from; i < c->w.api.n_log; i++)
                n += !str_eq(c->w.api.log[i].kind->plural, kube_lease_kind.plural) &&
                     !str_eq(c->w.api.log[i].kind->plural, STR("events")) && c->w.api.log[i].by &&
                     strcmp(c->w.api.log[i].by, who) == 0;
        return n;
}

/* Nothing but the Lease is asked for by who waits. */
START_TEST(only_the_leader_looks_and_writes)
{
        struct cluster c;
        size_t from;

        begin_two(&c, 1);
        ck_assert(c.keepers[0].objects[0].started);
        ck_assert(!c.keepers[1].objects[0].started);
        ck_assert_ptr_null(c.keepers[1].objects[0].kept.items[0].data);
        world_rule(&c.w, (struct world_rule){ .fate = WORLD_LOSE_REQUEST,
                                              .any_type = true,
                                              .kind = &kube_lease_kind,
                                              .only = &c.w.op[0],
                                              .times = -1 });
        world_run(&c.w, 30 * USEC_SEC);
        ck_assert(c.w.op[1].leading && !c.w.op[0].leading);
        ck_assert(!c.keepers[0].objects[0].started);
        ck_assert_ptr_null(c.keepers[0].objects[0].kept.items[CERTIFICATES_CA_KEY].data);
        ck_assert(!c.keepers[0].memory.began); /* what it saw hours ago is no grace */
        from = c.w.api.n_log;
        delete_secret(&c);
        world_run(&c.w, 2 * USEC_MINUTE);
        check_well(&c, "the other one");
        ck_assert_uint_eq(changes_by(&c, "op0", from), 0);
        ck_assert_uint_eq(changes_by(&c, "op1", from), 4);
        end(&c);
}
END_TEST

START_TEST(without_the_right_to_write_it_waits)
{
        struct cluster c;

        begin(&c, 1);
        c.w.may_write = false;
        world_start(&c.w);
        world_run(&c.w, 10 * USEC_MINUTE);
        ck_assert_uint_eq(calls(&c), 0);
        c.w.may_write = true;
        world_run(&c.w, KEEPER_BACKOFF_MAX);
        check_well(&c, "it may");
        end(&c);
}
END_TEST

/* One that was stopped in the middle of a write goes on when another leads, and does not
 * care: it is refused, and both agree. */
START_TEST(of_two_leaders_one_is_refused)
{
        for (uint64_t seed = 1; seed <= 8; seed++) {
                struct cluster c;

                begin_two(&c, seed);
                delete_secret(&c);
                world_run(&c.w, (usec_t)rand_below(&c.w.rand, 40 * USEC_MSEC));
                c.w.op[0].paused_until = c.w.now + USEC_MINUTE;
                c.w.op[0].stubborn = true;
                world_run(&c.w, 30 * USEC_SEC);
                ck_assert(c.w.op[1].leading);
                delete_secret(&c);
                world_run(&c.w, 5 * USEC_MINUTE);
                check_well(&c, "two leaders");
                c.w.op[0].stubborn = false;
                world_run(&c.w, USEC_MINUTE);
                check_well(&c, "one leader");
                check_rest(&c);
                end(&c);
        }
}
END_TEST

/* --- clocks (F10) ------------------------------------------------------------------------------------ */

START_TEST(a_clock_that_jumps_changes_nothing)
{
        static const usec_t jumps[] = { USEC_HOUR, -USEC_HOUR, 20 * CERTIFICATES_DAY, -20 * USEC_HOUR };

        for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
                struct cluster c;

                begin_made(&c);
                c.w.wall_offset = jumps[i];
                world_run(&c.w, 2 * CERTIFICATES_DAY);
                c.w.wall_offset = 0;
                world_run(&c.w, 2 * CERTIFICATES_DAY);
                check_well(&c, "a jump");
                ck_assert_uint_eq(calls(&c), 4);
                end(&c);
        }
}
END_TEST

START_TEST(whatever_the_clock_says_all_take_what_is_served)
{
        for (uint64_t seed = 1; seed <= 8; seed++) {
                struct cluster c;

                begin(&c, seed);
                world_start(&c.w);
                world_run(&c.w, USEC_MINUTE);
                for (int i = 0; i < 20; i++) {
                        const usec_t far = 3650 * CERTIFICATES_DAY;

                        c.w.wall_offset = (usec_t)rand_below(&c.w.rand, 2 * far) - far;
                        if (world_chance(&c.w, 300)) {
                                world_crash(&c.w);
                                world_start(&c.w);
                        }
                        world_run(&c.w, (usec_t)rand_below(&c.w.rand, USEC_HOUR));
                        check_well(&c, "jumping");
                }
                world_calm(&c.w);
                world_run(&c.w, 20 * USEC_MINUTE);
                check_well(&c, "calm");
                end(&c);
        }
}
END_TEST

/* --- weather ------------------------------------------------------------------------------------------ */

static void do_anything(struct cluster *c)
{
        switch (rand_below(&c->w.rand, 6)) {
        case 0:
                if (sim_api_count(&c->w.api, &kube_secret_kind))
                        delete_secret(c);
                break;
        case 1:
                sim_api_delete(&c->w.api, &mutating_kind, "", NAME);
                break;
        case 2:
                sim_api_patch(
                        &c->w.api, &validating_kind, "", NAME,
                        "{\"webhooks\":[{\"name\":\"app.keelson.dev\",\"clientConfig\":{\"caBundle\":null}}]}",
                        "kubectl-edit");
                break;
        case 3:
                if (c->w.op[0].up)
                        world_crash(&c->w);
                break;
        case 4:
                world_relist(&c->w);
                break;
        default:
                if (sim_api_count(&c->w.api, &kube_secret_kind))
                        sim_api_patch(&c->w.api, &kube_secret_kind, SPACE, SECRET,
                                      "{\"data\":{\"tls.key\":\"Z2FyYmFnZQ==\"}}", "kubectl-edit");
        }
        world_run(&c->w, (usec_t)rand_below(&c->w.rand, USEC_MINUTE));
        if (!c->w.op[0].up)
                world_start(&c->w);
        apply_all(c);
}

/* Losses, refusals, delays, cuts, API servers that lag, and people. */
START_TEST(after_any_weather_all_is_well)
{
        for (uint64_t seed = 1; seed <= 10; seed++) {
                struct cluster c;
                char when[64];

                begin(&c, seed);
                c.w.weather = (struct world_weather){ .lose_request = 100,
                                                      .lose_reply = 100,
                                                      .refuse = 150,
                                                      .delay = 200,
                                                      .cut = 100,
                                                      .gone = 50,
                                                      .stale = 200,
                                                      .repeat = 200 };
                world_start(&c.w);
                for (int i = 0; i < 30; i++)
                        do_anything(&c);
                world_calm(&c.w);
                world_run(&c.w, 10 * USEC_MINUTE);
                snprintf(when, sizeof(when), "seed %llu", (unsigned long long)seed);
                check_well(&c, when);
                check_rest(&c);
                end(&c);
        }
}
END_TEST

/* A watch of the past shows the Secret's old deletion, and older contents. */
START_TEST(a_server_that_lags_makes_no_second_secret)
{
        for (uint64_t seed = 1; seed <= 8; seed++) {
                struct str ca;
                struct cluster c;

                begin(&c, seed);
                world_start(&c.w);
                world_run(&c.w, 2 * USEC_MINUTE);
                delete_secret(&c);
                world_run(&c.w, 2 * USEC_MINUTE);
                ca = item(&c, "ca.crt");
                c.w.weather.stale = 1000;
                for (int i = 0; i < 10; i++) {
                        world_relist(&c.w);
                        world_run(&c.w, 2 * USEC_MINUTE);
                        ck_assert(str_eq(item(&c, "ca.crt"), ca));
                        check_well(&c, "lagging");
                }
                end(&c);
        }
}
END_TEST

/* --- memory -------------------------------------------------------------------------------------------- */

START_TEST(any_allocation_may_fail)
{
        for (uint64_t n = 1;; n += 1 + n / 25) {
                uint64_t count;
                struct cluster c;
                char when[64];
                bool over;

                begin(&c, 1);
                count = mem_count();
                mem_fail_after(n);
                world_start(&c.w);
                world_run(&c.w, USEC_MINUTE);
                if (sim_api_count(&c.w.api, &kube_secret_kind))
                        delete_secret(&c);
                world_run(&c.w, 3 * USEC_MINUTE);
                mem_fail_after(0);
                over = mem_count() - count < n;
                world_run(&c.w, 3 * USEC_MINUTE);
                snprintf(when, sizeof(when), "allocation %llu failed", (unsigned long long)n);
                check_well(&c, when);
                end(&c);
                if (over)
                        return;
        }
}
END_TEST

static const TTest *const tests[] = {
        what_is_refused_a_few_times_is_done_in_the_end,
        a_right_that_is_missing_holds_nothing_else_up,
        retry_after_is_honoured_up_to_a_bound,
        while_the_secret_is_on_its_way_nothing_is_decided,
        what_is_out_of_view_is_not_taken_for_absent,
        it_may_die_at_any_request,
        only_the_leader_looks_and_writes,
        without_the_right_to_write_it_waits,
        of_two_leaders_one_is_refused,
        a_clock_that_jumps_changes_nothing,
        whatever_the_clock_says_all_take_what_is_served,
        after_any_weather_all_is_well,
        a_server_that_lags_makes_no_second_secret,
        any_allocation_may_fail,
};
TEST_MAIN("certificates/keeper_faults", tests)
