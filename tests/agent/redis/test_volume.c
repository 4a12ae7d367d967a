/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/volume.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/redis/state.h"
#include "base/file.h"
#include "harness.h"

#define LONG_ENOUGH (40 * USEC_SEC)

static char dir[] = "/tmp/volume-XXXXXX";
static struct loop *l;
static struct volume_done seen;
static char text[VOLUME_TEXT_MAX];
static int n_done;

static void on_done(struct volume *v, const struct volume_done *done, void *arg _unused_)
{
        ck_assert(!volume_busy(v));
        seen = *done;
        if (done->text.data)
                memcpy(text, done->text.data, done->text.len);
        n_done++;
}

static const char *in_dir(const char *file)
{
        static char paths[4][64];
        static unsigned next;
        char *path = paths[next++ % ARRAY_SIZE(paths)];

        snprintf(path, sizeof(paths[0]), "%s/%s", dir, file);
        return path;
}

static void make(const char *file)
{
        FILE *f = fopen(in_dir(file), "w");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fclose(f), 0);
}

static bool is_there(const char *file)
{
        return access(in_dir(file), F_OK) == 0;
}

static struct volume *begin(void)
{
        struct volume *v = NULL;

        n_done = 0;
        ck_assert_ptr_nonnull(mkdtemp(dir));
        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(volume_new(l, dir, on_done, NULL, &v), 0);
        return v;
}

static void finish(struct volume *v)
{
        static const char *const files[] = { VOLUME_LOCK_FILE, REDIS_STATE_FILE, REDIS_STATE_FILE ".new" };

        volume_free(v);
        loop_free(l);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                (void)unlink(in_dir(files[i]));
        ck_assert_int_eq(rmdir(dir), 0);
}

static void wait_for(int n)
{
        usec_t deadline = clock_now() + LONG_ENOUGH;

        while (n_done < n && clock_now() < deadline)
                ck_assert_int_eq(loop_turn(l, 20 * USEC_MSEC), 0);
        ck_assert_int_eq(n_done, n);
}

START_TEST(test_writes)
{
        _cleanup_(buf_release) struct buf got = BUF_INIT(100);
        struct volume *v = begin();

        ck_assert_int_eq(volume_write(v, STR("one"), 11, false), 0);
        ck_assert(volume_busy(v));
        ck_assert_int_eq(volume_write(v, STR("two"), 12, false), -EBUSY);
        wait_for(1);
        ck_assert_int_eq(seen.task, VOLUME_WRITE);
        ck_assert_int_eq(seen.result, 0);
        ck_assert_int_eq(seen.began, 11);
        ck_assert_uint_gt(seen.size, 0);
        ck_assert_uint_le(seen.room, seen.size);
        ck_assert_int_eq(volume_write(v, STR("three"), 13, false), 0);
        wait_for(2);
        ck_assert_int_eq(file_read(in_dir(REDIS_STATE_FILE), &got), 0);
        ck_str_eq(buf_str(&got), "three");
        ck_assert_int_eq(volume_write(v, str_n(dir, VOLUME_TEXT_MAX + 1), 14, false), -EMSGSIZE);
        finish(v);
}
END_TEST

/* Its folder is another one: nothing is written there, nor swept. When it is back, all goes on. */
START_TEST(test_gone)
{
        struct volume *v = begin();

        ck_assert_int_eq(volume_open(v), 0);
        wait_for(1);
        ck_assert_int_eq(rename(in_dir(VOLUME_LOCK_FILE), in_dir("away")), 0);
        make("temp-1.rdb");
        ck_assert_int_eq(volume_write(v, STR("one"), 1, false), 0);
        wait_for(2);
        ck_assert_int_eq(seen.result, VOLUME_GONE);
        ck_assert_int_eq(volume_prepare(v), 0);
        wait_for(3);
        ck_assert_int_eq(seen.result, VOLUME_GONE);
        make(VOLUME_LOCK_FILE); /* another pod's, perhaps */
        ck_assert_int_eq(volume_write(v, STR("one"), 1, false), 0);
        wait_for(4);
        ck_assert_int_eq(seen.result, VOLUME_GONE);
        ck_assert(!is_there(REDIS_STATE_FILE) && is_there("temp-1.rdb"));
        ck_assert_int_eq(rename(in_dir("away"), in_dir(VOLUME_LOCK_FILE)), 0);
        ck_assert_int_eq(volume_write(v, STR("one"), 1, false), 0);
        wait_for(5);
        ck_assert_int_eq(seen.result, 0);
        ck_assert_int_eq(volume_prepare(v), 0);
        wait_for(6);
        ck_assert_int_eq(seen.result, 0);
        ck_assert(is_there(REDIS_STATE_FILE) && !is_there("temp-1.rdb"));
        finish(v);
}
END_TEST

