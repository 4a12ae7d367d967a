/* SPDX-License-Identifier: Apache-2.0 */
#include "lead.h"

START_TEST(test_create)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        ck_assert(!leader_may_write(&b.l, b.now));
        step(&b, LEADER_TICK);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        ck_assert_uint_eq(b.a.body.len, 0);
        ck_assert_int_eq(b.a.timeout, 5 * USEC_SEC);
        ck_assert_int_eq(b.a.wake, START + 5 * USEC_SEC);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_CREATE);
        ck_str_eq(b.a.body, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\","
                            "\"metadata\":{\"name\":\"keelson\",\"namespace\":\"ops\"},"
                            "\"spec\":{\"holderIdentity\":\"host-a_1\",\"leaseDurationSeconds\":15,"
                            "\"acquireTime\":\"2006-01-02T15:04:05.000000Z\","
                            "\"renewTime\":\"2006-01-02T15:04:05.000000Z\",\"leaseTransitions\":0}}");
        ck_assert(!leader_may_write(&b.l, b.now));
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STARTED);
        ck_assert(b.a.new_holder);
        ck_str_eq(leader_holder(&b.l), "host-a_1");
        ck_assert_int_eq(b.a.wake, START + 2 * USEC_SEC);
        ck_assert(leader_may_write(&b.l, b.now + 10 * USEC_SEC - 1));
        ck_assert(!leader_may_write(&b.l, b.now + 10 * USEC_SEC));
}
END_TEST

START_TEST(test_renew)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        for (int i = 1; i <= 20; i++) {
                tick_at(&b, START + i * 2 * USEC_SEC);
                ck_assert_int_eq(b.a.method, LEADER_UPDATE);
                serve(&b);
                ck_assert_int_eq(b.a.change, LEADER_SAME);
                ck_assert_int_eq(b.a.method, LEADER_NOTHING);
                ck_assert(leader_may_write(&b.l, b.now + 10 * USEC_SEC - 1));
        }
        ck_assert_uint_eq(b.api.writes, 21);
        ck_assert(fake_lease_says(&b.api, "acquireTime", "2006-01-02T15:04:05.000000Z"));
        ck_assert(fake_lease_says(&b.api, "renewTime", "2006-01-02T15:04:45.000000Z"));
        ck_assert_int_eq(fake_lease_number(&b.api, "leaseTransitions"), 0);
}
END_TEST

START_TEST(test_validity_counts_from_sending)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        tick_at(&b, START + 2 * USEC_SEC);
        b.now += 4 * USEC_SEC; /* the reply takes its time */
        serve(&b);
        ck_assert(leader_may_write(&b.l, START + 12 * USEC_SEC - 1));
        ck_assert(!leader_may_write(&b.l, START + 12 * USEC_SEC));
        ck_assert_int_eq(b.a.method, LEADER_UPDATE); /* and the next one is due already */
}
END_TEST

START_TEST(test_lost_at_the_deadline)
{
        _cleanup_(bench_release) struct bench b;
        uint64_t request;

        bench_init(&b);
        lead(&b);
        tick_at(&b, START + 2 * USEC_SEC);
        request = b.a.request;
        ck_assert_int_eq(b.a.wake, START + 7 * USEC_SEC);
        tick_at(&b, b.a.wake); /* no answer in 5 s: look at the lease */
        ck_assert_int_eq(b.a.method, LEADER_GET);
        ck_assert_str_eq(b.a.failure.message, "cannot update lease ops/keelson: no answer");
        ck_assert_int_eq(b.a.wake, START + 10 * USEC_SEC);
        ck_assert(leader_may_write(&b.l, START + 10 * USEC_SEC - 1));
        tick_at(&b, b.a.wake);
        ck_assert_int_eq(b.a.change, LEADER_LOST);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_assert_str_eq(b.a.failure.message, "lease ops/keelson could not be renewed in time");
        ck_assert(!leader_may_write(&b.l, b.now));

        /* An answer that comes now changes nothing. */
        fake_lease_write(&b.api, &b.reply);
        reply(&b, request, 200, b.reply.data);
        ck_assert_int_eq(b.a.change, LEADER_SAME);
        ck_assert(!leader_may_write(&b.l, b.now));

        /* It is a candidate again, and nobody else took the lease. */
        tick_at(&b, b.a.wake);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STARTED);
}
END_TEST

START_TEST(test_a_reply_past_the_deadline_does_not_count)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        tick_at(&b, START + 2 * USEC_SEC);
        b.now = START + 30 * USEC_SEC; /* the process was stopped */
        ck_assert(!leader_may_write(&b.l, b.now));
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_LOST);
        ck_assert(!leader_may_write(&b.l, b.now));
}
END_TEST

