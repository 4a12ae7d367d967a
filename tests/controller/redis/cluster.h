/* SPDX-License-Identifier: Apache-2.0
 *
 * The rest of the cluster, as far as one Redis can tell: it carries out what a reconcile
 * asks for, and the cache learns of it. Who leads and which pods there are is the test's
 * to say.
 *
 *      begin_cluster(&c, "\"replicas\":3");
 *      settle(&c);                  until it asks for nothing more
 *      run_members(&c, 3);          their pods, with the template of now
 *      lead(&c, 0, 1, "[0,1,2]");   member 0, in epoch 1, with that set
 */
#pragma once

#include "controller/resource.h"

#include "base/base64.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"

#define OBJECTS_MAX 64
#define STEPS_MAX 20
#define NOW (1000 * USEC_HOUR)

/* What the server holds. */
struct held {
        const struct cache_kind *kind;
        char *name, *json;
};

struct cluster {
        struct fixture f;
        const char *spec; /* JSON */
        const char *annotations;
        char *status;                 /* as it was written last */
        const char *members, *outage; /* JSON of what the leader says beside the record; NULL: nothing */
        struct held objects[OBJECTS_MAX];
        size_t n_objects;
        long long generation, version;
        unsigned char salt; /* of the view's random bytes, another in each step */
        /* Of the last step. */
        size_t n_changes, n_events;
        char event[512]; /* the last one: "Reason: message" */
        /* So far. */
        size_t n_applies, n_deletes, n_patches;
        bool alone;        /* the last one that was deleted left what it owned */
        char deleted[128]; /* the last one */
};

/* --- objects ------------------------------------------------------------------------ */

static inline struct held *find_held(struct cluster *c, const struct cache_kind *kind, struct str name)
{
        for (size_t i = 0; i < c->n_objects; i++)
                if (c->objects[i].kind == kind && str_eq_c(name, c->objects[i].name))
                        return &c->objects[i];
        return NULL;
}

/* JSON is the cluster's from here on. */
static inline void hold(struct cluster *c, const struct cache_kind *kind, struct str name, char *json)
{
        struct held *h = find_held(c, kind, name);

        if (!h) {
                ck_assert_uint_lt(c->n_objects, OBJECTS_MAX);
                h = &c->objects[c->n_objects++];
                *h = (struct held){ kind, strndup(name.data, name.len), NULL };
        }
        free(h->json);
        h->json = json;
}

static inline void unhold(struct cluster *c, const struct cache_kind *kind, struct str name)
{
        struct held *h = find_held(c, kind, name);

        if (!h)
                return;
        free(h->name);
        free(h->json);
        *h = c->objects[--c->n_objects];
}

static inline void put_redis(struct cluster *c)
{
        char *json = print_("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"db\",\"uid\":\"u-redis\","
                            "\"resourceVersion\":\"%lld\",\"generation\":%lld,\"annotations\":{%s}},"
                            "\"spec\":{%s}%s%s}",
                            ++c->version, c->generation, c->annotations ? c->annotations : "", c->spec,
                            c->status ? ",\"status\":" : "", c->status ? c->status : "");

        put(&c->f, &redis_kind, json);
        free(json);
}

static inline void change_spec(struct cluster *c, const char *spec)
{
        c->spec = spec;
        c->generation++;
        put_redis(c);
}

static inline void annotate(struct cluster *c, const char *annotations)
{
        c->annotations = annotations;
        put_redis(c);
}

/* --- carrying out ------------------------------------------------------------------------ */

static inline void carry_apply(struct cluster *c, const struct effect *e)
{
        const char *rest = e->kind == &redis_statefulset_kind ? ",\"status\":{\"observedGeneration\":1}" : "";
        char uid[300], *json;

        if (view_applied(&c->f.view, &c->f.plan, e->kind, e->name))
                return;
        c->n_changes++;
        c->n_applies++;
        snprintf(uid, sizeof(uid), "u-%s-%.*s", e->kind->api.plural.data, (int)e->name.len, e->name.data);
        json = as_applied(e->json, uid, ++c->version, 1, rest);
        put_applied(&c->f, e->kind, json, e->whole);
        hold(c, e->kind, e->name, json);
}

