/* SPDX-License-Identifier: Apache-2.0
 *
 * A Redis in a simulated cluster, whose members and agents are played here: they run,
 * lead, follow and hand over as they are told, seconds later. The operator may die after
 * any write, and its requests get lost; whatever it does, some things never happen.
 *
 *      begin(&w, seed);
 *      world_start(&w);
 *      story(&w);            members are replaced, a password is changed, and so on
 *      check_end(&w);
 *      end(&w);
 */
#pragma once

#include "harness.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/log.h"
#include "controller/redis/redis.h"
#include "failover/record.h"
#include "json/read.h"
#include "sim/actors.h"
#include "sim/world.h"

#define STRIDE (30 * USEC_SEC)
#define REACTION (4 * USEC_SEC)
#define NS "shop"
#define NAME "db"
#define REDIS(spec)                                                                                          \
        "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"Redis\",\"metadata\":{\"namespace\":\"" NS      \
        "\",\"name\":\"" NAME "\"},\"spec\":{" spec "}}"
#define THREE "\"replicas\":3,\"memory\":\"64Mi\",\"persistence\":{\"size\":\"1Gi\"}"
#define LARGER "\"replicas\":3,\"memory\":\"128Mi\",\"persistence\":{\"size\":\"1Gi\"}"
#define GROWN "\"replicas\":3,\"memory\":\"128Mi\",\"persistence\":{\"size\":\"2Gi\"}"
#define TWO "\"replicas\":2,\"memory\":\"128Mi\",\"persistence\":{\"size\":\"2Gi\"}"

/* Which controller lives in it: a planted bug is another one. */
static const struct controller *live_controller = &redis_controller;

/* What is known of the run. */
static struct {
        bool acting;
        uint64_t lease; /* the number of the object; 0: there was none */
        bool scaling;   /* fewer members are wanted */
        int least;      /* members that there were at one time, since all ran */
        bool all_ran;
        size_t claims;
        bool lease_deleted;            /* by somebody; its leader makes it again */
        struct failover_record record; /* as the agents know it */
        bool known;
        bool planted;       /* what never happens is expected, */
        const char *caught; /* and has happened */
        int unplanned;      /* leaders that went without a hand-over */
} run;

/* Some things must always be so. */
static inline void must(bool so, const char *what)
{
        if (so)
                return;
        run.caught = what;
        if (!run.planted)
                ck_abort_msg("%s", what);
}

/* --- members and agents ------------------------------------------------------------------- */

static inline yyjson_mut_val *object(const struct world *w, const struct cache_kind *kind, const char *name)
{
        return sim_api_get(&w->api, &kind->api, NS, name);
}

static inline int64_t wanted_pods(const struct world *w)
{
        return sim_api_int(&w->api, &redis_statefulset_kind.api, NS, NAME, "/spec/replicas");
}

static inline struct str pod_uid(const struct world *w, int i)
{
        char name[32];

        snprintf(name, sizeof(name), NAME "-%d", i);
        return object(w, &redis_pod_kind, name)
                       ? sim_api_str(&w->api, &redis_pod_kind.api, NS, name, "/metadata/uid")
                       : STR_NULL;
}

/* Its StatefulSet's, as long as that is there. */
static inline void own(struct world *w, const char *name)
{
        char json[512];

        snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"name\":\"" NAME
                "\",\"uid\":\"%.*s\",\"controller\":true}]}}",
                STR_FMT(sim_api_str(&w->api, &redis_statefulset_kind.api, NS, NAME, "/metadata/uid")));
        sim_api_patch(&w->api, &redis_pod_kind.api, NS, name, json, "kube-controller-manager");
}

static inline void make_claim(struct world *w, int i)
{
        char json[512];

        snprintf(json, sizeof(json),
                 "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"namespace\":\"" NS
                 "\",\"name\":\"data-" NAME "-%d\",\"labels\":{\"app.kubernetes.io/name\":\"redis\","
                 "\"app.kubernetes.io/instance\":\"" NAME "\"}},\"spec\":{\"resources\":{\"requests\":{"
                 "\"storage\":\"%.*s\"}}}}",
                 i,
                 STR_FMT(sim_api_str(&w->api, &redis_statefulset_kind.api, NS, NAME,
                                     "/spec/volumeClaimTemplates/0/spec/resources/requests/storage")));
        sim_api_apply(&w->api, &redis_claim_kind.api, json, "kube-controller-manager");
}

