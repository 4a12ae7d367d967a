/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/inputs.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* --- a folder of its own, and what is read in it ------------------------------------------- */

static char folder[32];
static char told[8192]; /* "FILE=TEXT\n" and "FILE: WHY\n" */
static size_t n_complaints;

static void begin(void)
{
        *told = '\0';
        snprintf(folder, sizeof(folder), "/tmp/keelson-inputs-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(chdir(folder), 0);
}

static int delete_one(const char *path, const struct stat *st _unused_, int type _unused_,
                      struct FTW *at _unused_)
{
        return remove(path);
}

static void end(void)
{
        ck_assert_int_eq(nftw(folder, delete_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void write_file(const char *path, const char *text)
{
        FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

static void make_socket(const char *path)
{
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        close(fd);
}

static void take(const char *file, struct str text, void *arg _unused_)
{
        size_t len = strlen(told);

        snprintf(told + len, sizeof(told) - len, "%s=%.*s\n", file, STR_FMT(text));
}

static void complain(const char *file, const char *why, void *arg _unused_)
{
        size_t len = strlen(told);

        snprintf(told + len, sizeof(told) - len, "%s: %s\n", file, why);
        n_complaints++;
}

static const struct input_reader reader = { take, complain, NULL };

static void must_tell(const char *path, const char *expected)
{
        struct inputs in;

        *told = '\0';
        inputs_init(&in);
        ck_assert_int_eq(inputs_add(&in, path), 0);
        inputs_read(&in, &reader);
        ck_assert_str_eq(told, expected);
        inputs_release(&in);
}

/* --- */

START_TEST(files_are_read)
{
        begin();
        write_file("a.txt", "1");
        ck_assert_int_eq(symlink("a.txt", "b.yaml"), 0);
        must_tell("a.txt", "a.txt=1\n");
        must_tell("b.yaml", "b.yaml=1\n");
        must_tell("/dev/null", "/dev/null=\n");
        end();
}
END_TEST

START_TEST(a_folder_is_read_in_order)
{
        begin();
        mkdir("set", 0700);
        must_tell("set", "set: has no *.yaml, *.yml or *.json in it\n");
        mkdir("set/m", 0700);
        write_file("set/z.yml", "1");
        write_file("set/m/a.json", "2");
        write_file("set/b.yaml", "3");
        write_file("set/c.txt", "4");
        write_file("set/.d.yaml", "5");
        must_tell("set", "set/b.yaml=3\nset/m/a.json=2\nset/z.yml=1\n");
        end();
}
END_TEST

/* Nobody waits, and nothing of it is silence. */
START_TEST(what_is_no_file_is_told)
{
        begin();
        mkdir("set", 0700);
        write_file("set/a.yaml", "1");
        make_socket("set/b.yaml");
        make_socket("set/other");
        ck_assert_int_eq(mkfifo("set/c.yaml", 0600), 0);
        ck_assert_int_eq(symlink("nowhere", "set/d.yaml"), 0);
        ck_assert_int_eq(symlink("/dev/null", "set/e.yaml"), 0);
        ck_assert_int_eq(symlink(".", "set/f.yaml"), 0);
        ck_assert_int_eq(symlink("g.yaml", "set/g.yaml"), 0);
        must_tell("set", "set/a.yaml=1\n"
                         "set/b.yaml: is a socket, not a file\n"
                         "set/c.yaml: is a pipe, not a file\n"
                         "set/d.yaml: is a link to nowhere, which does not exist\n"
                         "set/e.yaml: is a device, not a file\n"
                         "set/f.yaml: is a link to a folder; name that with -f\n"
                         "set/g.yaml: Too many levels of symbolic links\n");
        must_tell("set/b.yaml", "set/b.yaml: is a socket, not a file\n");
        must_tell("set/c.yaml",
                  "set/c.yaml: is a pipe that nothing came out of: does anybody write to it?\n");
        must_tell("set/d.yaml", "set/d.yaml: is a link to nowhere, which does not exist\n");
        must_tell("missing", "missing: No such file or directory\n");
        end();
}
END_TEST

START_TEST(what_is_huge_is_told)
{
        begin();
        write_file("a", "");
        ck_assert_int_eq(truncate("a", (off_t)1 << 40), 0);
        must_tell("a", "a: is larger than 16 MiB; split it\n");
        must_tell("/dev/zero", "/dev/zero: is larger than 16 MiB; split it\n");
        end();
}
END_TEST

/* Of root's child, for root may read anything. */
START_TEST(what_may_not_be_read_is_told)
{
        struct inputs in;

        begin();
        mkdir("set", 0755);
        mkdir("set/closed", 0700);
        write_file("set/a.yaml", "1");
        ck_assert_int_eq(chmod("set/a.yaml", 0), 0);
        ck_assert_int_eq(chmod("set/closed", 0), 0);
        ck_assert_int_eq(chmod(folder, 0755), 0);
        if (geteuid() == 0)
                ck_assert_int_eq(seteuid(65534), 0);
        inputs_init(&in);
        ck_assert_int_eq(inputs_add(&in, "set"), 0);
        inputs_read(&in, &reader);
        inputs_release(&in);
        if (getuid() == 0)
                ck_assert_int_eq(seteuid(0), 0);
        ck_assert_str_eq(told, "set/a.yaml: Permission denied\nset/closed: Permission denied\n");
        ck_assert_int_eq(chmod("set/closed", 0700), 0);
        end();
}
END_TEST

/* However late it comes; and as often as it is asked for, though a pipe comes once. */
START_TEST(a_pipe_is_kept)
{
        char path[64], expected[256];
        struct inputs in;
        int ends[2], begun[2];
        pid_t writer;

        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(pipe(begun), 0);
        writer = fork();
        ck_assert_int_ge(writer, 0);
        if (writer == 0) {
                char c;

                /* It has begun to read, or is about to: either must work. */
                _exit(read(begun[0], &c, 1) == 1 && write(ends[1], "text", 4) == 4 ? 0 : 1);
        }
        close(ends[1]);
        *told = '\0';
        snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
        snprintf(expected, sizeof(expected), "%s=text\n%s=text\n", path, path);
        inputs_init(&in);
        ck_assert_int_eq(inputs_add(&in, path), 0);
        ck_assert_int_eq(write(begun[1], "x", 1), 1);
        inputs_read(&in, &reader);
        inputs_read(&in, &reader);
        ck_assert_str_eq(told, expected);
        inputs_release(&in);
        ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
}
END_TEST

START_TEST(there_is_an_end_to_them)
{
        struct inputs in;

        inputs_init(&in);
        for (int i = 0; i < INPUTS_MAX; i++)
                ck_assert_int_eq(inputs_add(&in, "x"), 0);
        ck_assert_int_eq(inputs_add(&in, "x"), -E2BIG);
        inputs_release(&in);
}
END_TEST

static int read_both(void *path)
{
        struct inputs in;

        n_complaints = 0;
        *told = '\0';
        inputs_init(&in);
        if (inputs_add(&in, path) < 0 || inputs_add(&in, "/dev/null") < 0)
                return -EINVAL;
        inputs_read(&in, &reader);
        inputs_release(&in);
        if (n_complaints == 0)
                return strstr(told, "=text\n") ? 0 : -EINVAL;
        return strstr(told, ": Cannot allocate memory\n") ? -ENOMEM : -EINVAL;
}

START_TEST(any_allocation_may_fail)
{
        char path[] = "a.yaml";

        begin();
        write_file(path, "text");
        torture(read_both, path, 0);
        end();
}
END_TEST

static const TTest *const tests[] = {
        files_are_read,          a_folder_is_read_in_order,    what_is_no_file_is_told,
        what_is_huge_is_told,    what_may_not_be_read_is_told, a_pipe_is_kept,
        there_is_an_end_to_them, any_allocation_may_fail,
};
TEST_MAIN("cmd/inputs", tests)
