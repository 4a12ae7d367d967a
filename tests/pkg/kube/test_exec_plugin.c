/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/exec_plugin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define V1 "client.authentication.k8s.io/v1"
#define ANSWER "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"%s\"}}"
#define LIMIT (60 * USEC_SEC)

static struct loop *loop;
static struct exec_plugin plugin;
static struct str args[2];
static struct kube_exec_env env[2];
static struct kube_exec exec;
static struct kube_config config;
static int ends;
static char token[512], message[800];
static bool release_inside;

static void on_done(struct exec_credential *credential, const struct error *err, void *arg)
{
        ck_assert_ptr_eq(arg, &ends);
        ends++;
        token[0] = message[0] = '\0';
        if (credential) {
                snprintf(token, sizeof(token), "%.*s", STR_FMT(buf_str(&credential->token)));
                exec_credential_release(credential);
        } else {
                ck_assert_int_eq(err->code, -ENOKEY);
                snprintf(message, sizeof(message), "%s", err->message);
        }
        if (release_inside)
                exec_plugin_release(&plugin);
}

/* A plugin that is a shell script. */
static void open_all(const char *script)
{
        args[0] = STR("-c");
        args[1] = str_c(script);
        exec = (struct kube_exec){
                .api_version = STR(V1), .command = STR("/bin/sh"), .args = args, .n_args = 2, .env = env
        };
        config = (struct kube_config){ .server = STR("https://h"), .exec = &exec };
        ends = 0;
        ck_assert_int_eq(loop_new(&loop), 0);
        exec_plugin_init(&plugin, loop, &config, on_done, &ends);
}

static void close_all(void)
{
        exec_plugin_release(&plugin);
        loop_free(loop);
}

static void run(void)
{
        usec_t limit = clock_now() + LIMIT;
        struct error err = ERROR_INIT;
        int before = ends;

        ck_assert_msg(exec_plugin_start(&plugin, &err) == 0, "%s", err.message);
        ck_assert(exec_plugin_is_running(&plugin));
        while (ends == before) {
                ck_assert_msg(clock_now() < limit, "waited too long");
                ck_assert_int_eq(loop_turn(loop, 100 * USEC_MSEC), 0);
        }
        ck_assert_int_eq(ends, before + 1);
        ck_assert(!exec_plugin_is_running(&plugin));
}

static void check_fails(const char *script, const char *expected)
{
        open_all(script);
        run();
        ck_assert_str_eq(message, expected);
        close_all();
}

START_TEST(test_token)
{
        open_all("printf '" ANSWER "' \"$PLUGIN_TOKEN-$KEELSON_OURS-$KEELSON_BOTH\"");
        setenv("KEELSON_OURS", "ours", 1);
        setenv("KEELSON_BOTH", "ours", 1);
        setenv("KUBERNETES_EXEC_INFO", "not for us", 1);
        env[0] = (struct kube_exec_env){ STR("PLUGIN_TOKEN"), STR("a$b c") };
        env[1] = (struct kube_exec_env){ STR("KEELSON_BOTH"), STR("theirs") };
        exec.n_env = 2;
        run();
        ck_assert_str_eq(message,
                         "exec plugin sh: it did not print an ExecCredential: status.token cannot be one");
        env[0].value = STR("a$b");
        run();
        ck_assert_str_eq(token, "a$b-ours-theirs");
        close_all();
}
END_TEST

START_TEST(test_info)
{
        _cleanup_(buf_release) struct buf info = BUF_INIT(4096);
        char expected[64];

        open_all("printf '" ANSWER "' $(printf %s \"$KUBERNETES_EXEC_INFO\" | wc -c)"
                 "-$(env | grep -c KUBERNETES_EXEC_INFO)-$([ -t 0 ] || echo no-terminal)");
        setenv("KUBERNETES_EXEC_INFO", "not for us", 1);
        run();
        /* test_exec_credential looks at it closely. */
        exec_info_write(&info, &config);
        snprintf(expected, sizeof(expected), "%zu-1-no-terminal", info.len);
        ck_assert_str_eq(token, expected);
        close_all();
}
END_TEST

