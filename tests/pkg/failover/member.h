/* SPDX-License-Identifier: Apache-2.0
 *
 * One member under test. The test plays everything around it: the Lease, the
 * server, the peers. Time moves only by at().
 */
#pragma once

#include <stdio.h>

#include "failover/failover.h"
#include "harness.h"

#define L (4 * USEC_SEC)
#define F (3 * USEC_SEC)
#define START (1000 * USEC_SEC)
#define LINEAGE "the-data"

struct member {
        struct failover f;
        struct failover_effects did; /* by the last step */
        usec_t now;
        unsigned versions;
        uint64_t run;
};

static inline void step(struct member *m, const struct failover_event *e)
{
        failover_step(&m->f, m->now, e, &m->did);
        ck_assert_uint_lt(m->did.n, FAILOVER_EFFECTS_MAX);
        ck_assert_int_gt(m->did.wake, m->now - 1);
}

static inline void at(struct member *m, usec_t now)
{
        m->now = now;
        step(m, &(struct failover_event){ .type = FAILOVER_TICK });
}

/* The N-th effect of TYPE, or NULL. */
static inline const struct failover_effect *nth(const struct member *m, enum failover_effect_type type,
                                                size_t n)
{
        for (size_t i = 0; i < m->did.n; i++)
                if (m->did.list[i].type == type && n-- == 0)
                        return &m->did.list[i];
        return NULL;
}

static inline const struct failover_effect *did(const struct member *m, enum failover_effect_type type)
{
        return nth(m, type, 0);
}

static inline const struct failover_effect *must(const struct member *m, enum failover_effect_type type)
{
        const struct failover_effect *e = did(m, type);

        ck_assert_msg(e != NULL, "there is no effect %d", type);
        return e;
}

static inline struct failover_id life(int member, uint64_t incarnation)
{
        struct failover_id id = { .member = member, .incarnation = incarnation };

        snprintf(id.uid, sizeof(id.uid), "pod-%d", member);
        snprintf(id.address, sizeof(id.address), "10.0.0.%d", member);
        return id;
}

static inline void set_version(struct member *m, char version[FAILOVER_VERSION_MAX])
{
        snprintf(version, FAILOVER_VERSION_MAX, "%u", ++m->versions);
}

static inline void see(struct member *m, const struct failover_record *r)
{
        struct failover_event e = { .type = FAILOVER_RECORD, .lease.record = *r };

        set_version(m, e.lease.version);
        step(m, &e);
}

/* A read that finds what is known already. */
static inline void see_again(struct member *m)
{
        struct failover_event e = { .type = FAILOVER_RECORD, .lease.record = m->f.record };

        memcpy(e.lease.version, m->f.version, sizeof(e.lease.version));
        step(m, &e);
}

static inline void wrote(struct member *m, enum failover_outcome outcome)
{
        struct failover_event e = { .type = FAILOVER_WROTE, .wrote = { m->f.write.id, outcome, "" } };

        ck_assert_int_ne(m->f.write.kind, FAILOVER_WRITE_NONE);
        if (outcome == FAILOVER_WRITTEN)
                set_version(m, e.wrote.version);
        step(m, &e);
}

static inline void policy(struct member *m, const struct failover_policy *p)
{
        step(m, &(struct failover_event){ .type = FAILOVER_POLICY, .policy = *p });
}

/* What the server shows now, after all that was ordered. */
static inline struct failover_server server_in(const struct member *m, enum failover_server_state state)
{
        return (struct failover_server){
                .at = m->now,
                .order = m->f.orders,
                .state = state,
                .run = m->run,
                .has_data = true,
                .in_sync = state == FAILOVER_FOLLOWING,
                .offset = 100,
        };
}

static inline void show(struct member *m, const struct failover_server *v)
{
        step(m, &(struct failover_event){ .type = FAILOVER_SERVER, .server = *v });
}

static inline void shows(struct member *m, enum failover_server_state state)
{
        struct failover_server v = server_in(m, state);

        show(m, &v);
}

static inline void canary(struct member *m)
{
        step(m, &(struct failover_event){ .type = FAILOVER_CANARY, .canary = { m->now, true } });
}

static inline void hear(struct member *m, const struct failover_message *message)
{
        step(m, &(struct failover_event){ .type = FAILOVER_MESSAGE, .message = *message });
}

/* Member FROM answers YES or NO to what was asked last. */
static inline void answers(struct member *m, int from, enum failover_message_type type,
                           enum failover_message_type about, const struct failover_copy *copy)
{
        struct failover_message answer = {
                .type = type,
                .about = about,
                .from = from,
                .to = m->f.self.member,
                .life = 100 + (uint64_t)from,
                .round = about == FAILOVER_SEAL ? m->f.seals.round : m->f.promises.round,
                .epoch = m->f.record.epoch,
        };

