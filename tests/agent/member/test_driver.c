/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver against the real protocol, with a fake engine, in virtual time.
 */
#include "agent/member/driver.h"

#include <errno.h>

#include "fake_engine.h"
#include "harness.h"

#define L (4 * USEC_SEC)

static struct driver driver;
static struct fake_engine engine;
static usec_t now, woken;
static struct {
        uint64_t id;
        struct failover_record record;
        char version[FAILOVER_VERSION_MAX];
        bool under_way;
} written;
static struct buf done;
static unsigned n_exits, n_reads;
static struct failover_record lease;
static uint64_t version;

static usec_t port_now(void *arg _unused_)
{
        return now;
}

static void port_wake(usec_t at, void *arg _unused_)
{
        woken = at;
}

static void port_read(void *arg _unused_)
{
        n_reads++;
}

static void port_write(uint64_t id, const struct failover_record *record, const char *at, void *arg _unused_)
{
        ck_assert(!written.under_way);
        written.id = id;
        written.record = *record;
        memcpy(written.version, at, sizeof(written.version));
        written.under_way = true;
}

static void port_send(const struct failover_message *m, void *arg _unused_)
{
        buf_printf(&done, "send %d to %d\n", (int)m->type, m->to);
}

static void port_publish(uint64_t epoch, void *arg _unused_)
{
        buf_printf(&done, "publish %llu\n", (unsigned long long)epoch);
}

static void port_tell(const struct failover_effect *e, void *arg _unused_)
{
        buf_printf(&done, "tell %s\n", failover_news_name(e->news.what));
}

static void port_stepped(void *arg _unused_)
{
}

static void port_exit(void *arg _unused_)
{
        n_exits++;
}

static void looked(void *arg _unused_, const struct failover_server *server)
{
        driver_take(&driver, &(struct failover_event){ .type = FAILOVER_SERVER, .server = *server });
}

static void canary(void *arg _unused_, usec_t began, bool kept)
{
        driver_take(&driver, &(struct failover_event){ .type = FAILOVER_CANARY, .canary = { began, kept } });
}

static const struct driver_ports ports = {
        .now = port_now,
        .wake = port_wake,
        .read = port_read,
        .write = port_write,
        .send = port_send,
        .publish = port_publish,
        .tell = port_tell,
        .stepped = port_stepped,
        .exit = port_exit,
};

static void show(usec_t duration)
{
        char text[FAILOVER_VERSION_MAX];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)version);
        driver_record(&driver, &lease, text, duration);
}

/* One of one member, or of two. */
static void start(failover_set members)
{
        struct failover_id self = { .member = 0, .incarnation = 7, .uid = "uid-0", .address = "10.0.0.1" };
        struct failover_event policy = { .type = FAILOVER_POLICY };

        now = 1000 * USEC_SEC;
        n_exits = n_reads = 0;
        version = 1;
        memset(&written, 0, sizeof(written));
        buf_init(&done, (size_t)1024 * 1024);
        fake_engine_init(&engine, &(struct engine_handlers){ .looked = looked, .canary = canary });
        driver_init(&driver, &self, L, "fresh", &engine.base, &ports);
        policy.policy = (struct failover_policy){ .members = members,
                                                  .request_to = FAILOVER_NOBODY,
                                                  .consent = FAILOVER_NOBODY };
        lease = (struct failover_record){ .phase = FAILOVER_BOOTSTRAP,
                                          .in_sync = members,
                                          .handover_to = FAILOVER_NOBODY,
                                          .from = FAILOVER_NOBODY,
                                          .holder.member = FAILOVER_NOBODY };
        driver_take(&driver, &policy);
        show(0);
}

static void finish(void)
{
        buf_release(&done);
        fake_engine_release(&engine);
}

static void answer(enum failover_outcome outcome)
{
        struct failover_event e = { .type = FAILOVER_WROTE };

        ck_assert(written.under_way);
        written.under_way = false;
        if (outcome == FAILOVER_WRITTEN) {
                lease = written.record;
                version++;
        }
        e.wrote.id = written.id;
        e.wrote.outcome = outcome;
        snprintf(e.wrote.version, sizeof(e.wrote.version), "%llu", (unsigned long long)version);
        driver_take(&driver, &e);
}

/* Time passes, with looks and with an API server that answers, or does not. */
static void pass(usec_t time, bool looks, bool api)
{
        for (usec_t end = now + time; now < end;) {
                now += 50 * USEC_MSEC;
                if (looks)
                        fake_engine_look(&engine, now);
                driver_tick(&driver);
                if (api && written.under_way)
                        answer(FAILOVER_WRITTEN);
        }
}

