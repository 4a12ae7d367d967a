/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/report.h"

#include <stdio.h>

void reporter_init(struct reporter *r, int self, const char *uid)
{
        *r = (struct reporter){ .self = self };
        snprintf(r->own.pod, sizeof(r->own.pod), "%s", uid);
        failover_report_init(&r->out);
}

void reporter_applied(struct reporter *r, const struct failover_applied *now)
{
        struct failover_applied own = *now;

        if (!now->config[0])
                return;
        if (!r->first[0])
                snprintf(r->first, sizeof(r->first), "%s", now->config);
        memcpy(own.pod, r->own.pod, sizeof(own.pod));
        own.needs_restart = now->needs_restart && strcmp(r->first, now->config) != 0;
        r->own = own;
        reporter_heard(r, r->self, &r->own);
}

void reporter_heard(struct reporter *r, int member, const struct failover_applied *applied)
{
        if (member < 0 || member >= FAILOVER_MEMBERS_MAX || !applied->config[0])
                return;
        r->out.known |= failover_only(member);
        r->out.applied[member] = *applied;
}

/* --- the outage --------------------------------------------------------------------- */

static void note_lead(struct reporter *r, const struct failover_record *record, usec_t now)
{
        if (record->phase == FAILOVER_HELD && record->epoch != r->held) {
                r->former_at = r->held_at;
                r->held = record->epoch;
        }
        if (record->epoch == r->held &&
            (record->phase == FAILOVER_HELD || record->phase == FAILOVER_RELEASED))
                r->held_at = now;
}

void reporter_asked(struct reporter *r, uint64_t epoch, usec_t now)
{
        if (epoch == r->held)
                r->held_at = now;
}

void reporter_led(struct reporter *r, uint64_t epoch, usec_t now)
{
        usec_t end = r->held == epoch ? r->former_at : r->held_at;

        r->out.epoch = epoch;
        r->out.outage_millis = end && now > end ? (now - end) / USEC_MSEC : FAILOVER_UNTOLD;
        r->lags_at = 0;
}

/* --- the Lease ---------------------------------------------------------------------- */

/* One that cannot be read is written anew by whoever leads. */
void reporter_saw(struct reporter *r, const struct failover_record *record, struct str text, usec_t now)
{
        struct failover_report report;

        note_lead(r, record, now);
        r->seen = (struct failover_applied){ 0 };
        if (text.data && failover_report_read(text, &report, NULL) == 0)
                r->seen = report.applied[r->self];
}

bool reporter_has_news(const struct reporter *r)
{
        return r->own.config[0] && !failover_applied_equal(&r->own, &r->seen);
}

/* In powers of two: it is for people, and what changes all the time is worth no write. */
static int64_t rounded(uint64_t lag)
{
        uint64_t n = REPORT_LAG_STEP;

        if (lag < REPORT_LAG_STEP)
                return 0;
        while (n < lag && n < UINT64_C(1) << 62)
                n *= 2;
        return (int64_t)n;
}

static void look_at_lags(struct reporter *r, const struct failover_server *server)
{
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                uint64_t acked = server->acked[m];

                r->out.lag[m] = FAILOVER_UNTOLD;
                if (m != r->self && (server->online & failover_only(m)))
                        r->out.lag[m] = rounded(server->offset > acked ? server->offset - acked : 0);
        }
}

const struct failover_report *reporter_write(struct reporter *r, const struct failover_server *server,
                                             usec_t now)
{
        if (!r->lags_at || now - r->lags_at >= REPORT_LAG_EVERY) {
                look_at_lags(r, server);
                r->lags_at = now;
        }
        return &r->out;
}
