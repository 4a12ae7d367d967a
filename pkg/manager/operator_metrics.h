/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator's metrics, under the names that dashboards for operators know.
 * Internal to the operator.
 */
#pragma once

#include "manager/manager.h"
#include "manager/metrics.h"

struct operator_metrics {
        struct metrics *registry;
        struct manager *manager;
        struct metric_family *reconciles, *errors, *seconds, *requests, *request_seconds;
        struct metric_family *depth, *adds, *retries, *active, *objects, *bytes;
        struct metric *leading;
        struct str host; /* of the API server */
};

int operator_metrics_init(struct operator_metrics *om, struct manager *m, struct str version, struct str host)
        _must_check_;
void operator_metrics_release(struct operator_metrics *om);

void operator_metrics_reconciled(struct operator_metrics *om, const struct controller *c, const char *result,
                                 usec_t elapsed);
void operator_metrics_replied(struct operator_metrics *om, const struct call *call,
                              const struct kube_reply *reply, usec_t elapsed);
void operator_metrics_leading(struct operator_metrics *om, bool leading);