START_TEST(test_follower_waits_the_whole_duration)
{
        _cleanup_(bench_release) struct bench b;
        usec_t seen = START;

        bench_init(&b);
        follow(&b);
        ck_assert(b.a.new_holder);
        ck_str_eq(leader_holder(&b.l), "host-b_2");
        for (;;) {
                ck_assert_int_ge(b.a.wake - b.now, 2 * USEC_SEC);
                ck_assert_int_le(b.a.wake - b.now, 2 * USEC_SEC + 2400 * USEC_MSEC);
                tick_at(&b, b.a.wake);
                ck_assert_int_eq(b.a.method, LEADER_GET);
                serve(&b);
                ck_assert(!b.a.new_holder);
                if (b.a.method == LEADER_UPDATE)
                        break;
        }
        ck_assert_int_ge(b.now, seen + 15 * USEC_SEC);
        ck_assert_int_lt(b.now, seen + 15 * USEC_SEC + 4400 * USEC_MSEC);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STARTED);
        ck_assert(fake_lease_says(&b.api, "holderIdentity", "host-a_1"));
        ck_assert_int_eq(fake_lease_number(&b.api, "leaseTransitions"), 5);
        ck_assert(!fake_lease_says(&b.api, "acquireTime", "2001-01-01T00:00:00.000000Z"));
}
END_TEST

START_TEST(test_each_renewal_starts_the_wait_anew)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        follow(&b);
        for (int i = 2; i < 40; i++) {
                hold_by(&b, "host-b_2", 15, i);
                tick_at(&b, b.a.wake);
                serve(&b);
                ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        }
        /* A label that somebody sets is not a renewal. */
        for (int i = 0; b.a.method == LEADER_NOTHING; i++) {
                ck_assert_int_lt(i, 10);
                b.api.version++;
                tick_at(&b, b.a.wake);
                serve(&b);
        }
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
}
END_TEST

START_TEST(test_the_holder_says_how_long)
{
        _cleanup_(bench_release) struct bench b;
        usec_t end = START + 40 * USEC_SEC;

        bench_init(&b);
        hold_by(&b, "host-b_2", 40, 1);
        step(&b, LEADER_TICK);
        serve(&b);
        while (b.a.method == LEADER_NOTHING) {
                tick_at(&b, b.a.wake);
                serve(&b);
                ck_assert(b.a.method == LEADER_NOTHING || b.now >= end);
        }
}
END_TEST

START_TEST(test_a_released_lease_is_taken_at_once)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        hold_by(&b, "", 1, 1);
        step(&b, LEADER_TICK);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STARTED);
}
END_TEST

START_TEST(test_an_empty_lease_is_free)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        b.api = (struct fake_lease){ .there = true, .version = 3, .spec = "{}" };
        step(&b, LEADER_TICK);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STARTED);
        ck_assert_int_eq(fake_lease_number(&b.api, "leaseTransitions"), 1);
}
END_TEST

START_TEST(test_a_deleted_lease_is_waited_for)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        follow(&b);
        b.api.there = false;
        tick_at(&b, b.a.wake);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING); /* its holder may not have noticed */
        while (b.a.method == LEADER_NOTHING) {
                tick_at(&b, b.a.wake);
                serve(&b);
        }
        ck_assert_int_eq(b.a.method, LEADER_CREATE);
        ck_assert_int_ge(b.now, START + 15 * USEC_SEC);
}
END_TEST

START_TEST(test_the_leader_makes_a_deleted_lease_anew)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        b.api.there = false;
        tick_at(&b, b.a.wake);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_CREATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_SAME);
        ck_assert(leader_may_write(&b.l, b.now + 9 * USEC_SEC));
}
END_TEST

START_TEST(test_conflict_of_candidates)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        step(&b, LEADER_TICK);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_CREATE);
        hold_by(&b, "host-b_2", 15, 1); /* was faster */
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_assert_int_eq(b.a.failure.code, 0); /* nothing is wrong */
        tick_at(&b, b.a.wake);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_str_eq(leader_holder(&b.l), "host-b_2");
}
END_TEST

START_TEST(test_conflict_of_the_leader)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        b.api.version++; /* somebody set a label */
        tick_at(&b, b.a.wake);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        b.api.version++; /* and does so again and again: do not spin with him */
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_assert_int_eq(b.a.wake, b.now + 2 * USEC_SEC);
        tick_at(&b, b.a.wake);
        serve(&b);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_assert(leader_may_write(&b.l, b.now + 9 * USEC_SEC));
}
END_TEST

