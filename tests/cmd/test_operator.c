/* SPDX-License-Identifier: Apache-2.0
 *
 * The program itself, as a child process: its command line, its signals, and
 * that no secret comes into its log. It talks to an API server that follows a
 * script, in this process. argv[0] of the child is KEELSON_BINARY.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_api.h"
#include "harness.h"
#include "loop/child.h"

#define SAID_MAX ((size_t)1024 * 1024)
#define ARGS_MAX 16

static struct loop *loop;
static struct fake_api fake;
static struct child *child;
static struct buf said = BUF_INIT(SAID_MAX); /* on both streams */
static struct child_result ended;
static bool has_ended;
#define FOLDER "/tmp/keelson-test-XXXXXX"
static char folder[] = FOLDER;
static char kubeconfig[sizeof(folder) + 16];

static void on_output(struct child *c _unused_, enum child_stream stream _unused_, struct str data,
                      void *arg _unused_)
{
        ck_assert_int_eq(buf_add_str(&said, data), 0);
}

static void on_done(struct child *c _unused_, const struct child_result *result, void *arg _unused_)
{
        ended = *result;
        has_ended = true;
        child = NULL;
}

static bool is_over(void *arg _unused_)
{
        return has_ended;
}

static bool was_said(void *arg)
{
        const char *text = arg;

        ck_assert_msg(!has_ended || strstr(buf_str(&said).data, text), "it ended; it said:\n%s",
                      buf_str(&said).data);
        return strstr(buf_str(&said).data, text) != NULL;
}

static void wait_said(const char *text)
{
        fake_api_wait(&fake, was_said, (void *)text);
}

static int wait_end(void)
{
        fake_api_wait(&fake, is_over, NULL);
        ck_assert_int_eq(ended.signal, 0);
        return ended.exit_code;
}

/* "operator --listen 80", cut at spaces. */
static void start(const char *words)
{
        static char copy[1024];
        const char *argv[ARGS_MAX + 1] = { KEELSON_BINARY };
        const struct child_config config = {
                .argv = argv, .out = CHILD_PIPE, .err = CHILD_PIPE, .timeout = 20 * USEC_SEC
        };
        const struct child_handlers handlers = { .on_output = on_output, .done = on_done };
        struct error err = ERROR_INIT;
        struct str rest, word;
        size_t n = 1;

        ck_assert_uint_lt(strlen(words), sizeof(copy));
        memcpy(copy, words, strlen(words) + 1);
        rest = str_c(copy);
        while (rest.data) {
                (void)str_cut(rest, ' ', &word, &rest);
                copy[word.data + word.len - copy] = '\0';
                ck_assert_uint_lt(n, ARGS_MAX);
                argv[n++] = word.data;
        }
        buf_clear(&said);
        buf_add_c(&said, "");
        has_ended = false;
        ck_assert_msg(child_start(loop, &config, &handlers, &child, &err) == 0, "%s", err.message);
}

/* What the API server answers to a request line; the watches stay open. */
static struct fake_step no_objects(const char *asked)
{
        if (strstr(asked, "sendInitialEvents=true"))
                return (struct fake_step){
                        .body = "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"10\","
                                "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
                        .end = FAKE_HANG
                };
        return (struct fake_step){ .status = 404, .body = "{}" };
}

/* One App, and no answer to what it asks for. */
static struct fake_step one_app(const char *asked)
{
        if (strstr(asked, "/apps?") && strstr(asked, "keelson.dev"))
                return (struct fake_step){
                        .body = "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":"
                                "\"App\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u\","
                                "\"resourceVersion\":\"9\",\"generation\":1},\"spec\":{\"image\":\"i\"}}}\n"
                                "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"10\","
                                "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
                        .end = FAKE_HANG
                };
        if (strncmp(asked, "PATCH", 5) == 0)
                return (struct fake_step){ .body = "", .end = FAKE_HANG };
        return no_objects(asked);
}

static struct fake_step refuse(const char *asked _unused_)
{
        return (struct fake_step){ .status = 401, .body = "{}" };
}

static void write_file(const char *path, const char *text, mode_t mode)
{
        FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(path, mode), 0);
}

static void write_kubeconfig(const char *cluster, const char *user)
{
        _cleanup_(buf_release) struct buf yaml = BUF_INIT(4096);

        buf_printf(&yaml,
                   "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                   "clusters: [{name: k, cluster: {server: '%s'%s}}]\nusers: [{name: u, user: {%s}}]\n",
                   fake.url, cluster, user);
        ck_assert_int_eq(buf_error(&yaml), 0);
        write_file(kubeconfig, yaml.data, 0600);
}

