/* SPDX-License-Identifier: Apache-2.0 */
#include "json/block.h"

#include "base/rand.h"
#include "harness.h"

static uint64_t naive_mask(const char *p, const char *set)
{
        uint64_t mask = 0;

        for (unsigned i = 0; i < BLOCK_BYTES; i++)
                if (p[i] && strchr(set, p[i]))
                        mask |= UINT64_C(1) << i;
        return mask;
}

static void check(const char *p)
{
        struct block so = block_read(p), words = block_read_words(p);

        /* One assertion, since each costs more than what it looks at. */
        ck_assert_msg(so.quotes == naive_mask(p, "\"") && so.backslashes == naive_mask(p, "\\") &&
                              so.brackets == naive_mask(p, "{}[]") && words.quotes == so.quotes &&
                              words.backslashes == so.backslashes && words.brackets == so.brackets,
                      "%.*s", BLOCK_BYTES, p);
}

START_TEST(each_byte_is_found_where_it_stands)
{
        char p[BLOCK_BYTES];

        for (unsigned at = 0; at < BLOCK_BYTES; at++) {
                for (unsigned c = 0; c < 256; c++) {
                        memset(p, '!', sizeof(p)); /* the quote's neighbour */
                        p[at] = (char)c;
                        check(p);
                }
        }
}
END_TEST

/* Nor does a byte change what is said of the next. */
START_TEST(any_bytes_will_do)
{
        static const char near[] = "\"#!\\][}{|z^\x02\xa2\xdb\xfb\xdc";
        struct rand rand = { .state = 1 };
        char p[BLOCK_BYTES];

        for (unsigned i = 0; i < 2000; i++) {
                for (size_t j = 0; j < sizeof(p); j++)
                        p[j] = i % 2 ? (char)rand_below(&rand, 256)
                                     : near[rand_below(&rand, sizeof(near) - 1)];
                check(p);
        }
}
END_TEST

START_TEST(strings_are_between_quotes)
{
        struct rand rand = { .state = 1 };

        for (unsigned i = 0; i < 100; i++) {
                uint64_t sparse = rand_next(&rand), quotes = sparse & rand_next(&rand);

                for (int inside = 0; inside <= 1; inside++) {
                        uint64_t so = block_in_string(quotes, inside);
                        bool in = inside;

                        for (unsigned at = 0; at < BLOCK_BYTES; at++) {
                                in ^= (quotes >> at) & 1;
                                ck_assert_int_eq((so >> at) & 1, in);
                        }
                }
        }
}
END_TEST

START_TEST(a_backslash_escapes_one_byte)
{
        struct rand rand = { .state = 1 };

        for (unsigned i = 0; i < 200; i++) {
                uint64_t some = rand_next(&rand), backslashes = i % 2 ? some : some | rand_next(&rand);
                struct block b = { .backslashes = backslashes, .quotes = ~backslashes };
                bool before = i & 2, escaped = before, in = before;

                block_unescape(&b, &escaped);
                for (unsigned at = 0; at < BLOCK_BYTES; at++) {
                        bool backslash = (backslashes >> at) & 1;

                        ck_assert_int_eq((b.quotes >> at) & 1, !backslash && !in);
                        in = backslash && !in;
                }
                ck_assert_int_eq(escaped, in);
        }
}
END_TEST

static const TTest *const tests[] = {
        each_byte_is_found_where_it_stands,
        any_bytes_will_do,
        a_backslash_escapes_one_byte,
        strings_are_between_quotes,
};
TEST_MAIN("json/block", tests)
