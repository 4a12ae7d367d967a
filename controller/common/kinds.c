/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/common/kinds.h"

const struct cache_kind common_networkpolicy_kind = {
        .api = { .group = STR_INIT("networking.k8s.io"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("networkpolicies"),
                 .kind = STR_INIT("NetworkPolicy"),
                 .namespaced = true },
        .schema = &plain_state_schema,
        .label_selector = COMMON_OURS,
};

const struct cache_kind common_poddisruptionbudget_kind = {
        .api = { .group = STR_INIT("policy"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("poddisruptionbudgets"),
                 .kind = STR_INIT("PodDisruptionBudget"),
                 .namespaced = true },
        .schema = &plain_state_schema,
        .label_selector = COMMON_OURS,
};

const struct cache_kind common_service_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("services"),
                 .kind = STR_INIT("Service"),
                 .namespaced = true },
        .schema = &plain_state_schema,
        .label_selector = COMMON_OURS,
};

const struct cache_kind common_serviceaccount_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("serviceaccounts"),
                 .kind = STR_INIT("ServiceAccount"),
                 .namespaced = true },
        .schema = &plain_state_schema,
        .label_selector = COMMON_OURS,
};
