/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold whatever happens.
 *
 * At any time, judged from the server's log, line by line:
 * - an operator process changes an App's status, its own events, and objects
 *   that an App controls; it makes nothing that no App will control;
 * - Ready is said of a generation only if its spec was once what runs;
 * - one process never reports an older generation after a newer one;
 * - the number of requests is bounded.
 *
 * At rest:
 * - nothing is asked for or written, not even by a process with an empty memory;
 * - foreign objects are as they were made.
 */
#include "app/run.h"

#include <stdlib.h>
#include <string.h>

#include "controller/app/config.h"
#include "sim/wrap.h"

/* --- claims ------------------------------------------------------------------------ */

static struct claim *find_claim(struct claim *list, size_t n, const char *uid, int64_t generation)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i].uid, uid) == 0 && (generation < 0 || list[i].generation == generation))
                        return &list[i];
        return NULL;
}

static struct claim *add_claim(struct claim *list, size_t *n, const char *uid, int64_t generation)
{
        struct claim *c = &list[*n];

        expect(*n < CLAIMS_MAX, "more generations than the oracle can remember");
        *c = (struct claim){ .generation = generation };
        snprintf(c->uid, sizeof(c->uid), "%s", uid);
        (*n)++;
        return c;
}

static const char *text_at(yyjson_mut_val *object, const char *pointer)
{
        const char *text = yyjson_mut_get_str(yyjson_mut_ptr_get(object, pointer));

        return text ? text : "";
}

static int64_t int_at(yyjson_mut_val *object, const char *pointer)
{
        return yyjson_mut_get_sint(yyjson_mut_ptr_get(object, pointer));
}

/* Has the Deployment controller judged it, and found it complete? */
static bool is_complete(yyjson_mut_val *deployment)
{
        int64_t wanted = int_at(deployment, "/spec/replicas");

        return int_at(deployment, "/status/observedGeneration") ==
                       int_at(deployment, "/metadata/generation") &&
               int_at(deployment, "/status/updatedReplicas") == wanted &&
               int_at(deployment, "/status/availableReplicas") >= wanted;
}

/* After each change of an App or its Deployment. An operator may know an older
 * generation of the App than there is, and bring that about. */
static void note_fulfilled(struct run *r, const char *name)
{
        yyjson_mut_val *app = sim_api_get(&r->w.api, &app_kind.api, NS, name);
        yyjson_mut_val *deployment = sim_api_get(&r->w.api, &app_deployment_kind.api, NS, name);
        const char *image = text_at(deployment, "/spec/template/spec/containers/0/image");
        int64_t generation = int_at(app, "/metadata/generation");
        const char *uid = text_at(app, "/metadata/uid");
        struct oracle *o = &r->oracle;
        struct claim *c;

        if (!app)
                return;
        if (!find_claim(o->generations, o->n_generations, uid, generation)) {
                c = add_claim(o->generations, &o->n_generations, uid, generation);
                snprintf(c->image, sizeof(c->image), "%s", text_at(app, "/spec/image"));
        }
        if (!deployment || !is_complete(deployment))
                return;
        for (size_t i = 0; i < o->n_generations; i++) {
                c = &o->generations[i];
                c->fulfilled |= strcmp(c->uid, uid) == 0 && strcmp(c->image, image) == 0;
        }
}

/* --- lines of the log ----------------------------------------------------------------- */

static const char *json_text(yyjson_val *object, const char *pointer)
{
        const char *text = yyjson_get_str(yyjson_ptr_get(object, pointer));

        return text ? text : "";
}

static bool is_ready(yyjson_val *app)
{
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_ptr_get(app, "/status/conditions"));
        yyjson_val *c;

        while ((c = yyjson_arr_iter_next(&it)))
                if (strcmp(json_text(c, "/type"), "Ready") == 0)
                        return strcmp(json_text(c, "/status"), "True") == 0;
        return false;
}

/* Whoever reads one is told something. */
static void check_words(yyjson_val *app)
{
        yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_ptr_get(app, "/status/conditions"));
        yyjson_val *c;

        while ((c = yyjson_arr_iter_next(&it)))
                expect(*json_text(c, "/message") && *json_text(c, "/reason"),
                       "App %s: its condition %s, which is %s, has no message",
                       json_text(app, "/metadata/name"), json_text(c, "/type"), json_text(c, "/status"));
}