static inline void make_pod(struct world *w, int i, struct str revision)
{
        char json[1024], claim[64];

        snprintf(claim, sizeof(claim), "data-" NAME "-%d", i);
        if (!object(w, &redis_claim_kind, claim))
                make_claim(w, i);

        snprintf(json, sizeof(json),
                 "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"" NS
                 "\",\"name\":\"" NAME "-%d\",\"labels\":{\"app.kubernetes.io/name\":\"redis\","
                 "\"app.kubernetes.io/instance\":\"" NAME "\",\"app.kubernetes.io/managed-by\":\"keelson\","
                 "\"keelson.dev/revision\":\"%.*s\"}}}",
                 i, STR_FMT(revision));
        sim_api_apply(&w->api, &redis_pod_kind.api, json, "kube-controller-manager");
        snprintf(json, sizeof(json), NAME "-%d", i);
        sim_api_patch(&w->api, &redis_pod_kind.api, NS, json,
                      "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}", "kubelet");
}

/* The StatefulSet controller. */
static inline void run_pods(struct world *w)
{
        yyjson_mut_val *set = object(w, &redis_statefulset_kind, NAME);
        struct str revision = sim_api_str(&w->api, &redis_statefulset_kind.api, NS, NAME,
                                          "/spec/template/metadata/labels/keelson.dev~1revision");
        int64_t generation =
                sim_api_int(&w->api, &redis_statefulset_kind.api, NS, NAME, "/metadata/generation");
        char patch[128], name[32], wanted[64];

        if (!set ||
            !sim_api_str(&w->api, &redis_statefulset_kind.api, NS, NAME, "/metadata/ownerReferences/0/uid")
                     .data)
                return;
        snprintf(wanted, sizeof(wanted), "%.*s", STR_FMT(revision)); /* it is gone with the next write */
        if (sim_api_int(&w->api, &redis_statefulset_kind.api, NS, NAME, "/status/observedGeneration") !=
            generation) {
                snprintf(patch, sizeof(patch), "{\"status\":{\"observedGeneration\":%lld}}",
                         (long long)generation);
                sim_api_patch(&w->api, &redis_statefulset_kind.api, NS, NAME, patch,
                              "kube-controller-manager");
        }
        for (int i = 0; i < FAILOVER_MEMBERS_MAX; i++) {
                snprintf(name, sizeof(name), NAME "-%d", i);
                if (i < wanted_pods(w) && !pod_uid(w, i).data)
                        make_pod(w, i, str_c(wanted));
                if (pod_uid(w, i).data &&
                    !sim_api_str(&w->api, &redis_pod_kind.api, NS, name, "/metadata/ownerReferences/0/uid")
                             .data)
                        own(w, name);
                if (i >= wanted_pods(w) && pod_uid(w, i).data)
                        sim_api_delete(&w->api, &redis_pod_kind.api, NS, name);
        }
}

/* A key of a Secret, decoded, for free. */
static inline char *secret(const struct world *w, const char *name, const char *pointer)
{
        struct str text = object(w, &redis_secret_kind, name)
                                  ? sim_api_str(&w->api, &redis_secret_kind.api, NS, name, pointer)
                                  : STR_NULL;
        char *out = calloc(1, BASE64_DECODED_MAX(text.len) + 1);
        size_t len;

        ck_assert_ptr_nonnull(out);
        if (!text.data) {
                free(out);
                return NULL;
        }
        ck_assert_int_eq(base64_decode(text, out, &len), 0);
        return out;
}

static inline failover_set running(const struct world *w, int64_t members)
{
        failover_set set = 0;

        for (int i = 0; i < members; i++)
                if (pod_uid(w, i).data)
                        set |= failover_only(i);
        return set;
}

static inline int first_of(failover_set set, int but)
{
        set &= (failover_set)~failover_only(but);
        return set ? __builtin_ctz(set) : FAILOVER_NOBODY;
}

static inline void lead(const struct world *w, struct failover_record *r, int member,
                        enum failover_cause cause)
{
        struct str uid = pod_uid(w, member);

        r->from = r->holder.member;
        r->cause = cause;
        r->phase = FAILOVER_HELD;
        r->epoch++;
        r->holder = (struct failover_id){ .member = member, .incarnation = 1 };
        snprintf(r->holder.uid, sizeof(r->holder.uid), "%.*s", STR_FMT(uid));
        snprintf(r->holder.address, sizeof(r->holder.address), "10.0.0.%d", member + 1);
        snprintf(r->lineage, sizeof(r->lineage), "one");
}

/* What the agents make of the record and of what they are told. */
static inline void protocol(struct world *w, struct failover_record *r, yyjson_val *config)
{
        int64_t members = json_get_int(config, "members", 0);
        yyjson_val *handover = yyjson_obj_get(config, "handover");
        failover_set up = running(w, members);
        int to;

        if (r->phase == FAILOVER_BOOTSTRAP) {
                if (up & 1)
                        lead(w, r, 0, FAILOVER_CAUSE_BOOTSTRAP);
        } else if (!str_eq_c(pod_uid(w, r->holder.member), r->holder.uid)) {
                run.unplanned++;
                to = first_of(up & r->in_sync, r->holder.member);
                if (to != FAILOVER_NOBODY)
                        lead(w, r, to, FAILOVER_CAUSE_EXPIRED);
        } else if (json_get_int(handover, "number", 0) > (int64_t)r->request) {
                r->request = (uint64_t)json_get_int(handover, "number", 0);
                to = (int)json_get_int(handover, "to", first_of(up & r->in_sync, r->holder.member));
                if (to != FAILOVER_NOBODY && (up & failover_only(to)))
                        lead(w, r, to, FAILOVER_CAUSE_PLANNED);
        }
        if (r->phase == FAILOVER_HELD)
                r->in_sync = up;
}

