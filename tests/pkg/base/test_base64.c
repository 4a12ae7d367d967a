/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <errno.h>

#include "harness.h"

static void check_both(const char *plain, const char *coded)
{
        struct buf out = BUF_INIT(1024);
        char decoded[256];
        size_t len;

        ck_assert_int_eq(base64_encode(&out, str_c(plain)), 0);
        ck_str_eq(buf_str(&out), coded);
        ck_assert_int_eq(base64_decode(str_c(coded), decoded, &len), 0);
        ck_str_eq(str_n(decoded, len), plain);
        buf_release(&out);
}

/* RFC 4648, section 10. */
START_TEST(test_vectors)
{
        check_both("", "");
        check_both("f", "Zg==");
        check_both("fo", "Zm8=");
        check_both("foo", "Zm9v");
        check_both("foob", "Zm9vYg==");
        check_both("fooba", "Zm9vYmE=");
        check_both("foobar", "Zm9vYmFy");
        check_both("\xff\xfe\xfd>?", "//79Pj8=");
}
END_TEST

START_TEST(test_every_byte)
{
        struct buf out = BUF_INIT(1024);
        unsigned char all[256], back[BASE64_DECODED_MAX(344)];
        size_t len;

        for (size_t i = 0; i < sizeof(all); i++)
                all[i] = (unsigned char)i;
        ck_assert_int_eq(base64_encode(&out, str_n((char *)all, sizeof(all))), 0);
        ck_assert_uint_eq(out.len, 344);
        ck_assert_int_eq(base64_decode(buf_str(&out), back, &len), 0);
        ck_assert_uint_eq(len, sizeof(all));
        ck_assert_mem_eq(back, all, len);
        buf_release(&out);
}
END_TEST

START_TEST(test_line_breaks)
{
        char out[64];
        size_t len;

        ck_assert_int_eq(base64_decode(STR("Zm9v\r\nYm\nE=\n"), out, &len), 0);
        ck_str_eq(str_n(out, len), "fooba");
}
END_TEST

START_TEST(test_refused)
{
        static const char *const bad[] = { "Z",    "Zg",    "Zg=",      "Zm8",     "=",
                                           "Z===", "Zg===", "Zg==Zg==", "Zm9v=",   "Zm9 v",
                                           "Zm9-", "Zm9_",  "Zg=g",     "Zm8=\n=", "\x80m9v" };
        char out[64];

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                size_t len = 77;

                ck_assert_msg(base64_decode(str_c(bad[i]), out, &len) == -EINVAL, "%s", bad[i]);
                ck_assert_uint_eq(len, 77);
        }
}
END_TEST

START_TEST(test_cap)
{
        struct buf out = BUF_INIT(6);

        ck_assert_int_eq(base64_encode(&out, STR("foobar")), -EMSGSIZE);
        buf_release(&out);
}
END_TEST

static int encode(void *arg)
{
        char data[600] = { 0 };
        struct buf out = BUF_INIT(1000);
        int r = base64_encode(&out, str_n(data, sizeof(data)));

        (void)arg;
        ck_assert(r < 0 || out.len == 800);
        buf_release(&out);
        return r;
}

START_TEST(test_memory)
{
        torture(encode, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { test_vectors, test_every_byte, test_line_breaks,
                                      test_refused, test_cap,        test_memory };

TEST_MAIN("base/base64", tests)