static void open_all(struct fake_step (*respond)(const char *asked))
{
        memcpy(folder, FOLDER, sizeof(folder));
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(kubeconfig, sizeof(kubeconfig), "%s/config", folder);
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        fake.respond = respond;
        write_kubeconfig("", "");
}

static void close_all(void)
{
        child_free(child);
        fake_api_stop(&fake);
        loop_free(loop);
        buf_release(&said);
        unlink(kubeconfig);
        rmdir(folder);
}

static void start_operator(const char *more)
{
        char words[512];

        snprintf(words, sizeof(words), "operator --kubeconfig %s --leader-elect=false --listen 127.0.0.1:0%s",
                 kubeconfig, more);
        start(words);
}

/* --- the command line ------------------------------------------------------------- */

START_TEST(a_wrong_command_line_is_told_and_gives_2)
{
        static const struct {
                const char *words, *said;
        } cases[] = {
                { "opera", "keelson: unknown command \"opera\"; keelson --help lists them\n" },
                { "operator --listen 80",
                  "keelson operator: --listen: cannot listen on \"80\": want ADDRESS:PORT, such as :8080\n" },
                { "operator --listen=:x",
                  "keelson operator: --listen: cannot listen on \":x\": the port must be from 0 to 65535\n" },
                { "operator --log-level loud",
                  "keelson operator: --log-level: expected debug, info, warn or error, not \"loud\"\n" },
                { "operator --log-format=xml",
                  "keelson operator: --log-format: expected json or text, not \"xml\"\n" },
                { "operator --namespace shop --namespace Shop",
                  "keelson operator: --namespace: expected the name of a namespace (a-z, 0-9 and -), 64 times at "
                  "the most, not \"Shop\"\n" },
                { "operator --lease-namespace=",
                  "keelson operator: --lease-namespace: expected the name of a namespace (a-z, 0-9 and -), not "
                  "\"\"\n" },
                { "operator --webhook-certificates=cert-manager",
                  "keelson operator: --webhook-certificates: expected self or external, not \"cert-manager\"\n" },
                { "operator --webhook-service=8hook",
                  "keelson operator: --webhook-service: expected the name of a Service (a-z, 0-9 and -, 59 at the "
                  "most), not \"8hook\"\n" },
                { "operator --webhook-crd=apps..dev",
                  "keelson operator: --webhook-crd: expected the name of a definition, such as apps.keelson.dev, 16 "
                  "times at the most, not \"apps..dev\"\n" },
                { "operator --image=",
                  "keelson operator: --image: expected the name of an image, such as registry.example/keelson:1.0, not "
                  "\"\"\n" },
                { "operator --namespace",
                  "keelson operator: option --namespace needs a value; keelson operator --help lists the options\n" },
                { "operator here",
                  "keelson operator: unexpected argument \"here\"; keelson operator --help lists the options\n" },
                { "version 2",
                  "keelson version: unexpected argument \"2\"; keelson version --help lists the options\n" },
                { "define",
                  "keelson define: --from must name a folder with definitions; keelson define --help lists the "
                  "options\n" },
                { "define --from / --timeout 2h",
                  "keelson define: --timeout: expected a duration from 1s to 1h, not \"2h\"\n" },
                { "operator --leader-elect=maybe",
                  "keelson operator: --leader-elect: expected true or false, not \"maybe\"\n" },
                { "operator --lease-duration soon",
                  "keelson operator: --lease-duration: expected a duration such as 15s, not \"soon\"\n" },
                { "operator --lease-duration 10s",
                  "keelson operator: --renew-deadline must be shorter than --lease-duration, or two could "
                  "lead\n" },
                { "operator --retry-period 9s",
                  "keelson operator: --retry-period must be from 1ms to less than --renew-deadline / 1.2, so that "
                  "a renewal is tried twice\n" },
        };

        open_all(no_objects);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                start(cases[i].words);
                ck_assert_msg(wait_end() == 2, "%s: %d", cases[i].words, ended.exit_code);
                ck_str_eq(buf_str(&said), cases[i].said);
        }
        ck_assert_uint_eq(fake.asked.len, 0);
        close_all();
}
END_TEST

START_TEST(help_is_no_failure)
{
        open_all(no_objects);
        start("operator --help");
        ck_assert_int_eq(wait_end(), 0);
        ck_assert_ptr_nonnull(strstr(said.data, "usage: keelson operator"));
        start("version");
        ck_assert_int_eq(wait_end(), 0);
        close_all();
}
END_TEST

