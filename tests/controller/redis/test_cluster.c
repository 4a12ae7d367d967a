/* SPDX-License-Identifier: Apache-2.0
 *
 * A Redis in a simulated cluster, whose members and agents are played here: they run,
 * lead, follow and hand over as they are told, seconds later. The operator may die after
 * any write, and its requests get lost; whatever it does, some things never happen.
 */
#include "harness.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/log.h"
#include "controller/redis/redis.h"
#include "failover/record.h"
#include "json/read.h"
#include "sim/actors.h"
#include "sim/world.h"

#define REACTION (4 * USEC_SEC)
#define NS "shop"
#define NAME "db"
#define REDIS(spec)                                                                                          \
        "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"Redis\",\"metadata\":{\"namespace\":\"" NS      \
        "\",\"name\":\"" NAME "\"},\"spec\":{" spec "}}"
#define THREE "\"replicas\":3,\"memory\":\"64Mi\",\"persistence\":{\"size\":\"1Gi\"}"
#define LARGER "\"replicas\":3,\"memory\":\"128Mi\",\"persistence\":{\"size\":\"1Gi\"}"
#define TWO "\"replicas\":2,\"memory\":\"128Mi\",\"persistence\":{\"size\":\"1Gi\"}"

static const struct controller *const controllers[] = { &redis_controller };

/* What is known of the run. */
static struct {
        bool acting;
        uint64_t lease; /* the number of the object; 0: there was none */
        bool scaling;   /* fewer members are wanted */
        int least;      /* members that there were at one time, since all ran */
        bool all_ran;
        int unplanned; /* leaders that went without a hand-over */
} run;

/* --- members and agents ------------------------------------------------------------------- */

static yyjson_mut_val *object(const struct world *w, const struct cache_kind *kind, const char *name)
{
        return sim_api_get(&w->api, &kind->api, NS, name);
}

static int64_t wanted_pods(const struct world *w)
{
        return sim_api_int(&w->api, &redis_statefulset_kind.api, NS, NAME, "/spec/replicas");
}

static struct str pod_uid(const struct world *w, int i)
{
        char name[32];

        snprintf(name, sizeof(name), NAME "-%d", i);
        return object(w, &redis_pod_kind, name)
                       ? sim_api_str(&w->api, &redis_pod_kind.api, NS, name, "/metadata/uid")
                       : STR_NULL;
}

static void make_pod(struct world *w, int i, struct str revision)
{
        char json[1024];

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
static void run_pods(struct world *w)
{
        yyjson_mut_val *set = object(w, &redis_statefulset_kind, NAME);
        struct str revision = sim_api_str(&w->api, &redis_statefulset_kind.api, NS, NAME,
                                          "/spec/template/metadata/labels/keelson.dev~1revision");
        int64_t generation =
                sim_api_int(&w->api, &redis_statefulset_kind.api, NS, NAME, "/metadata/generation");
        char patch[128], name[32], wanted[64];

        if (!set)
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
                if (i >= wanted_pods(w) && pod_uid(w, i).data)
                        sim_api_delete(&w->api, &redis_pod_kind.api, NS, name);
        }
}

/* A key of a Secret, decoded, for free. */
static char *secret(const struct world *w, const char *name, const char *pointer)
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

static failover_set running(const struct world *w, int64_t members)
{
        failover_set set = 0;

        for (int i = 0; i < members; i++)
                if (pod_uid(w, i).data)
                        set |= failover_only(i);
        return set;
}

static int first_of(failover_set set, int but)
{
        set &= (failover_set)~failover_only(but);
        return set ? __builtin_ctz(set) : FAILOVER_NOBODY;
}

static void lead(const struct world *w, struct failover_record *r, int member, enum failover_cause cause)
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
static void protocol(struct world *w, struct failover_record *r, yyjson_val *config)
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