static void check_report(struct run *r, size_t replica, yyjson_val *app)
{
        int64_t reported = yyjson_get_sint(yyjson_ptr_get(app, "/status/observedGeneration"));
        const char *uid = json_text(app, "/metadata/uid"), *name = json_text(app, "/metadata/name");
        struct oracle *o = &r->oracle;
        struct claim *last = find_claim(o->reported[replica], o->n_reported[replica], uid, -1), *c;

        check_words(app);
        expect(!last || reported >= last->generation,
               "App %s: op%zu reports generation %lld after it had reported %lld", name, replica,
               (long long)reported, (long long)(last ? last->generation : 0));
        if (last)
                last->generation = reported;
        else
                add_claim(o->reported[replica], &o->n_reported[replica], uid, reported);
        c = find_claim(o->generations, o->n_generations, uid, reported);
        expect(!is_ready(app) || (c && c->fulfilled),
               "App %s is said to be Ready at generation %lld, which was never what runs", name,
               (long long)reported);
}

static bool is_controlled(yyjson_val *object)
{
        return strcmp(json_text(object, "/metadata/ownerReferences/0/kind"), "App") == 0;
}

static void check_write(struct run *r, const struct sim_change *c, size_t replica)
{
        const char *text = c->before ? c->before : c->object;
        yyjson_doc *doc = yyjson_read(text, strlen(text), 0), *now;
        yyjson_val *object = yyjson_doc_get_root(doc);

        if (str_eq(c->kind->plural, STR("apps"))) {
                expect(c->object && c->before, "an operator made or deleted an App");
                now = yyjson_read(c->object, strlen(c->object), 0);
                check_report(r, replica, yyjson_doc_get_root(now));
                yyjson_doc_free(now);
        } else if (!str_eq(c->kind->plural, STR("events")) && !str_eq(c->kind->plural, STR("leases"))) {
                expect(is_controlled(object), "op%zu %s %.*s %s, which no App controls", replica,
                       !c->object  ? "deleted"
                       : c->before ? "changed"
                                   : "made",
                       STR_FMT(c->kind->kind), json_text(object, "/metadata/name"));
        }
        yyjson_doc_free(doc);
}

static void forget_reports_of_the_dead(struct run *r)
{
        if (r->oracle.lives == r->w.n_crashes)
                return;
        r->oracle.lives = r->w.n_crashes;
        memset(r->oracle.n_reported, 0, sizeof(r->oracle.n_reported));
}

/* Whom the Lease names, as its text says. */
static int holder_of(const char *lease)
{
        yyjson_doc *doc = yyjson_read(lease, strlen(lease), 0);
        const char *holder = json_text(yyjson_doc_get_root(doc), "/spec/holderIdentity");
        int number = strncmp(holder, "op", 2) == 0 ? holder[2] - '0' : -1;

        yyjson_doc_free(doc);
        return number;
}

/* F08, F09: a process that does not care is a fault of the test's. */
static void check_leads(const struct run *r, const struct sim_change *c, int replica)
{
        if (r->w.elects && !(r->w.op[replica].stubborn && planted != PLANTED_KEEPS_LEADING))
                expect(r->oracle.holder == replica, "a %.*s was written by op%d, while op%d has the Lease",
                       STR_FMT(c->kind->kind), replica, r->oracle.holder);
}

static void look_at(struct run *r, const struct sim_change *c)
{
        const char *text = c->object ? c->object : c->before;
        bool lease = str_eq(c->kind->plural, STR("leases"));
        yyjson_doc *doc;

        if (lease)
                r->oracle.holder = c->object ? holder_of(c->object) : -1;
        else if (c->by && strncmp(c->by, "op", 2) == 0)
                check_leads(r, c, c->by[2] - '0');

        if (str_eq(c->kind->plural, STR("apps")) || str_eq(c->kind->plural, STR("deployments"))) {
                doc = yyjson_read(text, strlen(text), 0);
                note_fulfilled(r, json_text(yyjson_doc_get_root(doc), "/metadata/name"));
                yyjson_doc_free(doc);
        }
        if (c->by && strncmp(c->by, "op", 2) == 0)
                check_write(r, c, (size_t)(c->by[2] - '0'));
}

