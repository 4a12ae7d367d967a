/* SPDX-License-Identifier: Apache-2.0
 *
 * A program (installed.c) installs itself, and what came of it is run: as root, in a root
 * folder that has nothing else in it.
 */
#include "agent/install/install.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define WELL 42

static char folder[] = "/tmp/keelson-install-XXXXXX";

static void path_of(const char *name, char out[128])
{
        snprintf(out, 128, "%s/%s", folder, name);
}

static void install(void)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                execl(INSTALLED, INSTALLED, "install", folder, NULL);
                _exit(98);
        }
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int run(const char *root, const char *in)
{
        char loader[128], program[128], *environment[] = { NULL };
        pid_t pid = fork();
        int status;

        snprintf(loader, sizeof(loader), "%s/ld.so", in);
        snprintf(program, sizeof(program), "%s/keelson", in);
        if (pid == 0) {
                char option[] = "--library-path", where[128], argument[] = "run";
                char *arguments[] = { loader, option, where, program, argument, NULL };

                snprintf(where, sizeof(where), "%s", *in ? in : "/");
                if (root && (chroot(root) < 0 || chdir("/") < 0))
                        _exit(99);
                execve(loader, arguments, environment);
                _exit(98);
        }
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
                      struct FTW *at _unused_)
{
        return remove(path);
}

START_TEST(test_copy_runs)
{
        struct stat st;
        char path[128];

        ck_assert_ptr_nonnull(mkdtemp(folder));
        install();
        ck_assert_int_eq(run(NULL, folder), WELL);
        install(); /* once more, over what is there */
        ck_assert_int_eq(run(NULL, folder), WELL);
        if (geteuid() == 0)
                ck_assert_int_eq(run(folder, ""), WELL);
        path_of("keelson", path);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0755);
        path_of("keelson.part", path);
        ck_assert_int_eq(stat(path, &st), -1);
        ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
END_TEST

START_TEST(test_nowhere)
{
        struct error err = ERROR_INIT;

        ck_assert_int_eq(install_copy("/nowhere/at/all", &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(err.message, "mount a volume there"));
        ck_assert_int_lt(install_copy("/dev/null", &err), 0);
        ck_assert_ptr_nonnull(strstr(err.message, "cannot write /dev/null/"));
}
END_TEST

static const TTest *const tests[] = { test_copy_runs, test_nowhere };

TEST_MAIN("agent/install", tests)
