/* SPDX-License-Identifier: Apache-2.0 */
#include "app/run.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "controller/app/config.h"
#include "sim/jobs.h"

FILE *sim_history;

static char context[256];

void sim_context(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(context, sizeof(context), format, args);
        va_end(args);
}

_Noreturn void sim_fail(const char *format, ...)
{
        char why[JOBS_WHY_MAX * 8];
        va_list args;

        if (sim_history)
                fflush(sim_history);
        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        jobs_fails(why);
        fprintf(stderr, "%s: %s\n", context, why);
        fflush(NULL);
        _Exit(3);
}

/* --- a run ------------------------------------------------------------------------ */

static bool rule_is_about(const struct replica *r, const struct kube_call *call)
{
        for (size_t i = 0; i < r->world->n_rules; i++)
                if (world_rule_fits(&r->world->rules[i], r, call))
                        return true;
        return false;
}

/* The Lease must hold when a write is sent, unless this process was made not to care. */
static void on_call(struct replica *r, struct kube_call *call)
{
        struct run *run = r->world->user;
        bool writes = call->verb != KUBE_GET && !str_eq(call->kind->plural, STR("leases"));

        if (writes && r->world->elects && !(r->stubborn && planted != PLANTED_KEEPS_LEADING))
                expect(election_write_time(&r->election) > 0, "%s writes without the Lease", r->name);
        if (rule_is_about(r, call) && run->n_sent < SENT_MAX)
                run->sent[run->n_sent++] = r->world->now;
        planted_call(r, call);
}

