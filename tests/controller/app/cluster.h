/* SPDX-License-Identifier: Apache-2.0
 *
 * The rest of the cluster, as far as one App can tell: it carries out what a
 * reconcile asks for, and the cache learns of it. No time goes by, and nothing
 * fails; for that there is tests/sim.
 *
 *      begin_cluster(&c, "\"image\":\"x:1\",...");
 *      set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
 *      step(&c);       one reconcile, and what it asked for
 *      settle(&c);     until it asks for nothing more
 *
 * Rollouts end as `rollout` says.
 */
#pragma once

#include "reconciled.h"

#include "controller/app/status.h"

#define OBJECTS_MAX 512
#define STEPS_MAX 20
#define NOW (1000 * USEC_HOUR)

/* What the server holds of the kinds that may be read on demand. */
struct server_object {
        const char *plural;
        char *name, *json;
        char *rest; /* its contents, for copies */
};

enum rollout { ROLLED_OUT, HALFWAY, PAST_ITS_DEADLINE, PAST_THAT_OF_ANOTHER, UNSEEN };

struct cluster {
        struct fixture f;
        const char *spec; /* the App's, JSON */
        const char *uid;
        const char *created; /* its creationTimestamp; NULL: none */
        char *status;        /* as it was written last */
        char *deployment;    /* likewise */
        struct server_object objects[OBJECTS_MAX];
        size_t n_objects;
        struct arena texts; /* theirs */
        enum rollout rollout;
        long long generation, deployment_generation, version;
        const char *never_told; /* stands in nothing that is asked for */
        /* Of the last step. */
        size_t n_changes; /* that it made */
        size_t n_events;
        char event[1024]; /* the last one: "Reason: message" */
        /* So far. */
        size_t n_applies, n_copies, n_reads, n_deletes, n_statuses;
};

/* --- objects ------------------------------------------------------------------------ */

static inline struct server_object *find_object(struct cluster *c, const char *plural, struct str name)
{
        for (size_t i = 0; i < c->n_objects; i++)
                if (strcmp(c->objects[i].plural, plural) == 0 && str_eq_c(name, c->objects[i].name))
                        return &c->objects[i];
        return NULL;
}

static inline void remove_object(struct cluster *c, const char *plural, const char *name)
{
        struct server_object *o = find_object(c, plural, str_c(name));

        if (o)
                *o = c->objects[--c->n_objects];
}

static inline char *keep_(struct cluster *c, const char *text)
{
        char *copy = arena_alloc(&c->texts, strlen(text) + 1);

        ck_assert_ptr_nonnull(copy);
        return memcpy(copy, text, strlen(text) + 1);
}

/* PLURAL is a constant; JSON goes away with it. */
static inline void add_object_(struct cluster *c, const char *plural, const char *name, char *json,
                               const char *rest)
{
        remove_object(c, plural, name);
        ck_assert_uint_lt(c->n_objects, OBJECTS_MAX);
        c->objects[c->n_objects++] =
                (struct server_object){ plural, keep_(c, name), keep_(c, json), keep_(c, rest) };
        free(json);
}

/* Somebody's ConfigMap or Secret, made or changed. REST is its contents. */
static inline void set_object(struct cluster *c, const char *plural, const char *name, const char *rest)
{
        long long version = ++c->version;

        add_object_(c, plural, name,
                    print_("{\"kind\":\"%s\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":"
                           "\"u-%s-%.200s\",\"resourceVersion\":\"%lld\"},%s}",
                           strcmp(plural, "secrets") == 0 ? "Secret" : "ConfigMap", name, plural, name,
                           version, rest),
                    rest);
}

/* A Redis of that name, with the fields SPEC, and the Secrets that its controller makes. */
static inline void make_redis(struct cluster *c, const char *name, const char *spec)
{
        char *json = print_("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"u-%s\","
                            "\"resourceVersion\":\"%lld\"},\"spec\":{%s}}",
                            name, name, ++c->version, spec);
        char text[64];

        put(&c->f, &app_redis_kind, json);
        free(json);
        snprintf(text, sizeof(text), "%s-env", name);
        set_object(c, "secrets", text, "\"data\":{\"URL\":\"eA==\"}");
        snprintf(text, sizeof(text), "%s-app", name);
        set_object(c, "secrets", text, "\"data\":{\"ca.crt\":\"eA==\"}");
}

