/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/uuid.h"

START_TEST(what_is_packed_comes_out_the_same)
{
        static const uint8_t bytes[UUID_BYTES] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                                   0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87 };
        const struct str text = STR("01234567-89ab-cdef-f0e1-d2c3b4a59687");
        uint8_t packed[UUID_BYTES];
        char out[UUID_TEXT];

        ck_assert(uuid_pack(text, packed));
        ck_assert_mem_eq(packed, bytes, sizeof(bytes));
        uuid_unpack(packed, out);
        ck_assert(str_eq(str_n(out, sizeof(out)), text));
}
END_TEST

/* Else two texts would have the same bytes. */
START_TEST(any_other_text_is_none)
{
        char text[] = "01234567-89ab-cdef-f0e1-d2c3b4a59687";
        static const char wrong[] = { '/', ':', '`', 'g', 'A', 'F', '-', ' ', '\0', '\xff' };
        uint8_t packed[UUID_BYTES];

        for (size_t i = 0; i < UUID_TEXT; i++) {
                char right = text[i];

                for (size_t j = 0; j < ARRAY_SIZE(wrong); j++) {
                        if (wrong[j] == right)
                                continue;
                        text[i] = wrong[j];
                        ck_assert_msg(!uuid_pack(str_n(text, UUID_TEXT), packed), "%zu: %d", i, wrong[j]);
                }
                text[i] = right;
        }
        ck_assert(!uuid_pack(str_n(text, UUID_TEXT - 1), packed));
        ck_assert(!uuid_pack(STR("01234567-89ab-cdef-f0e1-d2c3b4a596870"), packed));
        ck_assert(!uuid_pack(STR(""), packed));
        ck_assert(!uuid_pack(STR_NULL, packed));
}
END_TEST

static const TTest *const tests[] = {
        what_is_packed_comes_out_the_same,
        any_other_text_is_none,
};
TEST_MAIN("base/uuid", tests)