void run_init(struct run *r, uint64_t seed)
{
        const struct controller *const *controllers = planted_controllers();

        log_setup(getenv("KEELSON_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, LOG_TEXT);
        memset(&r->oracle, 0, sizeof(r->oracle));
        r->oracle.holder = -1;
        r->n_sent = 0;
        world_init(&r->w, controllers, 1, seed);
        r->w.user = r;
        r->w.image = "sim:1";
        r->w.history = sim_history;
        r->w.watcher = oracle_watch;
        r->w.tamper = on_call;
        r->w.tamper_reply = planted_reply;
        r->w.tamper_event = planted_event;
        r->w.all_stubborn = planted == PLANTED_KEEPS_LEADING;
        actors_enter(&r->w);
}

void run_start(struct run *r)
{
        world_start(&r->w);
}

void resync(struct run *r)
{
        for (size_t i = 0; i < WORLD_REPLICAS; i++)
                if (r->w.op[i].up)
                        expect(manager_enqueue_all(&r->w.op[i].manager) == 0, "no memory");
}

void run_release(struct run *r)
{
        world_release(&r->w);
        for (size_t i = 0; i < r->oracle.n_foreign; i++)
                free(r->oracle.foreign[i].text);
        expect(mem_live() == 0, "%llu pieces of memory leaked", (unsigned long long)mem_live());
}

void run_end(struct run *r)
{
        expect_rest(r);
        run_release(r);
}

void run_converged(struct run *r, uint64_t seed)
{
        run_init(r, seed);
        user_applies(r, "web", PLAIN);
        run_start(r);
        run_for(r, USEC_MINUTE);
        expect_ready(r, "web");
}

/* --- people ------------------------------------------------------------------------------ */

void user_applies(struct run *r, const char *name, const char *spec)
{
        char *json = NULL;
        int n = asprintf(&json,
                         "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{"
                         "\"namespace\":\"" NS "\",\"name\":\"%s\"},\"spec\":{%s}}",
                         name, spec);

        expect(n > 0, "no memory");
        world_note(&r->w, "user", "applies App %s: %s", name, spec);
        sim_api_apply(&r->w.api, &app_kind.api, json, "kubectl");
        free(json);
}

void user_deletes(struct run *r, const char *name)
{
        if (!sim_api_get(&r->w.api, &app_kind.api, NS, name))
                return;
        world_note(&r->w, "user", "deletes App %s", name);
        sim_api_delete(&r->w.api, &app_kind.api, NS, name);
}

static void put_data(struct run *r, const struct cache_kind *kind, const char *name, const char *value)
{
        char json[512];

        snprintf(json, sizeof(json),
                 "{\"apiVersion\":\"v1\",\"kind\":\"%.*s\",\"metadata\":{\"namespace\":\"" NS
                 "\",\"name\":\"%s\"},\"data\":{\"VALUE\":\"%s\"}}",
                 STR_FMT(kind->api.kind), name, value);
        world_note(&r->w, "user", "puts %s into %.*s %s", value, STR_FMT(kind->api.kind), name);
        sim_api_apply(&r->w.api, &kind->api, json, "kubectl");
}

void user_configures(struct run *r, const char *name, const char *value)
{
        put_data(r, &app_configmap_source_kind, name, value);
}

/* In base64, as far as one character goes. */
void user_keeps_secret(struct run *r, const char *name, const char *value)
{
        static const char *const encoded[] = { "MA==", "MQ==", "Mg==", "Mw==", "NA==" };

        put_data(r, &app_secret_source_kind, name, encoded[(size_t)(value[0] - '0') % ARRAY_SIZE(encoded)]);
}

static bool is_ours(const struct run *r, const struct kube_kind *kind, const char *name)
{
        yyjson_mut_val *object = sim_api_get(&r->w.api, kind, NS, name);

        return object && yyjson_mut_ptr_get(object, "/metadata/ownerReferences/0/uid");
}

void drift(struct run *r, const struct cache_kind *kind, const char *name, const char *patch)
{
        if (!is_ours(r, &kind->api, name))
                return;
        world_note(&r->w, "somebody", "patches %.*s %s: %s", STR_FMT(kind->api.kind), name, patch);
        sim_api_patch(&r->w.api, &kind->api, NS, name, patch, "kubectl-edit");
}

/* --- questions ----------------------------------------------------------------------------- */

struct str app_condition(const struct run *r, const char *name, const char *type, const char *field)
{
        yyjson_mut_val *list =
                yyjson_mut_ptr_get(sim_api_get(&r->w.api, &app_kind.api, NS, name), "/status/conditions");
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
        yyjson_mut_val *c;

        while ((c = yyjson_mut_arr_iter_next(&it)))
                if (yyjson_mut_equals_str(yyjson_mut_obj_get(c, "type"), type))
                        return str_c(yyjson_mut_get_str(yyjson_mut_obj_get(c, field)));
        return STR_NULL;
}

void expect_condition(const struct run *r, const char *name, const char *type, const char *status,
                      const char *reason)
{
        struct str is = app_condition(r, name, type, "status"), why = app_condition(r, name, type, "reason");
        struct str message = app_condition(r, name, type, "message");

        expect(str_eq_c(is, status) && (!reason || str_eq_c(why, reason)),
               "the condition %s of App %s is %.*s (%.*s: %.*s), not %s (%s)", type, name, STR_FMT(is),
               STR_FMT(why), STR_FMT(message), status, reason ? reason : "any");
}

void expect_ready(const struct run *r, const char *name)
{
        expect_condition(r, name, "Ready", "True", NULL);
        expect_condition(r, name, "Stalled", "False", NULL);
}

struct str child_str(const struct run *r, const struct cache_kind *kind, const char *name,
                     const char *pointer)
{
        return sim_api_str(&r->w.api, &kind->api, NS, name, pointer);
}

bool exists(const struct run *r, const struct cache_kind *kind, const char *name)
{
        return sim_api_get(&r->w.api, &kind->api, NS, name) != NULL;
}

uint64_t all_calls(const struct run *r)
{
        uint64_t n = 0;

        for (size_t i = 0; i < WORLD_CALL_TYPES; i++)
                n += r->w.n_calls[i];
        return n;
}

static bool is_operator(const char *who)
{
        return who && (strncmp(who, "op", 2) == 0 || strcmp(who, "a dead op") == 0);
}

uint64_t objects_made(const struct run *r)
{
        uint64_t n = 0;

        for (size_t i = 0; i < r->w.api.n_log; i++) {
                const struct sim_change *c = &r->w.api.log[i];

                n += !c->before && is_operator(c->by) && !str_eq(c->kind->plural, STR("events")) &&
                     !str_eq(c->kind->plural, STR("leases"));
        }
        return n;
}
