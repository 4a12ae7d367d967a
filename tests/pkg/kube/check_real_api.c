/* SPDX-License-Identifier: Apache-2.0
 *
 * The same client and reflector against a real API server, for what a script
 * can only claim: streamed lists, their end, versions that the server does not
 * have, and exec plugins. It makes and deletes a few ConfigMaps in the namespace
 * "default" and runs only where somebody asks for it:
 *
 *      eval "$(hack/cluster env)"
 *      KEELSON_TEST_KUBECONFIG=$KUBECONFIG meson test -C build/dev kube/real_api
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "json/read.h"
#include "json/write.h"
#include "kube/reflector.h"

#define LIMIT (30 * USEC_SEC)
#define SKIPPED 77
#define SELECTOR "keelson.test/check=real-api"
#define N 3

static const struct kube_kind config_map = { .version = STR_INIT("v1"),
                                             .plural = STR_INIT("configmaps"),
                                             .kind = STR_INIT("ConfigMap"),
                                             .namespaced = true };
static const struct kube_kind service_account = { .version = STR_INIT("v1"),
                                                  .plural = STR_INIT("serviceaccounts"),
                                                  .kind = STR_INIT("ServiceAccount"),
                                                  .namespaced = true };

static struct loop *loop;
static struct kube_client *client;

/* --- calls that are waited for ------------------------------------------------------ */

struct answer {
        bool came;
        int status;
        struct buf body;
        struct error error;
};

static void on_answer(const struct kube_reply *reply, void *arg)
{
        struct answer *a = arg;

        a->came = true;
        a->status = reply->status;
        a->error = reply->error;
        buf_clear(&a->body);
        buf_add_str(&a->body, reply->body);
}

static void turn_until(const bool *flag, const char *what)
{
        usec_t limit = clock_now() + LIMIT;

        while (!*flag) {
                ck_assert_msg(clock_now() < limit, "waited too long for %s", what);
                ck_assert_int_eq(loop_turn(loop, 100 * USEC_MSEC), 0);
        }
}

static struct answer call(struct kube_client *c, const struct kube_call *what)
{
        struct answer a = { .body = BUF_INIT(KUBE_BODY_MAX) };
        struct error err = ERROR_INIT;

        ck_assert_msg(kube_call(c, what, on_answer, &a, NULL, &err) == 0, "%s", err.message);
        turn_until(&a.came, "an answer");
        return a;
}

static void make(const char *name)
{
        struct buf body = BUF_INIT(1024);
        struct answer a;

        buf_printf(&body,
                   "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
                   "\"labels\":{\"keelson.test/check\":\"real-api\"}}}",
                   name);
        a = call(client, &(struct kube_call){ .verb = KUBE_APPLY,
                                              .kind = &config_map,
                                              .namespace = STR("default"),
                                              .name = str_c(name),
                                              .body = buf_str(&body),
                                              .field_manager = STR("keelson-test"),
                                              .force = true });
        ck_assert_msg(a.error.code == 0, "%s", a.error.message);
        buf_release(&a.body);
        buf_release(&body);
}

static int drop(const char *name)
{
        struct answer a = call(client, &(struct kube_call){ .verb = KUBE_DELETE,
                                                            .kind = &config_map,
                                                            .namespace = STR("default"),
                                                            .name = str_c(name) });

        buf_release(&a.body);
        return a.status;
}

/* --- what the owner hears ------------------------------------------------------------- */

static struct reflector reflector;
static int listed, begun, ended, failing;
static bool list_is_in, added, deleted;

static void on_list_begin(struct reflector *r _unused_, void *arg _unused_)
{
        begun++;
        listed = 0;
        list_is_in = false;
}

static int on_object(struct reflector *r _unused_, enum reflector_event event, yyjson_val *object,
                     void *arg _unused_)
{
        ck_assert_ptr_nonnull(json_get_path(object, "/metadata/uid"));
        listed += event == REFLECTOR_LISTED;
        added |= event == REFLECTOR_ADDED;
        deleted |= event == REFLECTOR_DELETED;
        return 0;
}

