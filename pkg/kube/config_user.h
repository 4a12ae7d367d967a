/* SPDX-License-Identifier: Apache-2.0
 *
 * The user of a kubeconfig: who we are. Only config.c includes this.
 */
#pragma once

#include "kube/config_file.h"

/* Fills the certificate, the token or the exec plugin. */
int config_read_user(const struct config_at *at, struct kube_config *c) _must_check_;