/* By the leader, with what it has of the one before. */
static inline void make_lease(struct world *w)
{
        struct buf record = BUF_INIT(65536), json = BUF_INIT(65536);

        run.lease_deleted = false;
        run.lease = 0;
        ck_assert_int_eq(failover_record_write(&run.record, &record), 0);
        buf_printf(
                &json,
                "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"namespace\":\"" NS
                "\",\"name\":\"" NAME "\",\"labels\":{\"app.kubernetes.io/managed-by\":\"keelson\"},"
                "\"ownerReferences\":[{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"Redis\",\"name\":\"" NAME
                "\",\"uid\":\"%.*s\",\"controller\":true}],\"annotations\":{\"" FAILOVER_ANNOTATION "\":",
                STR_FMT(sim_api_str(&w->api, &redis_kind.api, NS, NAME, "/metadata/uid")));
        json_quote(&json, buf_str(&record));
        buf_add_c(&json, "}}}");
        ck_assert_int_eq(buf_add_char(&json, '\0'), 0);
        sim_api_apply(&w->api, &redis_lease_kind.api, json.data, "keelson-agent");
        buf_release(&record);
        buf_release(&json);
}

static inline void run_agents(struct world *w)
{
        static const char at[] = "/metadata/annotations/failover.keelson.dev~1record";
        struct str text = object(w, &redis_lease_kind, NAME)
                                  ? sim_api_str(&w->api, &redis_lease_kind.api, NS, NAME, at)
                                  : STR_NULL;
        struct buf after = BUF_INIT(65536), patch = BUF_INIT(65536);
        char *config = secret(w, NAME "-agent", "/data/config.json");
        struct failover_record record;
        struct error err = ERROR_INIT;
        yyjson_doc *doc = NULL;

        if (!text.data && run.known && run.lease_deleted)
                make_lease(w);
        if (text.data && config) {
                ck_assert_msg(failover_record_read(text, &record, &err) == 0, "%s", err.message);
                ck_assert_int_eq(json_parse(str_c(config), &doc, NULL), 0);
                must(record.phase != FAILOVER_BOOTSTRAP || !run.known,
                     "the Lease was made again, though a leader was well");
                protocol(w, &record, yyjson_doc_get_root(doc));
                run.record = record;
                run.known |= record.phase == FAILOVER_HELD;
                ck_assert_int_eq(failover_record_write(&record, &after), 0);
                if (!str_eq(text, buf_str(&after))) {
                        buf_add_c(&patch, "{\"metadata\":{\"annotations\":{\"" FAILOVER_ANNOTATION "\":");
                        json_quote(&patch, buf_str(&after));
                        buf_add_c(&patch, "}}}");
                        ck_assert_int_eq(buf_add_char(&patch, '\0'), 0);
                        sim_api_patch(&w->api, &redis_lease_kind.api, NS, NAME, patch.data, "keelson-agent");
                }
        }
        yyjson_doc_free(doc);
        free(config);
        buf_release(&after);
        buf_release(&patch);
}

static inline void act(struct world *w, void *arg _unused_)
{
        run.acting = false;
        sim_api_collect(&w->api);
        run_pods(w);
        run_agents(w);
}

/* --- what never happens ---------------------------------------------------------------------- */

/* What applications are told is a password that members know. */
static inline void check_password(const struct world *w)
{
        char *password = secret(w, NAME "-app", "/data/password");
        char *config = secret(w, NAME "-agent", "/data/config.json");

        if (password && config)
                must(strstr(config, password) != NULL,
                     "applications are told a password that no member knows");
        free(password);
        free(config);
}

/* But for the one that somebody deleted. */
static inline void check_lease(const struct world *w)
{
        struct sim_object *o = sim_api_find(&w->api, &redis_lease_kind.api, STR(NS), STR(NAME));

        if (!o || run.lease_deleted ||
            !sim_api_str(&w->api, &redis_lease_kind.api, NS, NAME, "/metadata/ownerReferences/0/uid").data)
                return;
        must(run.lease == 0 || run.lease == o->number, "the Lease was made again");
        run.lease = o->number;
}

static inline void check_members(const struct world *w)
{
        int n = __builtin_popcount(running(w, FAILOVER_MEMBERS_MAX));

        run.all_ran |= n == 3;
        if (run.all_ran)
                run.least = MIN(run.least, n);
}

