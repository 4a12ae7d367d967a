/* SPDX-License-Identifier: Apache-2.0
 *
 * When the exec plugin runs, and when files are read again, in time that the
 * test passes on.
 */
#include "kube/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define LIMIT (60 * USEC_SEC)

static struct loop *loop;
static struct str args[2] = { STR_INIT("-c") };
static struct kube_exec exec = { .api_version = STR_INIT("client.authentication.k8s.io/v1"),
                                 .command = STR_INIT("/bin/sh"),
                                 .args = args,
                                 .n_args = 2 };
static struct kube_config config = { .exec = &exec };
static struct kube_credentials c;
static int ends;
static char script[512];

static void on_settled(void *arg)
{
        ck_assert_ptr_eq(arg, &c);
        ends++;
}

/* What the plugin gives from now on; LIFE in seconds, 0: no end, less: it has expired. */
static void give(const char *token, int64_t life)
{
        char end[CLOCK_RFC3339_MAX];

        clock_format(clock_wall() + life * USEC_SEC, true, end);
        snprintf(script, sizeof(script),
                 "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
                 "\"status\":{\"token\":\"%s\",\"expirationTimestamp\":\"%s\"}}'",
                 token, life ? end : "");
        args[1] = str_c(script);
}

static void open_all(void)
{
        struct error err;

        ends = 0;
        ck_assert_int_eq(loop_new(&loop), 0);
        ck_assert_int_eq(kube_credentials_init(&c, loop, &config, on_settled, &c, &err), 0);
}

static void close_all(void)
{
        kube_credentials_release(&c);
        loop_free(loop);
}

static int ask(usec_t now)
{
        struct error err = ERROR_INIT;

        return kube_credentials_ask(&c, now, &err);
}

/* Until the plugin that runs has ended; returns when. */
static usec_t wait_for_end(void)
{
        usec_t limit = clock_now() + LIMIT;
        int before = ends;

        ck_assert(exec_plugin_is_running(&c.plugin));
        while (ends == before) {
                ck_assert_msg(clock_now() < limit, "waited too long");
                ck_assert_int_eq(loop_turn(loop, 100 * USEC_MSEC), 0);
        }
        return loop_now(loop);
}

static usec_t open_with(const char *token, int64_t life)
{
        open_all();
        give(token, life);
        ck_assert_int_eq(ask(loop_now(loop)), 0);
        ck_assert_int_eq(ask(loop_now(loop)), 0);
        return wait_for_end();
}

START_TEST(test_life)
{
        usec_t now = open_with("a", 1000);

        ck_assert_int_eq(ask(now), 1);
        ck_assert_int_eq(ask(now + 960 * USEC_SEC), 1);
        ck_assert(!exec_plugin_is_running(&c.plugin));
        /* A little before its end the old one still serves. */
        ck_assert_int_eq(ask(now + 975 * USEC_SEC), 1);
        ck_assert(exec_plugin_is_running(&c.plugin));
        ck_str_eq(buf_str(&c.authorization), "Bearer a");
        ck_assert_int_eq(ask(now + 1001 * USEC_SEC), 0);
        give("b", 1000);
        wait_for_end();
        close_all();

        /* One that holds for a short time serves for most of that. */
        now = open_with("a", 20);
        ck_assert_int_eq(ask(now + 14 * USEC_SEC), 1);
        ck_assert(!exec_plugin_is_running(&c.plugin));
        ck_assert_int_eq(ask(now + 16 * USEC_SEC), 1);
        ck_assert(exec_plugin_is_running(&c.plugin));
        close_all();

        now = open_with("a", 0);
        ck_assert_int_eq(ask(now + 365 * 24 * USEC_HOUR), 1);
        ck_assert(!exec_plugin_is_running(&c.plugin));
        close_all();
}
END_TEST

/* What comes expired is tried for a moment: the clocks may differ. */
START_TEST(test_expired)
{
        usec_t now = open_with("a", -1000);

        ck_assert_int_eq(ask(now), 1);
        ck_assert_int_eq(ask(now + 4 * USEC_SEC), 1);
        ck_assert_int_eq(ask(now + 6 * USEC_SEC), 0);
        (void)wait_for_end();
        close_all();
}
END_TEST