static inline void carry_read(struct cluster *c, const struct effect *e)
{
        const struct held *h = find_held(c, e->kind, e->name);

        c->n_changes++;
        if (h)
                put(&c->f, e->kind, h->json);
        ck_assert_int_eq(
                cache_note_read(&c->f.cache, e->kind, STR("shop"), e->name, h != NULL, c->f.view.now), 0);
}

static inline void remove_from_cache(struct cluster *c, const struct cache_kind *kind, const char *name)
{
        take_away(&c->f, kind, name, STR("u"), ++c->version);
        unhold(c, kind, str_c(name));
}

static inline void carry_delete(struct cluster *c, const struct effect *e)
{
        c->n_changes++;
        c->n_deletes++;
        c->alone = e->alone;
        snprintf(c->deleted, sizeof(c->deleted), "%.*s", STR_FMT(e->name));
        remove_from_cache(c, e->kind, c->deleted);
}

/* The watch of the metadata tells of an object that is held by now. */
static inline void announce(struct cluster *c, const struct cache_kind *kind, struct str name)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct kube_meta meta;
        bool news;

        ck_assert_int_eq(json_parse(str_c(find_held(c, kind, name)->json), &doc, NULL), 0);
        ck_assert_int_eq(kube_meta_decode(yyjson_doc_get_root(doc), &meta), 0);
        ck_assert_int_eq(cache_announce(&c->f.cache, kind, &meta, false, &news), 0);
}

/* A volume of a member, of SIZE. MORE stands in its metadata. */
static inline void put_claim_as(struct cluster *c, struct str name, struct str size, const char *more)
{
        char *json = print_(
                "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"%.*s\","
                "\"uid\":\"u-%.*s\",\"resourceVersion\":\"%lld\"%s},\"spec\":{\"resources\":{\"requests\":{"
                "\"storage\":\"%.*s\"}}}}",
                STR_FMT(name), STR_FMT(name), ++c->version, more, STR_FMT(size));

        hold(c, &redis_claim_kind, name, json);
        announce(c, &redis_claim_kind, name);
}

static inline void put_claim(struct cluster *c, struct str name, struct str size)
{
        put_claim_as(c, name, size, "");
}

static inline void carry_patch(struct cluster *c, const struct effect *e)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct held *h = find_held(c, e->kind, e->name);

        ck_assert_ptr_eq(e->kind, &redis_claim_kind);
        ck_assert_ptr_nonnull(h);
        ck_assert_int_eq(json_parse(e->json, &doc, NULL), 0);
        c->n_changes++;
        c->n_patches++;
        put_claim(
                c, e->name,
                json_get_str(json_get_path(yyjson_doc_get_root(doc), "/spec/resources/requests"), "storage"));
        put(&c->f, e->kind, find_held(c, e->kind, e->name)->json);
}

static inline void carry(struct cluster *c, const struct effect *e)
{
        switch (e->type) {
        case EFFECT_APPLY:
                carry_apply(c, e);
                break;
        case EFFECT_DELETE:
                carry_delete(c, e);
                break;
        case EFFECT_PATCH:
                carry_patch(c, e);
                break;
        case EFFECT_READ:
                carry_read(c, e);
                break;
        case EFFECT_STATUS:
                if (c->status && str_eq_c(e->json, c->status))
                        break;
                c->n_changes++;
                free(c->status);
                c->status = strndup(e->json.data, e->json.len);
                break;
        case EFFECT_EVENT:
                c->n_events++;
                snprintf(c->event, sizeof(c->event), "%.*s: %.*s", STR_FMT(e->reason), STR_FMT(e->message));
                break;
        case EFFECT_COPY:
        case EFFECT_HOLD:
        case EFFECT_RELEASE:
                ck_abort_msg("a Redis needs none of these");
        }
}

/* --- steps ---------------------------------------------------------------------------------- */

