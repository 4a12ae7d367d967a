/* SPDX-License-Identifier: Apache-2.0
 *
 * What is told of lost writes, against those that are lost:
 *
 *      of the last leader    w1 w2 w3 w4 w5 w6 w7 w8
 *                                        |  |     `- acknowledged
 *      of the present one    w1 w2 w3 w4 w9 |
 *                                           `- so far the Lease told
 *
 *      missing: 4 (w5 to w8); nobody may tell of more. Who says that he knows all tells no less
 *      than what was acknowledged of them; the Lease alone no less than up to w6.
 */
#include "failover/parts.h"

#include <inttypes.h>

struct gap {
        uint64_t missing, acked, noted;
};

/* What the leader of epoch T had and that of E did not begin with; of it, what was acknowledged, and
 * of that what stands before NOTED. */
static struct gap gap_between(struct sim *s, uint64_t t, uint64_t e, uint64_t noted)
{
        struct data_ref had = s->oracle.of[t].end;
        uint64_t common = data_common(&s->data, had, s->oracle.of[e].start);
        struct gap gap = { .missing = had.len - common };

        for (uint64_t i = common; i < had.len; i++) {
                bool acked = data_at(&s->data, had, i)->acked != 0;

                gap.acked += acked;
                gap.noted += acked && i < noted;
        }
        return gap;
}

static void judge_first(struct sim *s, const struct failover_record *r)
{
        if (r->loss != FAILOVER_LOSS_EXACT || r->lost)
                sim_fail(s, "told-too-much", "the first leader tells of lost writes");
}

static void judge_amount(struct sim *s, const struct failover_record *r, const struct gap *gap)
{
        uint64_t least = r->loss == FAILOVER_LOSS_EXACT ? gap->acked : gap->noted;

        if (r->lost > gap->missing)
                sim_fail(s, "told-too-much",
                         "epoch %" PRIu64 ": %" PRIu64 " lost, and only %" PRIu64 " are missing", r->epoch,
                         r->lost, gap->missing);
        if (r->lost < least)
                sim_fail(s, "told-too-little", "epoch %" PRIu64 ": %" PRIu64 " lost, and it is %" PRIu64,
                         r->epoch, r->lost, least);
}

/* The first that a leader writes. BEFORE is what it had found. */
void oracle_judge_told(struct sim *s, const struct failover_record *before, const struct failover_record *r)
{
        struct oracle *o = &s->oracle;
        uint64_t e = r->epoch, told = before->lineage[0] ? before->position.timeline : 0;
        uint64_t t = told ? told : o->of[e].former;
        struct gap gap;

        if (!o->led[e] || o->of[e].held)
                return;
        o->of[e].held = true;
        o->of[e].from = r->start.epoch == e ? r->start.position.timeline : 0;
        if (!t) {
                judge_first(s, r);
                return;
        }
        gap = gap_between(s, t, e, told ? (uint64_t)((int64_t)before->position.offset + o->of[t].skew) : 0);
        switch (r->loss) {
        case FAILOVER_LOSS_UNKNOWN:
                if (told && o->of[e].followed == told)
                        sim_fail(s, "told-nothing",
                                 "epoch %" PRIu64 " followed %" PRIu64 ", and knows nothing", e, told);
                break;
        case FAILOVER_LOSS_AT_LEAST:
        case FAILOVER_LOSS_EXACT:
                if (o->of[e].empty && gap.acked)
                        sim_fail(s, "told-too-little", "epoch %" PRIu64 " began with nothing", e);
                judge_amount(s, r, &gap);
                break;
        case FAILOVER_LOSS_EVERYTHING:
                if (!o->of[e].empty)
                        sim_fail(s, "told-too-much", "epoch %" PRIu64 " has %" PRIu64 " writes", e,
                                 o->of[e].start.len);
                break;
        }
}

/* What a member says of itself. */
void oracle_judge_missing(struct sim *s, struct pod *p)
{
        const struct failover_missing *m = &p->agent.f.missing;
        struct gap gap;

        if (m->epoch == p->told)
                return;
        p->told = m->epoch;
        if (!m->epoch)
                return;
        gap = gap_between(s, s->oracle.of[m->epoch].from, m->epoch, 0);
        note(s, p,
             "epoch %" PRIu64 " lacks %" PRIu64 " of what it had%s; it is %" PRIu64 ", acknowledged %" PRIu64,
             m->epoch, m->bytes, m->exact ? ", which is all" : "", gap.missing, gap.acked);
        if (m->bytes > gap.missing)
                sim_fail(s, "told-too-much",
                         "member %d had %" PRIu64 " that epoch %" PRIu64
                         " lacks, and there are only %" PRIu64,
                         p->id.member, m->bytes, m->epoch, gap.missing);
        if (m->exact && m->bytes < gap.acked)
                sim_fail(s, "told-too-little",
                         "member %d had %" PRIu64 " that epoch %" PRIu64 " lacks, and it is %" PRIu64,
                         p->id.member, m->bytes, m->epoch, gap.acked);
}
