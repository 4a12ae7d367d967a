/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "crypto/secret.h"

START_TEST(holds_a_copy)
{
        char text[] = "a key";
        struct secret s = { 0 };

        ck_assert_int_eq(secret_set(&s, str_c(text)), 0);
        text[0] = 'X';
        ck_str_eq(secret_str(&s), "a key");
        ck_assert_int_eq(secret_set(&s, STR("another")), 0);
        ck_str_eq(secret_str(&s), "another");
        ck_assert_int_eq(s.data[s.len], '\0');
        ck_assert_int_eq(secret_set(&s, STR_NULL), 0);
        ck_assert_ptr_null(secret_str(&s).data);
        ck_assert_int_eq(secret_set(&s, STR("")), 0);
        ck_assert_ptr_nonnull(secret_str(&s).data);
        secret_release(&s);
        ck_assert_ptr_null(s.data);
        secret_release(&s);
}
END_TEST

START_TEST(too_long_changes_nothing)
{
        char *text = mem_zalloc(SECRET_MAX + 1);
        struct secret s = { 0 };

        ck_assert_ptr_nonnull(text);
        ck_assert_int_eq(secret_set(&s, STR("old")), 0);
        ck_assert_int_eq(secret_set(&s, str_n(text, SECRET_MAX + 1)), -EMSGSIZE);
        ck_str_eq(secret_str(&s), "old");
        ck_assert_int_eq(secret_set(&s, str_n(text, SECRET_MAX)), 0);
        secret_release(&s);
        mem_free(text);
}
END_TEST

static int set_twice(void *arg _unused_)
{
        struct secret s = { 0 };
        int r = secret_set(&s, STR("old"));

        if (r == 0) {
                r = secret_set(&s, STR("new"));
                if (!str_eq_c(secret_str(&s), r == 0 ? "new" : "old"))
                        r = -EIO;
        }
        secret_release(&s);
        return r;
}

START_TEST(survives_every_failed_allocation)
{
        torture(set_twice, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { holds_a_copy, too_long_changes_nothing,
                                      survives_every_failed_allocation };
TEST_MAIN("crypto/secret", tests)
