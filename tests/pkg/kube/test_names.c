/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/names.h"

#include "harness.h"

#define WORD "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 letters */

START_TEST(names_are_taken_as_the_api_server_takes_them)
{
        static const struct {
                const char *text;
                bool part, domain, word, qualified;
        } cases[] = {
                { "a", true, true, true, false },
                { "a-1", true, true, true, false },
                { "A_b.c", false, false, true, false },
                { "a.b", false, true, true, false },
                { "a..b", false, false, true, false },
                { "a.-b", false, false, true, false },
                { "-a", false, false, false, false },
                { "a-", false, false, false, false },
                { ".a", false, false, false, false },
                { "", false, false, false, false },
                { "a b", false, false, false, false },
                { "\xc3\xa9", false, false, false, false },
                { WORD, true, true, true, false },
                { WORD "a", true, true, false, false },
                { WORD "." WORD "." WORD "." WORD, false, false, false, false },
                { "example.com/gpu", false, false, false, true },
                { "example.com/-x", false, false, false, false },
                { "Example.com/x", false, false, false, false },
                { "a/b/c", false, false, false, false },
                { "/x", false, false, false, false },
                { "a/", false, false, false, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct str s = str_c(cases[i].text);

                ck_assert_msg(kube_is_part(s) == cases[i].part && kube_is_domain(s) == cases[i].domain &&
                                      kube_is_word(s) == cases[i].word &&
                                      kube_is_qualified(s) == cases[i].qualified,
                              "\"%s\"", cases[i].text);
                ck_assert_msg(kube_is_key(s) == (cases[i].word || cases[i].qualified), "\"%s\"",
                              cases[i].text);
        }
        ck_assert(!kube_is_word(STR("a\0b")));
}
END_TEST

static const TTest *const tests[] = { names_are_taken_as_the_api_server_takes_them };
TEST_MAIN("kube/names", tests)
