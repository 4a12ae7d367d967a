/* SPDX-License-Identifier: Apache-2.0 */
#include "http/inflate.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#include "base/mem.h"

#define PIECE 8192
/* The largest window, and "gzip and nothing else" (zlib.h, inflateInit2). */
#define GZIP_BITS (15 + 16)

struct inflater {
        z_stream z;
        bool done;
};

static void *zlib_alloc(void *arg, unsigned n, unsigned size)
{
        (void)arg;
        return mem_zalloc_n(n, size);
}

static void zlib_free(void *arg, void *p)
{
        (void)arg;
        mem_free(p);
}

int inflater_new(struct inflater **ret)
{
        struct inflater *i = mem_new(struct inflater);

        if (!i)
                return -ENOMEM;
        i->z.zalloc = zlib_alloc;
        i->z.zfree = zlib_free;
        if (inflateInit2(&i->z, GZIP_BITS) != Z_OK) {
                mem_free(i);
                return -ENOMEM;
        }
        *ret = i;
        return 0;
}

void inflater_free(struct inflater *i)
{
        if (!i)
                return;
        inflateEnd(&i->z);
        mem_free(i);
}

bool inflater_is_done(const struct inflater *i)
{
        return i->done || i->z.total_in == 0;
}

/* One call of zlib: 0, or what it makes of the data. */
static int step(struct inflater *i, unsigned char *piece, size_t *ret_n)
{
        int said;

        i->z.next_out = piece;
        i->z.avail_out = PIECE;
        said = inflate(&i->z, Z_NO_FLUSH);
        if (said == Z_MEM_ERROR)
                return -ENOMEM;
        /* Z_BUF_ERROR: it wants more. */
        if (said != Z_OK && said != Z_STREAM_END && said != Z_BUF_ERROR)
                return -EBADMSG;
        i->done = said == Z_STREAM_END;
        *ret_n = PIECE - i->z.avail_out;
        return 0;
}

int inflater_feed(struct inflater *i, struct str data, int (*take)(struct str piece, void *arg), void *arg)
{
        unsigned char piece[PIECE];
        size_t n;
        int r;

        if (data.len > UINT_MAX)
                return -EBADMSG;
        i->z.next_in = (unsigned char *)(uintptr_t)data.data;
        i->z.avail_in = (unsigned)data.len;
        do {
                if (i->done)
                        return i->z.avail_in ? -EBADMSG : 0;
                r = step(i, piece, &n);
                if (r == 0 && n > 0)
                        r = take(str_n((const char *)piece, n), arg);
                if (r != 0)
                        return r;
        } while (i->z.avail_in > 0 || n == PIECE);
        return 0;
}
