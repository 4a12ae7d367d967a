/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>

#include "../loop/turns.h"
#include "http/resolve.h"

struct answer {
        int n, code;
        struct addresses found;
        char text[128];
};

static void note(int code, const char *text, const struct addresses *found, void *arg)
{
        struct answer *a = arg;

        a->n++;
        a->code = code;
        a->found = *found;
        snprintf(a->text, sizeof(a->text), "%s", text);
}

START_TEST(an_address_is_known_at_once)
{
        struct addresses found;
        char text[INET6_ADDRSTRLEN];

        ck_assert(resolve_address("10.0.0.1", 6443, &found));
        ck_assert_uint_eq(found.n, 1);
        ck_assert_int_eq(found.list[0].any.sa_family, AF_INET);
        ck_assert_uint_eq(ntohs(found.list[0].v4.sin_port), 6443);
        ck_assert_str_eq(inet_ntop(AF_INET, &found.list[0].v4.sin_addr, text, sizeof(text)), "10.0.0.1");

        ck_assert(resolve_address("fd00::1", 443, &found));
        ck_assert_uint_eq(found.n, 1);
        ck_assert_int_eq(found.list[0].any.sa_family, AF_INET6);
        ck_assert_uint_eq(ntohs(found.list[0].v6.sin6_port), 443);
        ck_assert_str_eq(inet_ntop(AF_INET6, &found.list[0].v6.sin6_addr, text, sizeof(text)), "fd00::1");

        ck_assert(!resolve_address("localhost", 443, &found));
        ck_assert(!resolve_address("", 443, &found));
}
END_TEST

START_TEST(a_name_is_looked_up_beside_the_loop)
{
        struct answer a = { 0 };
        struct resolve *r;
        struct loop *l;

        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(resolve_start(l, "localhost", 80, note, &a, &r), 0);
        ck_assert_int_eq(a.n, 0);
        turn_until(l, a.n);
        ck_assert_int_eq(a.code, 0);
        ck_assert_uint_ge(a.found.n, 1);
        for (size_t i = 0; i < a.found.n; i++)
                ck_assert_uint_eq(ntohs(a.found.list[i].v4.sin_port), 80); /* at the same place in both */
        ck_assert_int_eq(loop_turn(l, 0), 0);
        ck_assert_int_eq(a.n, 1);
        loop_free(l);
}
END_TEST

/* By a name that no server is asked about: labels have 63 bytes at the most. */
START_TEST(a_name_that_is_none_is_said)
{
        struct answer a = { 0 };
        char name[101];
        struct resolve *r;
        struct loop *l;

        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(resolve_start(l, name, 80, note, &a, &r), 0);
        turn_until(l, a.n);
        ck_assert_int_eq(a.code, -EHOSTUNREACH);
        ck_assert(a.text[0]);
        loop_free(l);
}
END_TEST

START_TEST(nobody_hears_of_one_that_was_cancelled)
{
        struct answer cancelled = { 0 }, a = { 0 };
        struct resolve *r;
        struct loop *l;

        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(resolve_start(l, "localhost", 80, note, &cancelled, &r), 0);
        resolve_cancel(r);
        resolve_cancel(NULL);
        ck_assert_int_eq(resolve_start(l, "localhost", 80, note, &a, &r), 0);
        turn_until(l, a.n);
        ck_assert_int_eq(cancelled.n, 0);
        loop_free(l);
}
END_TEST

/* They are given up here, but may go on for long. */
START_TEST(there_are_not_many_at_a_time)
{
        usec_t limit = clock_now() + TURNS_LIMIT;
        struct resolve *r;
        struct loop *l;
        int code;

        ck_assert_int_eq(loop_new(&l), 0);
        for (code = 0; code == 0; ck_assert(clock_now() < limit)) {
                code = resolve_start(l, "localhost", 80, note, NULL, &r);
                if (code == 0)
                        resolve_cancel(r);
        }
        ck_assert_int_eq(code, -EAGAIN);
        for (; code == -EAGAIN; ck_assert(clock_now() < limit))
                code = resolve_start(l, "localhost", 80, note, NULL, &r);
        ck_assert_int_eq(code, 0);
        resolve_cancel(r);
        loop_free(l);
}
END_TEST

static int whole_life(void *arg)
{
        struct answer a = { 0 };
        struct resolve *r;
        struct loop *l;
        int code = loop_new(&l);

        (void)arg;
        if (code < 0)
                return code;
        code = resolve_start(l, "localhost", 80, note, &a, &r);
        if (code == 0)
                turn_until(l, a.n);
        loop_free(l);
        return code;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(whole_life, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        an_address_is_known_at_once,  a_name_is_looked_up_beside_the_loop,
        a_name_that_is_none_is_said,  nobody_hears_of_one_that_was_cancelled,
        there_are_not_many_at_a_time, it_survives_the_lack_of_memory,
};
TEST_MAIN("http/resolve", tests)
