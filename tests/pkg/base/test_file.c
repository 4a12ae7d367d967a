/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

START_TEST(test_read)
{
        char path[] = "/tmp/keelson-test-file-XXXXXX";
        struct buf out = BUF_INIT(100 * 1000);
        struct buf small = BUF_INIT(49999);
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        for (int i = 0; i < 50000; i += 10)
                ck_assert_int_eq(write(fd, "0123456789", 10), 10);
        close(fd);
        buf_add_c(&out, "before ");
        ck_assert_int_eq(file_read(path, &out), 0);
        ck_assert_uint_eq(out.len, 50007);
        ck_str_eq(str_n(out.data, 10), "before 012");
        ck_assert_int_eq(file_read(path, &small), -EMSGSIZE);
        unlink(path);
        buf_release(&out);
        buf_release(&small);
}
END_TEST

START_TEST(test_failures)
{
        struct buf out = BUF_INIT(64 * 1024);

        ck_assert_int_eq(file_read("/nonexistent/file", &out), -ENOENT);
        ck_assert_int_eq(file_read("/", &out), -EISDIR);
        ck_assert_int_eq(file_read("/dev/null", &out), 0);
        ck_assert_uint_eq(out.len, 0);
        mem_fail_after(1);
        ck_assert_int_eq(file_read("/proc/self/status", &out), -ENOMEM);
        mem_fail_after(0);
        buf_release(&out);
}
END_TEST

/* What a pipe holds is a file as well, but none is waited for for ever. */
START_TEST(test_pipes)
{
        char folder[] = "/tmp/keelson-test-file-XXXXXX", path[64];
        struct buf out = BUF_INIT(1024 * 1024);
        int ends[2];
        pid_t writer;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/fifo", folder);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_int_eq(file_read(path, &out), 0);
        ck_assert_uint_eq(out.len, 0);
        unlink(path);
        rmdir(folder);

        /* More than a pipe holds. */
        ck_assert_int_eq(pipe(ends), 0);
        writer = fork();
        if (writer == 0) {
                static const char block[4096];

                for (int i = 0; i < 128; i++)
                        if (write(ends[1], block, sizeof(block)) != sizeof(block))
                                _exit(1);
                _exit(0);
        }
        close(ends[1]);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
        ck_assert_int_eq(file_read(path, &out), 0);
        ck_assert_uint_eq(out.len, 128 * 4096);
        ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
        close(ends[0]);
        buf_release(&out);
}
END_TEST

static int read_it(void *path)
{
        struct buf out = BUF_INIT(100 * 1000);
        int r = file_read(path, &out);

        ck_assert(r < 0 || out.len == 50000);
        buf_release(&out);
        return r;
}

START_TEST(test_memory)
{
        char path[] = "/tmp/keelson-test-file-XXXXXX";
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        for (int i = 0; i < 50000; i += 10)
                ck_assert_int_eq(write(fd, "0123456789", 10), 10);
        close(fd);
        torture(read_it, path, 0);
        unlink(path);
}
END_TEST

static const TTest *const tests[] = { test_read, test_failures, test_pipes, test_memory };

TEST_MAIN("base/file", tests)