static void lead_alone(void)
{
        start(1);
        pass(5 * USEC_SEC, true, true);
        ck_assert_int_eq(driver.f.role, FAILOVER_LEADER);
        ck_assert_int_eq(engine.server.state, FAILOVER_WRITABLE);
}

static size_t position(const struct buf *in, const char *what)
{
        const char *at = in->data ? strstr(in->data, what) : NULL;

        ck_assert_msg(at != NULL, "no \"%s\" in:\n%s", what, in->data ? in->data : "");
        return (size_t)(at - in->data);
}

START_TEST(test_leads_armed_and_published)
{
        lead_alone();
        ck_assert_uint_lt(position(&engine.asked, "Stand"), position(&engine.asked, "arm "));
        ck_assert_uint_lt(position(&engine.asked, "arm "), position(&engine.asked, "Lead"));
        ck_assert_uint_lt(position(&done, "publish 1\n"), position(&done, "tell Promoted"));
        ck_assert_int_gt(engine.armed, now);
        ck_assert_int_le(engine.armed, now + L);
        position(&engine.asked, "set 1\n");
        ck_assert(driver_leads(&driver));
        ck_assert_int_gt(woken, now);
        finish();
}
END_TEST

START_TEST(test_without_a_deadline_in_the_kernel_nobody_leads)
{
        start(1);
        engine.arm_fails = -EIO;
        pass(5 * USEC_SEC, true, true);
        ck_assert_int_ne(engine.server.state, FAILOVER_WRITABLE);
        ck_assert_ptr_null(strstr(engine.asked.data, "Lead"));
        ck_assert_uint_gt(driver.arm_failed, 0);
        position(&engine.asked, "kill ");
        ck_assert_ptr_null(done.data ? strstr(done.data, "publish") : NULL);
        /* And it mends. */
        engine.arm_fails = 0;
        pass(5 * USEC_SEC, true, true);
        ck_assert_int_eq(driver.f.role, FAILOVER_LEADER);
        finish();
}
END_TEST

START_TEST(test_a_leader_that_cannot_arm_again_kills)
{
        lead_alone();
        buf_clear(&engine.asked);
        engine.arm_fails = -EIO;
        pass(2 * USEC_SEC, true, true);
        ck_assert_uint_lt(position(&engine.asked, "arm "), position(&engine.asked, "kill "));
        ck_assert_int_ne(engine.server.state, FAILOVER_WRITABLE);
        finish();
}
END_TEST

/* A keeper that gets no time to answer has not failed: the deadline before stands, and comes
 * to pass if it never answers. */
START_TEST(test_a_leader_goes_on_under_the_deadline_before)
{
        usec_t before;

        lead_alone();
        buf_clear(&engine.asked);
        before = engine.armed;
        engine.arm_fails = -ETIMEDOUT;
        pass(1500 * USEC_MSEC, true, true);
        position(&engine.asked, "arm ");
        ck_assert_uint_gt(driver.arm_failed, 0);
        ck_assert_ptr_null(strstr(engine.asked.data, "kill "));
        ck_assert_int_eq(engine.armed, before);
        ck_assert_int_eq(engine.server.state, FAILOVER_WRITABLE);
        engine.arm_fails = 0;
        pass(1500 * USEC_MSEC, true, true);
        ck_assert_int_gt(engine.armed, before);
        ck_assert_int_eq(driver.f.role, FAILOVER_LEADER);
        finish();
}
END_TEST

/* Where there is none before, it does not lead, as with any other failure. */
START_TEST(test_nobody_begins_to_lead_under_a_deadline_in_doubt)
{
        start(1);
        engine.arm_fails = -ETIMEDOUT;
        pass(5 * USEC_SEC, true, true);
        ck_assert_ptr_null(strstr(engine.asked.data, "Lead"));
        position(&engine.asked, "kill ");
        engine.arm_fails = 0;
        pass(5 * USEC_SEC, true, true);
        ck_assert_int_eq(driver.f.role, FAILOVER_LEADER);
        /* The one of a server that was killed is none for the next. */
        driver.engine->ops->kill(driver.engine, driver.f.orders);
        engine.arm_fails = -ETIMEDOUT;
        buf_clear(&engine.asked);
        pass(5 * USEC_SEC, true, true);
        ck_assert_ptr_null(strstr(engine.asked.data, "Lead"));
        ck_assert_int_ne(engine.server.state, FAILOVER_WRITABLE);
        finish();
}
END_TEST

START_TEST(test_no_order_to_lead_without_a_deadline)
{
        lead_alone();
        ck_assert_uint_eq(driver.refused, 0);
        buf_clear(&engine.asked);
        driver.armed = false;
        driver.f.want = FAILOVER_STAND; /* as if it had to be told again */
        driver_tick(&driver);
        ck_assert_uint_eq(driver.refused, 1);
        position(&engine.asked, "kill ");
        ck_assert_ptr_null(strstr(engine.asked.data, "Lead"));
        ck_assert_int_ne(engine.server.state, FAILOVER_WRITABLE);
        finish();
}
END_TEST

