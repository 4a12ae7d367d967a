/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of Kubernetes' own that more than one part asks for.
 */
#pragma once

#include "kube/path.h"

extern const struct kube_kind kube_definition_kind; /* CustomResourceDefinition */
extern const struct kube_kind kube_event_kind;
extern const struct kube_kind kube_lease_kind;
extern const struct kube_kind kube_secret_kind;
