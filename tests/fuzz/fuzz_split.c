/* SPDX-License-Identifier: Apache-2.0
 *
 * The splitter must give the same values and the same result however the
 * stream is cut. The input's first byte chooses the mode, the second seeds the
 * cuts, the rest is the stream.
 */
#include <stdlib.h>

#include "base/rand.h"
#include "json/split.h"

#define VALUE_MAX ((size_t)4096)
#define OUT_MAX ((size_t)16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(struct str value, bool envelope, void *arg)
{
        struct buf *out = arg;

        buf_add_char(out, envelope ? '=' : '+');
        return buf_add_str(out, value);
}

/* SEED 0: all at once, 1: byte by byte, else pieces of up to 40 bytes. */
static int split(enum json_split_mode mode, struct str text, unsigned seed, struct buf *out)
{
        struct rand rand = { .state = seed };
        struct json_split s;
        size_t n;
        int r = 0;

        json_split_init(&s, mode, VALUE_MAX);
        for (size_t at = 0; at < text.len && r == 0; at += n) {
                n = seed == 0 ? text.len : seed == 1 ? 1 : (size_t)rand_below(&rand, 41);
                n = MIN(n, text.len - at);
                r = json_split_feed(&s, str_n(text.data + at, n), collect, out);
        }
        if (r == 0)
                r = json_split_finish(&s);
        json_split_release(&s);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(buf_release) struct buf whole = BUF_INIT(OUT_MAX), cut = BUF_INIT(OUT_MAX);
        enum json_split_mode mode;
        struct str text;
        int r;

        if (size < 2)
                return 0;
        mode = data[0] & 1 ? JSON_SPLIT_LIST : JSON_SPLIT_VALUES;
        text = str_n((const char *)data + 2, size - 2);
        r = split(mode, text, 0, &whole);
        for (unsigned pass = 0; pass < 2; pass++) {
                buf_clear(&cut);
                if (split(mode, text, pass == 0 ? 1 : data[1] + 2u, &cut) != r ||
                    !str_eq(buf_str(&whole), buf_str(&cut)))
                        abort();
        }
        return 0;
}
