/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/redis/internal.h"
#include "node.h"

#define AOF "{\"appendonly\":\"yes\"}"
#define RDB "{\"save\":\"3600 1\"}"
#define NOTHING "{}"
#define PINGS "{\"appendonly\":\"yes\",\"repl-ping-replica-period\":\"1\"}"

static bool is_refused(const struct node *n)
{
        redisContext *c = node_client(n, "first");
        char reply[256];
        bool well = ask(c, reply, "SET refused 1");

        redisFree(c);
        return !well && strncmp(reply, "READONLY", 8) == 0;
}

/* --- leading, following, handing over ----------------------------------------------- */

static bool lingers(struct node *n)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(65536);

        return str_eq(node_described(n, "\"lingers\":", &text), STR("true"));
}

/* The connection ends, and nothing was said on it. */
static void check_closed(redisContext *c)
{
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        usec_t deadline = clock_now() + LONG_ENOUGH;
        char reply[256];
        ssize_t got;

        while (poll(&p, 1, 0) == 0 && clock_now() < deadline)
                ck_assert_int_eq(loop_turn(loop, 5 * USEC_MSEC), 0);
        ck_assert_int_lt(clock_now(), deadline);
        got = read(c->fd, reply, sizeof(reply));
        ck_assert_msg(got <= 0, "told: %.*s", (int)got, reply);
        redisFree(c);
}

static redisContext *begin_write(const struct node *n, const char *command)
{
        redisContext *c = node_client(n, "first");

        ck_assert_int_eq(redisAppendCommand(c, command), REDIS_OK);
        for (int done = 0; !done;)
                ck_assert_int_eq(redisBufferWrite(c, &done), REDIS_OK);
        return c;
}

static bool says(redisContext *c, const char *question, const char *text)
{
        redisReply *r = redisCommand(c, question);
        bool found = r && r->str && strstr(r->str, text);

        if (r)
                freeReplyObject(r);
        return found;
}

/* A client that comes while connections are being ended: its own may end before it has said
 * anything. Was it told that it cannot write here? */
static bool is_sent_away(const struct node *n)
{
        static const char request[] = "AUTH first\r\nSET late 1\r\n", answer[] = "+OK\r\n-READONLY";
        redisContext *c = node_client(n, NULL);
        usec_t deadline = clock_now() + LONG_ENOUGH;
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        char heard[256];
        size_t len = 0;
        ssize_t got;

        if (send(c->fd, request, strlen(request), MSG_NOSIGNAL) < 0)
                ck_assert(errno == EPIPE || errno == ECONNRESET);
        do {
                while (poll(&p, 1, 0) == 0 && clock_now() < deadline)
                        ck_assert_int_eq(loop_turn(loop, 5 * USEC_MSEC), 0);
                ck_assert_int_lt(clock_now(), deadline);
                got = read(c->fd, heard + len, sizeof(heard) - 1 - len);
                len += got > 0 ? (size_t)got : 0;
        } while (got > 0);
        redisFree(c);
        heard[len] = '\0';
        ck_assert_msg(strncmp(heard, answer, MIN(len, strlen(answer))) == 0, "told: %s", heard);
        return len >= strlen(answer);
}

