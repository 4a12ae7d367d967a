/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/canary.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"

#define LONG_ENOUGH (40 * USEC_SEC)

static char dir[] = "/tmp/canary-XXXXXX";
static int result, written;
static usec_t seen;

static void on_written(struct canary *c, usec_t began, int r, void *arg _unused_)
{
        ck_assert(!canary_busy(c));
        seen = began;
        result = r;
        written++;
}

static void wait_for(struct loop *l, int n)
{
        usec_t deadline = clock_now() + LONG_ENOUGH;

        while (written < n && clock_now() < deadline)
                ck_assert_int_eq(loop_turn(l, 20 * USEC_MSEC), 0);
        ck_assert_int_eq(written, n);
}

START_TEST(test_writes)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(100);
        struct canary *c = NULL;
        struct loop *l = NULL;
        char path[64];

        ck_assert_ptr_nonnull(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/f", dir);
        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(canary_new(l, dir, "f", on_written, NULL, &c), 0);
        ck_assert_int_eq(canary_write(c, STR("one"), 11), 0);
        ck_assert(canary_busy(c));
        ck_assert_int_eq(canary_write(c, STR("two"), 12), -EBUSY);
        wait_for(l, 1);
        ck_assert_int_eq(result, 0);
        ck_assert_int_eq(seen, 11);
        ck_assert_int_eq(canary_write(c, STR("three"), 13), 0);
        wait_for(l, 2);
        ck_assert_int_eq(file_read(path, &text), 0);
        ck_str_eq(buf_str(&text), "three");
        canary_free(c);
        loop_free(l);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(test_folder_is_gone)
{
        struct canary *c = NULL;
        struct loop *l = NULL;

        ck_assert_ptr_nonnull(mkdtemp(dir));
        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(canary_new(l, dir, "f", on_written, NULL, &c), 0);
        ck_assert_int_eq(rmdir(dir), 0);
        ck_assert_int_eq(canary_write(c, STR("one"), 11), 0);
        wait_for(l, 1);
        ck_assert_int_eq(result, -ENOENT);
        canary_free(c);
        loop_free(l);
}
END_TEST

/* A volume that stands still holds the thread, and nobody else: here, one that opens a
 * pipe which nobody reads. */
START_TEST(test_volume_stands_still)
{
        struct canary *c = NULL;
        struct loop *l = NULL;
        char path[64];
        usec_t until;

        ck_assert_ptr_nonnull(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/f.new", dir);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(canary_new(l, dir, "f", on_written, NULL, &c), 0);
        ck_assert_int_eq(canary_write(c, STR("one"), 11), 0);
        for (until = clock_now() + 300 * USEC_MSEC; clock_now() < until;)
                ck_assert_int_eq(loop_turn(l, 20 * USEC_MSEC), 0);
        ck_assert_int_eq(written, 0);
        ck_assert(canary_busy(c));
        canary_free(c);
        loop_free(l);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static int make(void *arg _unused_)
{
        struct canary *c = NULL;
        struct loop *l = NULL;
        int r = loop_new(&l);

        if (r == 0)
                r = canary_new(l, "/tmp", "f", on_written, NULL, &c);
        canary_free(c);
        loop_free(l);
        return r;
}

START_TEST(test_torture)
{
        torture(make, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { test_writes, test_folder_is_gone, test_volume_stands_still,
                                      test_torture };

TEST_MAIN("redis/canary", tests)
