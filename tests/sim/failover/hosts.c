/* SPDX-License-Identifier: Apache-2.0
 *
 * Machines: their clocks, what they reach, and their sleep.
 */
#include "failover/parts.h"

static usec_t ticks(const struct host *h, usec_t t)
{
        return t + t * h->ppm / 1000000;
}

usec_t host_now(const struct sim *s, int host)
{
        const struct host *h = &s->hosts[host];
        usec_t t = h->frozen ? h->frozen_since : sim_now(s);

        return h->clock + ticks(h, t - h->stood_still);
}

usec_t host_when(const struct sim *s, int host, usec_t time)
{
        const struct host *h = &s->hosts[host];
        usec_t wanted = time - h->clock;
        usec_t t = wanted - wanted * h->ppm / (1000000 + h->ppm) - 1;

        while (ticks(h, t) < wanted)
                t++;
        return t + h->stood_still;
}

void host_freeze(struct sim *s, int host)
{
        struct host *h = &s->hosts[host];

        if (h->frozen)
                return;
        note(s, NULL, "host %d freezes", host);
        h->frozen = true;
        h->frozen_since = sim_now(s);
}

static void goes_on(struct sim *s, struct pod *p)
{
        p->touched = sim_now(s);
        p->excused = sim_now(s) + s->timing.fence + 200 * USEC_MSEC;
        if (p->knife)
                knife_set(s, p, p->knife);
        /* Either may be the first to run. */
        if (chance(s, 500)) {
                agent_pump(s, p);
                server_goes_on(s, p);
        } else {
                server_goes_on(s, p);
                agent_pump(s, p);
        }
}

void host_thaw(struct sim *s, int host)
{
        struct host *h = &s->hosts[host];

        if (!h->frozen)
                return;
        note(s, NULL, "host %d goes on", host);
        h->stood_still += sim_now(s) - h->frozen_since;
        h->frozen = false;
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && s->pods[i].host == host)
                        goes_on(s, &s->pods[i]);
}

bool linked(const struct sim *s, enum traffic kind, const struct pod *from, const struct pod *to)
{
        return from->host == to->host || !s->cut[kind][from->host][to->host];
}

bool reaches_api(const struct sim *s, const struct pod *p)
{
        return !s->api.down && !s->hosts[p->host].no_api_up;
}

bool hears_api(const struct sim *s, const struct pod *p)
{
        return !s->api.down && !s->hosts[p->host].no_api_down;
}

bool disk_frozen(const struct sim *s, const struct pod *p)
{
        return sim_now(s) < s->volumes[p->volume].frozen_until;
}

bool volume_takes(const struct sim *s, const struct pod *p)
{
        return !disk_frozen(s, p) && !s->volumes[p->volume].full && !s->volumes[p->volume].gone;
}
