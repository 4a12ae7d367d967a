/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/operator_metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "manager/task.h"
#include "schema/condition.h"

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
        { .name = "workqueue_queue_duration_seconds",
          .help = "How long keys were ready before they were taken.",
          .type = METRIC_HISTOGRAM,
          .labels = { "name" } },
        { .name = "workqueue_work_duration_seconds",
          .help = "How long keys were worked on.",
          .type = METRIC_HISTOGRAM,
          .labels = { "name" } },
        { .name = "workqueue_unfinished_work_seconds",
          .help = "How long those that are worked on now have been, in sum.",
          .type = METRIC_GAUGE,
          .labels = { "name" } },
        { .name = "workqueue_longest_running_processor_seconds",
          .help = "How long the oldest of those that are worked on now has been.",
          .type = METRIC_GAUGE,
          .labels = { "name" } },
        { .name = "keelson_resources",
          .help = "Resources by what their conditions say.",
          .type = METRIC_GAUGE,
          .labels = { "kind", "condition", "status" } },
        { .name = "keelson_resources_stalled",
          .help = "Resources that need somebody, by why.",
          .type = METRIC_GAUGE,
          .labels = { "kind", "reason" } },
        { .name = "keelson_forbidden",
          .help = "1 where a right is missing, as the last such request found; 0 since it is there.",
          .type = METRIC_GAUGE,
          .labels = { "verb", "resource" } },
        { .name = "keelson_watch_up",
          .help = "1 while the watches of the resource do not fail; an optional API may be absent.",
          .type = METRIC_GAUGE,
          .labels = { "resource" } },
        { .name = "keelson_watch_lists_total",
          .help = "Lists that came in whole.",
          .type = METRIC_COUNTER,
          .labels = { "resource" } },
        { .name = "keelson_watch_events_total",
          .help = "Events behind the lists.",
          .type = METRIC_COUNTER,
          .labels = { "resource" } },
        { .name = "keelson_watch_failures_total",
          .help = "How often a watch began to fail, or for another reason.",
          .type = METRIC_COUNTER,
          .labels = { "resource" } },
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

static double seconds(usec_t t)
{
        return (double)t / (double)USEC_SEC;
}

static double unfinished(void *arg)
{
        struct manager *m = arg;
        usec_t now = m->transport->now(m->transport), sum = 0;

        list_for_each (link, &m->tasks)
                sum += now - container_of(link, struct task, link)->started;
        return seconds(sum);
}

static double longest(void *arg)
{
        struct manager *m = arg;
        usec_t now = m->transport->now(m->transport), most = 0;

        list_for_each (link, &m->tasks)
                most = MAX(most, now - container_of(link, struct task, link)->started);
        return seconds(most);
}

/* Of a counter whose number is kept elsewhere. */
static void raise_to(struct metric *counter, uint64_t total)
{
        metric_add(counter, (double)total - metric_value(counter));
}

/* The watches of one kind, in all namespaces; they stand next to each other. */
static size_t fill_watch(struct operator_metrics *om, size_t first)
{
        const struct watch *w = &om->watches->items[first];
        _cleanup_(buf_release) struct buf resource = BUF_INIT(256);
        uint64_t lists = 0, events = 0, failures = 0;
        size_t i = first;
        bool up = true;
        struct str name;

        kube_resource_name(&resource, &w->kind->api);
        name = buf_str(&resource);
        for (; i < om->watches->n && om->watches->items[i].kind == w->kind; i++) {
                const struct watch *one = &om->watches->items[i];

                up = up && one->synced && !one->failing;
                lists += one->lists;
                events += one->events;
                failures += one->failures;
        }
        metric_set(metric_with(om->watch_up, name), up);
        raise_to(metric_with(om->watch_lists, name), lists);
        raise_to(metric_with(om->watch_events, name), events);
        raise_to(metric_with(om->watch_failures, name), failures);
        return i;
}

static void fill_gauges(void *arg)
{
        struct operator_metrics *om = arg;
        const struct cache *cache = &om->manager->cache;

        for (size_t i = 0; om->watches && i < om->watches->n;)
                i = fill_watch(om, i);

        /* ConfigMaps, say, are held in two ways: some watched, some read on demand. */
        for (size_t i = 0; i < cache->n_totals; i++) {
                metric_set(metric_with(om->objects, cache->totals[i].kind->api.kind), 0);
                metric_set(metric_with(om->bytes, cache->totals[i].kind->api.kind), 0);
        }
        for (size_t i = 0; i < cache->n_totals; i++) {
                const struct cache_total *total = &cache->totals[i];

                metric_add(metric_with(om->objects, total->kind->api.kind), (double)total->objects);
                metric_add(metric_with(om->bytes, total->kind->api.kind), (double)total->bytes);
        }
}