/* The last copy may be on it. */
static inline void check_claims(const struct world *w)
{
        size_t n = sim_api_count(&w->api, &redis_claim_kind.api);

        must(n >= run.claims, "a volume was deleted");
        run.claims = n;
}

static inline void look(struct world *w)
{
        check_claims(w);
        check_password(w);
        check_lease(w);
        check_members(w);
        must(run.unplanned == 0, "a leader went without handing over");
        must(run.least >= 2, "more than one member was away at one time");
        if (!run.acting && w->api.n_changes != 0) {
                run.acting = true;
                world_after(w, REACTION, act, NULL);
        }
}

/* --- stories ---------------------------------------------------------------------------------------- */

static inline void redis_is(struct world *w, const char *json)
{
        sim_api_apply(&w->api, &redis_kind.api, json, "kubectl");
}

static inline void begin(struct world *w, uint64_t seed)
{
        log_setup(getenv("KEELSON_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, LOG_TEXT);
        memset(&run, 0, sizeof(run));
        run.least = 3;
        world_init(w, &live_controller, 1, seed);
        w->image = "keelson.dev/keelson:1";
        w->watcher = look;
        redis_is(w, REDIS(THREE));
}

static inline void end(struct world *w)
{
        world_release(w);
        ck_assert_uint_eq(mem_live(), 0);
}

static inline struct str said(const struct world *w, const char *pointer)
{
        return sim_api_str(&w->api, &redis_kind.api, NS, NAME, pointer);
}

static inline void must_be_ready(const struct world *w)
{
        must(str_eq_c(said(w, "/status/conditions/0/reason"), "Ready") &&
                     str_eq_c(said(w, "/status/conditions/0/status"), "True"),
             "it is not Ready");
}

/* Ready is the first condition. Whatever is looked at again, nothing is written. */
static inline void check_rest(struct world *w)
{
        uint64_t writes;

        must_be_ready(w);
        writes = world_writes(w);
        ck_assert_int_eq(manager_enqueue_all(&w->op[0].manager), 0);
        world_run(w, 10 * USEC_MINUTE);
        must(world_writes(w) == writes, "at rest something is written");
        must_be_ready(w);
}

/* No longer than it takes to catch a bug. */
static inline void live_run(struct world *w, usec_t time)
{
        for (; time > 0 && !run.caught; time -= STRIDE)
                world_run(w, MIN(time, STRIDE));
}

static inline void story(struct world *w)
{
        live_run(w, 2 * USEC_MINUTE);
        redis_is(w, REDIS(LARGER));
        live_run(w, 10 * USEC_MINUTE);
        sim_api_patch(&w->api, &redis_kind.api, NS, NAME,
                      "{\"metadata\":{\"annotations\":{\"keelson.dev/rotate-password\":\"1\"}}}", "kubectl");
        live_run(w, 20 * USEC_MINUTE);
        sim_api_patch(&w->api, &redis_kind.api, NS, NAME,
                      "{\"metadata\":{\"annotations\":{\"keelson.dev/handover\":\"db-2\"}}}", "kubectl");
        live_run(w, USEC_MINUTE);
        redis_is(w, REDIS(GROWN));
        live_run(w, 10 * USEC_MINUTE);
        sim_api_delete(&w->api, &redis_lease_kind.api, NS, NAME);
        run.lease_deleted = true;
        live_run(w, 5 * USEC_MINUTE);
        redis_is(w, REDIS(TWO));
        live_run(w, 10 * USEC_MINUTE);
}

static inline void check_end(struct world *w)
{
        char *config = secret(w, NAME "-agent", "/data/config.json"), claim[64];
        yyjson_doc *doc;

        must(wanted_pods(w) == 2, "there are not as many members as are wanted");
        must(str_eq_c(sim_api_str(&w->api, &redis_statefulset_kind.api, NS, NAME,
                                  "/spec/volumeClaimTemplates/0/spec/resources/requests/storage"),
                      "2Gi"),
             "members that come later would have small volumes");
        for (int i = 0; i < 3; i++) {
                snprintf(claim, sizeof(claim), "data-" NAME "-%d", i);
                must(str_eq_c(sim_api_str(&w->api, &redis_claim_kind.api, NS, claim,
                                          "/spec/resources/requests/storage"),
                              "2Gi"),
                     "a volume was not asked to grow");
        }
        must(run.unplanned == 0, "a leader went without handing over");
        ck_assert_int_eq(json_parse(str_c(config), &doc, NULL), 0);
        must(yyjson_arr_size(json_get_path(yyjson_doc_get_root(doc), "/redis/users/0/passwords")) == 1,
             "the old password is valid for ever");
        yyjson_doc_free(doc);
        free(config);
        check_rest(w);
}
