/* SPDX-License-Identifier: Apache-2.0
 *
 * Who answers the scripts: the simulator's API server, or a real one.
 */
#pragma once

#include "sim/apiserver.h"

struct backend {
        void (*begin)(void);
        void (*end)(void);
        /* Namespaced kinds; the namespace is the backend's own. */
        struct sim_reply (*serve)(const struct kube_call *call);
        /* The events of a kind since VERSION, one JSON text a line; free it. */
        char *(*events)(const struct kube_kind *kind, const char *version, const char *selector);
        /* Waits until the garbage collector has been there. False: it was not. */
        bool (*collect)(const struct kube_kind *kind, const char *name);
};

extern const struct backend fake_backend, real_backend;

/* Where the objects of the scripts are. */
extern const char *conformance_namespace;
