/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator as a process: the loop, the watches, leadership, the health
 * server and the manager, bound together. It runs until SIGTERM or SIGINT.
 *
 *      kubeconfig --> client --> reflector per kind --> cache --> manager
 *                        ^                                          |
 *                        +------------- requests -------------------+
 */
#pragma once

#include "base/error.h"
#include "manager/controller.h"
#include "manager/peer.h"

struct operator_options {
        struct str kubeconfig;        /* absent: KUBECONFIG, in-cluster, ~/.kube/config */
        struct str listen;            /* ":8080"; absent: no server */
        const struct str *namespaces; /* none: all */
        size_t n_namespaces;
        bool leader_elect;
        struct str lease_namespace; /* absent: the pod's, else "keelson-system" */
        usec_t lease_duration, renew_deadline, retry_period;
        const struct controller *const *controllers;
        size_t n_controllers;
        struct peer *peer; /* NULL: none */
        struct str version;
        struct str
                image; /* that this program runs from, for helpers in the pods of Apps; absent: not known */
};

/* Can it run so, as far as the options themselves tell? 0, or -EINVAL with *err,
 * which names the option. */
int operator_check(const struct operator_options *options, struct error *err) _must_check_;

/* Returns 0 after a clean stop. A negative errno, with *err filled, where it
 * could not even begin: the kubeconfig, the address to listen on, and outside
 * of a cluster also a kind that cannot be listed at the start. After that, and
 * in a cluster from the start, it keeps trying and says so in /readyz. A lost
 * lease is no end: it stands by. */
int operator_run(const struct operator_options *options, struct error *err) _must_check_;
