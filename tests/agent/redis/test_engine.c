/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "node.h"

#define AOF "{\"appendonly\":\"yes\"}"
#define RDB "{\"save\":\"3600 1\"}"
#define NOTHING "{}"

static void write_keys(const struct node *n, int count)
{
        redisContext *c = node_client(n, "first");

        for (int i = 0; i < count; i++)
                ck_assert(ask(c, NULL, "SET key-%d value-%d", i, i));
        redisFree(c);
}

static long long keys_of(const struct node *n)
{
        redisContext *c = node_client(n, "first");
        long long keys = ask_number(c, "DBSIZE");

        redisFree(c);
        return keys;
}

static bool is_refused(const struct node *n)
{
        redisContext *c = node_client(n, "first");
        char reply[256];
        bool well = ask(c, reply, "SET refused 1");

        redisFree(c);
        return !well && strncmp(reply, "READONLY", 8) == 0;
}

static struct str described(struct node *n, const char *key, struct buf *out)
{
        struct str rest, value;

        buf_clear(out);
        ck_assert_int_eq(n->engine->ops->describe(n->engine, out), 0);
        rest = str_c(strstr(out->data, key));
        ck_assert(rest.data);
        rest = str_n(rest.data + strlen(key), rest.len - strlen(key));
        (void)str_cut(rest, ',', &value, &rest);
        return value;
}

/* What a restart is known to bring back. */
static bool claims(struct node *n, uint64_t offset)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(65536);
        const char *at;
        long long claimed;

        (void)described(n, "\"restartBringsBack\":", &text);
        at = strstr(strstr(text.data, "restartBringsBack"), "\"offset\":");
        claimed = strtoll(at + strlen("\"offset\":"), NULL, 10);
        return claimed >= 0 && (uint64_t)claimed >= offset;
}

static void lead_three(const char *config)
{
        nodes_begin(NODES, config);
        for (int i = 0; i < NODES; i++)
                node_order(&nodes[i], FAILOVER_STAND, NULL);
        for (int i = 0; i < NODES; i++) {
                until(node_obeyed(&nodes[i], FAILOVER_STANDING));
                ck_assert(!nodes[i].seen.has_data);
        }
        node_make_leader(&nodes[0], 1);
        node_follow(&nodes[1], &nodes[0], 1);
        node_follow(&nodes[2], &nodes[0], 1);
        until(nodes[0].seen.online == 0x6);
}

static bool all_confirmed(const struct node *n)
{
        return (n->seen.online & 0x6) == 0x6 && n->seen.acked[1] >= n->seen.offset &&
               n->seen.acked[2] >= n->seen.offset;
}

/* --- leading, following, handing over ----------------------------------------------- */

START_TEST(test_hand_over)
{
        redisContext *held;
        uint64_t final;
        usec_t began;

        lead_three(AOF);
        ck_assert_uint_eq(nodes[0].seen.life[1], 101);
        ck_assert_uint_eq(nodes[0].seen.life[2], 102);
        ck_assert(is_refused(&nodes[1]));
        write_keys(&nodes[0], 500);
        /* A write that waits for the pause to end. */
        held = node_client(&nodes[0], "first");
        began = clock_now();
        node_order(&nodes[0], FAILOVER_PAUSE, &nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_PAUSED) && all_confirmed(&nodes[0]));
        printf("paused and confirmed by all after %lld ms\n", (long long)(clock_now() - began) / 1000);
        final = nodes[0].seen.offset;
        ck_assert_int_eq(redisAppendCommand(held, "SET held 1"), REDIS_OK);
        for (int done = 0; !done;)
                ck_assert_int_eq(redisBufferWrite(held, &done), REDIS_OK);
        /* Questions to followers count as bytes, and are no writes. */
        for (uint64_t looks = nodes[0].looks; nodes[0].looks < looks + 3;)
                ck_assert_int_eq(loop_turn(loop, 10 * USEC_MSEC), 0);
        ck_assert_uint_eq(nodes[0].seen.offset, final);

        node_make_leader(&nodes[1], 2);
        ck_assert_uint_ge(nodes[1].seen.offset, final);
        node_follow(&nodes[0], &nodes[1], 2);
        node_follow(&nodes[2], &nodes[1], 2);
        /* Nobody copied anew, and what was held back was not carried out. */
        ck_assert(!nodes[0].was_without_data);
        ck_assert_int_eq(keys_of(&nodes[1]), 500);
        ck_assert_int_eq(keys_of(&nodes[0]), 500);
        ck_assert(is_refused(&nodes[0]));
        redisFree(held);
        nodes_end();
}
END_TEST

