/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == '+')
                return 62;
        return c == '/' ? 63 : -1;
}

int base64_decode(struct str s, void *out, size_t *ret_len)
{
        unsigned char *to = out;
        size_t n = 0, padding = 0, len = 0;
        uint32_t group = 0;

        for (size_t i = 0; i < s.len; i++) {
                char c = s.data[i];
                int v = value_of(c);

                if (c == '\r' || c == '\n')
                        continue;
                if (c == '=' && n >= 2 && n + padding < 4) {
                        padding++;
                        continue;
                }
                if (v < 0 || padding)
                        return -EINVAL;
                group = group << 6 | (uint32_t)v;
                if (++n < 4)
                        continue;
                to[len++] = (unsigned char)(group >> 16);
                to[len++] = (unsigned char)(group >> 8);
                to[len++] = (unsigned char)group;
                group = 0;
                n = 0;
        }
        if (n && n + padding != 4)
                return -EINVAL;
        if (n >= 2)
                to[len++] = (unsigned char)(group >> (n == 2 ? 4 : 10));
        if (n == 3)
                to[len++] = (unsigned char)(group >> 2);
        *ret_len = len;
        return 0;
}

int base64_encode(struct buf *out, struct str data)
{
        const unsigned char *in = (const unsigned char *)data.data;

        for (size_t i = 0; i < data.len; i += 3) {
                size_t n = MIN((size_t)3, data.len - i);
                uint32_t group = (uint32_t)in[i] << 16;
                char text[4];

                if (n > 1)
                        group |= (uint32_t)in[i + 1] << 8;
                if (n > 2)
                        group |= in[i + 2];
                text[0] = alphabet[group >> 18];
                text[1] = alphabet[group >> 12 & 63];
                text[2] = n > 1 ? alphabet[group >> 6 & 63] : '=';
                text[3] = n > 2 ? alphabet[group & 63] : '=';
                if (buf_add(out, text, sizeof(text)) < 0)
                        break;
        }
        return buf_error(out);
}