START_TEST(test_failed_renewal)
{
        struct error err = ERROR_INIT;
        usec_t now = open_with("a", 1000), began = now;

        args[1] = STR("echo no >&2; exit 1");
        ck_assert_int_eq(ask(now + 980 * USEC_SEC), 1);
        (void)wait_for_end();
        /* The old one serves up to its end, and the plugin is tried again. */
        ck_assert_int_eq(ask(began + 990 * USEC_SEC), 1);
        ck_assert(exec_plugin_is_running(&c.plugin));
        now = wait_for_end();
        c.expires_at = now;
        ck_assert_int_eq(kube_credentials_ask(&c, now, &err), -ENOKEY);
        ck_assert_str_eq(err.message, "exec plugin sh exited with 1: no");
        ck_assert(!exec_plugin_is_running(&c.plugin));
        close_all();
}
END_TEST

START_TEST(test_refused)
{
        usec_t now = open_with("a", 0), later = now + 10 * USEC_SEC;
        uint64_t first = c.generation;

        /* It was made a moment ago: another run would give the same. */
        ck_assert(!kube_credentials_refused(&c, now, first));
        ck_assert_int_eq(ask(now), 1);
        ck_assert(kube_credentials_refused(&c, later, first));
        give("b", 0);
        ck_assert_int_eq(ask(later), 0);
        ck_assert(kube_credentials_refused(&c, later, first));
        (void)wait_for_end();
        ck_str_eq(buf_str(&c.authorization), "Bearer b");
        /* One that was sent with the old ones may try with the new. */
        ck_assert(kube_credentials_refused(&c, later, first));
        ck_assert_int_eq(ask(later), 1);
        close_all();
}
END_TEST

/* --- files ------------------------------------------------------------------------ */

#define FOLDER "/tmp/keelson-test-XXXXXX"
static char folder[] = FOLDER;
static char token_file[64], ca_file[64], cert_file[64], key_file[64];