START_TEST(test_pause_and_go_on)
{
        redisContext *c;

        lead_three(AOF);
        node_order(&nodes[0], FAILOVER_PAUSE, &nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_PAUSED));
        c = node_client(&nodes[0], "first");
        ck_assert_int_eq(redisAppendCommand(c, "INCR n"), REDIS_OK);
        for (int done = 0; !done;)
                ck_assert_int_eq(redisBufferWrite(c, &done), REDIS_OK);
        node_order(&nodes[0], FAILOVER_LEAD, &nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_WRITABLE));
        redisFree(c);
        c = node_client(&nodes[0], "first");
        ck_assert_int_ge(ask_number(c, "INCR n"), 1);
        redisFree(c);
        nodes_end();
}
END_TEST

START_TEST(test_demotion_closes_clients)
{
        redisContext *c;
        struct pollfd p;
        usec_t deadline = clock_now() + LONG_ENOUGH;

        lead_three(AOF);
        c = node_client(&nodes[0], "first");
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        p = (struct pollfd){ .fd = c->fd, .events = POLLIN };
        while (poll(&p, 1, 0) == 0 && clock_now() < deadline)
                ck_assert_int_eq(loop_turn(loop, 5 * USEC_MSEC), 0);
        ck_assert(!ask(c, NULL, "PING"));
        redisFree(c);
        nodes_end();
}
END_TEST

/* Somebody with the right to do so makes a follower write; it does not stay so. */
START_TEST(test_strayed_server)
{
        redisContext *c;

        lead_three(AOF);
        c = node_client(&nodes[1], "first");
        ck_assert(ask(c, NULL, "REPLICAOF NO ONE"));
        redisFree(c);
        until(nodes[1].seen.state == FAILOVER_WRITABLE);
        until(node_obeyed(&nodes[1], FAILOVER_FOLLOWING) && nodes[1].seen.in_sync);
        nodes_end();
}
END_TEST

static void check_min_replicas(const char *expected)
{
        redisContext *c = node_client(&nodes[0], "first");
        usec_t deadline = clock_now() + LONG_ENOUGH;
        char reply[256] = "";

        while (strcmp(reply, expected) != 0 && clock_now() < deadline) {
                ck_assert(ask(c, reply, "CONFIG GET min-replicas-to-write"));
                ck_assert_int_eq(loop_turn(loop, 5 * USEC_MSEC), 0);
        }
        ck_assert_str_eq(reply, expected);
        redisFree(c);
}

START_TEST(test_min_replicas)
{
        lead_three(AOF);
        check_min_replicas("0");
        nodes[0].engine->ops->set_confirmed(nodes[0].engine, 0x7);
        check_min_replicas("1");
        nodes[0].engine->ops->set_confirmed(nodes[0].engine, 0x1);
        check_min_replicas("0");
        nodes_end();
}
END_TEST

/* --- the end ------------------------------------------------------------------------- */

static void wait_until_closed(redisContext *c)
{
        struct pollfd p = { .fd = c->fd, .events = POLLIN | POLLRDHUP };

        ck_assert_int_eq(poll(&p, 1, LONG_ENOUGH / USEC_MSEC), 1);
        ck_assert(!ask(c, NULL, "PING"));
}