/* Each open file is one holder, as each agent is. */
START_TEST(test_lock)
{
        struct volume *v = begin(), *other = NULL;

        ck_assert_int_eq(volume_lock(v), -1);
        ck_assert_int_eq(volume_open(v), 0);
        wait_for(1);
        ck_assert_int_eq(seen.result, 0);
        ck_assert(!seen.unlocked);
        ck_assert_ptr_null(seen.text.data);
        ck_assert_int_ge(volume_lock(v), 0);
        ck_assert_int_eq(volume_write(v, STR("ours"), 1, false), 0);
        wait_for(2);
        ck_assert_int_eq(volume_open(v), 0); /* once more, and it stays ours */
        wait_for(3);
        ck_assert_int_eq(seen.result, 0);

        ck_assert_int_eq(volume_new(l, dir, on_done, NULL, &other), 0);
        ck_assert_int_eq(volume_open(other), 0);
        wait_for(4);
        ck_assert_int_eq(seen.result, -EWOULDBLOCK);
        ck_assert_ptr_null(seen.text.data);
        ck_assert_int_eq(volume_lock(other), -1);
        volume_free(v);
        ck_assert_int_eq(volume_open(other), 0);
        wait_for(5);
        ck_assert_int_eq(seen.result, 0);
        ck_assert_uint_eq(seen.text.len, 4);
        ck_assert_int_eq(memcmp(text, "ours", 4), 0);
        finish(other);
}
END_TEST

START_TEST(test_prepare)
{
        struct volume *v = begin();

        make("temp-1700000000.12.rdb");
        make("temp-rewriteaof-12.aof");
        make("unkept.rdb");
        make("temperature");
        make("dump.rdb");
        ck_assert_int_eq(volume_prepare(v), 0);
        wait_for(1);
        ck_assert_int_eq(seen.task, VOLUME_PREPARE);
        ck_assert_int_eq(seen.result, 0);
        ck_assert(seen.rdb && !seen.aof);
        ck_assert(!is_there("temp-1700000000.12.rdb") && !is_there("temp-rewriteaof-12.aof"));
        ck_assert(!is_there("unkept.rdb") && is_there("temperature"));
        ck_assert_int_eq(unlink(in_dir("temperature")), 0);
        ck_assert_int_eq(unlink(in_dir("dump.rdb")), 0);
        make("appendonly.aof");
        ck_assert_int_eq(volume_prepare(v), 0);
        wait_for(2);
        ck_assert(!seen.rdb && seen.aof);
        ck_assert_int_eq(unlink(in_dir("appendonly.aof")), 0);
        finish(v);
}
END_TEST

/* Not before what says that it is of no use is on the disk, and not without what is. */
START_TEST(test_copy_is_dropped)
{
        struct volume *v = begin();

        make("dump.rdb");
        ck_assert_int_eq(volume_write(v, STR("rdb"), 1, false), 0);
        wait_for(1);
        ck_assert(is_there("dump.rdb"));
        ck_assert_int_eq(volume_write(v, STR("aof"), 1, true), 0);
        wait_for(2);
        ck_assert(is_there("dump.rdb"));
        ck_assert_int_eq(mkdir(in_dir("appendonlydir"), 0700), 0);
        make("appendonlydir/appendonly.aof.manifest");
        ck_assert_int_eq(mkdir(in_dir(REDIS_STATE_FILE ".new"), 0700), 0);
        ck_assert_int_eq(volume_write(v, STR("aof"), 1, true), 0);
        wait_for(3);
        ck_assert_int_eq(seen.result, -EISDIR);
        ck_assert(is_there("dump.rdb"));
        ck_assert_int_eq(rmdir(in_dir(REDIS_STATE_FILE ".new")), 0);
        ck_assert_int_eq(volume_write(v, STR("aof"), 1, true), 0);
        wait_for(4);
        ck_assert(!is_there("dump.rdb"));
        ck_assert_int_eq(unlink(in_dir("appendonlydir/appendonly.aof.manifest")), 0);
        ck_assert_int_eq(rmdir(in_dir("appendonlydir")), 0);
        finish(v);
}
END_TEST

START_TEST(test_folder_is_gone)
{
        struct volume *v = begin();

        ck_assert_int_eq(rmdir(dir), 0);
        ck_assert_int_eq(volume_write(v, STR("one"), 11, false), 0);
        wait_for(1);
        ck_assert_int_eq(seen.result, -ENOENT);
        ck_assert_int_eq(volume_open(v), 0);
        wait_for(2);
        ck_assert_int_eq(seen.result, -ENOENT);
        ck_assert_int_eq(volume_prepare(v), 0);
        wait_for(3);
        ck_assert_int_eq(seen.result, -ENOENT);
        ck_assert_int_eq(mkdir(dir, 0700), 0);
        finish(v);
}
END_TEST

/* A volume that stands still holds the thread, and nobody else: here, one that opens a
 * pipe which nobody reads. */
START_TEST(test_volume_stands_still)
{
        struct volume *v = begin();
        usec_t until;

        ck_assert_int_eq(mkfifo(in_dir(REDIS_STATE_FILE ".new"), 0600), 0);
        ck_assert_int_eq(volume_write(v, STR("one"), 11, false), 0);
        for (until = clock_now() + 300 * USEC_MSEC; clock_now() < until;)
                ck_assert_int_eq(loop_turn(l, 20 * USEC_MSEC), 0);
        ck_assert_int_eq(n_done, 0);
        ck_assert(volume_busy(v));
        finish(v);
}
END_TEST

static int make_one(void *arg _unused_)
{
        struct volume *v = NULL;
        struct loop *loop = NULL;
        int r = loop_new(&loop);

        if (r == 0)
                r = volume_new(loop, "/tmp", on_done, NULL, &v);
        volume_free(v);
        loop_free(loop);
        return r;
}

START_TEST(test_torture)
{
        torture(make_one, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { test_writes,
                                      test_gone,
                                      test_lock,
                                      test_prepare,
                                      test_copy_is_dropped,
                                      test_folder_is_gone,
                                      test_volume_stands_still,
                                      test_torture };

TEST_MAIN("redis/volume", tests)
