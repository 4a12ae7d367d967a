/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/driver.h"

#include <errno.h>

static usec_t whole_seconds(usec_t t)
{
        return (t + USEC_SEC - 1) / USEC_SEC * USEC_SEC;
}

void driver_init(struct driver *d, const struct failover_id *self, usec_t lease, const char *fresh_lineage,
                 struct engine *engine, const struct driver_ports *ports)
{
        struct failover_timing timing = failover_timing_of(lease);
        struct failover_copy stored = { 0 };

        *d = (struct driver){ .engine = engine, .ports = *ports, .lease = lease };
        engine->ops->recall(engine, &stored);
        failover_init(&d->f, self, &timing, &stored, fresh_lineage, ports->now(ports->arg));
}

/* --- effects ------------------------------------------------------------------------ */

/* Without a deadline in the kernel an agent that is stopped would go on being followed. One
 * that is put off in vain still stands, and is the earlier one: on a machine that is short of
 * time the answer may be late, which is no reason to end a server that is well. */
static void arm(struct driver *d, usec_t until)
{
        int r = d->engine->ops->arm(d->engine, until);

        if (r == 0) {
                d->armed = true;
                return;
        }
        d->arm_failed++;
        if (r == -ETIMEDOUT && d->armed)
                return;
        d->armed = false;
        d->engine->ops->kill(d->engine, d->f.orders);
}

/* A deadline that the kernel keeps comes before every order that lets a server write; the
 * protocol sees to that. Where it ever fails to, the server dies rather than leads without. */
static bool is_unguarded(const struct driver *d, const struct failover_effect *e)
{
        return !d->armed && (e->order.what == FAILOVER_LEAD || e->order.what == FAILOVER_PAUSE);
}

static void give_order(struct driver *d, const struct failover_effect *e)
{
        d->engine->ops->order(d->engine, e->order.what, e->order.number,
                              e->order.what == FAILOVER_FOLLOW ? &e->order.whom : NULL, e->order.epoch);
}

static void do_effect(struct driver *d, const struct failover_effect *e, bool *unarmed)
{
        struct driver_ports *p = &d->ports;

        switch (e->type) {
        case FAILOVER_DO_READ:
                p->read(p->arg);
                break;
        case FAILOVER_DO_WRITE:
                p->write(e->write.id, &e->write.record, e->write.version, p->arg);
                break;
        case FAILOVER_DO_ORDER:
                if (!*unarmed && is_unguarded(d, e)) {
                        d->refused++;
                        *unarmed = true;
                        d->engine->ops->kill(d->engine, d->f.orders);
                }
                if (!*unarmed)
                        give_order(d, e);
                break;
        case FAILOVER_DO_KILL:
                d->engine->ops->kill(d->engine, e->order.number);
                d->armed = false;
                break;
        case FAILOVER_DO_ARM:
                arm(d, e->until);
                *unarmed = !d->armed;
                break;
        case FAILOVER_DO_DISARM:
                d->engine->ops->disarm(d->engine);
                d->armed = false;
                break;
        case FAILOVER_DO_SEND:
                p->send(&e->message, p->arg);
                break;
        case FAILOVER_DO_PUBLISH:
                p->publish(e->epoch, p->arg);
                break;
        case FAILOVER_DO_REMEMBER:
                d->engine->ops->remember(d->engine, &e->copy);
                break;
        case FAILOVER_DO_TELL:
                p->tell(e, p->arg);
                break;
        case FAILOVER_DO_EXIT:
                p->exit(p->arg);
                break;
        }
}

static void confirm_set(struct driver *d)
{
        if (!d->f.known || d->f.record.in_sync == d->confirmed)
                return;
        d->confirmed = d->f.record.in_sync;
        d->engine->ops->set_confirmed(d->engine, d->confirmed);
}

static void step(struct driver *d, const struct failover_event *event)
{
        bool unarmed = false;

        failover_step(&d->f, d->ports.now(d->ports.arg), event, &d->effects);
        for (size_t i = 0; i < d->effects.n; i++)
                do_effect(d, &d->effects.list[i], &unarmed);
        confirm_set(d);
}

/* --- events ------------------------------------------------------------------------- */

static bool may_be_lost(const struct failover_event *e)
{
        return e->type == FAILOVER_TICK || e->type == FAILOVER_MESSAGE || e->type == FAILOVER_SERVER ||
               e->type == FAILOVER_CANARY;
}

static bool enqueue(struct driver *d, const struct failover_event *e)
{
        if (d->n >= (may_be_lost(e) ? DRIVER_QUEUE_LOSSY : DRIVER_QUEUE_MAX)) {
                d->dropped++;
                return false;
        }
        d->queue[(d->head + d->n++) % DRIVER_QUEUE_MAX] = *e;
        return true;
}

void driver_take(struct driver *d, const struct failover_event *event)
{
        if (!enqueue(d, event) || d->busy)
                return;
        d->busy = true;
        while (d->n) {
                struct failover_event *next = &d->queue[d->head];

                step(d, next);
                d->head = (d->head + 1) % DRIVER_QUEUE_MAX;
                d->n--;
        }
        d->busy = false;
        d->ports.wake(d->effects.wake, d->ports.arg);
        d->ports.stepped(d->ports.arg);
}

void driver_tick(struct driver *d)
{
        driver_take(d, &(struct failover_event){ .type = FAILOVER_TICK });
}

/* Members may have been started with different L while a change is rolled out. It is the
 * holder's that tells when the Lease runs out; its own end comes by its own L. Whole
 * seconds are all that the Lease says, so one that only looks longer is left alone. */
static void wait_as_declared(struct driver *d, usec_t duration)
{
        d->f.timing.lease = duration > whole_seconds(d->lease) ? duration : d->lease;
}

void driver_record(struct driver *d, const struct failover_record *record, const char *version,
                   usec_t duration)
{
        struct failover_event e = { .type = FAILOVER_RECORD, .lease.record = *record };

        memcpy(e.lease.version, version, strnlen(version, sizeof(e.lease.version) - 1));
        wait_as_declared(d, duration);
        driver_take(d, &e);
}
