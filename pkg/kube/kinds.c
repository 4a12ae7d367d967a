/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds.h"

const struct kube_kind kube_definition_kind = {
        .group = STR_INIT("apiextensions.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("customresourcedefinitions"),
        .kind = STR_INIT("CustomResourceDefinition"),
};

const struct kube_kind kube_event_kind = {
        .group = STR_INIT("events.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("events"),
        .kind = STR_INIT("Event"),
        .namespaced = true,
};

const struct kube_kind kube_lease_kind = {
        .group = STR_INIT("coordination.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("leases"),
        .kind = STR_INIT("Lease"),
        .namespaced = true,
};

const struct kube_kind kube_secret_kind = {
        .version = STR_INIT("v1"),
        .plural = STR_INIT("secrets"),
        .kind = STR_INIT("Secret"),
        .namespaced = true,
};
