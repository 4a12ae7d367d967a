/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/claims.h"

void redis_claims_init(struct redis_claims *c, const struct redis_state *disk)
{
        *c = (struct redis_claims){ .disk = *disk };
}

void redis_claims_start(struct redis_claims *c, bool has_data)
{
        struct redis_state disk = c->disk;

        /* An empty server on a volume with a claim: what that spoke of is gone. */
        if (!has_data)
                disk = (struct redis_state){ .source = disk.source };
        *c = (struct redis_claims){ .disk = disk, .memory = disk };
}

void redis_claims_remember(struct redis_claims *c, const struct failover_copy *copy)
{
        if (copy->data == FAILOVER_DATA_NONE || copy->data == FAILOVER_DATA_UNKNOWN) {
                memset(c->memory.lineage, 0, sizeof(c->memory.lineage));
                c->mark.set = c->save.set = false;
                return;
        }
        memcpy(c->memory.lineage, copy->lineage, sizeof(c->memory.lineage));
        c->memory.position.timeline = copy->position.timeline;
}

static void claim(struct redis_claims *c, enum redis_source source, const struct redis_state *what)
{
        c->disk = *what;
        c->disk.source = source;
}

static void set_mark(struct redis_claims *c, struct redis_mark *mark, usec_t at)
{
        *mark = (struct redis_mark){ .set = c->memory.lineage[0] != '\0', .at = at, .what = c->memory };
}

static void look_at_aof(struct redis_claims *c, const struct redis_claims_look *look)
{
        usec_t age = look->fsync == REDIS_FSYNC_NEVER ? CLAIMS_NEVER : CLAIMS_EVERY_SECOND;

        if (look->info->aof_rewriting || look->info->aof_rewrite_failed) {
                if (c->rewrite_due) {
                        c->mark.set = false;
                        return;
                }
        } else {
                c->rewrite_due = false;
        }
        if (look->info->aof_write_failed || !c->memory.lineage[0]) {
                c->mark.set = false;
                return;
        }
        /* The first data of a volume: that it is there at all. */
        if (!c->disk.lineage[0]) {
                claim(c, REDIS_AOF, &c->memory);
                c->disk.position.offset = 0;
        }
        if (look->fsync == REDIS_FSYNC_ALWAYS) {
                claim(c, REDIS_AOF, &c->memory);
        } else if (!c->mark.set) {
                set_mark(c, &c->mark, look->at);
        } else if (look->at - c->mark.at >= age &&
                   (look->fsync == REDIS_FSYNC_NEVER || !look->info->aof_fsync_pending)) {
                claim(c, REDIS_AOF, &c->mark.what);
                set_mark(c, &c->mark, look->at);
        }
}

/* BEFORE is memory as of the look before this one: a save that began since has that at the least. */
static void look_at_rdb(struct redis_claims *c, const struct redis_claims_look *look,
                        const struct redis_state *before)
{
        const struct redis_info *info = look->info;
        bool succeeded = c->looked && info->rdb_saved != c->saved && !info->rdb_failed;

        if (succeeded && (c->save.set ? c->save.what.lineage[0] : before->lineage[0]))
                claim(c, REDIS_RDB, c->save.set ? &c->save.what : before);
        if (!info->rdb_saving || succeeded)
                c->save.set = false;
        /* It was received into the file that a start would load. How much is told by that. */
        if (c->copied && before->lineage[0]) {
                claim(c, REDIS_RDB, before);
                c->disk.position.offset = 0;
                c->copied = false;
        }
        if (info->rdb_saving && !c->save.set && c->looked && before->lineage[0])
                c->save = (struct redis_mark){ .set = true, .at = look->at, .what = *before };
}

void redis_claims_ended(struct redis_claims *c, bool has_data, bool saves)
{
        if (!c->looked || !has_data || !c->memory.lineage[0])
                return;
        if (c->aof && !c->rewrite_due)
                claim(c, REDIS_AOF, &c->memory);
        else if (!c->aof && saves)
                claim(c, REDIS_RDB, &c->memory);
}

void redis_claims_look(struct redis_claims *c, const struct redis_claims_look *look)
{
        const struct redis_info *info = look->info;
        struct redis_state before = c->memory;
        bool linked = info->follows && info->link_up;

        /* A link that is new may have brought a full copy, between two looks. */
        if (!look->has_data || (linked && !c->linked) || (!info->aof && look->has_data))
                c->rewrite_due = true;
        c->linked = linked;
        c->memory.position.offset = look->offset;
        memcpy(c->memory.replid, info->replid, sizeof(c->memory.replid));
        c->aof = info->aof;
        if (!look->has_data) {
                c->mark.set = c->save.set = false;
                c->copied = c->copied || (info->follows && info->copying);
        } else if (info->aof) {
                c->copied = false;
                look_at_aof(c, look);
        } else {
                c->mark.set = false;
                if (look->saves)
                        look_at_rdb(c, look, &before);
        }
        c->saved = info->rdb_saved;
        c->looked = true;
}