static inline void begin_cluster(struct cluster *c, const char *spec)
{
        *c = (struct cluster){ .spec = spec, .generation = 1, .version = 100 };
        begin_resource(&c->f, &redis_controller, NULL);
        c->f.view.now = NOW;
        c->f.view.image = STR("keelson:1");
        put_redis(c);
}

static inline void end_cluster(struct cluster *c)
{
        while (c->n_objects > 0) {
                free(c->objects[--c->n_objects].name);
                free(c->objects[c->n_objects].json);
        }
        free(c->status);
        end(&c->f);
        ck_assert_uint_eq(mem_live(), 0);
}

static inline void step(struct cluster *c)
{
        bool wrote;

        memset(c->f.view.random, ++c->salt, sizeof(c->f.view.random));
        arena_clear(&c->f.arena);
        ck_assert_int_eq(reconcile(&c->f), 0);
        c->n_changes = c->n_events = 0;
        list_for_each (link, &c->f.plan.effects)
                carry(c, container_of(link, struct effect, link));
        wrote = c->n_changes > 0;
        if (wrote)
                put_redis(c);
        ck_assert_msg(wrote || c->f.plan.wake > c->f.view.now, "it would never rest");
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

/* Time goes by. */
static inline void pass(struct cluster *c, usec_t time)
{
        c->f.view.now += time;
        c->f.view.wall += time;
}

/* --- members --------------------------------------------------------------------------------- */

static inline yyjson_val *parse_(struct cluster *c, const char *json)
{
        return read_json(&c->f, str_c(json));
}

static inline yyjson_val *held_json(struct cluster *c, const struct cache_kind *kind, const char *name)
{
        struct held *h = find_held(c, kind, str_c(name));

        ck_assert_msg(h != NULL, "there is no %s %s", kind->api.kind.data, name);
        return parse_(c, h->json);
}

/* The revision that pods get now. */
static inline struct str revision_now(struct cluster *c)
{
        yyjson_val *set = held_json(c, &redis_statefulset_kind, "db");

        return json_get_str(json_get_path(set, "/spec/template/metadata/labels"), "keelson.dev/revision");
}

/* READY: "True" or "False", and what the condition has behind that. */
static inline void put_member_as(struct cluster *c, int i, const char *ready, struct str revision,
                                 const char *life)
{
        char name[32], *json;

        snprintf(name, sizeof(name), "db-%d", i);
        json = print_("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"u-%s-%s\","
                      "\"resourceVersion\":\"%lld\",\"labels\":{\"app.kubernetes.io/instance\":\"db\","
                      "\"keelson.dev/revision\":\"%.*s\"}},\"status\":{\"conditions\":[{\"type\":\"Ready\","
                      "\"status\":\"%s\"}]}}",
                      name, name, life, ++c->version, STR_FMT(revision), ready);
        put(&c->f, &redis_pod_kind, json);
        free(json);
}

static inline void put_member(struct cluster *c, int i, bool ready, struct str revision, const char *life)
{
        put_member_as(c, i, ready ? "True" : "False", revision, life);
}

static inline void run_members(struct cluster *c, int n)
{
        for (int i = 0; i < n; i++)
                put_member(c, i, true, revision_now(c), "1");
}

/* The leader's report, in a JSON string. */
static inline char *report_(struct cluster *c, int epoch)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(4096), quoted = BUF_INIT(8192);
        struct json_writer w;

        buf_printf(&text, "{\"epoch\":%d,%s\"members\":[%s]}", epoch, c->outage ? c->outage : "",
                   c->members ? c->members : "");
        json_writer_init(&w, &quoted);
        json_str(&w, buf_str(&text));
        return print_(",\"failover.keelson.dev/report\":%.*s", STR_FMT(buf_str(&quoted)));
}

