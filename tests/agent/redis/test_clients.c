/* SPDX-License-Identifier: Apache-2.0
 *
 * What clients do to a real server, and what the engine makes of it.
 */
#include "node.h"

/* COMMAND, TIMES over; the answers stay where they are. */
static void send_all(redisContext *c, const char *command, int times)
{
        for (int i = 0; i < times; i++)
                ck_assert_int_eq(redisAppendCommand(c, command), REDIS_OK);
        for (int done = 0; !done;)
                ck_assert_int_eq(redisBufferWrite(c, &done), REDIS_OK);
}

static bool says(redisContext *c, const char *question, const char *text)
{
        redisReply *r = redisCommand(c, question);
        bool found = r && r->str && strstr(r->str, text);

        if (r)
                freeReplyObject(r);
        return found;
}

/* Whoever asks and does not read goes, and the server lives; so does the agent's own connection. */
START_TEST(test_clients_that_take_too_much_are_closed)
{
        redisContext *c, *greedy;
        pid_t server;

        nodes_begin(1, "{\"appendonly\":\"no\",\"save\":\"\",\"maxmemory-clients\":\"8mb\"}");
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        node_make_leader(&nodes[0], 1);
        server = node_server(&nodes[0]);
        c = node_client(&nodes[0], "first");
        greedy = node_client(&nodes[0], "first");
        ck_assert(says(c, "CLIENT LIST", "flags=Ue"));
        ck_assert(!says(c, "INFO stats", "evicted_clients:1"));
        ck_assert(ask(c, NULL, "SETRANGE large 1000000 x"));
        send_all(greedy, "GET large", 64);
        until(says(c, "INFO stats", "evicted_clients:1"));
        ck_assert(!ask(greedy, NULL, "PING"));
        nodes[0].looks = 0;
        until(nodes[0].looks > 1);
        ck_assert(node_obeyed(&nodes[0], FAILOVER_WRITABLE));
        ck_assert_int_eq(node_server(&nodes[0]), server);
        redisFree(greedy);
        redisFree(c);
        nodes_end();
}
END_TEST

/* Those that it turns away may be members. */
START_TEST(test_too_many_clients_are_told_of)
{
        enum { MANY = 40 };
        redisContext *c[MANY];
        uint64_t complaints;

        nodes_begin(1, "{\"appendonly\":\"no\",\"save\":\"\",\"maxclients\":\"32\"}");
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        complaints = nodes[0].complaints;
        for (int i = 0; i < MANY; i++)
                c[i] = node_client(&nodes[0], NULL);
        until(nodes[0].complaints > complaints);
        ck_assert_uint_eq(nodes[0].complaints, complaints + 1);
        ck_assert_ptr_nonnull(strstr(nodes[0].complaint.message, "it may have 32 (maxclients)"));
        ck_assert_str_eq(nodes[0].complaint.path, "");
        for (int i = 0; i < MANY; i++)
                redisFree(c[i]);
        nodes_end();
}
END_TEST

/* What it says of itself after that is long, and its last line tells nothing. */
START_TEST(test_crash_says_why)
{
        redisContext *c;

        nodes_begin(1, "{\"appendonly\":\"no\",\"save\":\"\",\"enable-debug-command\":\"yes\"}");
        node_order(&nodes[0], FAILOVER_STAND, NULL);
        until(node_obeyed(&nodes[0], FAILOVER_STANDING));
        c = node_client(&nodes[0], "first");
        send_all(c, "DEBUG PANIC", 1);
        until(nodes[0].crashes == 1);
        ck_assert_msg(strstr(nodes[0].crash.message, "it said last: ") &&
                              strstr(nodes[0].crash.message, "Guru Meditation: "),
                      "%s", nodes[0].crash.message);
        redisFree(c);
        nodes_end();
}
END_TEST

static const TTest *const tests[] = {
        test_clients_that_take_too_much_are_closed,
        test_too_many_clients_are_told_of,
        test_crash_says_why,
};

TEST_MAIN("redis/clients", tests)
