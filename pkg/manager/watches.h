/* SPDX-License-Identifier: Apache-2.0
 *
 * The watches of all kinds that the controllers read, in all namespaces or in
 * the given ones, and how each of them fares. Internal to the operator.
 *
 *      controllers --> kinds x namespaces --> a reflector each --> manager's cache
 */
#pragma once

#include "kube/reflector.h"
#include "manager/manager.h"
#include "manager/server.h"

#define WATCHES_MAX 1024

struct watches;

struct watch {
        struct reflector reflector;
        struct watches *all;
        const struct cache_kind *kind;
        struct str namespace; /* absent: all */
        char name[128];       /* for messages: "apps.keelson.dev in all namespaces" */
        bool synced;          /* listed once */
        bool absent;          /* it is optional, and the server does not have it */
        bool failing;
        bool refused;       /* it was never listed, and waiting alone will not help */
        struct error error; /* while failing: why */
        uint64_t lists, events,
                failures; /* so far: lists that were whole, events behind them, turns to failing */
};

struct watches {
        struct manager *manager;
        struct watch *items;
        const struct str *namespaces; /* one that is absent: all */
        size_t n_namespaces;
        struct health_check *checks; /* one for each, for /readyz */
        size_t n;
        /* After anything came in, or a watch turned good or bad. */
        void (*changed)(void *arg);
        void *arg;
};

/* 0, -ENOMEM, or -E2BIG. NAMESPACES must outlive it. */
int watches_init(struct watches *w, struct kube_client *client, struct manager *m,
                 const struct str *namespaces, size_t n_namespaces, uint64_t seed, void (*changed)(void *arg),
                 void *arg) _must_check_;
void watches_release(struct watches *w);

int watches_start(struct watches *w) _must_check_;
void watches_stop(struct watches *w);

/* Has each been listed once? Without those of kinds that are merely announced. */
bool watches_synced(const struct watches *w);

/* Opens the controllers whose kinds have all been listed, or cannot be and are
 * not needed, and blocks those that need one which cannot be. */
void watches_set_gates(struct watches *w);

/* One that fails before it was ever listed, or NULL; likewise. */
const struct watch *watches_first_failure(const struct watches *w);
