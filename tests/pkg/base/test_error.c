/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "base/error.h"

START_TEST(set_fills_and_returns_the_code)
{
        struct error err = ERROR_INIT;

        ck_assert_int_eq(error_set(&err, -EINVAL, "cannot parse %s", "x"), -EINVAL);
        ck_assert_int_eq(err.code, -EINVAL);
        ck_assert_str_eq(err.message, "cannot parse x");
        ck_assert_str_eq(err.path, "");
}
END_TEST

START_TEST(a_later_error_replaces_the_path)
{
        struct error err = ERROR_INIT;

        ck_assert_int_eq(error_set_at(&err, -ERANGE, STR("spec.replicas"), "must be at least %d", 1),
                         -ERANGE);
        ck_assert_str_eq(err.path, "spec.replicas");
        ck_assert_str_eq(err.message, "must be at least 1");
        error_set(&err, -EIO, "gone");
        ck_assert_str_eq(err.path, "");
        error_set_at(&err, -EIO, STR_NULL, "gone");
        ck_assert_str_eq(err.path, "");
}
END_TEST

START_TEST(nobody_need_listen)
{
        ck_assert_int_eq(error_set(NULL, -EINVAL, "x"), -EINVAL);
        ck_assert_int_eq(error_set_at(NULL, -EINVAL, STR("p"), "x"), -EINVAL);
        error_prefix(NULL, "x");
}
END_TEST

START_TEST(prefix_goes_before_the_message)
{
        struct error err = ERROR_INIT;

        error_set_at(&err, -ENOENT, STR("spec.x"), "no such file");
        error_prefix(&err, "/etc/%s", "kubeconfig");
        ck_assert_str_eq(err.message, "/etc/kubeconfig: no such file");
        ck_assert_str_eq(err.path, "spec.x");
        ck_assert_int_eq(err.code, -ENOENT);
}
END_TEST

static void ck_ends(const char *text, size_t len, const char *end)
{
        ck_assert_uint_eq(strlen(text), len);
        ck_assert_str_eq(text + len - strlen(end), end);
}

START_TEST(long_texts_end_in_dots)
{
        struct error err = ERROR_INIT;
        char text[2000];

        memset(text, 't', sizeof(text));
        text[sizeof(err.message) - 1] = '\0';
        error_set(&err, -EINVAL, "%s", text);
        ck_ends(err.message, sizeof(err.message) - 1, "tttt"); /* just fits */
        error_set(&err, -EINVAL, "%sx", text);
        ck_ends(err.message, sizeof(err.message) - 1, "t...");

        error_set(&err, -EINVAL, "%s", text);
        error_prefix(&err, "file");
        ck_ends(err.message, sizeof(err.message) - 1, "t...");
        ck_assert_mem_eq(err.message, "file: ttt", 9);

        /* A context longer than all leaves nothing of the message, but says so. */
        error_set(&err, -EINVAL, "short");
        error_prefix(&err, "%sxx", text);
        ck_ends(err.message, sizeof(err.message) - 1, "t...");

        memset(text, 'p', sizeof(text));
        error_set_at(&err, -EINVAL, str_n(text, sizeof(err.path) - 1), "x");
        ck_ends(err.path, sizeof(err.path) - 1, "pppp");
        error_set_at(&err, -EINVAL, str_n(text, sizeof(err.path)), "x");
        ck_ends(err.path, sizeof(err.path) - 1, "p...");
}
END_TEST

START_TEST(a_cut_never_splits_a_character)
{
        struct error err = ERROR_INIT;
        char text[2000];

        /* Four shifts, so that the cut falls on each byte of U+1F6A2. */
        for (size_t shift = 0; shift < 4; shift++) {
                struct str rest;

                memset(text, 'a', shift);
                for (size_t i = shift; i + 4 < sizeof(text); i += 4)
                        memcpy(text + i, "\xf0\x9f\x9a\xa2", 5);
                error_set(&err, -EINVAL, "%s", text);
                rest = str_c(err.message);
                ck_assert(str_ends(rest, STR("...")));
                while (rest.len) {
                        size_t n = str_utf8(rest);

                        ck_assert_uint_gt(n, 0);
                        rest = str_n(rest.data + n, rest.len - n);
                }
        }
}
END_TEST

static const TTest *const tests[] = {
        set_fills_and_returns_the_code, a_later_error_replaces_the_path, nobody_need_listen,
        prefix_goes_before_the_message, long_texts_end_in_dots,          a_cut_never_splits_a_character,
};
TEST_MAIN("base/error", tests)
