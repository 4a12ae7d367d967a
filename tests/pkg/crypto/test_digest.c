/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "crypto/digest.h"

START_TEST(is_that_of_the_standard)
{
        struct arena a = ARENA_INIT(1024);

        /* FIPS 180-4, the first example. */
        ck_str_eq(digest_hex(STR("abc"), DIGEST_BYTES, &a),
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        ck_str_eq(digest_hex(STR("abc"), 5, &a), "ba7816bf8f");
        ck_str_eq(digest_hex(STR(""), 4, &a), "e3b0c442");
        ck_assert(!a.failed);
        arena_release(&a);
}
END_TEST

START_TEST(of_nothing_there_is_none)
{
        struct arena a = ARENA_INIT(1024);

        ck_assert_ptr_null(digest_hex(STR_NULL, 5, &a).data);
        ck_assert(a.failed);
        arena_release(&a);
}
END_TEST

static int digest_once(void *arg _unused_)
{
        struct arena a = ARENA_INIT(1024);
        struct str s = digest_hex(STR("abc"), 5, &a);
        int r = s.data ? 0 : -ENOMEM;

        ck_assert(a.failed == !s.data);
        arena_release(&a);
        return r;
}

START_TEST(survives_every_failed_allocation)
{
        torture(digest_once, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { is_that_of_the_standard, of_nothing_there_is_none,
                                      survives_every_failed_allocation };
TEST_MAIN("crypto/digest", tests)