START_TEST(test_a_lease_that_was_taken_away)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        hold_by(&b, "host-b_2", 15, 1);
        tick_at(&b, b.a.wake);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_LOST);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_assert_str_eq(b.a.failure.message, "lease ops/keelson was taken by host-b_2");
        ck_assert(!leader_may_write(&b.l, b.now));
}
END_TEST

START_TEST(test_an_update_whose_answer_was_lost)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        tick_at(&b, START + 2 * USEC_SEC);
        ck_assert_int_eq(fake_lease_serve(&b.api, b.a.method, b.a.body, &b.reply), 200);
        reply(&b, b.a.request, 0, NULL);
        ck_assert_int_eq(b.a.failure.code, -EIO);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_assert_int_eq(b.a.wake, START + 4 * USEC_SEC);
        ck_assert(!leader_may_write(&b.l, START + 10 * USEC_SEC)); /* it does not count */
        tick_at(&b, b.a.wake);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert(leader_may_write(&b.l, START + 10 * USEC_SEC));
        ck_assert_int_eq(fake_lease_number(&b.api, "leaseTransitions"), 0);
}
END_TEST

START_TEST(test_refusals)
{
        static const struct {
                int status;
                const char *body;
                const char *message;
        } cases[] = {
                { 403, "{\"message\":\"leases is forbidden\"}",
                  "cannot get lease ops/keelson: HTTP 403: leases is forbidden" },
                { 500, NULL, "cannot get lease ops/keelson: HTTP 500" },
                { 429, "[]", "cannot get lease ops/keelson: HTTP 429" },
                { 0, NULL, "cannot get lease ops/keelson: no answer" },
                { 200, NULL, "cannot read lease ops/keelson: the reply is not a Lease" },
                { 200, "[1]", "cannot read lease ops/keelson: the reply is not a Lease" },
                { 200, "{\"metadata\":{\"resourceVersion\":7}}",
                  "cannot read lease ops/keelson: the reply is not a Lease" },
                { 200, "{\"metadata\":{\"resourceVersion\":\"\"}}",
                  "cannot read lease ops/keelson: the reply is not a Lease" },
        };
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        step(&b, LEADER_TICK);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                ck_assert_int_eq(b.a.method, LEADER_GET);
                reply(&b, b.a.request, cases[i].status, cases[i].body);
                ck_assert_int_lt(b.a.failure.code, 0);
                ck_assert_str_eq(b.a.failure.message, cases[i].message);
                ck_assert_int_eq(b.a.method, LEADER_NOTHING);
                tick_at(&b, b.a.wake);
        }
        serve(&b);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STARTED); /* it never gives up */
}
END_TEST

START_TEST(test_a_lease_that_is_too_large)
{
        _cleanup_(bench_release) struct bench b;
        _cleanup_(buf_release) struct buf text = BUF_INIT(4 * LEADER_BODY_MAX);

        bench_init(&b);
        step(&b, LEADER_TICK);
        buf_add_c(&text, "{\"metadata\":{\"resourceVersion\":\"1\",\"annotations\":{\"a\":\"");
        for (size_t i = 0; i < LEADER_BODY_MAX; i++)
                buf_add_char(&text, 'a');
        buf_add_c(&text, "\"}},\"spec\":{}}");
        reply(&b, b.a.request, 200, text.data);
        ck_assert_str_eq(b.a.failure.message, "cannot read lease ops/keelson: it is too large");
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
}
END_TEST

START_TEST(test_stray_replies)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        reply(&b, 0, 200, "{}");
        ck_assert_int_eq(b.a.method, LEADER_GET);
        reply(&b, b.a.request + 1, 404, NULL);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        ck_assert_int_eq(b.a.failure.code, 0);
        ck_assert_int_eq(b.a.wake, START + 5 * USEC_SEC);
}
END_TEST