START_TEST(test_hand_over)
{
        redisContext *idle, *held;
        char reply[256];
        uint64_t final;
        usec_t began;

        nodes_lead_three(PINGS);
        ck_assert_uint_eq(nodes[0].seen.life[1], 101);
        ck_assert_uint_eq(nodes[0].seen.life[2], 102);
        ck_assert(is_refused(&nodes[1]));
        node_write_keys(&nodes[0], 500);
        idle = node_client(&nodes[0], "first");
        began = clock_now();
        node_order(&nodes[0], FAILOVER_PAUSE, &nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_PAUSED) && node_all_confirmed(&nodes[0]));
        printf("paused and confirmed by all after %lld ms\n", (long long)(clock_now() - began) / 1000);
        check_closed(idle);
        final = nodes[0].seen.offset;
        /* Questions to followers count as bytes, and are no writes. */
        for (uint64_t looks = nodes[0].looks; nodes[0].looks < looks + 3;)
                ck_assert_int_eq(loop_turn(loop, 10 * USEC_MSEC), 0);
        ck_assert_uint_eq(nodes[0].seen.offset, final);
        /* A write that waits for the pause to end, and then for the new leader. */
        held = begin_write(&nodes[0], "SET held 1");

        node_make_leader(&nodes[1], 2);
        ck_assert_uint_ge(nodes[1].seen.offset, final);
        /* Longer than from one ping to the next. */
        for (began = clock_now(); clock_now() < began + 1500 * USEC_MSEC;)
                ck_assert_int_eq(loop_turn(loop, 20 * USEC_MSEC), 0);
        node_follow(&nodes[0], &nodes[1], 2);
        node_follow(&nodes[2], &nodes[1], 2);
        check_closed(held);
        /* Who comes now is told so, and may not stay. */
        while (lingers(&nodes[0]) && !is_sent_away(&nodes[0]))
                ;
        node_write_keys(&nodes[1], 600);
        until(!lingers(&nodes[0]));
        node_catch_up(&nodes[0]);
        ck_assert(is_refused(&nodes[0]));
        /* Nobody copied anew, what was held back was not carried out, and what came meanwhile is there. */
        held = node_client(&nodes[1], "first");
        ck_assert(says(held, "INFO stats", "\nsync_full:0\r"));
        ck_assert(ask(held, reply, "CONFIG GET repl-ping-replica-period"));
        ck_assert_str_eq(reply, "1");
        redisFree(held);
        node_catch_up(&nodes[1]);
        final = nodes[1].seen.offset; /* pings come after */
        until(nodes[1].seen.online == 0x5 && nodes[1].seen.acked[0] >= final);
        ck_assert_int_eq(node_keys(&nodes[1]), 600);
        ck_assert_int_eq(node_keys(&nodes[0]), 600);
        nodes_end();
}
END_TEST

/* The same, and then its pod ends: it stays for a while, as a follower of nobody. */
START_TEST(test_hand_over_and_end)
{
        uint64_t paused;
        usec_t began;

        nodes_lead_three(AOF);
        node_order(&nodes[0], FAILOVER_PAUSE, &nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_PAUSED));
        paused = nodes[0].number;
        began = clock_now();
        node_order(&nodes[0], FAILOVER_HALT, NULL);
        until(nodes[0].seen.state == FAILOVER_STANDING);
        /* That it cannot write is known before it ends. */
        until(nodes[0].seen.order > paused);
        ck_assert_int_eq(nodes[0].seen.state, FAILOVER_STANDING);
        while (lingers(&nodes[0]) && !is_sent_away(&nodes[0]))
                ;
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        ck_assert_int_ge(clock_now() - began, USEC_SEC);
        nodes_end();
}
END_TEST

/* One that goes on in between has nothing left of it. */
START_TEST(test_lead_again)
{
        redisContext *c;

        nodes_lead_three(AOF);
        node_order(&nodes[0], FAILOVER_PAUSE, &nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_PAUSED));
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        node_make_leader(&nodes[0], 2);
        ck_assert(!lingers(&nodes[0]));
        c = node_client(&nodes[0], "first");
        ck_assert_int_eq(ask_number(c, "INCR n"), 1);
        redisFree(c);
        nodes_end();
}
END_TEST

