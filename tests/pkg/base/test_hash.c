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

START_TEST(alignment_does_not_matter)
{
        static const char text[] = "/api/v1/namespaces/shop/pods/web-0";
        size_t n = sizeof(text) - 1;
        uint64_t want = hash_bytes(HASH_INIT, text, n);
        char room[sizeof(text) + 8];

        for (size_t shift = 0; shift < 8; shift++) {
                memcpy(room + shift, text, n);
                ck_assert_uint_eq(hash_bytes(HASH_INIT, room + shift, n), want);
        }
}
END_TEST

START_TEST(nothing_can_be_hashed)
{
        ck_assert_uint_eq(hash_bytes(HASH_INIT, NULL, 0), hash_str(HASH_INIT, STR("")));
        ck_assert_uint_eq(hash_str(HASH_INIT, STR_NULL), hash_str(HASH_INIT, STR("")));
}
END_TEST

START_TEST(length_order_and_seed_count)
{
        uint64_t h = HASH_INIT;

        ck_assert_uint_ne(hash_bytes(h, "\0\0", 1), hash_bytes(h, "\0\0", 2));
        ck_assert_uint_ne(hash_bytes(h, "12345678", 8), hash_bytes(h, "12345678\0", 9));
        ck_assert_uint_ne(hash_add(hash_add(h, 1), 2), hash_add(hash_add(h, 2), 1));
        ck_assert_uint_ne(hash_str(1, STR("a")), hash_str(2, STR("a")));
        /* Fields do not run into each other. */
        ck_assert_uint_ne(hash_str(hash_str(h, STR("ab")), STR("c")),
                          hash_str(hash_str(h, STR("a")), STR("bc")));
}
END_TEST

static unsigned ones(uint64_t n)
{
        return (unsigned)__builtin_popcountll(n);
}

/* Each bit of the input moves about half of the output: over 20 words, between
 * 24 and 40 of 64 on the average. */
START_TEST(every_bit_of_the_input_counts)
{
        char bytes[20] = "abcdefghijklmnopqrs";
        uint64_t want = hash_bytes(HASH_INIT, bytes, sizeof(bytes));
        unsigned moved = 0;

        for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
                uint64_t got;

                bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
                got = hash_bytes(HASH_INIT, bytes, sizeof(bytes));
                ck_assert_uint_ne(got, want);
                moved += ones(got ^ want);
                bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
        }
        ck_assert_uint_ge(moved, 24 * sizeof(bytes) * 8);
        ck_assert_uint_le(moved, 40 * sizeof(bytes) * 8);
}
END_TEST

/* What a table looks at is the low bits: 4096 names in 4096 buckets leave about
 * 1/e of them empty when they fall at random. */
START_TEST(similar_names_spread)
{
        static bool used[4096];
        size_t n_used = 0;

        for (unsigned i = 0; i < 4096; i++) {
                char name[32];
                int n = snprintf(name, sizeof(name), "shop-%u", i);
                size_t at = hash_bytes(HASH_INIT, name, (size_t)n) % ARRAY_SIZE(used);

                n_used += !used[at];
                used[at] = true;
        }
        ck_assert_uint_gt(n_used, 4096 * 60 / 100);
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
