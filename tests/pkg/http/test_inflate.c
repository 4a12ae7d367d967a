/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <zlib.h>

#include "base/buf.h"
#include "http/inflate.h"

#define TEXT_MAX ((size_t)1024 * 1024)

static int collect(struct str piece, void *arg)
{
        return buf_add_str(arg, piece);
}

/* gzip of N bytes; BITS as deflateInit2 wants them. */
static size_t pack(const char *text, size_t n, int bits, unsigned char *ret, size_t room)
{
        z_stream z = { .next_in = (unsigned char *)(uintptr_t)text,
                       .avail_in = (unsigned)n,
                       .next_out = ret,
                       .avail_out = (unsigned)room };

        ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        deflateEnd(&z);
        return room - z.avail_out;
}

/* gzip of many lines, which go to TEXT. */
static size_t pack_lines(struct buf *text, unsigned char *ret, size_t room)
{
        for (int i = 0; i < 5000; i++)
                buf_printf(text, "line %d\n", i);
        return pack(text->data, text->len, 31, ret, room);
}

START_TEST(it_comes_in_pieces_of_any_size)
{
        static const size_t sizes[] = { 1, 2, 7, 100, 8192, TEXT_MAX };
        static unsigned char packed[TEXT_MAX];
        struct buf text = BUF_INIT(TEXT_MAX), got = BUF_INIT(TEXT_MAX);
        size_t n = pack_lines(&text, packed, sizeof(packed));

        for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
                struct inflater *i;

                buf_clear(&got);
                ck_assert_int_eq(inflater_new(&i), 0);
                ck_assert(inflater_is_done(i)); /* of nothing */
                for (size_t at = 0; at < n; at += sizes[k]) {
                        struct str piece = str_n((const char *)packed + at, MIN(sizes[k], n - at));

                        ck_assert_int_eq(inflater_feed(i, piece, collect, &got), 0);
                        ck_assert(inflater_is_done(i) == (at + sizes[k] >= n));
                }
                ck_assert(str_eq(buf_str(&got), buf_str(&text)));
                inflater_free(i);
        }
        inflater_free(NULL);
        buf_release(&text);
        buf_release(&got);
}
END_TEST

static int feed_all(struct str data, struct buf *got)
{
        struct inflater *i;
        int r;

        ck_assert_int_eq(inflater_new(&i), 0);
        r = inflater_feed(i, data, collect, got);
        inflater_free(i);
        return r;
}

START_TEST(what_is_not_gzip_is_refused)
{
        static unsigned char packed[1024];
        struct buf got = BUF_INIT(TEXT_MAX);
        size_t n = pack("some text", 9, 31, packed, sizeof(packed));

        ck_assert_int_eq(feed_all(STR("some text"), &got), -EBADMSG);
        packed[n] = 'x'; /* behind its end */
        ck_assert_int_eq(feed_all(str_n((char *)packed, n + 1), &got), -EBADMSG);
        packed[n - 6] ^= 1; /* its checksum */
        ck_assert_int_eq(feed_all(str_n((char *)packed, n), &got), -EBADMSG);
        n = pack("some text", 9, 15, packed, sizeof(packed)); /* zlib's own format */
        ck_assert_int_eq(feed_all(str_n((char *)packed, n), &got), -EBADMSG);
        buf_release(&got);
}
END_TEST

/* What a thousand times its size unpacks to is not waited for. */
START_TEST(who_takes_it_can_stop_it)
{
        static unsigned char packed[TEXT_MAX];
        static char zeros[TEXT_MAX];
        struct buf got = BUF_INIT(10000);
        size_t n = pack(zeros, sizeof(zeros), 31, packed, sizeof(packed));

        ck_assert_uint_lt(n, 2000);
        ck_assert_int_eq(feed_all(str_n((char *)packed, n), &got), -EMSGSIZE);
        buf_release(&got);
}
END_TEST

static int whole_life(void *arg)
{
        struct str *data = arg;
        struct buf got = BUF_INIT(TEXT_MAX);
        struct inflater *i;
        int r = inflater_new(&i);

        if (r < 0)
                return r;
        r = inflater_feed(i, *data, collect, &got);
        inflater_free(i);
        buf_release(&got);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        static unsigned char packed[TEXT_MAX];
        struct buf text = BUF_INIT(TEXT_MAX);
        struct str data = str_n((char *)packed, pack_lines(&text, packed, sizeof(packed)));

        torture(whole_life, &data, 0);
        buf_release(&text);
}
END_TEST

static const TTest *const tests[] = {
        it_comes_in_pieces_of_any_size,
        what_is_not_gzip_is_refused,
        who_takes_it_can_stop_it,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("http/inflate", tests)
