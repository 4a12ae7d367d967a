/* SPDX-License-Identifier: Apache-2.0
 *
 * The sidecar's command line, as a child process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define ARGS_MAX 16
#define SAID_MAX 8192

static pid_t begin(const char *words, int *ret_said)
{
        static char copy[1024];
        char *argv[ARGS_MAX + 2] = { (char *)"keelson", (char *)"reload" };
        size_t n = 2;
        int pipe[2];
        pid_t pid;

        snprintf(copy, sizeof(copy), "%s", words);
        for (char *word = copy, *end; *word; word = end) {
                end = word + strcspn(word, " ");
                if (*end)
                        *end++ = '\0';
                ck_assert_uint_lt(n, ARGS_MAX);
                argv[n++] = word;
        }
        ck_assert_int_eq(pipe2(pipe, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                dup2(pipe[1], STDOUT_FILENO);
                dup2(pipe[1], STDERR_FILENO);
                execv(KEELSON_BINARY, argv);
                _exit(127);
        }
        close(pipe[1]);
        *ret_said = pipe[0];
        return pid;
}

/* Reads until TEXT is there, or, if it is NULL, the end. */
static void read_said(int fd, char said[SAID_MAX], const char *text)
{
        size_t len = strlen(said);

        while (!text || !strstr(said, text)) {
                ssize_t n = read(fd, said + len, SAID_MAX - 1 - len);

                ck_assert_int_ge(n, 0);
                if (n == 0)
                        break;
                len += (size_t)n;
                said[len] = '\0';
        }
        ck_assert_msg(!text || strstr(said, text), "it never said \"%s\" but:\n%s", text, said);
}

static int end_code(pid_t pid)
{
        int code;

        ck_assert_int_eq(waitpid(pid, &code, 0), pid);
        ck_assert_msg(WIFEXITED(code), "it was ended by signal %d", WTERMSIG(code));
        return WEXITSTATUS(code);
}

#define FOLDER "--configmap a=/tmp"

static const struct {
        const char *words, *said;
        int code;
} lines[] = {
        { "--help", "usage: keelson reload", 0 },
        { "", "nothing to watch: name a --configmap or a --secret", 2 },
        { FOLDER, "name one of --pid-namespace and --pid", 2 },
        { FOLDER " --pid-namespace --pid 1", "name one of --pid-namespace and --pid", 2 },
        { FOLDER " --pid 0", "--pid: expected the number of a process, not \"0\"", 2 },
        { FOLDER " --pid 99999999999", "--pid: expected the number of a process", 2 },
        { FOLDER " --pid 1 --settle 0s", "--settle: expected a duration from 10ms to 1m", 2 },
        { "--configmap /tmp --pid 1", "--configmap: expected a name and an absolute path", 2 },
        { "--secret a=tmp --pid 1", "--secret: expected a name and an absolute path", 2 },
        { "--secret =/tmp --pid 1", "--secret: expected a name and an absolute path", 2 },
        { "--log-level loud --pid 1", "--log-level: expected debug, info, warn or error", 2 },
        { "--nothing", "unknown option \"--nothing\"; keelson reload --help lists the options", 2 },
        { "now", "unexpected argument \"now\"", 2 },
};

START_TEST(each_wrong_line_is_told_with_what_is_expected)
{
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
                char said[SAID_MAX] = "";
                int fd;
                pid_t pid = begin(lines[i].words, &fd);

                read_said(fd, said, NULL);
                close(fd);
                ck_assert_msg(end_code(pid) == lines[i].code, "%s: %s", lines[i].words, said);
                ck_assert_msg(strstr(said, lines[i].said), "%s: %s", lines[i].words, said);
        }
}
END_TEST

START_TEST(it_watches_until_sigterm)
{
        char folder[] = "/tmp/keelson-test-XXXXXX", data[64], words[256], said[SAID_MAX] = "";
        pid_t pid;
        int fd;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(data, sizeof(data), "%s/..data", folder);
        ck_assert_int_eq(mkdir(data, 0700), 0);
        snprintf(words, sizeof(words), "--secret keys=%s --pid %d --log-format text", folder, (int)getpid());
        signal(SIGHUP, SIG_IGN); /* we are older than it, so it tells us */
        pid = begin(words, &fd);
        read_said(fd, said, "watching folders=1");
        ck_assert_int_eq(kill(pid, SIGTERM), 0);
        read_said(fd, said, NULL);
        ck_assert_int_eq(end_code(pid), 0);
        ck_assert_ptr_nonnull(strstr(said, "stopped"));
        close(fd);
        rmdir(data);
        rmdir(folder);
}
END_TEST

static const TTest *const tests[] = {
        each_wrong_line_is_told_with_what_is_expected,
        it_watches_until_sigterm,
};
TEST_MAIN("cmd/reload", tests)