START_TEST(test_pause_and_go_on)
{
        redisContext *c;

        nodes_lead_three(AOF);
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

/* A look that was asked for while it paused is answered after it was told to go on. */
START_TEST(test_pause_ends_with_the_next_order)
{
        const struct timeval patience = { .tv_sec = 10 };
        redisContext *c;

        nodes_begin(1, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        node_make_leader(&nodes[0], 1);
        for (int i = 1; i <= 10; i++) {
                node_order(&nodes[0], FAILOVER_PAUSE, &nodes[0]);
                until(redis_of(nodes[0].engine)->paused);
                ck_assert(redis_of(nodes[0].engine)->looking);
                node_order(&nodes[0], FAILOVER_LEAD, &nodes[0]);
                until(node_obeyed(&nodes[0], FAILOVER_WRITABLE));
                c = node_client(&nodes[0], "first");
                ck_assert_int_eq(redisSetTimeout(c, patience), REDIS_OK);
                ck_assert_int_eq(ask_number(c, "INCR n"), i);
                redisFree(c);
        }
        nodes_end();
}
END_TEST

START_TEST(test_demotion_closes_clients)
{
        redisContext *c;
        struct pollfd p;
        usec_t deadline = clock_now() + LONG_ENOUGH;

        nodes_lead_three(AOF);
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

        nodes_lead_three(AOF);
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
        nodes_lead_three(AOF);
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
        node_write_keys(&nodes[0], 100);
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
        nodes_lead_three(AOF);
        ck_assert_int_eq(kill(node_server(&nodes[0]), SIGKILL), 0);
        until(nodes[0].seen.state == FAILOVER_DOWN);
        ck_assert_uint_eq(nodes[0].crashes, 1);
        ck_assert_ptr_nonnull(strstr(nodes[0].crash.message, "was killed (SIGKILL), and not by its agent"));
        ck_assert_ptr_nonnull(strstr(nodes[0].crash.message, "; it said last: "));
        /* As a leader it is not started again; as a follower it is. */
        ck_assert_int_eq(kill(node_server(&nodes[1]), SIGKILL), 0);
        until(nodes[1].seen.run == 2 && nodes[1].seen.state == FAILOVER_FOLLOWING);
        ck_assert_uint_eq(nodes[0].seen.run, 1);
        node_kill(&nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        ck_assert_uint_eq(nodes[0].crashes, 1);
        nodes_end();
}
END_TEST

/* One that it has no handler for, which could say or do something else. */
START_TEST(test_crash_by_a_signal)
{
        nodes_begin(1, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        ck_assert_int_eq(kill(node_server(&nodes[0]), SIGVTALRM), 0);
        until(nodes[0].crashes == 1);
        ck_assert_ptr_nonnull(
                strstr(nodes[0].crash.message, "crashed: signal 26 (SIGVTALRM); it said last: "));
        nodes_end();
}
END_TEST

START_TEST(test_deadline)
{
        int r;

        nodes_lead_three(AOF);
        r = nodes[0].engine->ops->arm(nodes[0].engine, clock_now() + 300 * USEC_MSEC);
        ck_assert(r == 0 || r == -ETIMEDOUT); /* where the keeper got no time to say so */
        until(nodes[0].seen.state == FAILOVER_DOWN);
        ck_assert_uint_eq(nodes[0].crashes, 0);
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

        nodes_lead_three(AOF);
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

static void configure_badly(const char *users, const char *path)
{
        struct engine *e = nodes[0].engine;
        struct error complaint = ERROR_INIT;
        char json[2048];

        snprintf(json, sizeof(json), "{\"port\":%d,\"config\":%s,\"users\":%s}", nodes[0].port, AOF, users);
        ck_assert_int_eq(e->ops->configure(e, str_c(json), &complaint), -EINVAL);
        ck_assert_str_eq(complaint.path, path);
        ck_assert_ptr_nonnull(strstr(complaint.message, "all users stay as they were"));
}

static void wait_until_settled(void)
{
        until(nodes[0].engine->ops->settled(nodes[0].engine));
}

/* A mistake in one entry takes nobody's way in away. */
START_TEST(test_users_with_a_mistake)
{
        nodes_begin(1, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        wait_until_settled();
        configure_badly("[{\"name\":\"default\",\"passwords\":[\"\"],\"rules\":\"+@all\"}]",
                        "redis.users.default");
        wait_until_settled();
        ck_assert(can_log_in("first"));
        configure_badly("[{\"passwords\":[\"x\"]}]", "redis.users[0]");
        configure_badly("7", "redis.users");
        wait_until_settled();
        ck_assert(can_log_in("first"));
        node_configure(&nodes[0], AOF, USER("[\"second\"]"));
        until(can_log_in("second"));
        ck_assert(!can_log_in("first"));
        nodes_end();
}
END_TEST

/* What only the server finds wrong: the user is as before, after a start as well. */
START_TEST(test_user_that_the_server_refuses)
{
        nodes_begin(1, AOF);
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        wait_until_settled();
        node_configure(&nodes[0], AOF,
                       "[{\"name\":\"default\",\"passwords\":[\"third\"],\"rules\":\"+@no-such-thing\"}]");
        until(nodes[0].complaints > 0);
        ck_assert_str_eq(nodes[0].complaint.path, "redis.users.default");
        wait_until_settled();
        ck_assert(can_log_in("first"));
        node_kill(&nodes[0]);
        until(node_obeyed(&nodes[0], FAILOVER_DOWN));
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        wait_until_settled();
        ck_assert(can_log_in("first"));
        ck_assert(!can_log_in("third"));
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
        ck_assert(!nodes[0].engine->ops->settled(nodes[0].engine)); /* it was told a moment ago */
        until(nodes[0].engine->ops->needs_restart(nodes[0].engine));
        until(nodes[0].engine->ops->settled(nodes[0].engine));
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

START_TEST(test_setting_that_no_server_starts_with)
{
        static const char *const config =
                "{\"appendonly\":\"yes\",\"databases\":\"lots\",\"tcp-backlog\":\"100\"}";
        const struct engine_ops *ops;
        redisContext *c;
        char reply[256];

        nodes_begin(1, config);
        ops = nodes[0].engine->ops;
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        until(ops->settled(nodes[0].engine));
        ck_assert_str_eq(nodes[0].complaint.path, "redis.config.databases");
        ck_assert_ptr_nonnull(strstr(nodes[0].complaint.message, "integer"));
        ck_assert(!ops->needs_restart(nodes[0].engine));
        c = node_client(&nodes[0], "first");
        ck_assert(ask(c, reply, "CONFIG GET tcp-backlog"));
        ck_assert_str_eq(reply, "100"); /* all else is in force */

        /* Told once more, since something else has changed: it is still said, and no restart helps. */
        nodes[0].complaint = (struct error)ERROR_INIT;
        node_configure(&nodes[0], config, NULL);
        until(ops->settled(nodes[0].engine));
        ck_assert_str_eq(nodes[0].complaint.path, "redis.config.databases");
        ck_assert(!ops->needs_restart(nodes[0].engine));

        node_configure(&nodes[0], "{\"appendonly\":\"yes\",\"databases\":\"32\",\"tcp-backlog\":\"100\"}",
                       NULL);
        until(ops->needs_restart(nodes[0].engine));
        redisFree(c);
        nodes_end();
}
END_TEST

static bool has_metric(const char *line)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(65536);
        char whole[128];

        snprintf(whole, sizeof(whole), "\n%s\n", line);
        ck_assert_int_eq(nodes[0].engine->ops->metrics(nodes[0].engine, &out), 0);
        return strstr(out.data, whole) != NULL;
}

START_TEST(test_reports)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(65536);

        nodes_lead_three(AOF);
        until(has_metric("redis_connected_slaves 2"));
        ck_assert(has_metric("keelson_redis_writable 1"));
        ck_assert(has_metric("redis_up 1"));
        ck_assert(has_metric("redis_aof_enabled 1"));
        ck_str_eq(node_described(&nodes[0], "\"state\":", &out), "\"writable\"");
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
        test_hand_over_and_end,
        test_lead_again,
        test_pause_and_go_on,
        test_pause_ends_with_the_next_order,
        test_demotion_closes_clients,
        test_strayed_server,
        test_min_replicas,
        test_kill_during_save,
        test_kill_and_stand_at_once,
        test_crash,
        test_crash_by_a_signal,
        test_deadline,
        test_stopped_server,
        test_tls,
        test_password_is_changed,
        test_users_with_a_mistake,
        test_user_that_the_server_refuses,
        test_settings,
        test_setting_that_no_server_starts_with,
        test_reports,
        test_torture,
};

TEST_MAIN("redis/engine", tests)