static int on_list_end(struct reflector *r _unused_, struct str version, void *arg _unused_)
{
        ck_assert(!str_empty(version));
        ended++;
        list_is_in = true;
        return 0;
}

static void on_state(struct reflector *r _unused_, enum reflector_state state, const struct error *err,
                     void *arg _unused_)
{
        failing += state == REFLECTOR_FAILING;
        if (state == REFLECTOR_FAILING)
                printf("failing: %s\n", err->message);
}

static void open_reflector(bool paged)
{
        struct reflector_handlers handlers = { on_list_begin, on_object, on_list_end, NULL, on_state, NULL };

        begun = ended = failing = 0;
        list_is_in = false;
        reflector_init(&reflector, client,
                       &(struct reflector_config){ .kind = &config_map,
                                                   .namespace = STR("default"),
                                                   .label_selector = STR(SELECTOR),
                                                   .seed = 1,
                                                   .paged = paged },
                       &handlers);
        ck_assert_int_eq(reflector_start(&reflector), 0);
        turn_until(&list_is_in, "the list");
        ck_assert_int_eq(listed, N);
}

static void check_watch(void)
{
        added = deleted = false;
        make("keelson-test-extra");
        turn_until(&added, "an event");
        ck_assert_int_eq(drop("keelson-test-extra"), 200);
        turn_until(&deleted, "an event");
        ck_assert_int_eq(failing, 0);
}

/* As if the watch had been cut and begun again at the beginning of time: 410,
 * unless the API server is so young that it still has all that ever happened. */
static void watch_from_the_beginning(void)
{
        usec_t limit = clock_now() + LIMIT;

        kube_cancel(reflector.request);
        reflector.request = NULL;
        reflector.phase = REFLECTOR_WAITING;
        buf_clear(&reflector.version);
        buf_add_c(&reflector.version, "1");
        list_is_in = added = false;
        ck_assert_int_eq(
                loop_timer_set(loop, &reflector.timer, loop_now(loop), reflector.timer.fn, &reflector), 0);
        while (!list_is_in && !added) {
                ck_assert_msg(clock_now() < limit, "waited too long for the relist");
                ck_assert_int_eq(loop_turn(loop, 100 * USEC_MSEC), 0);
        }
        if (added)
                printf("no 410 to be had: restart the API server and run this again\n");
        else
                ck_assert_int_eq(listed, N);
}

START_TEST(test_streamed)
{
        struct buf reached = BUF_INIT(64);

        open_reflector(false);
        if (reflector.paged) {
                printf("this API server does not stream lists: it was asked for pages\n");
                ck_assert_int_eq(begun, 2);
                check_watch();
                reflector_release(&reflector);
                return;
        }
        ck_assert(reflector.streaming);
        ck_assert_int_eq(reflector.phase, REFLECTOR_WATCHING);
        ck_assert_int_eq(begun, 1);
        check_watch();
        /* The server still has it on one stream. */
        ck_assert(reflector.streaming);
        buf_add_str(&reached, reflector_version(&reflector));

        /* Too old: 410, and a relist that is no older than that. */
        watch_from_the_beginning();
        ck_assert(reflector.streaming == list_is_in && !reflector.paged);
        check_watch();
        ck_assert_int_ge(str_version_cmp(reflector_version(&reflector), buf_str(&reached)), 0);

        /* Another start asks for what was reached. */
        reflector_stop(&reflector);
        list_is_in = false;
        ck_assert_int_eq(reflector_start(&reflector), 0);
        turn_until(&list_is_in, "the list of another start");
        ck_assert_int_ge(str_version_cmp(reflector_version(&reflector), buf_str(&reached)), 0);
        ck_assert_int_eq(begun, ended);
        ck_assert_int_eq(failing, 0);

        /* A version that the server does not have yet. */
        reflector_stop(&reflector);
        buf_clear(&reflector.version);
        buf_add_c(&reflector.version, "9000000000000000000");
        list_is_in = false;
        ck_assert_int_eq(reflector_start(&reflector), 0);
        turn_until(&list_is_in, "the list after a version of the future");
        ck_assert(reflector.streaming && !reflector.paged);
        ck_assert_int_eq(listed, N);
        check_watch();
        reflector_release(&reflector);
        buf_release(&reached);
}
END_TEST

