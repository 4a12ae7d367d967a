/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/operator_metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static const struct metric_desc descs[] = {
        { .name = "controller_runtime_reconcile_total",
          .help = "Reconciles by controller and result.",
          .type = METRIC_COUNTER,
          .labels = { "controller", "result" } },
        { .name = "controller_runtime_reconcile_errors_total",
          .help = "Reconciles that failed.",
          .type = METRIC_COUNTER,
          .labels = { "controller" } },
        { .name = "controller_runtime_reconcile_time_seconds",
          .help = "From the start of a reconcile to its last reply.",
          .type = METRIC_HISTOGRAM,
          .labels = { "controller" } },
        { .name = "rest_client_requests_total",
          .help = "Requests to the API server.",
          .type = METRIC_COUNTER,
          .labels = { "code", "method", "host" } },
        { .name = "rest_client_request_duration_seconds",
          .help = "How long requests to the API server took.",
          .type = METRIC_HISTOGRAM,
          .labels = { "verb", "host" } },
        { .name = "workqueue_depth",
          .help = "Keys that are ready.",
          .type = METRIC_GAUGE,
          .labels = { "name" } },
        { .name = "workqueue_adds_total",
          .help = "Additions to the queue.",
          .type = METRIC_COUNTER,
          .labels = { "name" } },
        { .name = "workqueue_retries_total",
          .help = "Keys that were put back after a failure.",
          .type = METRIC_COUNTER,
          .labels = { "name" } },
        { .name = "controller_runtime_active_workers",
          .help = "Resources that are worked on.",
          .type = METRIC_GAUGE,
          .labels = { "controller" } },
        { .name = "keelson_cache_objects",
          .help = "Objects in the cache.",
          .type = METRIC_GAUGE,
          .labels = { "kind" } },
        { .name = "keelson_cache_bytes",
          .help = "Memory of the objects in the cache.",
          .type = METRIC_GAUGE,
          .labels = { "kind" } },
        { .name = "leader_election_master_status",
          .help = "1 while this replica leads.",
          .type = METRIC_GAUGE,
          .labels = { "name" } },
};

static double depth(void *arg)
{
        return (double)((struct manager *)arg)->queue.n_ready;
}

static double adds(void *arg)
{
        return (double)((struct manager *)arg)->queue.adds;
}

static double retries(void *arg)
{
        return (double)((struct manager *)arg)->queue.retries;
}

static double active(void *arg)
{
        return (double)((struct manager *)arg)->queue.n_active;
}

static void fill_cache_gauges(void *arg)
{
        struct operator_metrics *om = arg;
        const struct cache *cache = &om->manager->cache;

        for (size_t i = 0; i < cache->n_totals; i++) {
                const struct cache_total *total = &cache->totals[i];

                metric_set(metric_with(om->objects, total->kind->api.kind), (double)total->objects);
                metric_set(metric_with(om->bytes, total->kind->api.kind), (double)total->bytes);
        }
}

int operator_metrics_init(struct operator_metrics *om, struct manager *m, struct str version, struct str host)
{
        struct metric_family *leading;
        struct metric_family **families[] = {
                &om->reconciles, &om->errors,  &om->seconds, &om->requests, &om->request_seconds, &om->depth,
                &om->adds,       &om->retries, &om->active,  &om->objects,  &om->bytes,           &leading,
        };
        int r;

        static_assert(ARRAY_SIZE(families) == ARRAY_SIZE(descs), "one family for each description");
        *om = (struct operator_metrics){ .manager = m, .host = host };
        r = metrics_new(&om->registry);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(descs); i++)
                r = metrics_add(om->registry, &descs[i], families[i]);
        if (r == 0)
                r = metrics_add_process(om->registry, version);
        if (r == 0)
                r = metrics_on_scrape(om->registry, fill_cache_gauges, om);
        if (r < 0)
                return r;
        /* One queue serves all controllers. */
        metric_call(metric_with(om->depth, STR("keelson")), depth, m);
        metric_call(metric_with(om->adds, STR("keelson")), adds, m);
        metric_call(metric_with(om->retries, STR("keelson")), retries, m);
        metric_call(metric_with(om->active, STR("all")), active, m);
        om->leading = metric_with(leading, STR("keelson-operator"));
        metric_set(om->leading, 0);
        return 0;
}

void operator_metrics_release(struct operator_metrics *om)
{
        metrics_free(om->registry);
        *om = (struct operator_metrics){ 0 };
}

static double seconds(usec_t t)
{
        return (double)t / (double)USEC_SEC;
}

void operator_metrics_reconciled(struct operator_metrics *om, const struct controller *c, const char *result,
                                 usec_t elapsed)
{
        struct str name = str_c(c->name);

        metric_add(metric_with(om->reconciles, name, str_c(result)), 1);
        if (strcmp(result, "success") != 0)
                metric_add(metric_with(om->errors, name), 1);
        metric_observe(metric_with(om->seconds, name), seconds(elapsed));
}

void operator_metrics_replied(struct operator_metrics *om, const struct call *call,
                              const struct kube_reply *reply, usec_t elapsed)
{
        static const char *const methods[] = {
                [CALL_APPLY] = "PATCH", [CALL_APPLY_STATUS] = "PATCH", [CALL_CREATE] = "POST",
                [CALL_PATCH] = "PATCH", [CALL_DELETE] = "DELETE",      [CALL_GET] = "GET",
        };
        struct str method = str_c(methods[call->type]);
        char code[16];
        int n = snprintf(code, sizeof(code), "%d", reply->status);

        metric_add(metric_with(om->requests, reply->status ? str_n(code, (size_t)n) : STR("<error>"), method,
                               om->host),
                   1);
        metric_observe(metric_with(om->request_seconds, method, om->host), seconds(elapsed));
}

void operator_metrics_leading(struct operator_metrics *om, bool leading)
{
        metric_set(om->leading, leading ? 1 : 0);
}
