/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/parts.h"

#include <stdarg.h>
#include <string.h>

bool chance(struct sim *s, unsigned per_mille)
{
        return per_mille && rand_below(&s->rand, 1000) < per_mille;
}

usec_t between(struct sim *s, usec_t least, usec_t most)
{
        return most <= least ? least : least + (usec_t)rand_below(&s->rand, (uint64_t)(most - least) + 1);
}

int pick(struct sim *s, int bound)
{
        return (int)rand_below(&s->rand, (uint64_t)bound);
}

/* --- beginning and end --------------------------------------------------------------- */

static void init_hosts(struct sim *s)
{
        for (int i = 0; i < SIM_HOSTS_MAX; i++) {
                s->hosts[i].clock = between(s, USEC_SEC, 1000 * USEC_HOUR);
                s->hosts[i].ppm = pick(s, 2 * s->settings.ppm + 1) - s->settings.ppm;
        }
}

static void fair_weather(struct sim *s)
{
        s->weather = (struct weather){
                .delay = 2 * USEC_MSEC,
                .api_delay = 5 * USEC_MSEC,
                .order_delay = 3 * USEC_MSEC,
                .proxy_delay = 60 * USEC_MSEC,
        };
}

void sim_init(struct sim *s, const struct settings *settings, uint64_t seed)
{
        /* What is around the run stays. */
        memset(s, 0, offsetof(struct sim, history));
        s->history.n = 0;
        s->why[0] = '\0';
        s->seed = seed;
        s->rand.state = seed;
        s->settings = *settings;
        s->timing = failover_timing_of(settings->lease);
        loop_init(&s->loop);
        data_init(&s->data);
        init_hosts(s);
        fair_weather(s);
        oracle_init(&s->oracle);
        s->operator_present = true;
        s->policy = (struct failover_policy){
                .members = (failover_set)((1u << settings->members) - 1),
                .durable = settings->keep != KEEP_NOTHING,
                .request_to = FAILOVER_NOBODY,
                .consent = FAILOVER_NOBODY,
        };
        s->policy_number = 1;
        for (int m = 0; m < SIM_MEMBERS_MAX; m++)
                s->pod_of[m] = -1;
}

void sim_release(struct sim *s)
{
        loop_release(&s->loop);
        data_release(&s->data);
}

/* --- time goes by ------------------------------------------------------------------------ */

static void one_turn(struct sim *s)
{
        struct turn *t = loop_next(&s->loop);

        t->fn(s, t);
        loop_give_back(&s->loop, t);
        oracle_turn(s);
}

void sim_run(struct sim *s, usec_t time)
{
        usec_t end = sim_now(s) + time;

        while (loop_due(&s->loop) <= end)
                one_turn(s);
        s->loop.now = end;
}

bool sim_until(struct sim *s, bool (*fn)(const struct sim *s), usec_t at_most)
{
        usec_t end = sim_now(s) + at_most;

        while (!fn(s)) {
                if (loop_due(&s->loop) > end)
                        return false;
                one_turn(s);
        }
        return true;
}

/* --- what is said --------------------------------------------------------------------------- */

static void say(struct sim *s, const char *line)
{
        struct history *h = &s->history;

        if (h->live) {
                fprintf(h->live, "%10.4f %s\n", (double)sim_now(s) / USEC_SEC, line);
                return;
        }
        h->at[h->n % SIM_HISTORY_LINES] = sim_now(s);
        snprintf(h->lines[h->n++ % SIM_HISTORY_LINES], SIM_LINE_MAX, "%s", line);
}

void sim_note(struct sim *s, const struct pod *p, const char *format, ...)
{
        char line[SIM_LINE_MAX], text[SIM_LINE_MAX - 24];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (p)
                snprintf(line, sizeof(line), "%d%s %s", p->id.member, p->current ? " " : "'", text);
        else
                snprintf(line, sizeof(line), "-  %s", text);
        say(s, line);
}

void sim_fail(struct sim *s, const char *oracle, const char *format, ...)
{
        char text[SIM_WHY_MAX - 64];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        snprintf(s->why, sizeof(s->why), "%s: %s (at %.4f s)", oracle, text, (double)sim_now(s) / USEC_SEC);
        if (s->history.on)
                say(s, s->why);
        longjmp(s->failed, 1);
}
