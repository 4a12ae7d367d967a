/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "failover/internal.h"

bool same_pod(const struct failover_id *a, const struct failover_id *b)
{
        return a->member == b->member && strcmp(a->uid, b->uid) == 0;
}

bool failover_same_life(const struct failover_id *a, const struct failover_id *b)
{
        return same_pod(a, b) && a->incarnation == b->incarnation;
}

/* Does the record say that this life holds the epoch that it believes to hold? */
static bool is_ours(const struct failover *f)
{
        return f->record.epoch == f->epoch && failover_same_life(&f->record.holder, &f->self);
}

failover_set possible_set(const struct failover *f)
{
        failover_set set = f->record.in_sync;

        if (f->doubt)
                set |= f->doubt_set;
        if (f->write.kind != FAILOVER_WRITE_NONE)
                set |= f->write.record.in_sync;
        return set;
}

struct failover_record next_record(const struct failover *f)
{
        struct failover_record r = f->record;

        if (f->role >= FAILOVER_LEADER) {
                r.phase = FAILOVER_HELD;
                r.position = f->copy.position;
                r.final = false;
        }
        return r;
}

void write_record(struct step *s, enum failover_write_kind kind, const struct failover_record *record)
{
        struct failover *f = s->f;
        struct failover_effect *e = effect(s, FAILOVER_DO_WRITE);

        f->write.kind = kind;
        f->write.id = ++f->ids;
        f->write.sent = s->now;
        f->write.record = *record;
        f->tried = s->now;
        f->changed = false;
        memset(f->write.version, 0, sizeof(f->write.version));
        if (!f->absent)
                memcpy(f->write.version, f->version, sizeof(f->write.version));
        e->write.id = f->write.id;
        e->write.record = *record;
        memcpy(e->write.version, f->write.version, sizeof(e->write.version));
}

void extend(struct failover *f, usec_t sent)
{
        f->valid_until = MAX(f->valid_until, sent + f->timing.fence);
}

static void accept_record(struct step *s, const struct failover_record *record, const char *version)
{
        struct failover *f = s->f;

        f->record = *record;
        f->sealed = MAX(f->sealed, record->epoch);
        memcpy(f->version, version, sizeof(f->version));
        f->known = true;
        f->absent = false;
        f->seen = s->now;
        /* At another version the write in doubt can never be carried out any more,
         * or it was, and this is what came of it. */
        if (f->doubt && strcmp(f->doubt_version, f->version) != 0) {
                f->doubt = false;
                f->doubt_set = 0;
        }
}

/* After anything that changed the record: is it still ours? */
static void look_for_others(struct step *s)
{
        struct failover *f = s->f;

        if (f->role == FAILOVER_FOLLOWER)
                return;
        if (!is_ours(f) && f->yield.released)
                released(s); /* and taken already */
        else if (!is_ours(f))
                fence(s, FAILOVER_CAUSE_FENCED, FAILOVER_SUPERSEDED);
        else if (f->record.phase == FAILOVER_RELEASED)
                released(s);
}

void record_seen(struct step *s, const struct failover_record *record, const char *version)
{
        struct failover *f = s->f;
        int order = f->known && !f->absent ? str_version_cmp(str_c(version), str_c(f->version)) : 1;

        f->refused = false;
        if (order >= 0) {
                f->stale = false;
                f->read = 0;
                f->heard = s->now;
        }
        if (order <= 0)
                return;
        accept_record(s, record, version);
        /* The answer to the write that is under way may still come; it says what this is. */
        if (f->write.kind == FAILOVER_WRITE_NONE)
                look_for_others(s);
}

void record_absent(struct step *s)
{
        struct failover *f = s->f;

        f->stale = false;
        f->read = 0;
        f->heard = s->now;
        if (!f->absent)
                tell(s, FAILOVER_LEASE_GONE, FAILOVER_NOBODY, 0);
        f->absent = true;
        f->changed = true;
}

static void written(struct step *s, enum failover_write_kind kind)
{
        struct failover *f = s->f;

        switch (kind) {
        case FAILOVER_WRITE_TAKE:
                f->role = FAILOVER_SEALER;
                f->epoch = f->write.record.epoch;
                f->valid_until = 0;
                f->renewed = f->write.sent;
                extend(f, f->write.sent);
                seal_begin(s);
                break;
        case FAILOVER_WRITE_RENEW:
                if (f->role == FAILOVER_FOLLOWER)
                        break; /* fenced meanwhile: the lease is given up when the server is dead */
                f->renewed = f->write.sent;
                f->on_promises = false;
                extend(f, f->write.sent);
                f->yield.released = false;
                f->narrowed = true;
                break;
        case FAILOVER_WRITE_RELEASE:
                released(s);
                break;
        case FAILOVER_WRITE_GIVE_UP:
        case FAILOVER_WRITE_NONE:
                break;
        }
}

/* The write that was in flight may be carried out, now or later, as long as the
 * Lease stays at the version that it names. */
static void doubt(struct failover *f)
{
        if (!f->absent && strcmp(f->write.version, f->version) != 0)
                return;
        f->doubt = true;
        f->doubt_set |= f->write.record.in_sync;
        memcpy(f->doubt_version, f->write.version, sizeof(f->doubt_version));
}

void record_wrote(struct step *s, uint64_t id, enum failover_outcome outcome, const char *version)
{
        struct failover *f = s->f;
        enum failover_write_kind kind = f->write.kind;

        if (kind == FAILOVER_WRITE_NONE || id != f->write.id)
                return;
        f->write.kind = FAILOVER_WRITE_NONE;
        f->failed = outcome != FAILOVER_WRITTEN;
        f->changed |= f->failed;
        switch (outcome) {
        case FAILOVER_WRITTEN:
                /* The watch may have been faster, and may even know what came after. */
                if (!f->known || f->absent || str_version_cmp(str_c(version), str_c(f->version)) > 0)
                        accept_record(s, &f->write.record, version);
                f->heard = s->now;
                f->refused = false;
                f->stale = false; /* it was at the version that was known */
                f->read = 0;
                written(s, kind);
                break;
        case FAILOVER_CONFLICT:
                f->stale = true;
                break;
        case FAILOVER_UNKNOWN:
                f->stale = true;
                doubt(f);
                break;
        }
        look_for_others(s);
}

void read_if_stale(struct step *s)
{
        struct failover *f = s->f;

        if (!f->stale || f->write.kind != FAILOVER_WRITE_NONE)
                return;
        if (f->read && s->now < f->read + f->timing.write)
                return;
        f->read = s->now;
        effect(s, FAILOVER_DO_READ);
}
