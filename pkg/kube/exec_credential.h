/* SPDX-License-Identifier: Apache-2.0
 *
 * What an exec plugin is told and what it answers: ExecCredential of
 * client.authentication.k8s.io/v1 and v1beta1 (Kubernetes docs,
 * "Authenticating", "client-go credential plugins").
 *
 *      KUBERNETES_EXEC_INFO   {"kind": "ExecCredential", "apiVersion": …,
 *                              "spec": {"interactive": false, "cluster": {…}}}
 *
 *      its standard output    {"kind": "ExecCredential", "apiVersion": …,
 *                              "status": {"token": …, "expirationTimestamp": …}}
 *
 * No message here quotes what the plugin printed to its standard output.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "kube/config.h"

#define EXEC_CREDENTIAL_MAX ((size_t)1024 * 1024) /* of the output */
#define EXEC_INFO_MAX ((size_t)1024 * 1024)

/* A token, a client certificate with its key (PEM), or both. Members that are
 * not there are empty. */
struct exec_credential {
        struct buf token, cert, key;
        usec_t expires; /* clock_wall's time; USEC_NEVER: the plugin does not say */
};

/* Appends the value of KUBERNETES_EXEC_INFO; the buffer's error is sticky. */
void exec_info_write(struct buf *out, const struct kube_config *config);

/* Reads what EXEC printed. -EINVAL with what is wrong with it, or -ENOMEM. */
int exec_credential_parse(struct str text, const struct kube_exec *exec, struct exec_credential *ret,
                          struct error *err) _must_check_;

void exec_credential_release(struct exec_credential *c);