/* --- the App and its Deployment --------------------------------------------------------- */

static inline void put_app(struct cluster *c)
{
        char *json = print_("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"%s\","
                            "\"resourceVersion\":\"%lld\",\"generation\":%lld,\"creationTimestamp\":\"%s\"},"
                            "\"spec\":{%s}%s%s}",
                            c->uid, ++c->version, c->generation, c->created ? c->created : "", c->spec,
                            c->status ? ",\"status\":" : "", c->status ? c->status : "");

        put(&c->f, &app_kind, json);
        free(json);
}

static inline void change_spec(struct cluster *c, const char *spec)
{
        c->spec = spec;
        c->generation++;
        put_app(c);
}

static inline char *deployment_text(struct cluster *c)
{
        static const char *const statuses[] = {
                [ROLLED_OUT] =
                        ",\"status\":{\"observedGeneration\":%lld,\"replicas\":2,\"updatedReplicas\":2,"
                        "\"readyReplicas\":2,\"availableReplicas\":2}",
                [HALFWAY] = ",\"status\":{\"observedGeneration\":%lld,\"replicas\":3,\"updatedReplicas\":1,"
                            "\"readyReplicas\":2,\"availableReplicas\":2}",
                [PAST_ITS_DEADLINE] =
                        ",\"status\":{\"observedGeneration\":%lld,\"replicas\":3,\"updatedReplicas\":1,"
                        "\"readyReplicas\":2,\"availableReplicas\":2,\"conditions\":[{\"type\":\"Progressing\","
                        "\"status\":\"False\",\"reason\":\"ProgressDeadlineExceeded\",\"message\":\"timed out\"}]}",
                /* No pod of this revision is there yet, and the word of the last one's end still is. */
                [PAST_THAT_OF_ANOTHER] =
                        ",\"status\":{\"observedGeneration\":%lld,\"replicas\":2,"
                        "\"readyReplicas\":2,\"availableReplicas\":2,\"conditions\":[{\"type\":\"Progressing\","
                        "\"status\":\"False\",\"reason\":\"ProgressDeadlineExceeded\",\"message\":\"timed out\"}]}",
                [UNSEEN] = ",\"status\":{\"observedGeneration\":0,\"collisionCount\":%lld}",
        };
        char rest[512], *text;
        const char *status = statuses[c->rollout], *mark = strstr(status, "%lld");

        snprintf(rest, sizeof(rest), "%.*s%lld%s", (int)(mark - status), status, c->deployment_generation,
                 mark + 4);
        text = as_applied(str_c(c->deployment), "u-deployment", ++c->version, c->deployment_generation, rest);
        return text;
}

/* The rollout comes to be so. */
static inline void set_rollout(struct cluster *c, enum rollout rollout)
{
        char *text;

        c->rollout = rollout;
        if (!c->deployment)
                return;
        text = deployment_text(c);
        put(&c->f, &app_deployment_kind, text);
        free(text);
}

/* A pod that is not ready; REST is more of its status. */
static inline void put_pod(struct cluster *c, const char *name, const char *revision, const char *made,
                           const char *rest)
{
        char *json = print_("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"u-%.200s\","
                            "\"resourceVersion\":\"%lld\",\"creationTimestamp\":\"%s\",\"labels\":{"
                            "\"app.kubernetes.io/instance\":\"web\",\"keelson.dev/revision\":\"%s\"}},"
                            "\"status\":{%s}}",
                            name, name, ++c->version, made, revision, rest);

        put(&c->f, &app_pod_kind, json);
        free(json);
}

/* --- carrying out ------------------------------------------------------------------------ */