START_TEST(test_config)
{
        static const struct {
                usec_t lease, renew, retry;
                int r;
        } cases[] = {
                { 15 * USEC_SEC, 10 * USEC_SEC, 2 * USEC_SEC, 0 },
                { USEC_SEC, 900 * USEC_MSEC, 100 * USEC_MSEC, 0 },
                { 15 * USEC_SEC, 15 * USEC_SEC, 2 * USEC_SEC, -EINVAL },
                { 15 * USEC_SEC + 1, 10 * USEC_SEC, 2 * USEC_SEC, -EINVAL },
                { 0, 0, 0, -EINVAL },
                { 15 * USEC_SEC, 10 * USEC_SEC, 0, -EINVAL },
                { 15 * USEC_SEC, 10 * USEC_SEC, 9 * USEC_SEC, -EINVAL },
                { 15 * USEC_SEC, -1, -2, -EINVAL },
                { 2 * USEC_HOUR, 10 * USEC_SEC, 2 * USEC_SEC, -EINVAL },
        };
        struct leader l;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct leader_config c = config;
                struct error err = ERROR_INIT;

                c.lease_duration = cases[i].lease;
                c.renew_deadline = cases[i].renew;
                c.retry_period = cases[i].retry;
                ck_assert_msg(leader_init(&l, &c, 1, &err) == cases[i].r, "case %zu", i);
                ck_assert_int_eq(err.code, cases[i].r);
                if (cases[i].r == 0)
                        leader_release(&l);
        }
        {
                struct leader_config c = config;

                c.identity = STR_NULL;
                ck_assert_int_eq(leader_init(&l, &c, 1, NULL), -EINVAL);
        }
}
END_TEST

START_TEST(test_names)
{
        static const uint8_t bytes[16] = { 0,    0x11, 0x22, 0x33, 0x44, 0x55, 0xff, 0x77,
                                           0xff, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
        char identity[LEADER_IDENTITY_MAX], host[400];

        ck_assert_uint_eq(leader_identity(STR("pod-0"), bytes, identity), 6 + 36);
        ck_assert_str_eq(identity, "pod-0_00112233-4455-4f77-bf99-aabbccddeeff");
        memset(host, 'h', sizeof(host));
        ck_assert_uint_eq(leader_identity(str_n(host, sizeof(host)), bytes, identity), 253 + 37);
}
END_TEST

/* Without memory an attempt fails and a later one works; leading is never claimed wrongly. */
static int lead_and_release(void *arg _unused_)
{
        static char room[8192]; /* the API server's memory does not fail */
        struct buf text = { .data = room, .size = sizeof(room), .cap = sizeof(room) - 1 };
        struct fake_lease api = { 0 };
        struct leader_actions a;
        struct leader_event event = { .type = LEADER_TICK, .wall = WALL };
        usec_t now = START;
        struct leader l;
        unsigned renewals = 0;

        ck_assert_int_eq(leader_init(&l, &config, 1, NULL), 0);
        leader_step(&l, &event, now, &a);
        while (l.role != LEADER_DONE) {
                yyjson_doc *doc = NULL;

                event = (struct leader_event){ .type = LEADER_TICK, .wall = WALL };
                if (a.method != LEADER_NOTHING) {
                        yyjson_doc *sent =
                                yyjson_read(a.body.len ? a.body.data : "{}", a.body.len ? a.body.len : 2, 0);

                        ck_assert_ptr_nonnull(sent); /* whole, or not sent at all */
                        yyjson_doc_free(sent);
                        if (a.method == LEADER_GET && !api.there) {
                                event.status = 404;
                        } else if (a.method == LEADER_GET) {
                                event.status = 200;
                        } else {
                                api.there = true;
                                api.version++;
                                renewals++;
                                snprintf(api.spec, sizeof(api.spec), "{\"holderIdentity\":\"%s\",\"n\":%u}",
                                         l.releases ? "" : "host-a_1", renewals);
                                event.status = 200;
                        }
                        event.type = LEADER_REPLY;
                        event.request = a.request;
                        fake_lease_write(&api, &text);
                        doc = yyjson_read(text.data, text.len, 0);
                        event.body = event.status == 200 ? yyjson_doc_get_root(doc) : NULL;
                } else {
                        now = a.wake;
                        if (renewals >= 3)
                                event.type = LEADER_STOP;
                }
                leader_step(&l, &event, now, &a);
                yyjson_doc_free(doc);
                ck_assert_int_lt(now, START + USEC_HOUR);
        }
        leader_release(&l);
        return 0;
}

START_TEST(test_torture)
{
        torture(lead_and_release, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        test_create,
        test_renew,
        test_validity_counts_from_sending,
        test_lost_at_the_deadline,
        test_a_reply_past_the_deadline_does_not_count,
        test_follower_waits_the_whole_duration,
        test_each_renewal_starts_the_wait_anew,
        test_the_holder_says_how_long,
        test_a_released_lease_is_taken_at_once,
        test_an_empty_lease_is_free,
        test_a_deleted_lease_is_waited_for,
        test_the_leader_makes_a_deleted_lease_anew,
        test_conflict_of_candidates,
        test_conflict_of_the_leader,
        test_a_lease_that_was_taken_away,
        test_an_update_whose_answer_was_lost,
        test_refusals,
        test_a_lease_that_is_too_large,
        test_stray_replies,
        test_config,
        test_names,
        test_torture,
};
TEST_MAIN("manager/leader", tests)