START_TEST(test_a_server_that_does_not_answer_is_killed)
{
        lead_alone();
        buf_clear(&engine.asked);
        pass(3 * USEC_SEC, false, true);
        position(&engine.asked, "kill ");
        position(&done, "tell Fenced");
        ck_assert_int_ne(engine.server.state, FAILOVER_WRITABLE);
        finish();
}
END_TEST

START_TEST(test_a_lease_that_is_lost_kills)
{
        lead_alone();
        buf_clear(&engine.asked);
        lease.epoch++;
        lease.holder = (struct failover_id){ .member = 1, .uid = "uid-1", .address = "10.0.0.2" };
        version += 10;
        show(L);
        ck_assert_uint_eq(position(&engine.asked, "kill "), 0); /* before all else */
        position(&engine.asked, "Follow 10.0.0.2");
        position(&done, "tell Superseded");
        finish();
}
END_TEST

START_TEST(test_stop_ends_when_the_server_is_down)
{
        lead_alone();
        driver_take(&driver, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_uint_eq(n_exits, 0);
        pass(3 * USEC_SEC, true, true);
        ck_assert_uint_eq(n_exits, 1);
        ck_assert_int_eq(lease.phase, FAILOVER_RELEASED);
        ck_assert(!lease.final);
        finish();
}
END_TEST

/* Another's Lease is waited for as long as that one wants to be. */
START_TEST(test_waits_as_the_holder_declares)
{
        start(3);
        lease.phase = FAILOVER_HELD;
        lease.epoch = 5;
        lease.in_sync = 3;
        memcpy(lease.lineage, "data", 4);
        lease.holder = (struct failover_id){ .member = 1, .uid = "uid-1", .address = "10.0.0.2" };
        version++;
        show(20 * USEC_SEC);
        engine.server.has_data = true;
        pass(19 * USEC_SEC, true, false);
        ck_assert(!written.under_way);
        pass(2 * USEC_SEC, true, false);
        ck_assert(written.under_way);
        ck_assert_uint_eq(written.record.epoch, 6);
        answer(FAILOVER_UNKNOWN);
        /* A duration that is only rounded up is none. */
        version++;
        show(L);
        ck_assert_int_eq(driver.f.timing.lease, L);
        driver.lease = L - USEC_SEC / 2;
        version++;
        show(L);
        ck_assert_int_eq(driver.f.timing.lease, L - USEC_SEC / 2);
        finish();
}
END_TEST

static void look_at_once(void *arg _unused_, const struct failover_server *server)
{
        struct failover_server again = *server;

        for (int i = 0; i < 2 * DRIVER_QUEUE_MAX; i++)
                looked(NULL, &again);
}

static void order_and_tell(struct engine *base _unused_, enum failover_order what _unused_, uint64_t number,
                           const struct failover_id *whom _unused_, uint64_t epoch _unused_)
{
        engine.server.order = number;
        engine.server.state = FAILOVER_STANDING;
        engine.server.at = now;
        look_at_once(NULL, &engine.server);
}

/* An engine that tells from inside of an order: the step is ended first. */
START_TEST(test_what_comes_meanwhile_waits)
{
        struct engine_ops ops;
        struct failover_id self = { .member = 0, .incarnation = 7, .uid = "uid-0" };

        start(1);
        ops = *engine.base.ops;
        ops.order = order_and_tell;
        engine.base.ops = &ops;
        driver_init(&driver, &self, L, "fresh", &engine.base, &ports);
        driver_tick(&driver);
        ck_assert_int_eq(driver.f.server.state, FAILOVER_STANDING);
        ck_assert_uint_eq(driver.n, 0);
        ck_assert_uint_gt(driver.dropped, 0);
        finish();
}
END_TEST

static const TTest *const tests[] = {
        test_leads_armed_and_published,
        test_without_a_deadline_in_the_kernel_nobody_leads,
        test_a_leader_that_cannot_arm_again_kills,
        test_a_leader_goes_on_under_the_deadline_before,
        test_nobody_begins_to_lead_under_a_deadline_in_doubt,
        test_no_order_to_lead_without_a_deadline,
        test_a_server_that_does_not_answer_is_killed,
        test_a_lease_that_is_lost_kills,
        test_stop_ends_when_the_server_is_down,
        test_waits_as_the_holder_declares,
        test_what_comes_meanwhile_waits,
};

TEST_MAIN("member/driver", tests)
