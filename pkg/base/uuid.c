/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

/* Where each byte's two digits stand, between the dashes. */
static const uint8_t places[UUID_BYTES] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34 };
static const uint8_t dashes[] = { 8, 13, 18, 23 };

/* 16 for what is none. */
static unsigned value_of(char c)
{
        if (c >= '0' && c <= '9')
                return (unsigned)(c - '0');
        return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

bool uuid_pack(struct str s, uint8_t to[UUID_BYTES])
{
        unsigned seen = 0;

        if (s.len != UUID_TEXT)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(dashes); i++)
                if (s.data[dashes[i]] != '-')
                        return false;
        for (size_t i = 0; i < UUID_BYTES; i++) {
                unsigned high = value_of(s.data[places[i]]), low = value_of(s.data[places[i] + 1]);

                seen |= high | low;
                to[i] = (uint8_t)(high << 4 | (low & 15));
        }
        return seen < 16;
}

void uuid_unpack(const uint8_t from[UUID_BYTES], char to[UUID_TEXT])
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < ARRAY_SIZE(dashes); i++)
                to[dashes[i]] = '-';
        for (size_t i = 0; i < UUID_BYTES; i++) {
                to[places[i]] = digits[from[i] >> 4];
                to[places[i] + 1] = digits[from[i] & 15];
        }
}