START_TEST(test_paged)
{
        open_reflector(true);
        ck_assert(!reflector.streaming);
        check_watch();
        watch_from_the_beginning();
        check_watch();
        reflector_release(&reflector);
}
END_TEST

/* --- exec plugins ----------------------------------------------------------------------- */

static char folder[64], output[128];

static void put(struct json_writer *w, struct str token, struct str cert, struct str key)
{
        json_object(w);
        json_put_cstr(w, "kind", "ExecCredential");
        json_put_cstr(w, "apiVersion", "client.authentication.k8s.io/v1");
        json_key(w, "status");
        json_object(w);
        if (token.data)
                json_put_str(w, "token", token);
        if (cert.data)
                json_put_str(w, "clientCertificateData", cert);
        if (key.data)
                json_put_str(w, "clientKeyData", key);
        json_end(w);
        json_end(w);
}

/* What the plugin prints from now on. */
static void plugin_prints(struct str token, struct str cert, struct str key)
{
        struct buf text = BUF_INIT(64 * 1024);
        struct json_writer w;
        FILE *f;

        json_writer_init(&w, &text);
        put(&w, token, cert, key);
        ck_assert_int_eq(buf_error(&text), 0);
        f = fopen(output, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fchmod(fileno(f), 0600), 0);
        fwrite(text.data, 1, text.len, f);
        fclose(f);
        buf_release(&text);
}

/* The same server, but the credentials are the plugin's. */
static struct kube_client *client_with_plugin(void)
{
        const struct kube_config *ours = kube_client_config(client);
        struct kube_client *c = NULL;
        struct kube_config config;
        struct error err = ERROR_INIT;
        struct buf yaml = BUF_INIT(64 * 1024);

        buf_printf(
                &yaml,
                "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: cat, "
                "args: [%s], provideClusterInfo: true, interactiveMode: Never}}}]\n"
                "clusters: [{name: k, cluster: {server: '%.*s'}}]\n",
                output, STR_FMT(ours->server));
        ck_assert_msg(kube_config_parse(buf_str(&yaml), STR("/real/config"), &config, &err) == 0, "%s",
                      err.message);
        config.ca_pem = ours->ca_pem;
        ck_assert_msg(kube_client_new(loop, &config, &c, &err) == 0, "%s", err.message);
        buf_release(&yaml);
        return c;
}

static struct answer get_with(struct kube_client *c)
{
        return call(c, &(struct kube_call){ .verb = KUBE_GET,
                                            .kind = &config_map,
                                            .namespace = STR("default"),
                                            .name = STR("keelson-test-0") });
}

/* A token of a service account that may do nothing. */
static struct str make_token(struct arena *arena)
{
        struct answer a =
                call(client, &(struct kube_call){ .verb = KUBE_CREATE,
                                                  .kind = &service_account,
                                                  .namespace = STR("default"),
                                                  .name = STR("keelson-test"),
                                                  .subresource = STR("token"),
                                                  .body = STR("{\"apiVersion\":\"authentication.k8s.io/v1\","
                                                              "\"kind\":\"TokenRequest\",\"spec\":{}}") });
        yyjson_doc *doc;
        struct str token;

        ck_assert_msg(a.error.code == 0, "%s", a.error.message);
        ck_assert_int_eq(json_parse(buf_str(&a.body), &doc, NULL), 0);
        token = arena_str(arena, json_get_str(json_get_path(yyjson_doc_get_root(doc), "/status"), "token"));
        ck_assert_ptr_nonnull(token.data);
        yyjson_doc_free(doc);
        buf_release(&a.body);
        return token;
}

static void check_get(struct kube_client *c, int status, const char *said)
{
        struct answer a = get_with(c);

        ck_assert_msg(a.status == status, "%d: %s", a.status, a.error.message);
        ck_assert_msg(strstr(a.error.message, said) != NULL, "%s", a.error.message);
        buf_release(&a.body);
}