/* The agents' write to the Lease. REST is more of the record. */
static inline void put_record(struct cluster *c, const char *phase, int holder, const char *life, int epoch,
                              const char *in_sync, const char *rest)
{
        char *json, who[256] = "", *report = report_(c, epoch);

        if (holder >= 0)
                snprintf(
                        who, sizeof(who),
                        "\\\"holder\\\":{\\\"member\\\":%d,\\\"uid\\\":\\\"u-db-%d-%s\\\",\\\"incarnation\\\":"
                        "\\\"00000000000000aa\\\",\\\"address\\\":\\\"10.0.0.%d\\\"},",
                        holder, holder, life, holder + 1);
        c->version++;
        json = print_("{\"kind\":\"Lease\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"db\",\"uid\":"
                      "\"u-leases-db\",\"resourceVersion\":\"%lld\",\"ownerReferences\":[{\"kind\":\"Redis\","
                      "\"name\":\"db\",\"uid\":\"u-redis\",\"controller\":true}],\"annotations\":{"
                      "\"failover.keelson.dev/record\":\"{\\\"phase\\\":\\\"%s\\\",\\\"epoch\\\":%d,%s"
                      "\\\"inSync\\\":%s,\\\"lineage\\\":\\\"abc\\\",\\\"position\\\":{\\\"timeline\\\":%d,"
                      "\\\"offset\\\":%lld},\\\"final\\\":false%s}\"%s}}}",
                      c->version, phase, epoch, who, in_sync, epoch, c->version, rest, report);
        free(report);
        put(&c->f, &redis_lease_kind, json);
        hold(c, &redis_lease_kind, STR("db"), json);
}

#define MORE(cause, from, request)                                                                           \
        ",\\\"cause\\\":\\\"" cause "\\\",\\\"from\\\":" from ",\\\"lost\\\":0,\\\"request\\\":" request     \
        ",\\\"consent\\\":0"

static inline void lead(struct cluster *c, int leader, int epoch, const char *in_sync)
{
        put_record(c, "Held", leader, "1", epoch, in_sync,
                   ",\\\"cause\\\":\\\"Bootstrap\\\",\\\"lost\\\":0,"
                   "\\\"request\\\":0,\\\"consent\\\":0");
}

/* --- questions --------------------------------------------------------------------------------- */

/* A key of one of its Secrets, decoded. Valid until the next call. */
static inline struct str secret_at(struct cluster *c, const char *name, const char *key)
{
        static char text[16384];
        struct str coded = json_get_str(yyjson_obj_get(held_json(c, &redis_secret_kind, name), "data"), key);
        size_t len;

        if (!coded.data)
                return STR_NULL;
        ck_assert_uint_lt(BASE64_DECODED_MAX(coded.len), sizeof(text));
        ck_assert_int_eq(base64_decode(coded, text, &len), 0);
        return str_n(text, len);
}

static inline yyjson_val *config(struct cluster *c)
{
        struct str text = secret_at(c, "db-agent", "config.json");
        char *copy = strndup(text.data, text.len);
        yyjson_val *root = parse_(c, copy);

        free(copy);
        return root;
}

static inline struct str condition_at(struct cluster *c, const char *type, const char *field)
{
        return json_get_str(condition_of(parse_(c, c->status), type), field);
}

/* --- beginnings ------------------------------------------------------------------------------- */

/* Three members that run, the first of which leads. */
static inline void begin_whole(struct cluster *c, const char *spec)
{
        begin_cluster(c, spec);
        settle(c);
        run_members(c, 3);
        lead(c, 0, 1, "[0,1,2]");
        settle(c);
        ck_condition(c, "Ready", "True", "Ready");
        pass(c, 5 * USEC_SEC); /* clients have followed */
}

/* N members, three or one, each with a volume of 1Gi, some time ago. */
static inline void begin_with_volumes(struct cluster *c, int n, const char *spec)
{
        begin_cluster(c, spec);
        settle(c);
        run_members(c, n);
        for (int i = 0; i < n; i++)
                put_claim(c, arena_printf(&c->f.arena, "data-db-%d", i), STR("1Gi"));
        lead(c, 0, 1, n == 1 ? "[0]" : "[0,1,2]");
        settle(c);
        pass(c, USEC_MINUTE);
        settle(c);
        ck_condition(c, "Ready", "True", "Ready");
}

/* No pod is replaced yet. */
static inline void must_wait(struct cluster *c)
{
        size_t deletes = c->n_deletes;

        settle(c);
        ck_assert_uint_eq(c->n_deletes, deletes);
}
