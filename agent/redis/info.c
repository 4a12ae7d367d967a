/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/info.h"

#include <errno.h>

/* A number that is none, or negative ("no offset yet"), is zero. */
static uint64_t number(struct str text)
{
        int64_t n;

        return str_to_int64(text, &n) == 0 && n > 0 ? (uint64_t)n : 0;
}

static uint16_t port(struct str text)
{
        uint64_t n = number(text);

        return n <= UINT16_MAX ? (uint16_t)n : 0;
}

/* What is too long is no address of ours. */
static void copy(char *to, size_t size, struct str from)
{
        if (from.len >= size)
                return;
        memcpy(to, from.data, from.len);
        to[from.len] = '\0';
}

/* "ip=10.0.0.9,port=6379,state=online,offset=1234,lag=0" */
static void read_follower(struct str text, struct redis_info *info)
{
        struct redis_follower *f;
        struct str part, rest = text, key, value;

        if (info->n_followers == REDIS_INFO_FOLLOWERS_MAX)
                return;
        f = &info->followers[info->n_followers++];
        *f = (struct redis_follower){ 0 };
        while (rest.data) {
                (void)str_cut(rest, ',', &part, &rest);
                if (!str_cut(part, '=', &key, &value))
                        continue;
                if (str_eq(key, STR("ip")))
                        copy(f->host, sizeof(f->host), value);
                else if (str_eq(key, STR("port")))
                        f->port = port(value);
                else if (str_eq(key, STR("state")))
                        f->online = str_eq(value, STR("online"));
                else if (str_eq(key, STR("offset")))
                        f->offset = number(value);
                else if (str_eq(key, STR("lag")))
                        f->lag = number(value);
        }
}

/* "slave0", "slave12"; not "slave_priority". */
static bool is_follower(struct str key)
{
        const struct str prefix = STR("slave");

        if (!str_starts(key, prefix) || key.len == prefix.len)
                return false;
        for (size_t i = prefix.len; i < key.len; i++)
                if (key.data[i] < '0' || key.data[i] > '9')
                        return false;
        return true;
}

static void read_flag(struct str key, struct str value, struct redis_info *info)
{
        const struct {
                struct str key, yes;
                bool *flag;
        } flags[] = {
                { STR("loading"), STR("1"), &info->loading },
                { STR("master_link_status"), STR("up"), &info->link_up },
                { STR("master_sync_in_progress"), STR("1"), &info->copying },
                { STR("aof_enabled"), STR("1"), &info->aof },
                { STR("aof_rewrite_in_progress"), STR("1"), &info->aof_rewriting },
                { STR("aof_rewrite_scheduled"), STR("1"), &info->aof_rewriting },
                { STR("aof_last_write_status"), STR("err"), &info->aof_write_failed },
                { STR("aof_last_bgrewrite_status"), STR("err"), &info->aof_rewrite_failed },
                { STR("rdb_bgsave_in_progress"), STR("1"), &info->rdb_saving },
                { STR("rdb_last_bgsave_status"), STR("err"), &info->rdb_failed },
        };

        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (str_eq(key, flags[i].key) && str_eq(value, flags[i].yes))
                        *flags[i].flag = true;
        if (str_eq(key, STR("aof_pending_bio_fsync")) && number(value))
                info->aof_fsync_pending = true;
}

static void read_number(struct str key, struct str value, struct redis_info *info)
{
        const struct {
                struct str key;
                uint64_t *number;
        } numbers[] = {
                { STR("slave_repl_offset"), &info->followed_offset },
                { STR("master_repl_offset"), &info->offset },
        };

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                if (str_eq(key, numbers[i].key))
                        *numbers[i].number = number(value);
        if (str_eq(key, STR("rdb_last_save_time")))
                info->rdb_saved = (int64_t)number(value);
}

static void read_line(struct str line, struct redis_info *info, bool *has_role)
{
        struct str key, value;

        if (!str_cut(line, ':', &key, &value))
                return;
        if (str_eq(key, STR("role"))) {
                *has_role = true;
                info->follows = str_eq(value, STR("slave"));
        } else if (str_eq(key, STR("master_host"))) {
                copy(info->leader, sizeof(info->leader), value);
        } else if (str_eq(key, STR("master_port"))) {
                info->leader_port = port(value);
        } else if (str_eq(key, STR("master_replid"))) {
                copy(info->replid, sizeof(info->replid), value);
        } else if (is_follower(key)) {
                read_follower(value, info);
        } else {
                read_flag(key, value, info);
                read_number(key, value, info);
        }
}

int redis_info_parse(struct str text, struct redis_info *ret)
{
        struct redis_info info = { 0 };
        struct str line, rest = text;
        bool has_role = false;

        while (rest.data) {
                (void)str_cut(rest, '\n', &line, &rest);
                read_line(str_trim(line), &info, &has_role);
        }
        if (!has_role)
                return -EBADMSG;
        *ret = info;
        return 0;
}