START_TEST(test_plugin_certificate)
{
        const struct kube_config *ours = kube_client_config(client);
        struct kube_client *c;

        if (!ours->client_cert_pem.data)
                return; /* there is none to lend */
        plugin_prints(STR_NULL, ours->client_cert_pem, ours->client_key_pem);
        c = client_with_plugin();
        check_get(c, 200, "");
        kube_client_free(c);
}
END_TEST

START_TEST(test_plugin_token)
{
        struct arena arena = ARENA_INIT(64 * 1024);
        struct answer a = call(
                client, &(struct kube_call){ .verb = KUBE_APPLY,
                                             .kind = &service_account,
                                             .namespace = STR("default"),
                                             .name = STR("keelson-test"),
                                             .field_manager = STR("keelson-test"),
                                             .body = STR("{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\","
                                                         "\"metadata\":{\"name\":\"keelson-test\"}}") });
        struct kube_client *c;
        usec_t paused;

        ck_assert_msg(a.error.code == 0, "%s", a.error.message);
        buf_release(&a.body);
        /* Known to the server, and may not. */
        plugin_prints(make_token(&arena), STR_NULL, STR_NULL);
        c = client_with_plugin();
        check_get(c, 403, "system:serviceaccount:default:keelson-test");
        kube_client_free(c);

        /* Not known; and known once it was asked again. */
        plugin_prints(STR("nonsense"), STR_NULL, STR_NULL);
        c = client_with_plugin();
        check_get(c, 401, "does not accept our credentials");
        plugin_prints(make_token(&arena), STR_NULL, STR_NULL);
        paused = clock_now() + 6 * USEC_SEC;
        while (clock_now() < paused)
                ck_assert_int_eq(loop_turn(loop, 100 * USEC_MSEC), 0); /* KUBE_EXEC_PAUSE */
        check_get(c, 403, "system:serviceaccount:default:keelson-test");
        kube_client_free(c);

        unlink(output);
        c = client_with_plugin();
        check_get(c, 0, "exec plugin cat exited with 1: cat: ");
        kube_client_free(c);
        a = call(client, &(struct kube_call){ .verb = KUBE_DELETE,
                                              .kind = &service_account,
                                              .namespace = STR("default"),
                                              .name = STR("keelson-test") });
        buf_release(&a.body);
        arena_release(&arena);
}
END_TEST

/* --- around it ---------------------------------------------------------------------------- */

static void setup(void)
{
        struct kube_config config;
        struct error err = ERROR_INIT;
        char name[32];

        ck_assert_int_eq(loop_new(&loop), 0);
        ck_assert_msg(kube_config_load(str_c(getenv("KEELSON_TEST_KUBECONFIG")), &config, &err) == 0, "%s",
                      err.message);
        ck_assert_msg(kube_client_new(loop, &config, &client, &err) == 0, "%s", err.message);
        for (int i = 0; i < N; i++) {
                snprintf(name, sizeof(name), "keelson-test-%d", i);
                make(name);
        }
        (void)drop("keelson-test-extra");
        snprintf(folder, sizeof(folder), "/tmp/keelson-test-real-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(output, sizeof(output), "%s/output", folder);
}

static void teardown(void)
{
        char name[32];

        for (int i = 0; i < N; i++) {
                snprintf(name, sizeof(name), "keelson-test-%d", i);
                (void)drop(name);
        }
        unlink(output);
        rmdir(folder);
        kube_client_free(client);
        loop_free(loop);
}

int main(void)
{
        SRunner *runner;
        Suite *suite;
        TCase *tcase;
        int failed;

        if (!getenv("KEELSON_TEST_KUBECONFIG")) {
                printf("skipped: set KEELSON_TEST_KUBECONFIG to the kubeconfig of a cluster for tests\n");
                return SKIPPED;
        }
        suite = suite_create("kube/real_api");
        tcase = tcase_create("kube/real_api");
        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, test_streamed);
        tcase_add_test(tcase, test_paged);
        tcase_add_test(tcase, test_plugin_certificate);
        tcase_add_test(tcase, test_plugin_token);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
