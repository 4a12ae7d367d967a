/* SPDX-License-Identifier: Apache-2.0
 *
 * Turning a loop until something has happened. The time limit only ends a test
 * that would hang; none depends on how long anything takes.
 */
#pragma once

#include "harness.h"

#include "loop/loop.h"

#define TURNS_LIMIT (60 * USEC_SEC)

#define turn_until(l, condition)                                                                             \
        do {                                                                                                 \
                usec_t limit_ = clock_now() + TURNS_LIMIT;                                                   \
                while (!(condition)) {                                                                       \
                        ck_assert_msg(clock_now() < limit_, "waited too long for " #condition);              \
                        ck_assert_int_eq(loop_turn((l), USEC_SEC), 0);                                       \
                }                                                                                            \
        } while (0)
