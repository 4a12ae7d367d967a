/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/definitions.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "json/read.h"
#include "json/write.h"
#include "kube/client.h"
#include "kube/kinds.h"
#include "loop/loop.h"
#include "yaml/yaml.h"

#define PATH_LEN_MAX 4096
#define ARENA_MAX ((size_t)32 * 1024 * 1024)

/* --- files -------------------------------------------------------------------------- */

static int add_json(struct definitions *d, yyjson_val *object, struct str name, struct error *err)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(4 * DEFINITIONS_BYTES_MAX);
        struct json_writer w;
        struct definition *one = &d->all[d->n];

        json_writer_init(&w, &json);
        json_val(&w, object);
        one->name = arena_str(&d->arena, name);
        one->json = arena_str(&d->arena, buf_str(&json));
        if (buf_error(&json) < 0 || d->arena.failed)
                return error_set(err, -ENOMEM, "out of memory");
        d->n++;
        return 0;
}

static int add_document(yyjson_doc *doc, const struct yaml_lines *lines, void *arg, struct error *err)
{
        struct definitions *d = arg;
        yyjson_val *root = yyjson_doc_get_root(doc);
        struct str name = json_get_str(yyjson_obj_get(root, "metadata"), "name");
        int r;

        if (!str_eq(json_get_str(root, "kind"), kube_definition_kind.kind) ||
            !str_eq(json_get_str(root, "apiVersion"), STR("apiextensions.k8s.io/v1")) || str_empty(name))
                r = error_set(err, -EINVAL,
                              "line %u: no CustomResourceDefinition of apiextensions.k8s.io/v1 with a name; "
                              "nothing else belongs here",
                              lines->first);
        else if (d->n == DEFINITIONS_MAX)
                r = error_set(err, -E2BIG, "there are more than %d definitions", DEFINITIONS_MAX);
        else
                r = add_json(d, root, name, err);
        yyjson_doc_free(doc);
        return r;
}

static int read_file(struct definitions *d, const char *folder, const char *name, struct error *err)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(DEFINITIONS_BYTES_MAX);
        char path[PATH_LEN_MAX];
        int r;

        if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
                return error_set(err, -ENAMETOOLONG, "%s: the path is too long", folder);
        r = file_read(path, &text);
        if (r == -EMSGSIZE)
                return error_set(err, r, "%s: larger than a ConfigMap may be", path);
        if (r < 0)
                return error_set(err, r, "%s: %s", path, strerror(-r));
        r = yaml_parse_all(buf_str(&text), add_document, d, err);
        if (r < 0)
                error_prefix(err, "%s", path);
        return r;
}

/* Not the hidden ones: a mounted ConfigMap is "..data" and links into it; and not what
 * tells kustomize about the others. */
static int is_ours(const struct dirent *entry)
{
        return entry->d_name[0] != '.' && str_ends(str_c(entry->d_name), STR(".yaml")) &&
               strcmp(entry->d_name, "kustomization.yaml") != 0;
}

int definitions_read(struct definitions *d, const char *folder, struct error *err)
{
        struct dirent **names;
        int n, r = 0;

        *d = (struct definitions){ .arena = ARENA_INIT(ARENA_MAX) };
        n = scandir(folder, &names, is_ours, alphasort);
        if (n < 0) {
                r = -errno;
                return error_set(err, r, "%s: %s", folder, strerror(-r));
        }
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = read_file(d, folder, names[i]->d_name, err);
                free(names[i]); /* scandir's */
        }
        free(names);
        if (r == 0 && d->n == 0)
                r = error_set(err, -ENOENT, "%s: there is no *.yaml in it", folder);
        return r;
}

void definitions_release(struct definitions *d)
{
        arena_release(&d->arena);
        d->n = 0;
}

/* --- the API server ------------------------------------------------------------------- */

struct run {
        const struct definitions *definitions;
        struct kube_client *client;
        struct loop *loop;
        struct loop_timer timer, deadline;
        struct kube_request *request;
        size_t at;    /* the one under way */
        bool applied; /* and only waited for */
        usec_t pause;
        bool over;
        struct error *err; /* at the deadline: why not yet */
        int result;
};

static void ask(struct run *run);

static const struct definition *current(const struct run *run)
{
        return &run->definitions->all[run->at];
}

static void finish(struct run *run, int result)
{
        run->result = result;
        run->over = true;
}

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        ask(arg);
}

static void ask_after(struct run *run, usec_t pause)
{
        if (loop_timer_set(run->loop, &run->timer, clock_now() + pause, on_timer, run) < 0)
                finish(run, error_set(run->err, -ENOMEM, "out of memory"));
}

/* It is served: it has its names, and the API server knows its resources. */
static bool is_established(yyjson_val *definition)
{
        yyjson_val *conditions = json_get_path(definition, "/status/conditions"), *one;
        size_t i, n;

        yyjson_arr_foreach (conditions, i, n, one)
                if (str_eq(json_get_str(one, "type"), STR("Established")))
                        return str_eq(json_get_str(one, "status"), STR("True"));
        return false;
}

/* Nobody but who wrote the file can mend it. */
static bool is_final(const struct kube_reply *reply)
{
        return reply->reason == KUBE_INVALID || reply->reason == KUBE_BAD_REQUEST ||
               reply->reason == KUBE_TOO_LARGE;
}

