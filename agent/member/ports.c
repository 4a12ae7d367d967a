/* SPDX-License-Identifier: Apache-2.0
 *
 * What the driver asks for, done by the parts of the member.
 */
#include "agent/member/member.h"
#include "base/log.h"

static usec_t port_now(void *arg _unused_)
{
        return clock_now();
}

static void on_wake(struct loop_timer *timer _unused_, void *arg)
{
        struct member *m = arg;

        driver_tick(&m->driver);
}

/* The timer keeps its place in the loop, so that setting it cannot fail. */
static void port_wake(usec_t at, void *arg)
{
        struct member *m = arg;
        int r = loop_timer_set(m->loop, &m->wake, at, on_wake, m);

        (void)r;
}

static void port_read(void *arg)
{
        lease_read(&((struct member *)arg)->lease);
}

static void port_write(uint64_t id, const struct failover_record *record, const char *version, void *arg)
{
        struct member *m = arg;

        lease_write(&m->lease, id, record, reporter_write(&m->reporter, &m->driver.f.server, clock_now()),
                    version);
}

static void port_send(const struct failover_message *message, void *arg)
{
        peers_send(&((struct member *)arg)->peers, message);
}

static void port_publish(uint64_t epoch, void *arg)
{
        struct member *m = arg;

        publisher_publish(&m->publisher, epoch, m->settings.port);
}

static void port_tell(const struct failover_effect *e, void *arg)
{
        struct member *m = arg;

        if (e->news.what == FAILOVER_FENCED || e->news.what == FAILOVER_SUPERSEDED)
                m->fences[e->news.cause]++;
        if (e->news.what == FAILOVER_LED)
                reporter_led(&m->reporter, e->news.epoch, clock_now());
        if (e->news.what == FAILOVER_ON_PROMISES)
                m->promised++;
        /* That others must answer first is only worth telling if they do not. */
        if (e->news.what == FAILOVER_WAITING && !m->waiting)
                m->waiting = clock_now();
        if (e->news.what == FAILOVER_WAITING)
                m->wait = *e;
        else
                news_tell(&m->news, e);
}

static void tell_waiting(struct member *m)
{
        if (m->driver.f.role != FAILOVER_SEALER) {
                m->waiting = 0;
        } else if (m->waiting && clock_now() - m->waiting > MEMBER_WAIT_TOLD) {
                news_tell(&m->news, &m->wait);
                m->waiting = USEC_NEVER; /* once */
        }
}

static void port_stepped(void *arg)
{
        struct member *m = arg;
        enum failover_role role = m->driver.f.role;

        tell_waiting(m);
        if (role == m->role)
                return;
        m->role = role;
        log_context("role", str_c(failover_role_name(role)));
        if (role == FAILOVER_SEALER)
                publisher_prepare(&m->publisher);
        if (role == FAILOVER_FOLLOWER)
                publisher_call_off(&m->publisher);
}

static void port_exit(void *arg)
{
        struct member *m = arg;

        log_info("the server is down, and the Lease is given up", LOG_INT("epoch", m->driver.f.record.epoch));
        loop_stop(m->loop, 0);
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

int member_ports(struct member *m, struct driver_ports *ret)
{
        *ret = ports;
        ret->arg = m;
        return loop_timer_set(m->loop, &m->wake, USEC_NEVER, on_wake, m);
}
