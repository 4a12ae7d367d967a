/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/hash.h"

/* Hashes are stored in annotations, so these numbers may never change. */
START_TEST(pinned_values)
{
        ck_assert_uint_eq(hash_mix(0), 0);
        ck_assert_uint_eq(hash_mix(1), UINT64_C(0xb456bcfc34c2cb2c)); /* MurmurHash3's fmix64(1) */
        ck_assert_uint_eq(hash_str(HASH_INIT, STR("")), UINT64_C(0x9ca066f1f7881613));
        ck_assert_uint_eq(hash_str(HASH_INIT, STR("keelson")), UINT64_C(0x1fcfa9878faee958));
        ck_assert_uint_eq(hash_str(HASH_INIT, STR("0123456789abcdef")), UINT64_C(0x4ec5910fc4a0e1de));
        ck_assert_uint_eq(hash_str(HASH_INIT, STR("\xff\x80 0123456789abcdef")),
                          UINT64_C(0x09cee1d981676b8b));
        ck_assert_uint_eq(hash_add(HASH_INIT, 42), UINT64_C(0xb16400725c9be3d1));
}
END_TEST

/* What holds for both. */
typedef uint64_t hash_fn(uint64_t h, const void *data, size_t n);

static void check_alignment(hash_fn *fn)
{
        static const char text[] = "/api/v1/namespaces/shop/pods/web-0";
        size_t n = sizeof(text) - 1;
        uint64_t want = fn(HASH_INIT, text, n);
        char room[sizeof(text) + 8];

        for (size_t shift = 0; shift < 8; shift++) {
                memcpy(room + shift, text, n);
                ck_assert_uint_eq(fn(HASH_INIT, room + shift, n), want);
        }
}

START_TEST(alignment_does_not_matter)
{
        check_alignment(hash_bytes);
        check_alignment(hash_local_bytes);
}
END_TEST

static void check_nothing(hash_fn *fn)
{
        ck_assert_uint_eq(fn(HASH_INIT, NULL, 0), fn(HASH_INIT, "", 0));
}

START_TEST(nothing_can_be_hashed)
{
        check_nothing(hash_bytes);
        check_nothing(hash_local_bytes);
}
END_TEST

static void check_length(hash_fn *fn)
{
        static const char zeros[64] = { 0 };
        uint64_t h = HASH_INIT;

        for (size_t n = 1; n <= sizeof(zeros); n++)
                for (size_t m = 0; m < n; m++)
                        ck_assert_msg(fn(h, zeros, n) != fn(h, zeros, m), "%zu, %zu", n, m);
        ck_assert_uint_ne(fn(h, "12345678", 8), fn(h, "12345678\0", 9));
        ck_assert_uint_ne(fn(fn(h, "1", 1), "2", 1), fn(fn(h, "2", 1), "1", 1));
        ck_assert_uint_ne(hash_add(hash_add(h, 1), 2), hash_add(hash_add(h, 2), 1));
        ck_assert_uint_ne(hash_local_add(hash_local_add(h, 1), 2), hash_local_add(hash_local_add(h, 2), 1));
        ck_assert_uint_ne(hash_local_add(1, 2), hash_local_add(2, 1));
        ck_assert_uint_ne(fn(1, "a", 1), fn(2, "a", 1));
        /* Fields do not run into each other. */
        ck_assert_uint_ne(fn(fn(h, "ab", 2), "c", 1), fn(fn(h, "a", 1), "bc", 2));
}

START_TEST(length_order_and_seed_count)
{
        check_length(hash_bytes);
        check_length(hash_local_bytes);
}
END_TEST

static unsigned ones(uint64_t n)
{
        return (unsigned)__builtin_popcountll(n);
}

/* Each bit of the input moves about half of the output: between 24 and 40 of 64
 * on the average. */
static void check_every(hash_fn *fn)
{
        char bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN";

        for (size_t n = 1; n < sizeof(bytes); n++) {
                uint64_t want = fn(HASH_INIT, bytes, n);
                unsigned moved = 0;

                for (size_t bit = 0; bit < n * 8; bit++) {
                        uint64_t got;

                        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
                        got = fn(HASH_INIT, bytes, n);
                        ck_assert_uint_ne(got, want);
                        moved += ones(got ^ want);
                        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
                }
                ck_assert_msg(moved >= 24 * n * 8 && moved <= 40 * n * 8, "%zu bytes: %u", n, moved);
        }
}

START_TEST(every_bit_of_the_input_counts)
{
        check_every(hash_bytes);
        check_every(hash_local_bytes);
}
END_TEST

/* What a table looks at is the low bits: 4096 names in 4096 buckets leave about
 * 1/e of them empty when they fall at random. */
static void check_similar(hash_fn *fn)
{
        static bool used[4096];
        size_t n_used = 0;

        memset(used, 0, sizeof(used));
        for (unsigned i = 0; i < 4096; i++) {
                char name[32];
                int n = snprintf(name, sizeof(name), "shop-%u", i);
                size_t at = fn(HASH_INIT, name, (size_t)n) % ARRAY_SIZE(used);

                n_used += !used[at];
                used[at] = true;
        }
        ck_assert_uint_gt(n_used, 4096 * 60 / 100);
}

START_TEST(similar_names_spread)
{
        check_similar(hash_bytes);
        check_similar(hash_local_bytes);
}
END_TEST

static const TTest *const tests[] = {
        pinned_values,
        alignment_does_not_matter,
        nothing_can_be_hashed,
        length_order_and_seed_count,
        every_bit_of_the_input_counts,
        similar_names_spread,
};
TEST_MAIN("base/hash", tests)