START_TEST(what_cannot_begin_gives_1)
{
        open_all(no_objects);
        start("operator --kubeconfig /nonexistent/config");
        ck_assert_int_eq(wait_end(), 1);
        ck_str_eq(buf_str(&said),
                  "keelson operator: /nonexistent/config: no such file (asked for by --kubeconfig)\n");
        close_all();
}
END_TEST

/* A namespace that is named twice is watched once. */
START_TEST(namespaces_are_watched_each)
{
        open_all(no_objects);
        start_operator(" --namespace a --namespace b --namespace a");
        wait_said("apps.keelson.dev in a");
        wait_said("apps.keelson.dev in b");
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        ck_assert_int_eq(wait_end(), 0);
        {
                const char *first = strstr(fake.asked.data, "/namespaces/a/apps?");

                ck_assert_ptr_nonnull(first);
                ck_assert_ptr_null(strstr(first + 1, "/namespaces/a/apps?"));
        }
        close_all();
}
END_TEST

/* --- the Lease ------------------------------------------------------------------------- */

static bool asks_for_lease(void *arg _unused_)
{
        return strstr(fake.asked.data, "/leases/keelson-operator") != NULL;
}

/* All watches but that of one kind, which stays silent. */
static struct fake_step all_but_one(const char *asked)
{
        if (strstr(asked, "/serviceaccounts?"))
                return (struct fake_step){ .body = "", .end = FAKE_HANG };
        return no_objects(asked);
}

START_TEST(the_lease_comes_after_the_lists)
{
        char words[256];

        open_all(no_objects);
        snprintf(words, sizeof(words), "operator --kubeconfig %s --listen 127.0.0.1:0", kubeconfig);
        start(words);
        fake_api_wait(&fake, asks_for_lease, NULL);
        wait_said("\"watch\":\"serviceaccounts in all namespaces\"");
        ck_assert_ptr_null(strstr(strstr(fake.asked.data, "/leases/"), "sendInitialEvents"));
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        ck_assert_int_eq(wait_end(), 0);

        /* It is not waited for any longer than so. */
        buf_clear(&fake.asked);
        buf_add_c(&fake.asked, "");
        fake.respond = all_but_one;
        start(words);
        fake_api_wait(&fake, asks_for_lease, NULL);
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        ck_assert_int_eq(wait_end(), 0);
        close_all();
}
END_TEST

/* A stop before that has nothing to give back. */
START_TEST(a_stop_before_the_lease)
{
        char words[256];

        open_all(all_but_one);
        snprintf(words, sizeof(words), "operator --kubeconfig %s --listen 127.0.0.1:0", kubeconfig);
        start(words);
        wait_said("\"msg\":\"watching\"");
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        ck_assert_int_eq(wait_end(), 0);
        ck_assert_ptr_nonnull(strstr(said.data, "\"msg\":\"stopped\""));
        close_all();
}
END_TEST

/* --- signals ------------------------------------------------------------------------ */

START_TEST(it_stops_when_it_is_told_and_not_by_sighup)
{
        static const int signals[] = { SIGTERM, SIGINT };

        open_all(no_objects);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
                start_operator("");
                wait_said("\"msg\":\"reconciling\"");
                ck_assert_int_eq(child_signal(child, SIGHUP), 0);
                wait_said("SIGHUP is ignored");
                ck_assert(!has_ended);
                ck_assert_int_eq(child_signal(child, signals[i]), 0);
                ck_assert_int_eq(wait_end(), 0);
                ck_assert_ptr_nonnull(strstr(said.data, "\"msg\":\"stopped\""));
        }
        close_all();
}
END_TEST

static bool is_applying(void *arg _unused_)
{
        return strstr(fake.asked.data, "PATCH /apis/apps/") != NULL;
}

/* The first one waits for the replies, which do not come. */
START_TEST(a_second_signal_stops_at_once)
{
        open_all(one_app);
        start_operator("");
        fake_api_wait(&fake, is_applying, NULL);
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        wait_said("\"msg\":\"stopping\"");
        ck_assert(!has_ended);
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        ck_assert_int_eq(wait_end(), 1);
        ck_assert_ptr_nonnull(strstr(said.data, "stopped by a second signal before the work was done"));
        close_all();
}
END_TEST

START_TEST(replies_that_do_not_come_are_not_waited_for_for_ever)
{
        open_all(one_app);
        start_operator("");
        fake_api_wait(&fake, is_applying, NULL);
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        ck_assert_int_eq(wait_end(), 0);
        ck_assert_ptr_nonnull(strstr(said.data, "some replies have not come in"));
        close_all();
}
END_TEST

/* --- secrets ---------------------------------------------------------------------- */