static void run_agents(struct world *w)
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

        if (text.data && config) {
                ck_assert_msg(failover_record_read(text, &record, &err) == 0, "%s", err.message);
                ck_assert_int_eq(json_parse(str_c(config), &doc, NULL), 0);
                protocol(w, &record, yyjson_doc_get_root(doc));
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

static void act(struct world *w, void *arg _unused_)
{
        run.acting = false;
        run_pods(w);
        run_agents(w);
}

/* --- what never happens ---------------------------------------------------------------------- */

/* What applications are told is a password that members know. */
static void check_password(const struct world *w)
{
        char *password = secret(w, NAME "-app", "/data/password");
        char *config = secret(w, NAME "-agent", "/data/config.json");

        if (password && config)
                ck_assert_msg(strstr(config, password) != NULL, "nobody knows the password %s: %s", password,
                              config);
        free(password);
        free(config);
}

/* A Lease that is made a second time would let empty members begin anew. */
static void check_lease(const struct world *w)
{
        struct sim_object *o = sim_api_find(&w->api, &redis_lease_kind.api, STR(NS), STR(NAME));

        if (!o)
                return;
        ck_assert_msg(run.lease == 0 || run.lease == o->number, "the Lease was made again");
        run.lease = o->number;
}

static void check_members(const struct world *w)
{
        int n = __builtin_popcount(running(w, FAILOVER_MEMBERS_MAX));

        run.all_ran |= n == 3;
        if (run.all_ran)
                run.least = MIN(run.least, n);
}

static void look(struct world *w)
{
        check_password(w);
        check_lease(w);
        check_members(w);
        if (!run.acting && w->api.n_changes != 0) {
                run.acting = true;
                world_after(w, REACTION, act, NULL);
        }
}

/* --- stories ---------------------------------------------------------------------------------------- */

static void redis_is(struct world *w, const char *json)
{
        sim_api_apply(&w->api, &redis_kind.api, json, "kubectl");
}

static void begin(struct world *w, uint64_t seed)
{
        log_setup(getenv("KEELSON_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, LOG_TEXT);
        memset(&run, 0, sizeof(run));
        run.least = 3;
        world_init(w, controllers, ARRAY_SIZE(controllers), seed);
        w->image = "keelson.dev/keelson:1";
        w->watcher = look;
        redis_is(w, REDIS(THREE));
}

static void end(struct world *w)
{
        world_release(w);
        ck_assert_uint_eq(mem_live(), 0);
}

static struct str said(const struct world *w, const char *pointer)
{
        return sim_api_str(&w->api, &redis_kind.api, NS, NAME, pointer);
}

static void must_be_ready(const struct world *w)
{
        ck_str_eq(said(w, "/status/conditions/0/reason"), "Ready");
        ck_str_eq(said(w, "/status/conditions/0/status"), "True");
}

/* Ready is the first condition. Whatever is looked at again, nothing is written. */
static void check_rest(struct world *w)
{
        uint64_t writes;

        must_be_ready(w);
        writes = world_writes(w);
        ck_assert_int_eq(manager_enqueue_all(&w->op[0].manager), 0);
        world_run(w, 10 * USEC_MINUTE);
        ck_assert_uint_eq(world_writes(w), writes);
        must_be_ready(w);
}

static void story(struct world *w)
{
        world_run(w, 2 * USEC_MINUTE);
        redis_is(w, REDIS(LARGER));
        world_run(w, 10 * USEC_MINUTE);
        sim_api_patch(&w->api, &redis_kind.api, NS, NAME,
                      "{\"metadata\":{\"annotations\":{\"keelson.dev/rotate-password\":\"1\"}}}", "kubectl");
        world_run(w, 20 * USEC_MINUTE);
        ck_assert_int_ge(run.least, 2);
        sim_api_patch(&w->api, &redis_kind.api, NS, NAME,
                      "{\"metadata\":{\"annotations\":{\"keelson.dev/handover\":\"db-2\"}}}", "kubectl");
        world_run(w, USEC_MINUTE);
        redis_is(w, REDIS(TWO));
        world_run(w, 10 * USEC_MINUTE);
}

static void check_end(struct world *w)
{
        char *config = secret(w, NAME "-agent", "/data/config.json");
        yyjson_doc *doc;

        ck_assert_int_eq(wanted_pods(w), 2);
        ck_assert_int_eq(run.unplanned, 0);
        ck_assert_int_eq(json_parse(str_c(config), &doc, NULL), 0);
        ck_assert_uint_eq(
                yyjson_arr_size(json_get_path(yyjson_doc_get_root(doc), "/redis/users/0/passwords")), 1);
        yyjson_doc_free(doc);
        free(config);
        check_rest(w);
}

START_TEST(it_comes_up_and_rests)
{
        struct world w;

        begin(&w, 1);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_str_eq(said(&w, "/status/primary"), "db-0");
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(all_that_may_change_changes_without_a_loss)
{
        struct world w;

        begin(&w, 1);
        world_start(&w);
        story(&w);
        check_end(&w);
        ck_assert_int_eq(sim_api_int(&w.api, &redis_kind.api, NS, NAME, "/status/readyReplicas"), 2);
        end(&w);
}
END_TEST

/* The record says something new with each renewal, and the operator is not woken by that. */
START_TEST(a_renewal_wakes_nobody)
{
        struct world w;
        uint64_t reconciles;

        begin(&w, 1);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        reconciles = w.op[0].manager.n_reconciles;
        for (int i = 0; i < 30; i++) {
                sim_api_patch(&w.api, &redis_lease_kind.api, NS, NAME,
                              i % 2 ? "{\"spec\":{\"renewTime\":\"2024-01-01T00:00:00.000000Z\"}}"
                                    : "{\"spec\":{\"renewTime\":\"2024-01-01T00:00:01.000000Z\"}}",
                              "keelson-agent");
                world_run(&w, USEC_SEC);
        }
        ck_assert_uint_eq(w.op[0].manager.n_reconciles, reconciles);
        end(&w);
}
END_TEST

START_TEST(it_may_die_after_any_write)
{
        for (uint64_t n = 1;; n++) {
                struct world w;
                bool crashed;

                begin(&w, n);
                w.crash_after = n;
                world_start(&w);
                story(&w);
                crashed = w.n_crashes > 0;
                check_end(&w);
                end(&w);
                if (!crashed) {
                        ck_assert_uint_gt(n, 40);
                        return;
                }
        }
}
END_TEST

START_TEST(bad_weather_does_no_harm)
{
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world w;

                begin(&w, seed);
                w.weather = (struct world_weather){ .lose_request = 50,
                                                    .lose_reply = 50,
                                                    .refuse = 50,
                                                    .delay = 50,
                                                    .cut = 20,
                                                    .stale = 100,
                                                    .repeat = 100 };
                world_start(&w);
                story(&w);
                world_calm(&w);
                world_run(&w, 30 * USEC_MINUTE);
                check_end(&w);
                end(&w);
        }
}
END_TEST

static const TTest *const tests[] = {
        it_comes_up_and_rests,    all_that_may_change_changes_without_a_loss,
        a_renewal_wakes_nobody,   it_may_die_after_any_write,
        bad_weather_does_no_harm,
};
TEST_MAIN("redis/cluster", tests)