int operator_metrics_init(struct operator_metrics *om, struct manager *m, struct str version, struct str host)
{
        struct metric_family *leading;
        struct metric_family **families[] = {
                &om->reconciles,      &om->errors,         &om->seconds,  &om->requests,
                &om->request_seconds, &om->depth,          &om->adds,     &om->retries,
                &om->active,          &om->objects,        &om->bytes,    &om->queue_seconds,
                &om->work_seconds,    &om->unfinished,     &om->longest,  &om->resources,
                &om->stalled,         &om->forbidden,      &om->watch_up, &om->watch_lists,
                &om->watch_events,    &om->watch_failures, &leading,
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
                r = metrics_on_scrape(om->registry, fill_gauges, om);
        if (r < 0)
                return r;
        /* One queue serves all controllers. */
        metric_call(metric_with(om->depth, STR("keelson")), depth, m);
        metric_call(metric_with(om->adds, STR("keelson")), adds, m);
        metric_call(metric_with(om->retries, STR("keelson")), retries, m);
        metric_call(metric_with(om->active, STR("all")), active, m);
        metric_call(metric_with(om->unfinished, STR("keelson")), unfinished, m);
        metric_call(metric_with(om->longest, STR("keelson")), longest, m);
        om->leading = metric_with(leading, STR("keelson-operator"));
        metric_set(om->leading, 0);
        return 0;
}

void operator_metrics_release(struct operator_metrics *om)
{
        metrics_free(om->registry);
        *om = (struct operator_metrics){ 0 };
}

void operator_metrics_reconciled(struct operator_metrics *om, const struct controller *c, const char *result,
                                 usec_t elapsed)
{
        struct str name = str_c(c->name);

        metric_add(metric_with(om->reconciles, name, str_c(result)), 1);
        if (strcmp(result, "success") != 0)
                metric_add(metric_with(om->errors, name), 1);
        metric_observe(metric_with(om->seconds, name), seconds(elapsed));
        metric_observe(metric_with(om->work_seconds, STR("keelson")), seconds(elapsed));
}

void operator_metrics_taken(struct operator_metrics *om, usec_t waited)
{
        metric_observe(metric_with(om->queue_seconds, STR("keelson")), seconds(waited));
}

/* --- requests ------------------------------------------------------------------- */

static struct metric *find_missing(const struct operator_metrics *om, const struct kube_observed *seen,
                                   enum kube_verb verb)
{
        for (size_t i = 0; i < om->n_missing; i++)
                if (om->missing[i].kind == seen->kind &&
                    str_eq_c(str_c(om->missing[i].verb), kube_rbac_verb(verb)) &&
                    om->missing[i].subresource == !str_empty(seen->subresource))
                        return om->missing[i].metric;
        return NULL;
}

static void add_missing(struct operator_metrics *om, const struct kube_observed *seen, const char *verb)
{
        _cleanup_(buf_release) struct buf resource = BUF_INIT(256);
        struct metric *metric;

        if (om->n_missing == FORBIDDEN_MAX)
                return;
        kube_resource_name(&resource, seen->kind);
        if (!str_empty(seen->subresource))
                buf_printf(&resource, "/%.*s", STR_FMT(seen->subresource));
        metric = metric_with(om->forbidden, str_c(verb), buf_str(&resource));
        metric_set(metric, 1);
        om->missing[om->n_missing].verb = verb;
        om->missing[om->n_missing].kind = seen->kind;
        om->missing[om->n_missing].subresource = !str_empty(seen->subresource);
        om->missing[om->n_missing++].metric = metric;
}

/* Only an answer tells whether the right is there; any other than a 401 or such
 * a 403 has passed the authorizer. */
static void note_verb(struct operator_metrics *om, const struct kube_observed *seen, enum kube_verb verb)
{
        struct metric *known = find_missing(om, seen, verb);

        if (!seen->kind || seen->status == 0 || seen->status == 401 || seen->status >= 500)
                return;
        if (known)
                metric_set(known, seen->missing_right);
        else if (seen->missing_right)
                add_missing(om, seen, kube_rbac_verb(verb));
}

/* The answer to a streamed list does not tell which of its two rights is missing. */
static void note_rights(struct operator_metrics *om, const struct kube_observed *seen)
{
        note_verb(om, seen, seen->verb);
        if (seen->streamed_list)
                note_verb(om, seen, KUBE_LIST);
}

void operator_metrics_observed(struct operator_metrics *om, const struct kube_observed *seen)
{
        struct str method = str_c(seen->method);
        char code[16];
        int n = snprintf(code, sizeof(code), "%d", seen->status);

        metric_add(metric_with(om->requests, seen->status ? str_n(code, (size_t)n) : STR("<error>"), method,
                               om->host),
                   1);
        metric_observe(metric_with(om->request_seconds, method, om->host), seconds(seen->elapsed));
        note_rights(om, seen);
}

/* --- resources -------------------------------------------------------------------- */

/* status.conditions of an object, or NULL. */
static const struct schema_conditions *conditions_of(const struct object *o)
{
        const struct schema_field *status = schema_find(o->kind->schema, STR("status"));
        const struct schema_field *list = status ? schema_find(status->object, STR("conditions")) : NULL;
        const void *half;

        if (!list || list->type != SCHEMA_LIST || !list->element ||
            list->element->object != &schema_condition_schema)
                return NULL;
        memcpy(&half, (const char *)o->state + status->offset, sizeof(half));
        return half ? (const void *)((const char *)half + list->offset) : NULL;
}

static bool is_ours(const struct manager *m, const struct cache_kind *kind)
{
        for (size_t i = 0; i < m->n_controllers; i++)
                if (m->controllers[i]->kind == kind)
                        return true;
        return false;
}

static void count_resource(struct operator_metrics *om, const struct object *o, int n)
{
        const struct schema_conditions *list = conditions_of(o);

        for (size_t i = 0; list && i < list->n; i++) {
                const struct schema_condition *c = &list->items[i];

                metric_add(metric_with(om->resources, o->kind->api.kind, c->type, c->status), n);
                if (str_eq(c->type, STR("Stalled")) && str_eq(c->status, STR("True")))
                        metric_add(metric_with(om->stalled, o->kind->api.kind, c->reason), n);
        }
}

void operator_metrics_changed(struct operator_metrics *om, const struct object *old_object,
                              const struct object *new_object)
{
        if (!is_ours(om->manager, old_object ? old_object->kind : new_object->kind))
                return;
        if (old_object)
                count_resource(om, old_object, -1);
        if (new_object)
                count_resource(om, new_object, 1);
}

void operator_metrics_leading(struct operator_metrics *om, bool leading)
{
        metric_set(om->leading, leading ? 1 : 0);
}