static void on_failure(struct run *run, const struct kube_reply *reply)
{
        error_set(run->err, reply->error.code, "%s", reply->error.message);
        if (is_final(reply)) {
                finish(run, reply->error.code);
                return;
        }
        if (reply->reason == KUBE_NOT_FOUND)
                run->applied = false; /* somebody has deleted it */
        log_warn("not yet; trying again", LOG_STR("definition", current(run)->name),
                 LOG_CSTR("error", reply->error.message));
        ask_after(run, MAX(run->pause, reply->retry_after));
        run->pause = MIN(2 * run->pause, DEFINITIONS_PAUSE_MAX);
}

/* Established it still is, until all of its resources are gone; then it goes as well. */
static bool is_being_deleted(yyjson_val *definition)
{
        return json_get_path(definition, "/metadata/deletionTimestamp") != NULL;
}

static void await_deletion(struct run *run)
{
        error_set(run->err, -ETIMEDOUT,
                  "%.*s is being deleted, and applied again once it is gone; see which of its resources "
                  "have finalizers",
                  STR_FMT(current(run)->name));
        log_warn("not yet; trying again", LOG_STR("definition", current(run)->name),
                 LOG_CSTR("error", run->err->message));
        run->applied = false;
        ask_after(run, run->pause);
        run->pause = MIN(2 * run->pause, DEFINITIONS_PAUSE_MAX);
}

static void on_success(struct run *run, yyjson_val *definition)
{
        if (is_being_deleted(definition)) {
                await_deletion(run);
                return;
        }
        run->applied = true;
        run->pause = DEFINITIONS_PAUSE_MIN;
        if (!is_established(definition)) {
                error_set(run->err, -ETIMEDOUT,
                          "%.*s is applied, and not established; see kubectl describe crd",
                          STR_FMT(current(run)->name));
                ask_after(run, run->pause);
                return;
        }
        log_info("established", LOG_STR("definition", current(run)->name));
        run->applied = false;
        run->at++;
        if (run->at == run->definitions->n)
                finish(run, 0);
        else
                ask_after(run, 0);
}

static void on_reply(const struct kube_reply *reply, void *arg)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct run *run = arg;

        run->request = NULL;
        if (reply->error.code < 0)
                on_failure(run, reply);
        else if (json_parse(reply->body, &doc, run->err) < 0)
                finish(run, run->err->code);
        else
                on_success(run, yyjson_doc_get_root(doc));
}

static void ask(struct run *run)
{
        const struct kube_call call = {
                .verb = run->applied ? KUBE_GET : KUBE_APPLY,
                .kind = &kube_definition_kind,
                .name = current(run)->name,
                .body = run->applied ? STR_NULL : current(run)->json,
                .field_manager = run->applied ? STR_NULL : STR(DEFINITIONS_MANAGER),
                .force = !run->applied,
        };
        int r = kube_call(run->client, &call, on_reply, run, &run->request, run->err);

        if (r < 0)
                finish(run, r);
}

static void on_deadline(struct loop_timer *timer _unused_, void *arg)
{
        struct run *run = arg;

        if (!run->err->message[0])
                error_set(run->err, -ETIMEDOUT, "the API server does not answer");
        error_prefix(run->err, "gave up waiting for %.*s", STR_FMT(current(run)->name));
        finish(run, -ETIMEDOUT);
}

int definitions_apply(const struct definitions *d, struct kube_client *client, usec_t timeout,
                      struct error *err)
{
        struct error none = ERROR_INIT;
        struct run run = {
                .definitions = d,
                .client = client,
                .loop = kube_client_loop(client),
                .pause = DEFINITIONS_PAUSE_MIN,
                .err = err ? err : &none,
        };
        int r = loop_timer_set(run.loop, &run.deadline, clock_now() + timeout, on_deadline, &run);

        if (r < 0)
                return error_set(err, r, "out of memory");
        ask(&run);
        while (!run.over && r == 0)
                r = loop_turn(run.loop, USEC_SEC);
        if (run.request)
                kube_cancel(run.request);
        loop_timer_stop(&run.timer);
        loop_timer_stop(&run.deadline);
        return r < 0 ? error_set(err, r, "the event loop failed: %s", strerror(-r)) : run.result;
}

/* --- all of it ---------------------------------------------------------------------- */

static int connect_client(struct loop *l, struct str kubeconfig, struct kube_client **ret, struct error *err)
{
        struct kube_config config;
        int r = kube_config_load(kubeconfig, &config, err);

        if (r < 0)
                return r;
        r = kube_client_new(l, &config, ret, err);
        if (r < 0)
                kube_config_release(&config);
        return r;
}

int definitions_run(const struct definitions_options *options, struct error *err)
{
        struct definitions d;
        struct kube_client *client = NULL;
        struct loop *loop = NULL;
        int r = definitions_read(&d, options->folder, err);

        if (r == 0 && loop_new(&loop) < 0)
                r = error_set(err, -ENOMEM, "cannot make the event loop");
        if (r == 0)
                r = connect_client(loop, options->kubeconfig, &client, err);
        if (r == 0)
                r = definitions_apply(&d, client, options->timeout, err);
        kube_client_free(client);
        loop_free(loop);
        definitions_release(&d);
        return r;
}