static inline void carry_apply(struct cluster *c, const struct effect *e)
{
        char uid[400], name[300], *json;

        if (view_applied(&c->f.view, &c->f.plan, e->kind, e->name))
                return;
        c->n_changes++;
        c->n_applies++;
        snprintf(name, sizeof(name), "%.*s", STR_FMT(e->name));
        if (e->kind == &app_deployment_kind) {
                free(c->deployment);
                c->deployment = strndup(e->json.data, e->json.len);
                c->deployment_generation++;
                json = deployment_text(c);
        } else {
                snprintf(uid, sizeof(uid), "u-%s-%.200s-%lld", e->kind->api.plural.data, name, c->version);
                json = as_applied(e->json, uid, ++c->version, 1, "");
        }
        put_applied(&c->f, e->kind, json, e->whole);
        if (e->kind == &app_revision_kind)
                add_object_(c, "controllerrevisions", name, strdup(json), "");
        free(json);
}

static inline void take(struct cluster *c, const struct cache_kind *kind, struct str name,
                        const struct server_object *o)
{
        if (o)
                put(&c->f, kind, o->json);
        if (kind->on_demand)
                ck_assert_int_eq(
                        cache_note_read(&c->f.cache, kind, STR("shop"), name, o != NULL, c->f.view.now), 0);
}

static inline void carry_copy(struct cluster *c, const struct effect *e)
{
        struct server_object *source, *held = find_object(c, e->kind->api.plural.data, e->name);
        char uid[400], name[300], *rest;

        if (view_child(&c->f.view, e->kind, e->name))
                return;
        c->n_changes++;
        if (!held) {
                c->n_copies++;
                source = find_object(c, e->source_kind->api.plural.data, e->source);
                ck_assert_ptr_nonnull(source);
                snprintf(name, sizeof(name), "%.*s", STR_FMT(e->name));
                snprintf(uid, sizeof(uid), "u-copy-%lld", c->version);
                rest = print_(",%s", source->rest);
                add_object_(c, e->kind->api.plural.data, name,
                            as_applied(e->json, uid, ++c->version, 1, rest), source->rest);
                free(rest);
                held = find_object(c, e->kind->api.plural.data, e->name);
        }
        take(c, e->kind, e->name, held);
}

static inline void carry_delete(struct cluster *c, const struct effect *e)
{
        char name[300];

        c->n_changes++;
        c->n_deletes++;
        snprintf(name, sizeof(name), "%.*s", STR_FMT(e->name));
        remove_object(c, e->kind->api.plural.data, name);
        if (e->kind->on_demand)
                cache_forget(&c->f.cache, e->kind, STR("shop"), e->name);
        else
                take_away(&c->f, e->kind, name, e->uid, ++c->version);
}

static inline void carry_read(struct cluster *c, const struct effect *e)
{
        c->n_changes++;
        c->n_reads++;
        take(c, e->kind, e->name, find_object(c, e->kind->api.plural.data, e->name));
}

static inline void carry_status(struct cluster *c, const struct effect *e)
{
        if (c->status && str_eq_c(e->json, c->status))
                return;
        c->n_changes++;
        c->n_statuses++;
        free(c->status);
        c->status = strndup(e->json.data, e->json.len);
}

static inline void carry_event(struct cluster *c, const struct effect *e)
{
        c->n_events++;
        snprintf(c->event, sizeof(c->event), "%.*s: %.*s", STR_FMT(e->reason), STR_FMT(e->message));
}

static inline void carry(struct cluster *c, const struct effect *e)
{
        const char *secret = c->never_told;

        if (secret) {
                ck_assert_ptr_null(
                        memmem(e->json.data ? e->json.data : "", e->json.len, secret, strlen(secret)));
                ck_assert_ptr_null(memmem(e->message.data ? e->message.data : "", e->message.len, secret,
                                          strlen(secret)));
        }
        switch (e->type) {
        case EFFECT_APPLY:
                carry_apply(c, e);
                break;
        case EFFECT_COPY:
                carry_copy(c, e);
                break;
        case EFFECT_PATCH:
                ck_abort_msg("an App needs none");
        case EFFECT_DELETE:
                carry_delete(c, e);
                break;
        case EFFECT_READ:
                carry_read(c, e);
                break;
        case EFFECT_STATUS:
                carry_status(c, e);
                break;
        case EFFECT_EVENT:
                carry_event(c, e);
                break;
        case EFFECT_HOLD:
        case EFFECT_RELEASE:
                ck_abort_msg("an App has no finalizer");
        }
}