#define SECRET "pSsT-0123456789"

/* Runs until something went wrong with these credentials, and looks at all that it said. */
static void check_silence(const char *cluster, const char *user, const char *expected)
{
        write_kubeconfig(cluster, user);
        start_operator(" --log-level debug");
        (void)wait_end();
        ck_assert_msg(strstr(buf_str(&said).data, expected), "it said:\n%s", buf_str(&said).data);
        ck_assert_msg(!strstr(said.data, SECRET), "it told the secret:\n%s", said.data);
}

START_TEST(no_secret_is_logged)
{
        char plugin[sizeof(folder) + 16], user[256];

        open_all(refuse);
        check_silence("", "token: " SECRET, "does not accept our credentials");
        ck_assert_ptr_nonnull(strstr(fake.authorization.data, "Bearer " SECRET));
        check_silence("", "token: \"two " SECRET "\"", "token: must not have spaces");
        check_silence("", "username: joe, password: " SECRET, "username: not supported");
        check_silence("", "auth-provider: {name: gcp, config: {access-token: " SECRET "}}", "not supported");
        check_silence(", proxy-url: \"http://joe:" SECRET "@127.0.0.1:1\"", "", "cannot connect");
        check_silence(", proxy-url: \"ftp://joe:" SECRET "@127.0.0.1:1\"", "", "proxy-url: must start with");
        check_silence("", "client-key-data: " SECRET ", client-certificate-data: " SECRET,
                      "not valid base64");

        snprintf(plugin, sizeof(plugin), "%s/plugin", folder);
        snprintf(user, sizeof(user),
                 "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: %s}",
                 plugin);
        write_file(plugin,
                   "#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":"
                   "\"ExecCredential\",\"status\":{\"token\":\"" SECRET "\"}}'\n",
                   0700);
        check_silence("", user, "does not accept our credentials");
        /* One that is no JSON, and one that fails after it has printed it. */
        write_file(plugin, "#!/bin/sh\necho '{\"token\":\"" SECRET "'\n", 0700);
        check_silence("", user, "plugin");
        write_file(plugin, "#!/bin/sh\necho '" SECRET "'\necho no >&2\nexit 1\n", 0700);
        check_silence("", user, "plugin");
        unlink(plugin);
        close_all();
}
END_TEST

/* --- what runs before it ---------------------------------------------------------------- */

static struct fake_step established(const char *asked _unused_)
{
        return (struct fake_step){
                .body = "{\"status\":{\"conditions\":[{\"type\":\"Established\",\"status\":\"True\"}]}}"
        };
}

static bool was_asked_twice(void *arg _unused_)
{
        const char *first = strstr(fake.asked.data, "PATCH ");

        return first && strstr(first + 1, "PATCH ");
}

START_TEST(define_applies_what_is_in_the_folder)
{
        char words[512], path[sizeof(folder) + 16];

        open_all(established);
        snprintf(words, sizeof(words), "define --kubeconfig %s --from %s", kubeconfig, folder);
        start(words);
        ck_assert_int_eq(wait_end(), 1);
        ck_assert_ptr_nonnull(strstr(said.data, "there is no *.yaml in it\n"));
        ck_assert_uint_eq(fake.asked.len, 0);

        snprintf(path, sizeof(path), "%s/a.yaml", folder);
        write_file(path,
                   "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: "
                   "apps.example.com}\n",
                   0600);
        start(words);
        ck_assert_int_eq(wait_end(), 0);
        ck_assert_ptr_nonnull(
                strstr(said.data, "\"msg\":\"established\",\"definition\":\"apps.example.com\""));
        ck_str_eq(buf_str(&fake.asked), "PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                                        "apps.example.com?fieldManager=kubectl&force=true\n");

        fake.respond = one_app; /* which does not answer a PATCH */
        start(words);
        fake_api_wait(&fake, was_asked_twice, NULL);
        ck_assert_int_eq(child_signal(child, SIGTERM), 0);
        ck_assert_int_eq(wait_end(), 128 + SIGTERM);
        unlink(path);
        close_all();
}

static const TTest *const tests[] = {
        define_applies_what_is_in_the_folder,
        a_wrong_command_line_is_told_and_gives_2,
        help_is_no_failure,
        what_cannot_begin_gives_1,
        namespaces_are_watched_each,
        the_lease_comes_after_the_lists,
        a_stop_before_the_lease,
        it_stops_when_it_is_told_and_not_by_sighup,
        a_second_signal_stops_at_once,
        replies_that_do_not_come_are_not_waited_for_for_ever,
        no_secret_is_logged,
};

TEST_MAIN("cmd/operator", tests)
