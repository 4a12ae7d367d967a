/* SPDX-License-Identifier: Apache-2.0
 *
 * What the linker gives to the simulator in place of the operator's loop,
 * clock, and source of randomness (--wrap in meson.build).
 */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sim/world.h"
#include "sim/wrap.h"

#define WALL_AT_START (INT64_C(1700000000) * USEC_SEC)

static struct world *here;

void wrap_enter(struct world *w)
{
        here = w;
}

usec_t world_wall(const struct world *w)
{
        return WALL_AT_START + w->now + w->wall_offset;
}

/* Outside of any world the real ones hold: the harness asks for the time too. */
usec_t __real_clock_now(void);
usec_t __wrap_clock_now(void);
usec_t __wrap_clock_now(void)
{
        return here ? here->now : __real_clock_now();
}

usec_t __real_clock_wall(void);
usec_t __wrap_clock_wall(void);
usec_t __wrap_clock_wall(void)
{
        return here ? world_wall(here) : __real_clock_wall();
}

ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags)
{
        uint8_t *bytes = buf;

        (void)flags;
        for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)rand_next(&here->rand);
        return (ssize_t)n;
}

/* --- the loop ------------------------------------------------------------------ */

int __wrap_loop_timer_set(struct loop *l, struct loop_timer *timer, usec_t due, loop_timer_fn *fn, void *arg);
int __wrap_loop_timer_set(struct loop *l, struct loop_timer *timer, usec_t due, loop_timer_fn *fn, void *arg)
{
        int r;

        timer->fn = fn;
        timer->arg = arg;
        if (!timer->loop)
                heap_node_init(&timer->node);
        r = heap_set(&l->timers, &timer->node, due);
        if (r == 0)
                timer->loop = l;
        return r;
}

void __wrap_loop_timer_stop(struct loop_timer *timer);
void __wrap_loop_timer_stop(struct loop_timer *timer)
{
        if (!timer->loop)
                return;
        heap_remove(&timer->loop->timers, &timer->node);
        timer->loop = NULL;
}

usec_t __wrap_loop_now(const struct loop *l);
usec_t __wrap_loop_now(const struct loop *l)
{
        return l->replica->world->now;
}

/* --- the client ------------------------------------------------------------------ */

struct loop *__wrap_kube_client_loop(const struct kube_client *c);
struct loop *__wrap_kube_client_loop(const struct kube_client *c)
{
        return &c->replica->loop;
}

const struct kube_config *__wrap_kube_client_config(const struct kube_client *c);
const struct kube_config *__wrap_kube_client_config(const struct kube_client *c)
{
        return &c->config;
}

void __wrap_kube_cancel(struct kube_request *q);
void __wrap_kube_cancel(struct kube_request *q)
{
        if (!q)
                return;
        if (q->is_stream)
                stream_cancel(q);
        else
                flight_cancel(q);
}

bool __wrap_kube_request_is_waiting(const struct kube_request *q);
bool __wrap_kube_request_is_waiting(const struct kube_request *q)
{
        (void)q;
        return false;
}
