/* SPDX-License-Identifier: Apache-2.0
 *
 * The volume under real servers: what a restart brings back, and what becomes of copies.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "node.h"

#define AOF "{\"appendonly\":\"yes\"}"
#define RDB "{\"save\":\"3600 1\"}"
#define NOTHING "{}"

/* --- what a restart brings back --------------------------------------------------------- */

static void restart(const char *config, bool halt)
{
        struct node *n = &nodes[0];
        struct failover_copy kept;

        if (halt)
                node_order(n, FAILOVER_HALT, NULL);
        else
                node_kill(n);
        until(node_obeyed(n, FAILOVER_DOWN));
        node_renew(n, config);
        n->engine->ops->recall(n->engine, &kept);
        node_order(n, FAILOVER_STAND, NULL);
        until(node_obeyed(n, FAILOVER_STANDING));
        if (kept.data == FAILOVER_DATA_COLD)
                ck_assert_uint_ge(n->seen.offset, kept.position.offset);
}

START_TEST(test_restart_with_aof)
{
        struct failover_copy kept;
        uint64_t offset;

        nodes_lead_three(AOF);
        node_write_keys(&nodes[0], 200);
        until(nodes[0].seen.offset > 0 && node_all_confirmed(&nodes[0]));
        offset = nodes[0].seen.offset;
        until(node_claims(&nodes[0], offset));
        /* It is on the disk with the next canary that began after that. */
        for (uint64_t canaries = nodes[0].canaries; nodes[0].canaries < canaries + 2;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        restart(AOF, false);
        nodes[0].engine->ops->recall(nodes[0].engine, &kept);
        ck_assert_int_eq(kept.data, FAILOVER_DATA_COLD);
        ck_assert_str_eq(kept.lineage, "ours");
        ck_assert_uint_eq(kept.position.timeline, 1);
        ck_assert_uint_ge(kept.position.offset, offset);
        ck_assert(nodes[0].seen.has_data);
        ck_assert_int_eq(node_keys(&nodes[0]), 200);
        nodes_end();
}
END_TEST

static bool saves_and_claims(redisContext *c)
{
        (void)ask(c, NULL, "BGSAVE");
        return node_claims(&nodes[0], 1);
}

/* Stopped in its own way, an RDB has all, and its exact offset. */
START_TEST(test_restart_with_rdb)
{
        redisContext *c;
        uint64_t offset;

        nodes_lead_three(RDB);
        node_write_keys(&nodes[0], 100);
        c = node_client(&nodes[0], "first");
        until(nodes[0].seen.offset > 0 && node_all_confirmed(&nodes[0]));
        /* The time of a save is told in seconds. */
        until(saves_and_claims(c));
        redisFree(c);
        for (uint64_t canaries = nodes[0].canaries; nodes[0].canaries < canaries + 2;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        node_write_keys(&nodes[0], 150);
        for (uint64_t looks = nodes[0].looks; nodes[0].looks < looks + 2;)
                ck_assert_int_eq(loop_turn(loop, 10 * USEC_MSEC), 0);
        offset = nodes[0].seen.offset;
        restart(RDB, true);
        ck_assert(nodes[0].seen.has_data);
        ck_assert_int_eq(node_keys(&nodes[0]), 150);
        ck_assert_uint_ge(nodes[0].seen.offset, offset);
        nodes_end();
}
END_TEST

START_TEST(test_restart_with_nothing)
{
        nodes_lead_three(NOTHING);
        node_write_keys(&nodes[0], 50);
        ck_assert_int_eq(node_keys(&nodes[0]), 50);
        restart(NOTHING, false);
        ck_assert(!nodes[0].seen.has_data);
        ck_assert_int_eq(node_keys(&nodes[0]), 0);
        nodes_end();
}
END_TEST

static bool has_file(const struct node *n, const char *file)
{
        char path[160];

        snprintf(path, sizeof(path), "%s/%s", n->data, file);
        return access(path, F_OK) == 0;
}

/* The RDB of a copy is as large as the data. It goes when the AOF has all of them, and not
 * before; and what is there then is enough. */
START_TEST(test_copy_is_dropped)
{
        struct node *n = &nodes[1];
        redisContext *c;

        nodes_lead_three(AOF);
        node_write_keys(&nodes[0], 50);
        until(!has_file(n, "dump.rdb"));
        ck_assert(has_file(n, "appendonlydir/appendonly.aof.manifest"));
        /* Another full copy, while the AOF cannot be written anew for long. */
        node_kill(n);
        until(node_obeyed(n, FAILOVER_DOWN));
        node_order(n, FAILOVER_STAND, NULL);
        until(node_obeyed(n, FAILOVER_STANDING));
        c = node_client(n, "first");
        ck_assert(ask(c, NULL, "CONFIG SET rdb-key-save-delay 40000"));
        redisFree(c);
        node_follow(n, &nodes[0], 1);
        ck_assert(has_file(n, "dump.rdb"));
        for (uint64_t canaries = n->canaries; n->canaries < canaries + 2;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        ck_assert(has_file(n, "dump.rdb"));
        until(!has_file(n, "dump.rdb"));
        node_kill(n);
        until(node_obeyed(n, FAILOVER_DOWN));
        node_order(n, FAILOVER_STAND, NULL);
        until(node_obeyed(n, FAILOVER_STANDING));
        ck_assert_int_eq(node_keys(n), 50);
        nodes_end();
}
END_TEST

/* With save points an RDB is what somebody wants to have. */
START_TEST(test_saved_rdb_stays)
{
        redisContext *c;

        nodes_lead_three("{\"appendonly\":\"yes\",\"save\":\"3600 1\"}");
        node_write_keys(&nodes[0], 10);
        c = node_client(&nodes[0], "first");
        ck_assert(ask(c, NULL, "BGSAVE"));
        redisFree(c);
        until(has_file(&nodes[0], "dump.rdb"));
        until(node_claims(&nodes[0], 1));
        for (uint64_t canaries = nodes[0].canaries; nodes[0].canaries < canaries + 4;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        ck_assert(has_file(&nodes[0], "dump.rdb"));
        nodes_end();
}
END_TEST

static void copy_file(const char *from, const char *to)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT((size_t)1024 * 1024);
        FILE *f = fopen(to, "w");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(file_read(from, &text), 0);
        ck_assert_uint_eq(fwrite(text.data, 1, text.len, f), text.len);
        ck_assert_int_eq(fclose(f), 0);
}

/* What the state file says is of the AOF. An RDB that is there as well is older. */
START_TEST(test_lost_aof)
{
        struct node *n = &nodes[1];
        char from[160], to[160];
        redisContext *c;

        nodes_lead_three(AOF);
        node_write_keys(&nodes[0], 30);
        until(nodes[0].seen.offset > 0 && node_all_confirmed(&nodes[0]));
        until(node_claims(n, nodes[0].seen.offset));
        for (uint64_t canaries = n->canaries; n->canaries < canaries + 2;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        c = node_client(n, "first");
        ck_assert(ask(c, NULL, "SAVE"));
        redisFree(c);
        snprintf(from, sizeof(from), "%s/dump.rdb", n->data);
        snprintf(to, sizeof(to), "%s/older.rdb", n->data);
        copy_file(from, to);
        node_kill(n);
        until(node_obeyed(n, FAILOVER_DOWN));
        ck_assert_int_eq(rename(to, from), 0);
        snprintf(from, sizeof(from), "%s/appendonlydir", n->data);
        snprintf(to, sizeof(to), "%s/lost", n->data);
        ck_assert_int_eq(rename(from, to), 0);
        node_order(n, FAILOVER_STAND, NULL);
        until(node_obeyed(n, FAILOVER_STANDING));
        ck_assert(!n->seen.has_data);
        nodes_end();
}
END_TEST

/* The agent of another pod on the same volume: nothing of it happens before all of ours is gone. */
START_TEST(test_volume_is_in_use)
{
        struct node *other = &nodes[1];
        struct failover_copy kept;
        redisContext *c;

        nodes_begin(2, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        node_make_leader(&nodes[0], 1);
        node_write_keys(&nodes[0], 20);
        until(node_claims(&nodes[0], nodes[0].seen.offset));
        for (uint64_t canaries = nodes[0].canaries; nodes[0].canaries < canaries + 2;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);

        memcpy(other->data, nodes[0].data, sizeof(other->data));
        node_begin(other, AOF);
        until(other->unopened.code);
        ck_assert_int_eq(other->unopened.code, -EBUSY);
        ck_assert_ptr_nonnull(strstr(other->unopened.message, other->data));
        node_order(other, FAILOVER_STAND, NULL);
        for (uint64_t looks = nodes[0].looks; nodes[0].looks < looks + 5;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        ck_assert(!other->opened);
        ck_assert_uint_eq(other->looks + other->canaries, 0);
        other->engine->ops->recall(other->engine, &kept);
        ck_assert_int_eq(kept.data, FAILOVER_DATA_UNKNOWN);

        c = node_client(&nodes[0], "first");
        node_kill(&nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        redisFree(c);
        /* The agent has it still, and may start its server again. */
        ck_assert(!other->opened);
        nodes[0].engine->ops->free(nodes[0].engine);
        nodes[0].engine = NULL;
        until(other->opened);
        /* What the other has written last is what counts. */
        other->engine->ops->recall(other->engine, &kept);
        ck_assert_int_eq(kept.data, FAILOVER_DATA_COLD);
        ck_assert_uint_eq(kept.position.timeline, 1);
        until(node_obeyed(other, FAILOVER_STANDING));
        ck_assert(other->seen.has_data);
        ck_assert_int_eq(node_keys(other), 20);
        nodes_end();
}
END_TEST

/* What servers that were killed left unfinished would fill the volume in time. */
START_TEST(test_left_overs_are_swept)
{
        static const char *const files[] = { "temp-1700000000.7.rdb", "temp-rewriteaof-bg-9.aof",
                                             "unkept.rdb" };
        char path[160];

        nodes_begin(1, AOF);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                snprintf(path, sizeof(path), "%s/%s", nodes[0].data, files[i]);
                ck_assert_int_eq(fclose(fopen(path, "w")), 0);
        }
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                snprintf(path, sizeof(path), "%s/%s", nodes[0].data, files[i]);
                ck_assert_int_eq(access(path, F_OK), -1);
        }
        nodes_end();
}
END_TEST

/* The folder of the data is an empty one: the server ends, none is started there, and nothing is
 * written. When it is the old one again, so is the server. */
START_TEST(test_volume_is_gone)
{
        struct node *n = &nodes[0];
        char away[120];
        uint64_t looks;

        nodes_begin(1, AOF);
        node_order(n, FAILOVER_STAND, NULL);
        until(node_obeyed(n, FAILOVER_STANDING));
        node_make_leader(n, 1);
        node_write_keys(n, 50);
        snprintf(away, sizeof(away), "%s.away", n->data);
        ck_assert_int_eq(rename(n->data, away), 0);
        ck_assert_int_eq(mkdir(n->data, 0700), 0);
        until(n->seen.state == FAILOVER_DOWN && n->seen.gone);
        ck_assert_uint_eq(n->crashes, 0);
        node_order(n, FAILOVER_STAND, NULL);
        until(n->unopened.code == -ENODEV);
        for (usec_t end = clock_now() + 2 * USEC_SEC; clock_now() < end;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        ck_assert_int_eq(rmdir(n->data), 0); /* it is still empty */
        ck_assert_uint_eq(n->seen.run, 1);
        looks = n->looks;
        ck_assert_int_eq(rename(away, n->data), 0);
        until(node_obeyed(n, FAILOVER_STANDING));
        ck_assert_uint_gt(n->looks, looks);
        ck_assert(!n->seen.gone && n->opened);
        ck_assert_int_eq(node_keys(n), 50);
        nodes_end();
}
END_TEST

/* What is there is loaded first, and kept in the new way then. */
START_TEST(test_rdb_becomes_aof)
{
        nodes_lead_three(RDB);
        node_write_keys(&nodes[0], 70);
        restart(RDB, true);
        ck_assert_int_eq(node_keys(&nodes[0]), 70);
        restart(AOF, true);
        ck_assert_int_eq(node_keys(&nodes[0]), 70);
        nodes_end();
}
END_TEST

/* --- a copy ------------------------------------------------------------------------------- */

START_TEST(test_copy_has_no_data)
{
        redisContext *c;

        nodes_begin(2, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        node_make_leader(&nodes[0], 1);
        node_write_keys(&nodes[0], 200);
        c = node_client(&nodes[0], "first");
        ck_assert(ask(c, NULL, "CONFIG SET rdb-key-save-delay 10000"));
        redisFree(c);
        node_order(&nodes[1], FAILOVER_FOLLOW, &nodes[0]);
        until(nodes[1].was_without_data && !nodes[1].seen.in_sync);
        until(nodes[1].seen.in_sync);
        ck_assert(nodes[1].seen.has_data);
        ck_assert_int_eq(node_keys(&nodes[1]), 200);
        nodes_end();
}
END_TEST

static const TTest *const tests[] = {
        test_restart_with_aof, test_restart_with_rdb, test_restart_with_nothing, test_copy_is_dropped,
        test_saved_rdb_stays,  test_lost_aof,         test_volume_is_in_use,     test_left_overs_are_swept,
        test_rdb_becomes_aof,  test_copy_has_no_data, test_volume_is_gone,
};

TEST_MAIN("redis/store", tests)
