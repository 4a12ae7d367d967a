/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

/* Little-endian whatever the machine is, since hashes are stored. */
static uint64_t load_word(const unsigned char *p)
{
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        return le64toh(w);
}

static uint64_t load_half(const unsigned char *p)
{
        uint32_t w;

        memcpy(&w, p, sizeof(w));
        return le32toh(w);
}

/* One to seven bytes, as if zeros followed. Most strings are short, so there is
 * no loop: what is read twice has the same place both times. */
static uint64_t load_rest(const unsigned char *p, size_t n)
{
        if (n >= 4)
                return load_half(p) | load_half(p + n - 4) << (8 * (n - 4));
        return p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
}

uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
        const unsigned char *p = data;
        size_t left = n;

        for (; left >= 8; p += 8, left -= 8)
                h = hash_add(h, load_word(p));
        if (left)
                h = hash_add(h, load_rest(p, left));
        return hash_add(h, n);
}

uint64_t hash_local_bytes(uint64_t h, const void *data, size_t n)
{
        const unsigned char *p = data;
        uint64_t first = 0, last = 0;
        size_t left = n;

        for (; left > 16; p += 16, left -= 16)
                h = hash_local_add(h ^ load_word(p), load_word(p + 8));
        /* With N it is clear what was read twice. */
        if (left >= 8) {
                first = load_word(p);
                last = load_word(p + left - 8);
        } else if (left) {
                first = load_rest(p, left);
        }
        return hash_local_add(h ^ first, last ^ n * HASH_INIT);
}