#define CALLS_MAX 20000 /* in a run */

void oracle_watch(struct world *w)
{
        struct run *r = w->user;

        expect(all_calls(r) < CALLS_MAX, "%llu calls: a hot loop", (unsigned long long)all_calls(r));
        for (; r->oracle.seen < w->api.n_log; r->oracle.seen++)
                look_at(r, &w->api.log[r->oracle.seen]);
        forget_reports_of_the_dead(r);
}

/* --- foreign objects --------------------------------------------------------------------- */

static struct foreign *find_foreign(struct run *r, const struct kube_kind *kind, const char *name)
{
        for (size_t i = 0; i < r->oracle.n_foreign; i++) {
                struct foreign *f = &r->oracle.foreign[i];

                if (f->text && f->kind == kind && strcmp(f->name, name) == 0)
                        return f;
        }
        return NULL;
}

static struct foreign *new_foreign(struct run *r)
{
        for (size_t i = 0; i < r->oracle.n_foreign; i++)
                if (!r->oracle.foreign[i].text)
                        return &r->oracle.foreign[i];
        expect(r->oracle.n_foreign < FOREIGN_MAX, "too many foreign objects");
        return &r->oracle.foreign[r->oracle.n_foreign++];
}

void foreign_comes(struct run *r, const struct kube_kind *kind, const char *name)
{
        struct foreign *f;
        char json[512];

        if (sim_api_get(&r->w.api, kind, NS, name))
                return;
        f = new_foreign(r);
        snprintf(json, sizeof(json),
                 "{\"apiVersion\":\"%.*s%s%.*s\",\"kind\":\"%.*s\",\"metadata\":{\"namespace\":\"" NS
                 "\",\"name\":\"%s\"},\"spec\":{\"replicas\":7}}",
                 STR_FMT(kind->group), str_empty(kind->group) ? "" : "/", STR_FMT(kind->version),
                 STR_FMT(kind->kind), name);
        world_note(&r->w, "somebody", "takes the name %s for a %.*s", name, STR_FMT(kind->kind));
        sim_api_apply(&r->w.api, kind, json, "helm");
        f->kind = kind;
        f->scaled = false;
        snprintf(f->name, sizeof(f->name), "%s", name);
        f->text = yyjson_mut_val_write(sim_api_get(&r->w.api, kind, NS, name), 0, NULL);
}

static void check_foreign(const struct run *r, const struct foreign *f)
{
        yyjson_mut_val *object = sim_api_get(&r->w.api, f->kind, NS, f->name), *copy;
        yyjson_mut_doc *doc;
        char *text;

        if (!f->text)
                return;
        expect(object, "the foreign %.*s %s is gone", STR_FMT(f->kind->kind), f->name);
        /* The Deployment controller has seen it, which is nobody's fault. */
        if (yyjson_mut_obj_get(object, "status")) {
                expect(f->scaled || (int_at(object, "/metadata/generation") == 1 &&
                                     int_at(object, "/spec/replicas") == 7),
                       "the foreign %.*s %s was changed", STR_FMT(f->kind->kind), f->name);
                return;
        }
        doc = yyjson_mut_doc_new(NULL);
        copy = yyjson_mut_val_mut_copy(doc, object);
        text = yyjson_mut_val_write(copy, 0, NULL);
        expect(strcmp(text, f->text) == 0, "the foreign %.*s %s was changed", STR_FMT(f->kind->kind),
               f->name);
        free(text);
        yyjson_mut_doc_free(doc);
}

void foreign_takes(struct run *r, const struct kube_kind *kind, const char *name)
{
        if (find_foreign(r, kind, name))
                return;
        if (sim_api_get(&r->w.api, kind, NS, name))
                sim_api_delete(&r->w.api, kind, NS, name);
        foreign_comes(r, kind, name);
        find_foreign(r, kind, name)->scaled = true;
}

