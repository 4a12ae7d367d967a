/* SPDX-License-Identifier: Apache-2.0
 *
 * What every unit test shares: Check's assertions for our types, a main
 * function from a list of tests, and the allocation-failure torture.
 */
#pragma once

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#define ck_str_eq(s, expected)                                                                               \
        do {                                                                                                 \
                struct str s_ = (s);                                                                         \
                struct str e_ = str_c(expected);                                                             \
                ck_assert_msg(str_eq(s_, e_), "\"%.*s\" is not \"%.*s\"", STR_FMT(s_), STR_FMT(e_));         \
        } while (0)

/* More allocations than any single call may need. */
#define TORTURE_MAX UINT64_C(100000)

/* Runs FN with its first allocation failing, then its second, and so on, until
 * a run asks for fewer allocations than that. FN must return 0 when all went
 * well and -ENOMEM (or what TOLERATED names) when not, and keep no memory
 * beyond its end either way. */
static inline void torture(int (*fn)(void *), void *arg, int tolerated) _unused_;
static inline void torture(int (*fn)(void *), void *arg, int tolerated)
{
        for (uint64_t n = 1;; n++) {
                uint64_t before = mem_count(), live = mem_live();
                int r;

                mem_fail_after(n);
                r = fn(arg);
                mem_fail_after(0);
                ck_assert_msg(mem_live() == live, "allocation %llu failed and %lld pieces leaked",
                              (unsigned long long)n, (long long)(mem_live() - live));
                ck_assert_msg(n < TORTURE_MAX, "it never ends");
                if (mem_count() - before < n) {
                        ck_assert_msg(r == 0, "without a failure it returned %d", r);
                        return;
                }
                ck_assert_msg(r == -12 || r == 0 || r == tolerated,
                              "allocation %llu failed and it returned %d", (unsigned long long)n, r);
        }
}

/* Check's own makes NAME a variable, which no static initialiser may hold; an
 * array of one is a constant. */
#undef START_TEST
#define START_TEST(name)                                                                                     \
        static void name##_fn(int _i);                                                                       \
        static const TTest name[1] = { { #name, name##_fn, __FILE__, __LINE__ } };                           \
        static void name##_fn(int _i _unused_)

/* A program of one test case: static const TTest *const tests[] = { test_a, test_b };
 * TEST_MAIN("base/str", tests) */
#define TEST_MAIN(name, tests)                                                                               \
        int main(void)                                                                                       \
        {                                                                                                    \
                Suite *suite = suite_create(name);                                                           \
                TCase *tcase = tcase_create(name);                                                           \
                SRunner *runner;                                                                             \
                int failed;                                                                                  \
                                                                                                             \
                tcase_set_timeout(tcase, 120);                                                               \
                for (size_t i = 0; i < ARRAY_SIZE(tests); i++)                                               \
                        tcase_add_test(tcase, tests[i]);                                                     \
                suite_add_tcase(suite, tcase);                                                               \
                runner = srunner_create(suite);                                                              \
                srunner_run_all(runner, CK_ENV);                                                             \
                failed = srunner_ntests_failed(runner);                                                      \
                srunner_free(runner);                                                                        \
                return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                                 \
        }