START_TEST(test_failures)
{
        check_fails("echo no; echo 'a  b' >&2; echo 'no such profile' >&2; exit 1",
                    "exec plugin sh exited with 1: a b no such profile");
        check_fails("exit 3", "exec plugin sh exited with 3");
        check_fails("kill -9 $$", "exec plugin sh was ended by signal 9");
        check_fails("echo {}", "exec plugin sh: it did not print an ExecCredential: kind is another");
        check_fails("true", "exec plugin sh: it did not print an ExecCredential: nothing at all");
        check_fails("yes", "exec plugin sh printed more than 1 MiB");
        check_fails("printf '\\033[31mred\\033[0m' >&2; exit 1", "exec plugin sh exited with 1: [31mred [0m");
}
END_TEST

START_TEST(test_long_complaint)
{
        open_all("yes complaint | head -c 100000 >&2; exit 1");
        run();
        ck_assert_ptr_eq(strstr(message, "exec plugin sh exited with 1: complaint complaint "), message);
        ck_assert_uint_lt(strlen(message), 500);
        close_all();
}
END_TEST

START_TEST(test_timeout)
{
        open_all("echo waiting >&2; exec sleep 100");
        plugin.timeout = 300 * USEC_MSEC;
        run();
        ck_assert_ptr_eq(strstr(message, "exec plugin sh did not end within 0 s"), message);
        close_all();
}
END_TEST

START_TEST(test_missing)
{
        struct error err = ERROR_INIT;

        open_all("");
        exec.command = STR("keelson-no-such-plugin");
        ck_assert_int_eq(exec_plugin_start(&plugin, &err), -ENOKEY);
        ck_assert_str_eq(err.message, "exec plugin keelson-no-such-plugin: command not found");
        exec.install_hint = STR("get it from\nexample.org\n");
        ck_assert_int_eq(exec_plugin_start(&plugin, &err), -ENOKEY);
        ck_assert_str_eq(err.message,
                         "exec plugin keelson-no-such-plugin: command not found; get it from example.org");
        exec.command = STR("/etc/passwd");
        ck_assert_int_eq(exec_plugin_start(&plugin, &err), -ENOKEY);
        ck_assert_str_eq(err.message, "exec plugin passwd: it cannot be started: Permission denied");
        ck_assert_int_eq(ends, 0);
        ck_assert(!exec_plugin_is_running(&plugin));
        close_all();
}
END_TEST

START_TEST(test_release)
{
        struct error err;

        open_all("exec sleep 100");
        ck_assert_int_eq(exec_plugin_start(&plugin, &err), 0);
        close_all();
        ck_assert_int_eq(ends, 0);

        release_inside = true;
        check_fails("exit 3", "exec plugin sh exited with 3");
        check_fails("yes", "exec plugin sh printed more than 1 MiB");
        release_inside = false;
}
END_TEST

/* Each run has its own output. */
START_TEST(test_twice)
{
        open_all("printf '" ANSWER "' x; echo complaint >&2");
        run();
        run();
        ck_assert_str_eq(token, "x");
        close_all();
}
END_TEST

static int start_under_torture(void *arg)
{
        struct error err = ERROR_INIT;
        int r;

        (void)arg;
        exec_plugin_init(&plugin, loop, &config, on_done, &ends);
        r = exec_plugin_start(&plugin, &err);
        exec_plugin_release(&plugin);
        if (r < 0)
                ck_assert_str_eq(err.message, "exec plugin sh: it cannot be started: Cannot allocate memory");
        return r;
}

START_TEST(test_torture)
{
        open_all("printf '" ANSWER "' x");
        run(); /* the loop keeps what it needs for its first timer */
        exec_plugin_release(&plugin);
        torture(start_under_torture, NULL, -ENOKEY);
        /* And all the way to its answer. */
        for (uint64_t n = 1;; n++) {
                uint64_t before = mem_count();
                struct error err;
                int was = ends;

                exec_plugin_init(&plugin, loop, &config, on_done, &ends);
                mem_fail_after(n);
                if (exec_plugin_start(&plugin, &err) == 0)
                        while (ends == was)
                                ck_assert_int_eq(loop_turn(loop, 100 * USEC_MSEC), 0);
                mem_fail_after(0);
                exec_plugin_release(&plugin);
                if (mem_count() - before < n) {
                        ck_assert_int_eq(ends, was + 1);
                        ck_assert_str_eq(token, "x");
                        break;
                }
        }
        close_all();
}
END_TEST

static const TTest *const tests[] = {
        test_token,   test_info,    test_failures, test_long_complaint, test_timeout,
        test_missing, test_release, test_twice,    test_torture,
};

TEST_MAIN("kube/exec_plugin", tests)
