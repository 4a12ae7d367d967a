/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "http/listen.h"

START_TEST(addresses_of_all_forms_are_taken)
{
        static const char *const good[] = { ":8080", "0.0.0.0:0", "127.0.0.1:65535", "[::]:1", "[::1]:443" };
        struct error err = ERROR_INIT;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                ck_assert_msg(http_check_address(str_c(good[i]), &err) == 0, "%s: %s", good[i], err.message);
}
END_TEST

START_TEST(what_is_no_address_is_refused_with_what_is_wanted)
{
        static const struct {
                const char *text, *says;
        } bad[] = {
                { "", "want ADDRESS:PORT" },           { "8080", "want ADDRESS:PORT" },
                { ":", "the port must be from 0" },    { ":65536", "the port must be from 0" },
                { ":-1", "the port must be from 0" },  { "localhost:80", "must be an IP" },
                { "::1:80", "must be an IP" },         { "[::1:80", "must be an IP" },
                { "[127.0.0.1]:80", "must be an IP" }, { "1.2.3:80", "must be an IP" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct error err = ERROR_INIT;

                ck_assert_int_eq(http_check_address(str_c(bad[i].text), &err), -EINVAL);
                ck_assert_msg(strstr(err.message, bad[i].says), "%s: %s", bad[i].text, err.message);
        }
}
END_TEST

START_TEST(a_free_port_is_found_and_a_taken_one_told)
{
        struct error err = ERROR_INIT;
        int fd = http_listen(STR("127.0.0.1:0"), &err), second;
        char taken[32];

        ck_assert_msg(fd >= 0, "%s", err.message);
        ck_assert_uint_ne(http_port(fd), 0);
        snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_port(fd));
        second = http_listen(str_c(taken), &err);
        ck_assert_int_eq(second, -EADDRINUSE);
        ck_assert_msg(strstr(err.message, "choose another port"), "%s", err.message);
        close(fd);
        ck_assert_uint_eq(http_port(fd), 0);
}
END_TEST

static const TTest *const tests[] = {
        addresses_of_all_forms_are_taken,
        what_is_no_address_is_refused_with_what_is_wanted,
        a_free_port_is_found_and_a_taken_one_told,
};
TEST_MAIN("http/listen", tests)
