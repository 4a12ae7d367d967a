/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

/* Little-endian whatever the machine is, since hashes are stored. */
static uint64_t load_word(const unsigned char *p, size_t n)
{
        uint64_t w = 0;

        memcpy(&w, p, n);
        return le64toh(w);
}

uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
        const unsigned char *p = data;
        size_t left = n;

        for (; left >= 8; p += 8, left -= 8)
                h = hash_add(h, load_word(p, 8));
        if (left)
                h = hash_add(h, load_word(p, left));
        return hash_add(h, n);
}
