/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/connections.h"

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "harness.h"

#define START (1000 * USEC_SEC)
#define CAP 4

struct pair {
        struct connection c;
        int peer;
};

static struct connections all;
static struct pair pairs[CAP + 4];

static void open_from(size_t i, const char *address, usec_t now)
{
        struct sockaddr_in from = { .sin_family = AF_INET };
        int fds[2];

        memcpy(&from.sin_addr, address, sizeof(from.sin_addr));
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        pairs[i].peer = fds[1];
        connection_open(&all, &pairs[i].c, fds[0], (const void *)&from, now);
}

static bool is_ended(size_t i)
{
        struct pollfd p = { .fd = pairs[i].peer, .events = POLLIN };

        return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

static void close_one(size_t i)
{
        connection_close(&all, &pairs[i].c);
        close(pairs[i].c.fd);
        close(pairs[i].peer);
}

START_TEST(each_phase_has_an_end_of_its_own)
{
        static const struct {
                enum connection_phase phase;
                usec_t most;
        } phases[] = {
                { CONNECTION_OPENING, CONNECTION_OPENING_MAX }, { CONNECTION_IDLE, CONNECTION_IDLE_MAX },
                { CONNECTION_HEADERS, CONNECTION_HEADERS_MAX }, { CONNECTION_BODY, CONNECTION_BODY_MAX },
                { CONNECTION_REPLY, CONNECTION_REPLY_MAX },
        };

        for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
                connections_init(&all, CAP);
                open_from(0, "aaaa", START);
                connection_enter(&all, &pairs[0].c, phases[i].phase, START + 1);
                ck_assert_int_eq(connections_expire(&all, START + phases[i].most),
                                 START + 1 + phases[i].most);
                ck_assert(!is_ended(0));
                ck_assert_int_eq(connections_expire(&all, START + 1 + phases[i].most), USEC_NEVER);
                ck_assert(is_ended(0));
                ck_assert_uint_eq(all.n_expired, 1);
                ck_assert_uint_eq(all.n, 0);
                /* MHD may still call for it until it closes it. */
                connection_enter(&all, &pairs[0].c, CONNECTION_IDLE, START);
                ck_assert_int_eq(connections_expire(&all, USEC_NEVER - 1), USEC_NEVER);
                close_one(0);
                ck_assert_uint_eq(all.n, 0);
        }
}
END_TEST

START_TEST(the_next_end_is_that_of_any_phase)
{
        connections_init(&all, CAP);
        open_from(0, "aaaa", START);
        open_from(1, "aaaa", START);
        connection_enter(&all, &pairs[0].c, CONNECTION_IDLE, START);
        ck_assert_int_eq(connections_expire(&all, START), START + CONNECTION_OPENING_MAX);
        connection_enter(&all, &pairs[1].c, CONNECTION_HEADERS, START);
        ck_assert_int_eq(connections_expire(&all, START), START + CONNECTION_HEADERS_MAX);
        close_one(1);
        ck_assert_int_eq(connections_expire(&all, START), START + CONNECTION_IDLE_MAX);
        close_one(0);
}
END_TEST

static void fill(const char *const from[CAP])
{
        connections_init(&all, CAP);
        for (size_t i = 0; i < CAP; i++)
                open_from(i, from[i], START + (usec_t)i);
}

static void close_all(size_t n)
{
        for (size_t i = 0; i < n; i++)
                close_one(i);
        ck_assert_uint_eq(all.n, 0);
}

START_TEST(f21_past_the_cap_the_greediest_peer_loses)
{
        static const char *const from[CAP] = { "good", "evil", "evil", "evil" };

        fill(from);
        open_from(CAP, "evil", START);
        ck_assert_uint_eq(all.n, CAP);
        ck_assert_uint_eq(all.n_shed, 1);
        ck_assert(!is_ended(0));
        ck_assert(is_ended(1));
        open_from(CAP + 1, "new.", START);
        ck_assert(!is_ended(0));
        ck_assert(is_ended(2));
        ck_assert(!is_ended(CAP + 1));
        close_all(CAP + 2);
}
END_TEST

START_TEST(f21_of_one_peer_the_idle_go_first)
{
        static const char *const from[CAP] = { "peer", "peer", "peer", "peer" };

        fill(from);
        connection_enter(&all, &pairs[0].c, CONNECTION_REPLY, START);
        connection_enter(&all, &pairs[1].c, CONNECTION_BODY, START);
        connection_enter(&all, &pairs[2].c, CONNECTION_HEADERS, START);
        connection_enter(&all, &pairs[3].c, CONNECTION_IDLE, START);
        open_from(CAP, "peer", START);
        ck_assert(is_ended(CAP)); /* it has not asked for anything */
        connection_enter(&all, &pairs[2].c, CONNECTION_IDLE, START + 1);
        open_from(CAP + 1, "new.", START);
        ck_assert(is_ended(3)); /* has been idle for longer */
        ck_assert(!is_ended(2));
        ck_assert(!is_ended(0));
        close_all(CAP + 2);
}
END_TEST

START_TEST(at_the_end_those_at_work_may_finish)
{
        static const char *const from[CAP] = { "peer", "peer", "peer", "peer" };

        fill(from);
        ck_assert(!connections_busy(&all));
        connection_enter(&all, &pairs[0].c, CONNECTION_BODY, START);
        connection_enter(&all, &pairs[1].c, CONNECTION_IDLE, START);
        ck_assert(connections_busy(&all));
        connections_end_idle(&all);
        ck_assert(!is_ended(0));
        for (size_t i = 1; i < CAP; i++)
                ck_assert(is_ended(i));
        ck_assert(connections_busy(&all));
        connection_enter(&all, &pairs[0].c, CONNECTION_IDLE, START);
        ck_assert(!connections_busy(&all));
        close_all(CAP);
}
END_TEST

static const TTest *const tests[] = {
        each_phase_has_an_end_of_its_own,          the_next_end_is_that_of_any_phase,
        f21_past_the_cap_the_greediest_peer_loses, f21_of_one_peer_the_idle_go_first,
        at_the_end_those_at_work_may_finish,
};
TEST_MAIN("admission/connections", tests)
