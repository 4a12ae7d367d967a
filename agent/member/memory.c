/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/memory.h"

#include <errno.h>
#include <stdio.h>

#define FIRST_PREFIX 10 /* two digits */
#define PREFIX_LEN 2
#define PADDED_LEN 28
#define WHOLE_LEN (PREFIX_LEN + PADDED_LEN)

static_assert(WHOLE_LEN < FAILOVER_VERSION_MAX, "a version of a later generation has room");
static_assert(FIRST_PREFIX + MEMORY_GENERATIONS <= 99, "a generation has two digits");

static bool is_another_object(const struct memory *m, struct str uid)
{
        return uid.len && m->uid[0] && !str_eq_c(uid, m->uid);
}

void memory_set_back(struct memory *m)
{
        if (m->generation < MEMORY_GENERATIONS)
                m->generation++;
        m->doubted = m->known;
}

/* Older than what is known? Of the same epoch it may be what its holder has just written, or
 * what stood there long before. */
static bool went_back(const struct memory *m, const struct failover_lease *lease)
{
        const struct failover_record *r = &lease->record, *known = &m->newest.record;

        if (r->epoch != known->epoch)
                return r->epoch < known->epoch;
        return m->doubted || (m->back && strcmp(m->there.version, lease->version) == 0);
}

static enum memory_verdict hold(struct memory *m, const struct failover_lease *lease,
                                const struct failover_id *self, usec_t now)
{
        const struct failover_id *known = &m->newest.record.holder, *there = &lease->record.holder;

        if (!m->back || strcmp(m->there.version, lease->version) != 0)
                m->since = now;
        m->back = true;
        m->there = *lease;
        return failover_same_life(known, self) && failover_same_life(there, self) ? MEMORY_PUT_BACK
                                                                                  : MEMORY_HOLD;
}

enum memory_verdict memory_saw(struct memory *m, const struct failover_lease *lease, struct str uid,
                               const struct failover_id *self, usec_t now)
{
        bool another = is_another_object(m, uid);

        if (m->known && !another && went_back(m, lease)) {
                m->doubted = false;
                return hold(m, lease, self, now);
        }
        m->known = true;
        m->back = m->doubted = false;
        m->newest = *lease;
        if (uid.len && uid.len < sizeof(m->uid))
                snprintf(m->uid, sizeof(m->uid), "%.*s", STR_FMT(uid));
        return MEMORY_TAKE;
}

usec_t memory_due(const struct memory *m, usec_t lease)
{
        return m->back ? m->since + MAX(lease, m->there.duration) : 0;
}

void memory_put_back(struct memory *m, struct failover_lease *ret)
{
        memcpy(m->newest.version, m->there.version, sizeof(m->newest.version));
        m->back = false;
        *ret = m->newest;
}

void memory_wrote(struct memory *m, const struct failover_record *record, const char *version)
{
        m->known = true;
        m->back = m->doubted = false;
        m->newest.record = *record;
        snprintf(m->newest.version, sizeof(m->newest.version), "%s", version);
}

void memory_absent(struct memory *m)
{
        m->back = m->doubted = m->known = false;
        memset(m->uid, 0, sizeof(m->uid));
}

int memory_version(const struct memory *m, const char *raw, char ret[FAILOVER_VERSION_MAX])
{
        size_t len = strlen(raw);

        if (!m->generation) {
                if (len >= FAILOVER_VERSION_MAX)
                        return -EINVAL;
                snprintf(ret, FAILOVER_VERSION_MAX, "%s", raw);
                return 0;
        }
        if (len > PADDED_LEN)
                return -EINVAL;
        memset(ret, '0', WHOLE_LEN);
        ret[0] = (char)('0' + (FIRST_PREFIX + m->generation) / 10);
        ret[1] = (char)('0' + (FIRST_PREFIX + m->generation) % 10);
        memcpy(ret + WHOLE_LEN - len, raw, len + 1);
        return 0;
}

int memory_raw(const struct memory *m, const char *version, char ret[FAILOVER_VERSION_MAX])
{
        char newest[FAILOVER_VERSION_MAX];

        if (version[0] && m->generation) {
                if (memory_version(m, "", newest) < 0 || strlen(version) != WHOLE_LEN ||
                    memcmp(version, newest, PREFIX_LEN) != 0)
                        return -ESTALE;
                version += PREFIX_LEN;
                while (version[0] == '0' && version[1])
                        version++;
        }
        snprintf(ret, FAILOVER_VERSION_MAX, "%s", version);
        return 0;
}