/* A child that saves has the clients' connections as well. */
START_TEST(test_kill_during_save)
{
        redisContext *c;
        char reply[256];

        nodes_begin(1, RDB);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        node_make_leader(&nodes[0], 1);
        write_keys(&nodes[0], 100);
        c = node_client(&nodes[0], "first");
        ck_assert(ask(c, NULL, "CONFIG SET rdb-key-save-delay 10000000"));
        ck_assert_msg(ask(c, reply, "BGSAVE"), "%s", reply);
        node_kill(&nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        wait_until_closed(c);
        redisFree(c);
        /* It stays down. */
        for (int i = 0; i < 20; i++)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        ck_assert_int_eq(nodes[0].seen.state, FAILOVER_DOWN);
        ck_assert_uint_eq(nodes[0].seen.run, 1);
        nodes_end();
}
END_TEST

START_TEST(test_kill_and_stand_at_once)
{
        nodes_begin(1, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        node_make_leader(&nodes[0], 1);
        node_kill(&nodes[0]);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(nodes[0].seen.state == FAILOVER_DOWN);
        /* That it is dead is known before the next one is up. */
        ck_assert_uint_eq(nodes[0].seen.order, nodes[0].number - 1);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        ck_assert_uint_eq(nodes[0].seen.run, 2);
        nodes_end();
}
END_TEST

START_TEST(test_crash)
{
        lead_three(AOF);
        ck_assert_int_eq(kill(node_server(&nodes[0]), SIGKILL), 0);
        until(nodes[0].seen.state == FAILOVER_DOWN);
        /* As a leader it is not started again; as a follower it is. */
        ck_assert_int_eq(kill(node_server(&nodes[1]), SIGKILL), 0);
        until(nodes[1].seen.run == 2 && nodes[1].seen.state == FAILOVER_FOLLOWING);
        ck_assert_uint_eq(nodes[0].seen.run, 1);
        node_kill(&nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        nodes_end();
}
END_TEST

START_TEST(test_deadline)
{
        lead_three(AOF);
        ck_assert_int_eq(nodes[0].engine->ops->arm(nodes[0].engine, clock_now() + 300 * USEC_MSEC), 0);
        until(nodes[0].seen.state == FAILOVER_DOWN);
        ck_assert_int_eq(nodes[0].engine->ops->arm(nodes[0].engine, clock_now() + USEC_MINUTE), -ESRCH);
        nodes_end();
}
END_TEST

/* One that stands still is not looked at, and dies all the same. */
START_TEST(test_stopped_server)
{
        uint64_t looks;
        pid_t server;
        usec_t since;

        lead_three(AOF);
        server = node_server(&nodes[0]);
        ck_assert_int_eq(kill(server, SIGSTOP), 0);
        for (since = clock_now(); clock_now() < since + 300 * USEC_MSEC;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        looks = nodes[0].looks;
        for (since = clock_now(); clock_now() < since + 700 * USEC_MSEC;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        ck_assert_uint_eq(nodes[0].looks, looks);
        ck_assert(nodes[0].canaries > 0);
        node_kill(&nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        nodes_end();
}
END_TEST

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

        lead_three(AOF);
        write_keys(&nodes[0], 200);
        until(nodes[0].seen.offset > 0 && all_confirmed(&nodes[0]));
        offset = nodes[0].seen.offset;
        until(claims(&nodes[0], offset));
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
        ck_assert_int_eq(keys_of(&nodes[0]), 200);
        nodes_end();
}
END_TEST

static bool saves_and_claims(redisContext *c)
{
        (void)ask(c, NULL, "BGSAVE");
        return claims(&nodes[0], 1);
}

/* Stopped in its own way, an RDB has all, and its exact offset. */
START_TEST(test_restart_with_rdb)
{
        redisContext *c;
        uint64_t offset;

        lead_three(RDB);
        write_keys(&nodes[0], 100);
        c = node_client(&nodes[0], "first");
        until(nodes[0].seen.offset > 0 && all_confirmed(&nodes[0]));
        /* The time of a save is told in seconds. */
        until(saves_and_claims(c));
        redisFree(c);
        for (uint64_t canaries = nodes[0].canaries; nodes[0].canaries < canaries + 2;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        write_keys(&nodes[0], 150);
        for (uint64_t looks = nodes[0].looks; nodes[0].looks < looks + 2;)
                ck_assert_int_eq(loop_turn(loop, 10 * USEC_MSEC), 0);
        offset = nodes[0].seen.offset;
        restart(RDB, true);
        ck_assert(nodes[0].seen.has_data);
        ck_assert_int_eq(keys_of(&nodes[0]), 150);
        ck_assert_uint_ge(nodes[0].seen.offset, offset);
        nodes_end();
}
END_TEST

START_TEST(test_restart_with_nothing)
{
        lead_three(NOTHING);
        write_keys(&nodes[0], 50);
        ck_assert_int_eq(keys_of(&nodes[0]), 50);
        restart(NOTHING, false);
        ck_assert(!nodes[0].seen.has_data);
        ck_assert_int_eq(keys_of(&nodes[0]), 0);
        nodes_end();
}
END_TEST

/* What the state file says is of the AOF. The RDB that a copy once came in is older. */
START_TEST(test_lost_aof)
{
        struct node *n = &nodes[1];
        char from[160], to[160];

        lead_three(AOF);
        write_keys(&nodes[0], 30);
        until(nodes[0].seen.offset > 0 && all_confirmed(&nodes[0]));
        until(claims(n, nodes[0].seen.offset));
        for (uint64_t canaries = n->canaries; n->canaries < canaries + 2;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        node_kill(n);
        until(node_obeyed(n, FAILOVER_DOWN));
        snprintf(from, sizeof(from), "%s/appendonlydir", n->data);
        snprintf(to, sizeof(to), "%s/lost", n->data);
        ck_assert_int_eq(rename(from, to), 0);
        snprintf(from, sizeof(from), "%s/dump.rdb", n->data);
        ck_assert_int_eq(access(from, F_OK), 0);
        node_order(n, FAILOVER_STAND, NULL);
        until(node_obeyed(n, FAILOVER_STANDING));
        ck_assert(!n->seen.has_data);
        nodes_end();
}
END_TEST

/* What is there is loaded first, and kept in the new way then. */
START_TEST(test_rdb_becomes_aof)
{
        lead_three(RDB);
        write_keys(&nodes[0], 70);
        restart(RDB, true);
        ck_assert_int_eq(keys_of(&nodes[0]), 70);
        restart(AOF, true);
        ck_assert_int_eq(keys_of(&nodes[0]), 70);
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
        write_keys(&nodes[0], 200);
        c = node_client(&nodes[0], "first");
        ck_assert(ask(c, NULL, "CONFIG SET rdb-key-save-delay 10000"));
        redisFree(c);
        node_order(&nodes[1], FAILOVER_FOLLOW, &nodes[0]);
        until(nodes[1].was_without_data && !nodes[1].seen.in_sync);
        until(nodes[1].seen.in_sync);
        ck_assert(nodes[1].seen.has_data);
        ck_assert_int_eq(keys_of(&nodes[1]), 200);
        nodes_end();
}
END_TEST

/* --- TLS ---------------------------------------------------------------------------- */

START_TEST(test_tls)
{
        nodes_tls = true;
        nodes_begin(2, AOF);
        for (int i = 0; i < 2; i++) {
                node_order(&nodes[i], FAILOVER_STAND, NULL);
                until(node_obeyed(&nodes[i], FAILOVER_STANDING));
        }
        node_make_leader(&nodes[0], 1);
        node_follow(&nodes[1], &nodes[0], 1);
        until(nodes[0].seen.online == 0x2);
        ck_assert_uint_eq(nodes[0].complaints + nodes[1].complaints, 0);
        /* They are read again when they change. */
        nodes_write_tls("tls.crt", STR("no certificate"));
        until(nodes[0].complaints > 0);
        ck_assert_ptr_nonnull(strstr(nodes[0].complaint.message, "does not take the certificates"));
        ck_assert_int_eq(nodes[0].seen.state, FAILOVER_WRITABLE);
        nodes_end();
}
END_TEST

/* --- settings ------------------------------------------------------------------------------- */

#define USER(passwords)                                                                                      \
        "[{\"name\":\"default\",\"passwords\":" passwords ",\"rules\":\"~* &* +@all\"},"                     \
        "{\"name\":\"replication\",\"passwords\":[\"secret\"],\"rules\":\"+psync +replconf +ping\"}]"

static bool can_log_in(const char *password)
{
        redisContext *c = node_client(&nodes[0], NULL);
        bool well = ask(c, NULL, "AUTH %s", password);

        redisFree(c);
        return well;
}

START_TEST(test_password_is_changed)
{
        redisContext *c;

        nodes_begin(1, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        c = node_client(&nodes[0], "first");
        node_configure(&nodes[0], AOF, USER("[\"first\",\"second\"]"));
        until(can_log_in("second"));
        ck_assert(can_log_in("first"));
        node_configure(&nodes[0], AOF, USER("[\"second\"]"));
        until(!can_log_in("first"));
        ck_assert(can_log_in("second"));
        /* Who is there stays there. */
        ck_assert(ask(c, NULL, "PING"));
        redisFree(c);
        nodes_end();
}
END_TEST

START_TEST(test_settings)
{
        redisContext *c;
        char reply[256];

        nodes_begin(1, "{\"appendonly\":\"yes\",\"no-such-setting\":\"1\"}");
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        until(nodes[0].complaints >= 2);
        ck_assert_str_eq(nodes[0].complaint.path, "redis.config.no-such-setting");
        ck_assert(!nodes[0].engine->ops->needs_restart(nodes[0].engine));

        node_configure(&nodes[0], "{\"appendonly\":\"yes\",\"databases\":\"32\",\"hz\":\"20\"}", NULL);
        until(nodes[0].engine->ops->needs_restart(nodes[0].engine));
        c = node_client(&nodes[0], "first");
        ck_assert(ask(c, reply, "CONFIG GET hz"));
        ck_assert_str_eq(reply, "20");
        redisFree(c);
        node_order(&nodes[0], FAILOVER_HALT, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        c = node_client(&nodes[0], "first");
        ck_assert(ask(c, reply, "CONFIG GET databases"));
        ck_assert_str_eq(reply, "32");
        redisFree(c);
        ck_assert(!nodes[0].engine->ops->needs_restart(nodes[0].engine));
        nodes_end();
}
END_TEST

START_TEST(test_reports)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(65536);

        lead_three(AOF);
        ck_assert_int_eq(nodes[0].engine->ops->metrics(nodes[0].engine, &out), 0);
        ck_assert_ptr_nonnull(strstr(out.data, "\nkeelson_redis_writable 1\n"));
        ck_assert_ptr_nonnull(strstr(out.data, "\nkeelson_redis_followers 2\n"));
        ck_str_eq(described(&nodes[0], "\"state\":", &out), "\"writable\"");
        nodes_end();
}
END_TEST

static int make_and_configure(void *arg)
{
        const struct engine_handlers handlers = { 0 };
        const struct engine_config config = { .address = "10.0.0.7", .data = arg, .run = arg };
        struct engine *e = NULL;
        struct loop *l = NULL;
        int r = loop_new(&l);

        if (r == 0)
                r = redis_engine_new(l, &config, &handlers, &e, NULL);
        if (r == 0)
                r = e->ops->configure(e, STR("{\"config\":{\"hz\":\"20\"},\"users\":[{\"name\":\"a\"}]}"),
                                      NULL);
        if (e)
                e->ops->free(e);
        loop_free(l);
        return r;
}

START_TEST(test_torture)
{
        char dir[] = "/tmp/engine-XXXXXX";

        ck_assert_ptr_nonnull(mkdtemp(dir));
        torture(make_and_configure, dir, 0);
        ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static const TTest *const tests[] = {
        test_hand_over,
        test_pause_and_go_on,
        test_demotion_closes_clients,
        test_strayed_server,
        test_min_replicas,
        test_kill_during_save,
        test_kill_and_stand_at_once,
        test_crash,
        test_deadline,
        test_stopped_server,
        test_restart_with_aof,
        test_restart_with_rdb,
        test_restart_with_nothing,
        test_lost_aof,
        test_rdb_becomes_aof,
        test_copy_has_no_data,
        test_tls,
        test_password_is_changed,
        test_settings,
        test_reports,
        test_torture,
};

TEST_MAIN("redis/engine", tests)