void foreign_leaves(struct run *r, const struct kube_kind *kind, const char *name)
{
        struct foreign *f = find_foreign(r, kind, name);

        if (!f)
                return;
        check_foreign(r, f);
        free(f->text);
        f->text = NULL;
        world_note(&r->w, "somebody", "gives the name %s back", name);
        sim_api_delete(&r->w.api, kind, NS, name);
}

/* --- at rest ---------------------------------------------------------------------------------- */

/* A name that is taken is looked at again now and then, for ever. */
static bool is_waiting(const struct run *r)
{
        for (size_t i = 0; i < r->oracle.n_foreign; i++)
                if (r->oracle.foreign[i].text)
                        return true;
        return false;
}

static uint64_t changes(const struct world *w)
{
        uint64_t n = 0;

        for (size_t i = 0; i < w->api.n_log; i++)
                n += !str_eq(w->api.log[i].kind->plural, STR("leases")) &&
                     !str_eq(w->api.log[i].kind->plural, STR("events"));
        return n;
}

/* A name that is taken, or a release that was taken back: what keeps the App is
 * not remembered over a restart, and told anew. */
static bool is_stalled(const struct run *r)
{
        list_for_each (link, &r->w.api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);
                char name[64];

                if (!str_eq(o->kind->plural, STR("apps")))
                        continue;
                snprintf(name, sizeof(name), "%.*s", STR_FMT(o->name));
                if (!str_eq(app_condition(r, name, "Ready", "status"), STR("True")))
                        return true;
        }
        return false;
}

#define REST (20 * USEC_MINUTE)
#define REST_AFTER (5 * USEC_MINUTE) /* a restart */

static void expect_still(struct run *r, usec_t time, uint64_t calls_before, uint64_t changes_before,
                         const char *when, bool restarted)
{
        struct world *w = &r->w;
        uint64_t calls;

        run_for(r, time);
        calls = all_calls(r) - w->n_calls[CALL_GET];
        if (is_waiting(r) || (restarted && is_stalled(r)))
                expect(calls - calls_before <= (uint64_t)(20 * time / USEC_MINUTE), "%s: %llu calls", when,
                       (unsigned long long)(calls - calls_before));
        else
                expect(calls == calls_before, "%s: %llu calls", when,
                       (unsigned long long)(calls - calls_before));
        expect(changes(w) == changes_before || (restarted && is_stalled(r)), "%s: %llu changes", when,
               (unsigned long long)(changes(w) - changes_before));
}

void restart_all(struct world *w)
{
        for (size_t i = 0; i < WORLD_REPLICAS; i++) {
                if (!w->op[i].up)
                        continue;
                replica_crash(&w->op[i]);
                expect(replica_start(&w->op[i]), "no memory");
        }
}

static void expect_config(const struct run *r, yyjson_mut_val *source)
{
        static const struct {
                const char *pointer;
                const struct cache_kind *kind;
        } sources[] = { { "/configMapRef/name", &app_configmap_source_kind },
                        { "/secretRef/name", &app_secret_source_kind } };

        for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
                const char *name = text_at(source, sources[i].pointer);

                expect(!name[0] || sim_api_get(&r->w.api, &sources[i].kind->api, NS, name),
                       "pods need %.*s %s, which is not there", STR_FMT(sources[i].kind->api.kind), name);
        }
}

/* What pods are made of is there. */
static void expect_whole(const struct run *r)
{
        list_for_each (link, &r->w.api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);
                yyjson_mut_val *list = yyjson_mut_ptr_get(yyjson_mut_doc_get_root(o->doc),
                                                          "/spec/template/spec/containers/0/envFrom");
                yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
                yyjson_mut_val *source;

                while ((source = yyjson_mut_arr_iter_next(&it)))
                        expect_config(r, source);
        }
}

void expect_rest(struct run *r)
{
        struct world *w = &r->w;

        resync(r);
        expect_still(r, REST, all_calls(r) - w->n_calls[CALL_GET], changes(w), "at rest", false);
        restart_all(w);
        expect_still(r, REST_AFTER, all_calls(r) - w->n_calls[CALL_GET], changes(w),
                     "after a restart at rest", true);
        expect_whole(r);
        for (size_t i = 0; i < r->oracle.n_foreign; i++)
                check_foreign(r, &r->oracle.foreign[i]);
}

