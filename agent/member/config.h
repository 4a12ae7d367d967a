/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches the Secret NAME-agent and hands its config.json over when that changes. What
 * cannot be used is told once, and the last good one stays, as it does while the API server
 * or the Secret is away. Nothing of it is kept on the volume: without the API server a
 * member that was started anew may not lead anyway, and the Secret holds passwords.
 */
#pragma once

#include "agent/member/one.h"
#include "agent/member/settings.h"

#define CONFIG_NAME_MAX 280

struct config_handlers {
        void (*changed)(const struct settings *settings, void *arg);
        /* The error's message names the field; NULL: it is well again. */
        void (*trouble)(const struct error *why, void *arg);
        void *arg;
};

struct config_watch {
        struct one one;
        struct config_handlers handlers;
        const char *engine;
        char secret[CONFIG_NAME_MAX];
        struct settings settings;
        uint64_t seen; /* a hash of the text that was looked at last; 0: none was */
        bool troubled;
};

/* CLUSTER, NAMESPACE and ENGINE outlive it. 0 or -ENOMEM. */
int config_start(struct config_watch *c, struct kube_client *client, struct str namespace, struct str cluster,
                 const char *engine, uint64_t seed, const struct config_handlers *handlers) _must_check_;
/* Fine where it was never started (zeroed). */
void config_stop(struct config_watch *c);
