/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator's metrics, under the names that dashboards for operators know,
 * and keelson_* for what those do not have. docs/operations.md lists them.
 * Internal to the operator.
 *
 * What is counted per resource (keelson_resources) follows the changes of the
 * cache, so that a scrape costs the same however many there are.
 */
#pragma once

#include "manager/manager.h"
#include "manager/metrics.h"
#include "manager/watches.h"

/* Rights that were found missing, each for ever: a verb and a kind. */
#define FORBIDDEN_MAX 64

struct operator_metrics {
        struct metrics *registry;
        struct manager *manager;
        const struct watches *watches; /* NULL: none yet */
        struct metric_family *reconciles, *errors, *seconds, *requests, *request_seconds;
        struct metric_family *depth, *adds, *retries, *active, *objects, *bytes;
        struct metric_family *queue_seconds, *work_seconds, *unfinished, *longest;
        struct metric_family *resources, *stalled, *forbidden;
        struct metric_family *watch_up, *watch_lists, *watch_events, *watch_failures;
        struct metric *leading;
        struct str host; /* of the API server */
        struct {
                const char *verb;
                const struct kube_kind *kind;
                bool subresource;
                struct metric *metric;
        } missing[FORBIDDEN_MAX];
        size_t n_missing;
};

int operator_metrics_init(struct operator_metrics *om, struct manager *m, struct str version, struct str host)
        _must_check_;
void operator_metrics_release(struct operator_metrics *om);

void operator_metrics_reconciled(struct operator_metrics *om, const struct controller *c, const char *result,
                                 usec_t elapsed);
/* A key left the queue after so long. */
void operator_metrics_taken(struct operator_metrics *om, usec_t waited);
/* A request of any kind came back. */
void operator_metrics_observed(struct operator_metrics *om, const struct kube_observed *seen);
/* An object of the cache changed. */
void operator_metrics_changed(struct operator_metrics *om, const struct object *old_object,
                              const struct object *new_object);
void operator_metrics_leading(struct operator_metrics *om, bool leading);
