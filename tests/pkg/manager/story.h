/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stories of an App in a simulated cluster share: the App "web" in
 * the namespace "shop", and questions about what became of it.
 *
 *      begin_converged(&w);            the App, its children, and peace
 *      ... something happens ...
 *      world_run(&w, USEC_MINUTE);
 *      check_rest(&w);                 all is as it should be, without a request
 *      end(&w);
 */
#pragma once

#include "harness.h"

#include <errno.h>

#include "base/log.h"
#include "controller/app/app.h"
#include "kube/kinds.h"
#include "manager/event.h"
#include "sim/actors.h"
#include "sim/world.h"

#define NS "shop"
#define NAME "web"
#define APP(spec)                                                                                            \
        "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{\"namespace\":\"" NS        \
        "\",\"name\":\"" NAME "\"},\"spec\":{" spec "}}"
#define PLAIN                                                                                                \
        "\"image\":\"registry.example/web:1\",\"port\":8080,\"replicas\":2,\"env\":[{\"name\":\"A\",\"value\":\"1\"}]"

/* Of an App with a port: ServiceAccount, NetworkPolicy, Deployment, PodDisruptionBudget, Service. */
#define CHILDREN 5
/* And once all is well, the record of the revision. */
#define OBJECTS (CHILDREN + 1)

static const struct controller *const controllers[] _unused_ = { &app_controller };

static inline void user_applies(struct world *w, const char *app)
{
        sim_api_apply(&w->api, &app_kind.api, app, "kubectl");
}

static inline void begin(struct world *w, uint64_t seed)
{
        log_setup(getenv("KEELSON_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, LOG_TEXT);
        world_init(w, controllers, ARRAY_SIZE(controllers), seed);
        actors_enter(w);
        user_applies(w, APP(PLAIN));
}

/* With the App as it should be. */
static inline void begin_converged(struct world *w)
{
        begin(w, 1);
        world_start(w);
        world_run(w, USEC_MINUTE);
}

static inline struct str app_condition(const struct world *w, const char *type, const char *field)
{
        yyjson_mut_val *list =
                yyjson_mut_ptr_get(sim_api_get(&w->api, &app_kind.api, NS, NAME), "/status/conditions");
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
        yyjson_mut_val *c;

        while ((c = yyjson_mut_arr_iter_next(&it)))
                if (yyjson_mut_equals_str(yyjson_mut_obj_get(c, "type"), type)) {
                        yyjson_mut_val *value = yyjson_mut_obj_get(c, field);

                        return str_n(yyjson_mut_get_str(value), yyjson_mut_get_len(value));
                }
        return STR_NULL;
}

#define check_condition(w, type, status, why)                                                                \
        do {                                                                                                 \
                ck_str_eq(app_condition((w), (type), "status"), (status));                                   \
                ck_str_eq(app_condition((w), (type), "reason"), (why));                                      \
        } while (0)

static inline bool contains(struct str s, const char *part)
{
        return s.data && memmem(s.data, s.len, part, strlen(part));
}

/* Was TEXT in any state that the App ever had? */
static inline bool was_said(const struct world *w, const char *text)
{
        for (size_t i = 0; i < w->api.n_log; i++)
                if (w->api.log[i].kind == &app_kind.api && w->api.log[i].object &&
                    strstr(w->api.log[i].object, text))
                        return true;
        return false;
}

static inline size_t count_events(const struct world *w, const char *reason)
{
        size_t n = 0;

        list_for_each (link, &w->api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);

                n += o->kind != &app_kind.api && str_eq(o->kind->plural, STR("events")) &&
                     yyjson_mut_equals_str(yyjson_mut_ptr_get(yyjson_mut_doc_get_root(o->doc), "/reason"),
                                           reason);
        }
        return n;
}

static inline bool exists(const struct world *w, const struct cache_kind *kind)
{
        return sim_api_get(&w->api, &kind->api, NS, NAME) != NULL;
}

static inline struct str image(const struct world *w)
{
        return sim_api_str(&w->api, &app_deployment_kind.api, NS, NAME,
                           "/spec/template/spec/containers/0/image");
}

static inline uint64_t all_calls(const struct world *w)
{
        uint64_t n = 0;

        for (size_t i = 0; i < WORLD_CALL_TYPES; i++)
                n += w->n_calls[i];
        return n;
}

/* The lists come in, and the first requests set out. */
static inline void run_to_first_call(struct world *w)
{
        while (all_calls(w) == 0)
                world_run(w, USEC_MSEC);
}

/* All is as it should be, and it stays so without a request. */
static inline void check_rest(struct world *w)
{
        uint64_t calls, changes;

        check_condition(w, "Ready", "True", "Ready");
        check_condition(w, "Stalled", "False", "AsExpected");
        check_condition(w, "Reconciling", "False", "AsExpected");
        check_condition(w, "Available", "True", "MinimumReplicasAvailable");
        ck_assert(exists(w, &common_serviceaccount_kind));
        ck_assert(exists(w, &app_deployment_kind));
        ck_assert_uint_eq(sim_api_count(&w->api, &app_deployment_kind.api), 1);
        calls = all_calls(w);
        changes = w->api.n_changes;
        ck_assert_int_eq(manager_enqueue_all(&w->op[0].manager), 0);
        world_run(w, USEC_HOUR);
        ck_assert_uint_eq(all_calls(w), calls);
        ck_assert_uint_eq(w->api.n_changes, changes);
        ck_assert(manager_idle(&w->op[0].manager));
        ck_assert_uint_eq(w->op[0].manager.queue.items.count, 0);
}

/* Texts past Check's limit: shows where they part. */
static inline void check_same_state(const char *state, const char *expected, const char *what, uint64_t n)
{
        size_t same = 0, line = 0;

        for (; state[same] && state[same] == expected[same]; same++)
                if (state[same] == '\n')
                        line = same + 1;
        ck_assert_msg(strcmp(state, expected) == 0, "%s %llu: it became\n%.200s\ninstead of\n%.200s", what,
                      (unsigned long long)n, state + line, expected + line);
}

static inline void end(struct world *w)
{
        world_release(w);
        ck_assert_uint_eq(mem_live(), 0);
}

/* A drift. */
#define OTHER_IMAGE                                                                                          \
        "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"evil\"}]}}}}"

/* Somebody else's Deployment of the name; META is more of its metadata. */
#define FOREIGN                                                                                              \
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"namespace\":\"" NS              \
        "\",\"name\":\"" NAME "\"%s},\"spec\":{\"replicas\":7}}"

static inline void make_foreign(struct world *w, const char *meta)
{
        char json[1024];

        snprintf(json, sizeof(json), FOREIGN, meta);
        sim_api_apply(&w->api, &app_deployment_kind.api, json, "helm");
}

/* The server is short of breath. */
static inline struct world_rule overloaded(int times, int retry_after)
{
        return (struct world_rule){
                .fate = WORLD_REFUSE,
                .type = CALL_APPLY,
                .times = times,
                .status = 503,
                .reason = "ServiceUnavailable",
                .message = "etcd is away",
                .retry_after = retry_after,
        };
}