        if (copy)
                answer.copy = *copy;
        hear(m, &answer);
}

static inline struct failover_copy copy_of(enum failover_data data, uint64_t timeline, uint64_t offset)
{
        return (struct failover_copy){ .data = data, .position = { timeline, offset }, .lineage = LINEAGE };
}

static inline struct failover_policy policy_of(failover_set members)
{
        return (struct failover_policy){
                .members = members,
                .durable = true,
                .request_to = FAILOVER_NOBODY,
                .consent = FAILOVER_NOBODY,
        };
}

/* Member 0 of three, just begun; it knows the policy. */
static inline void begin_untried(struct member *m)
{
        struct failover_timing timing = failover_timing_of(L);
        struct failover_copy nothing = { 0 };
        struct failover_id self = life(0, 100);
        struct failover_policy p = policy_of(7);

        *m = (struct member){ .now = START, .run = 1 };
        ck_assert_int_eq(timing.fence, F);
        failover_init(&m->f, &self, &timing, &nothing, LINEAGE, m->now);
        policy(m, &p);
}

/* And its volume takes writes. */
static inline void begin(struct member *m)
{
        begin_untried(m);
        canary(m);
}

/* A record of member HOLDER that leads, everybody in sync. */
static inline struct failover_record held_by(int holder, uint64_t epoch)
{
        return (struct failover_record){
                .phase = FAILOVER_HELD,
                .epoch = epoch,
                .holder = life(holder, 100 + (uint64_t)holder),
                .handover_to = FAILOVER_NOBODY,
                .in_sync = 7,
                .lineage = LINEAGE,
                .position = { epoch, 100 },
                .from = FAILOVER_NOBODY,
        };
}

/* Member 0 follows member 1, in epoch 5, and is in sync. */
static inline void begin_following(struct member *m)
{
        struct failover_record r = held_by(1, 5);

        begin(m);
        shows(m, FAILOVER_STANDING);
        see(m, &r);
        ck_assert_int_eq(must(m, FAILOVER_DO_ORDER)->order.what, FAILOVER_FOLLOW);
        shows(m, FAILOVER_FOLLOWING);
        ck_assert_int_eq(m->f.copy.data, FAILOVER_DATA_WARM);
}

/* Member 0 has won epoch 6 and is asking; its server stands at offset 100 of timeline 5. */
static inline void begin_sealing(struct member *m)
{
        begin_following(m);
        m->now = START + L;
        canary(m);
        shows(m, FAILOVER_FOLLOWING);
        wrote(m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m->f.role, FAILOVER_SEALER);
        ck_assert_int_eq(must(m, FAILOVER_DO_ORDER)->order.what, FAILOVER_STAND);
}

static inline void shows_standing(struct member *m, bool has_data)
{
        struct failover_server v = server_in(m, FAILOVER_STANDING);

        v.has_data = has_data;
        show(m, &v);
}

/* The server leads, and members 1 and 2 have confirmed all but BEHIND of it. */
static inline void shows_led(struct member *m, enum failover_server_state state, uint64_t behind)
{
        struct failover_server v = server_in(m, state);

        v.online = 6;
        for (int i = 1; i < 3; i++) {
                v.acked[i] = v.offset - behind;
                v.life[i] = 100 + (uint64_t)i;
        }
        show(m, &v);
}

/* Member 0 leads epoch 6; the others are in the set. */
static inline void begin_leading(struct member *m)
{
        struct failover_copy same = copy_of(FAILOVER_DATA_WARM, 5, 100);

        begin_following(m);
        m->now = START + L;
        canary(m);
        shows(m, FAILOVER_FOLLOWING);
        ck_assert_int_eq(m->f.write.kind, FAILOVER_WRITE_TAKE);
        wrote(m, FAILOVER_WRITTEN);
        shows(m, FAILOVER_STANDING);
        answers(m, 1, FAILOVER_YES, FAILOVER_SEAL, &same);
        answers(m, 2, FAILOVER_YES, FAILOVER_SEAL, &same);
        ck_assert_int_eq(m->f.role, FAILOVER_PROMOTING);
        shows_led(m, FAILOVER_WRITABLE, 0);
        ck_assert_int_eq(m->f.role, FAILOVER_LEADER);
        wrote(m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m->f.record.phase, FAILOVER_HELD);
        ck_assert_uint_eq(m->f.record.in_sync, 7);
}

/* Time goes on with a server and a disk that are well. */
static inline void well_until(struct member *m, usec_t until)
{
        while (m->now < until) {
                m->now = MIN(m->now + 100 * USEC_MSEC, until);
                canary(m);
                shows_led(m, FAILOVER_WRITABLE, 0);
        }
}