static bool tells_the_end(yyjson_mut_val *condition)
{
        yyjson_mut_val *type = yyjson_mut_obj_get(condition, "type");

        return yyjson_mut_equals_str(type, "Ready") || yyjson_mut_equals_str(type, "Stalled");
}

/* Of an App's status: the conditions that tell how it ends, without their
 * messages, which may name the causes of a refusal in any order. */
static void keep_verdict(yyjson_mut_val *app)
{
        static const char *const others[] = { "addresses",     "copies",       "desiredReplicas",
                                              "effective",     "image",        "profile",
                                              "readyReplicas", "replicas",     "revision",
                                              "routing",       "selector",     "updatedReplicas",
                                              "url",           "lastGoodImage" };
        yyjson_mut_val *status = yyjson_mut_obj_get(app, "status"), *c;
        yyjson_mut_val *conditions = yyjson_mut_obj_get(status, "conditions");

        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                yyjson_mut_obj_remove_key(status, others[i]);
        yyjson_mut_obj_remove_key(yyjson_mut_obj_get(status, "failedRevision"), "time");
        for (size_t i = 0; (c = yyjson_mut_arr_get(conditions, i));) {
                yyjson_mut_obj_remove_key(c, "message");
                if (tells_the_end(c))
                        i++;
                else
                        yyjson_mut_arr_remove(conditions, i);
        }
}

/* Of the configuration of some revision. */
static bool is_copy(const struct sim_object *o, yyjson_mut_val *root)
{
        return (str_eq(o->kind->plural, STR("configmaps")) || str_eq(o->kind->plural, STR("secrets"))) &&
               yyjson_mut_ptr_get(root, "/metadata/ownerReferences/0");
}

/* A child that lost its label just when it was wanted no more is out of the
 * operator's sight until its App goes. Foreign objects: check_foreign. */
static bool is_seen(yyjson_mut_val *root)
{
        return yyjson_mut_ptr_get(root, "/metadata/ownerReferences/0") &&
               strcmp(text_at(root, "/metadata/labels/app.kubernetes.io~1managed-by"), "keelson") == 0;
}

static bool keep(const struct sim_object *o, yyjson_mut_val *root)
{
        yyjson_mut_obj_remove_key(yyjson_mut_obj_get(root, "metadata"), "managedFields");
        if (str_eq(o->kind->plural, STR("events")) || str_eq(o->kind->plural, STR("leases")) ||
            str_eq(o->kind->plural, STR("controllerrevisions")) || is_copy(o, root))
                return false; /* how it came here may differ */
        if (!str_eq(o->kind->plural, STR("apps")))
                return is_seen(root);
        keep_verdict(root);
        return true;
}

char *oracle_state(const struct world *w)
{
        return sim_api_dump_of(&w->api, keep);
}

#define SHOWN_BEFORE 3 /* lines of the state, and as many behind */

/* AT, or so many lines before it. */
static size_t some_lines_back(const char *text, size_t at)
{
        for (int lines = 0; at > 0; at--)
                if (text[at - 1] == '\n' && lines++ == SHOWN_BEFORE)
                        break;
        return at;
}

static int some_lines(const char *text)
{
        const char *at = text;

        for (int lines = 0; *at && lines < 2 * SHOWN_BEFORE; at++)
                lines += *at == '\n';
        return (int)(at - text);
}

void expect_same_state(const char *state, const char *expected)
{
        size_t same = 0, from, object;

        while (state[same] && state[same] == expected[same])
                same++;
        if (state[same] == expected[same])
                return;
        from = some_lines_back(state, same);
        for (object = same; object > 0 && strncmp(state + object, "\n}\n", 3) != 0; object--)
                ;
        object += object ? 3 : 0;
        sim_fail("the end is another one: in\n%.*s…\nit became\n%.*s\ninstead of\n%.*s",
                 some_lines(state + object), state + object, some_lines(state + from), state + from,
                 some_lines(expected + from), expected + from);
}
