/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/redis/internal.h"

/* --- opening ---------------------------------------------------------------------- */

/* Once for each change of what is wrong. */
static void tell_volume(struct redis *e, const struct error *why)
{
        if (why->code == e->volume_trouble)
                return;
        e->volume_trouble = why->code;
        if (e->handlers.volume)
                e->handlers.volume(e->handlers.arg, why->code ? why : NULL);
}

static void tell_no_locks(struct redis *e)
{
        struct error complaint = ERROR_INIT;

        error_set(&complaint, -ENOLCK,
                  "the file system of %s has no locks: that two pods use it would not be noticed",
                  e->config.data);
        redis_complain(e, &complaint);
}

/* What is there. 0 or -EINVAL with *err. */
static int take_state(struct redis *e, struct str text, struct error *err)
{
        struct redis_state state = { 0 };
        int r = text.data ? redis_state_parse(text, &state, err) : 0;

        if (r < 0) {
                error_prefix(err, "%s/%s", e->config.data, REDIS_STATE_FILE);
                return r;
        }
        e->has_state = text.data != NULL;
        redis_claims_init(&e->claims, &state);
        return 0;
}

static void opened(struct redis *e, const struct volume_done *done)
{
        struct error err = ERROR_INIT;

        if (done->result == -EWOULDBLOCK)
                error_set(&err, -EBUSY, "another agent, or its server, still uses the volume %s",
                          e->config.data);
        else if (done->result < 0)
                error_set(&err, done->result, "the volume %s cannot be used: %s", e->config.data,
                          strerror(-done->result));
        else
                (void)take_state(e, done->text, &err);
        if (!err.code) {
                e->opened = true;
                e->canary_due = 0;
                if (done->unlocked)
                        tell_no_locks(e);
        }
        tell_volume(e, &err);
}

/* --- writing ---------------------------------------------------------------------- */

/* As the server sees it: then it refuses writes, and is no leader. */
static bool server_cannot_write(const struct redis *e)
{
        if (!e->keeper || !e->loaded)
                return false;
        if (e->info.aof)
                return e->info.aof_write_failed;
        return e->settings.save.len && !e->settings.aof && e->info.rdb_failed;
}

static bool is_full(const struct redis *e, int result)
{
        return result == -ENOSPC || result == -EDQUOT || (result == 0 && server_cannot_write(e));
}

/* A volume that is full answers, and its server refuses writes by itself: the one question is
 * whether another could do better. Who has led without that is not asked again. */
static bool may_lead_full(struct redis *e, usec_t now)
{
        failover_set self = failover_only(e->config.member);

        if (e->view.state == FAILOVER_WRITABLE || e->view.state == FAILOVER_PAUSED)
                return e->leads_full || !(e->view.online & e->in_sync & ~self);
        if (e->in_sync == self)
                return true;
        if (e->view.state != FAILOVER_STANDING || now < e->stood_since + FULL_PATIENCE)
                return false;
        e->leads_full = true;
        return true;
}

static void tell_written(struct redis *e, int result)
{
        struct error why = ERROR_INIT;

        if (result == VOLUME_GONE)
                error_set(
                        &why, VOLUME_GONE,
                        "the volume %s is gone (unmounted, emptied, or its disk torn out): the server is down "
                        "until it is back as it was",
                        e->config.data);
        else if (result == -ENOSPC || result == -EDQUOT)
                error_set(&why, -ENOSPC,
                          "the volume %s is full: no writes are taken before it is larger, or holds less",
                          e->config.data);
        else if (result < 0)
                error_set(&why, result, "the volume %s cannot be written: %s", e->config.data,
                          strerror(-result));
        else if (server_cannot_write(e))
                error_set(&why, -EIO,
                          "the server cannot write what it is to keep on %s (%llu bytes are free there): no "
                          "writes are taken until it can",
                          e->config.data, (unsigned long long)e->volume_room);
        tell_volume(e, &why);
}

/* A server that goes on beside its data could still acknowledge, and one that is started where
 * they were would be empty. */
static void look_whether_gone(struct redis *e, int result)
{
        bool gone = result == VOLUME_GONE;

        if (gone == e->away || (result < 0 && !gone))
                return;
        e->away = gone;
        e->prepared = e->prepared && !gone;
        if (!e->keeper)
                redis_tell_down(e);
        else if (gone)
                redis_end_server(e);
}

static void written(struct redis *e, const struct volume_done *done)
{
        bool full = is_full(e, done->result);

        if (done->result < 0)
                e->canary_failures++;
        else
                e->has_state = true;
        if (done->result == 0 && e->dropping)
                e->copy_there = false;
        tell_written(e, done->result);
        if (!full)
                e->leads_full = false;
        if ((done->result == 0 && !full) || (full && may_lead_full(e, clock_now())))
                e->handlers.canary(e->handlers.arg, done->began, done->result == 0);
        if (done->result == 0 && e->ended && done->began >= e->ended)
                redis_tell_ended(e, USEC_NEVER);
}

/* The RDB in which a copy was received, or that was kept before there was an AOF. A start will
 * not load it any more once the AOF has all that the server has, and the state file says so. */
static bool is_copy_useless(const struct redis *e)
{
        const struct redis_state *disk = &e->claims.disk, *memory = &e->claims.memory;

        if (!e->copy_there || !e->loaded || !e->has_data || !e->settings.aof || e->settings.save.len)
                return false;
        if (!e->info.aof || e->info.aof_rewriting || e->info.aof_rewrite_failed || e->info.copying ||
            e->info.rdb_saving)
                return false;
        return disk->source == REDIS_AOF && disk->lineage[0] && !e->claims.rewrite_due &&
               strcmp(disk->lineage, memory->lineage) == 0 &&
               disk->position.timeline == memory->position.timeline;
}

static int write_canary(struct redis *e, usec_t now)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(VOLUME_TEXT_MAX);
        int r = redis_state_write(&e->claims.disk, clock_wall(), &text);

        e->dropping = is_copy_useless(e);
        return r < 0 ? r : volume_write(e->volume, buf_str(&text), now, e->dropping);
}

/* --- all ---------------------------------------------------------------------------- */

void redis_volume_done(struct volume *v _unused_, const struct volume_done *done, void *arg)
{
        struct redis *e = arg;

        e->volume_size = done->size;
        e->volume_room = done->room;
        switch (done->task) {
        case VOLUME_OPEN:
                opened(e, done);
                break;
        case VOLUME_PREPARE:
                e->prepared = done->result == 0;
                look_whether_gone(e, done->result);
                e->has_aof = done->aof;
                e->has_rdb = e->copy_there = done->rdb;
                break;
        case VOLUME_WRITE:
                look_whether_gone(e, done->result);
                written(e, done);
                break;
        }
        redis_soon(e);
}

void redis_use_volume(struct redis *e, bool wanted, usec_t now)
{
        int r;

        if (volume_busy(e->volume))
                return;
        if (wanted && e->opened && !e->prepared) {
                r = volume_prepare(e->volume);
        } else {
                if (now < e->canary_due)
                        return;
                e->canary_due = now + CANARY_EVERY;
                r = e->opened ? write_canary(e, now) : volume_open(e->volume);
        }
        if (r < 0)
                e->canary_failures++;
}