/* As the kubelet does it: the new file takes the old one's place at once. */
static void put_file(const char *path, const char *text)
{
        char fresh[80];
        FILE *f;

        snprintf(fresh, sizeof(fresh), "%s.new", path);
        f = fopen(fresh, "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(rename(fresh, path), 0);
}

/* The settings of a pod, and of a client certificate beside it. */
static struct kube_config in_files(void)
{
        memcpy(folder, FOLDER, sizeof(folder));
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(token_file, sizeof(token_file), "%s/token", folder);
        snprintf(ca_file, sizeof(ca_file), "%s/ca.crt", folder);
        snprintf(cert_file, sizeof(cert_file), "%s/tls.crt", folder);
        snprintf(key_file, sizeof(key_file), "%s/tls.key", folder);
        put_file(token_file, "first\n");
        put_file(ca_file, "CA 1");
        put_file(cert_file, "CERT 1");
        put_file(key_file, "KEY 1");
        return (struct kube_config){
                .token_file = str_c(token_file),
                .ca_file = str_c(ca_file),
                .client_cert_file = str_c(cert_file),
                .client_key_file = str_c(key_file),
        };
}

static void remove_files(void)
{
        const char *const files[] = { token_file, ca_file, cert_file, key_file };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                unlink(files[i]);
        ck_assert_int_eq(rmdir(folder), 0);
}

static bool refresh(usec_t now)
{
        bool tls;

        kube_credentials_refresh(&c, now, &tls);
        return tls;
}

/* F17: what is rotated is used once the interval is over, and never read more often. */
START_TEST(test_rotation)
{
        struct kube_config files = in_files();
        struct error err;
        uint64_t generation;
        usec_t now;

        ck_assert_int_eq(loop_new(&loop), 0);
        ck_assert_int_eq(kube_credentials_init(&c, loop, &files, on_settled, &c, &err), 0);
        now = loop_now(loop);
        generation = c.generation;
        ck_str_eq(buf_str(&c.authorization), "Bearer first");
        ck_str_eq(kube_credentials_http(&c).ca_pem, "CA 1");

        put_file(token_file, "second\n");
        put_file(ca_file, "CA 2");
        ck_assert(!refresh(now + KUBE_RELOAD_INTERVAL - 1));
        ck_str_eq(buf_str(&c.authorization), "Bearer first");
        now += KUBE_RELOAD_INTERVAL;
        ck_assert(refresh(now));
        ck_str_eq(buf_str(&c.authorization), "Bearer second");
        ck_str_eq(kube_credentials_http(&c).ca_pem, "CA 2");
        ck_assert_uint_gt(c.generation, generation);

        /* Nothing has changed. */
        generation = c.generation;
        now += KUBE_RELOAD_INTERVAL;
        ck_assert(!refresh(now));
        ck_assert_uint_eq(c.generation, generation);

        put_file(cert_file, "CERT 2");
        put_file(key_file, "KEY 2");
        now += KUBE_RELOAD_INTERVAL;
        ck_assert(refresh(now));
        ck_str_eq(kube_credentials_http(&c).client_cert_pem, "CERT 2");
        ck_str_eq(kube_credentials_http(&c).client_key_pem, "KEY 2");
        close_all();
        remove_files();
}
END_TEST

/* Files that are away, empty, or no token for a moment: the old ones stay. */
START_TEST(test_unreadable_files)
{
        struct kube_config files = in_files();
        struct error err;
        usec_t now;

        ck_assert_int_eq(loop_new(&loop), 0);
        ck_assert_int_eq(kube_credentials_init(&c, loop, &files, on_settled, &c, &err), 0);
        now = loop_now(loop);
        put_file(token_file, "two words");
        put_file(ca_file, "");
        ck_assert_int_eq(unlink(key_file), 0);
        now += KUBE_RELOAD_INTERVAL;
        ck_assert(!refresh(now));
        ck_str_eq(buf_str(&c.authorization), "Bearer first");
        ck_str_eq(kube_credentials_http(&c).ca_pem, "CA 1");
        ck_str_eq(kube_credentials_http(&c).client_key_pem, "KEY 1");
        put_file(token_file, "second");
        now += KUBE_RELOAD_INTERVAL;
        ck_assert(!refresh(now));
        ck_str_eq(buf_str(&c.authorization), "Bearer second");
        close_all();
        remove_files();
}
END_TEST

/* A 401 does not wait for the interval. */
START_TEST(test_refused_file)
{
        struct kube_config files = in_files();
        struct error err;
        usec_t now;

        ck_assert_int_eq(loop_new(&loop), 0);
        ck_assert_int_eq(kube_credentials_init(&c, loop, &files, on_settled, &c, &err), 0);
        now = loop_now(loop);
        ck_assert(!kube_credentials_refused(&c, now, c.generation));
        put_file(token_file, "second");
        ck_assert(kube_credentials_refused(&c, now, c.generation));
        ck_str_eq(buf_str(&c.authorization), "Bearer second");
        close_all();
        remove_files();
}
END_TEST

static int init_under_torture(void *arg)
{
        struct error err;
        int r = kube_credentials_init(&c, loop, arg, on_settled, &c, &err);

        if (r == 0)
                kube_credentials_release(&c);
        return r;
}

/* Without memory for what was read the old ones stay; later they are read again. */
static int refresh_under_torture(void *arg)
{
        usec_t *now = arg;

        *now += KUBE_RELOAD_INTERVAL;
        (void)refresh(*now);
        return str_eq_c(buf_str(&c.authorization), "Bearer first") ||
                               str_eq_c(buf_str(&c.authorization), "Bearer second")
                       ? 0
                       : -EINVAL;
}

START_TEST(test_torture)
{
        struct kube_config files = in_files();
        struct error err;
        usec_t now;

        ck_assert_int_eq(loop_new(&loop), 0);
        torture(init_under_torture, &files, 0);
        ck_assert_int_eq(kube_credentials_init(&c, loop, &files, on_settled, &c, &err), 0);
        now = loop_now(loop);
        put_file(token_file, "second");
        for (uint64_t n = 1; n < 20; n++) {
                mem_fail_after(n);
                ck_assert_int_eq(refresh_under_torture(&now), 0);
                mem_fail_after(0);
        }
        ck_assert_int_eq(refresh_under_torture(&now), 0);
        ck_str_eq(buf_str(&c.authorization), "Bearer second");
        ck_str_eq(kube_credentials_http(&c).ca_pem, "CA 1");
        close_all();
        remove_files();
}
END_TEST

static const TTest *const tests[] = {
        test_life,     test_expired,          test_failed_renewal, test_refused,
        test_rotation, test_unreadable_files, test_refused_file,   test_torture
};

TEST_MAIN("kube/credentials", tests)