/* --- steps ---------------------------------------------------------------------------------- */

static inline void begin_cluster(struct cluster *c, const char *spec)
{
        *c = (struct cluster){ .spec = spec, .uid = "u-app", .generation = 1, .version = 100 };
        begin_resource(&c->f, &app_controller, NULL);
        arena_init(&c->texts, 16 * 1024 * 1024);
        c->f.view.now = NOW;
        put_app(c);
}

static inline void end_cluster(struct cluster *c)
{
        arena_release(&c->texts);
        free(c->status);
        free(c->deployment);
        end(&c->f);
        ck_assert_uint_eq(mem_live(), 0);
}

/* One reconcile, without its consequences: they are in c->f.plan. */
static inline void look(struct cluster *c)
{
        arena_clear(&c->f.arena);
        ck_assert_int_eq(reconcile(&c->f), 0);
}

/* One reconcile. It may ask to be called again at once only if it has changed something. */
static inline void step(struct cluster *c)
{
        size_t statuses = c->n_statuses;

        look(c);
        c->n_changes = c->n_events = 0;
        list_for_each (link, &c->f.plan.effects)
                carry(c, container_of(link, struct effect, link));
        if (c->n_statuses != statuses)
                put_app(c);
        ck_assert_msg(c->n_changes > 0 || c->f.plan.wake > c->f.view.now, "it would never rest");
}

static inline void settle(struct cluster *c)
{
        for (int i = 0; i < STEPS_MAX; i++) {
                step(c);
                if (c->n_changes == 0)
                        return;
        }
        ck_abort_msg("it does not settle");
}

/* --- questions --------------------------------------------------------------------------------- */

/* How many objects of a kind the cache holds. */
static inline size_t count_held(const struct cluster *c, const struct cache_kind *kind)
{
        const struct cache_total *total = cache_total(&c->f.cache, kind);

        return total ? total->objects : 0;
}

static inline yyjson_val *parse_(struct cluster *c, const char *json)
{
        return read_json(&c->f, str_c(json));
}

/* Of those that were parsed: they are kept until the end, and a long story has many. */
static inline void free_docs(struct cluster *c)
{
        for (size_t i = 0; i < c->f.n_docs; i++)
                yyjson_doc_free(c->f.docs[i]);
        c->f.n_docs = 0;
}

/* Of what was written last. */
static inline struct str status_at(struct cluster *c, const char *pointer)
{
        return str_at(parse_(c, c->status), pointer);
}

static inline struct str deployment_at(struct cluster *c, const char *pointer)
{
        return str_at(parse_(c, c->deployment), pointer);
}

static inline struct str condition_at(struct cluster *c, const char *type, const char *field)
{
        return json_get_str(condition_of(parse_(c, c->status), type), field);
}

static inline bool has_part(struct str s, const char *part)
{
        return s.data && memmem(s.data, s.len, part, strlen(part));
}

#define ck_has(s, part)                                                                                      \
        do {                                                                                                 \
                struct str has_ = (s);                                                                       \
                ck_assert_msg(has_part(has_, (part)), "\"%s\" is not in \"%.*s\"", (part), STR_FMT(has_));   \
        } while (0)

/* The names of the copies of SOURCE, as the pods have them: of envFrom, the I-th. */
static inline struct str env_from_name(struct cluster *c, size_t i, const char *ref)
{
        char pointer[128];

        snprintf(pointer, sizeof(pointer), "/spec/template/spec/containers/0/envFrom/%zu/%s/name", i, ref);
        return deployment_at(c, pointer);
}
