/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps the webhook's certificates while this replica leads: what certificates_step
 * decides, it reads and writes.
 *
 *      watches: Secret, both webhook configurations, definitions (CRDs)
 *         |  each change, each reply, and at the step's own time
 *         v
 *      look --> certificates_step --> create or patch the Secret
 *                     |          `--> patch the bundles that differ
 *                     v
 *             log, metrics, the next look
 *
 * It is no controller, for what it writes is random; the decisions are the step's all
 * the same, and nothing is decided here but when to try again. All objects are found by
 * their names, so that its rights can be as narrow:
 *
 *      Secret NAME-tls in our namespace      create, list, watch, patch
 *      ValidatingWebhookConfiguration NAME   list, watch, patch
 *      MutatingWebhookConfiguration NAME     list, watch, patch
 *      the definitions that it is told of    list, watch, patch
 *
 * NAME is the webhook's Service, in our own namespace. Where no webhook of these calls
 * that Service, nothing is made. Each write is of the version that was read; a second
 * leader is refused, and a write whose fate is unknown is seen by its watch, or made
 * again.
 */
#pragma once

#include "controller/certificates/keeper_object.h"
#include "manager/peer.h"

#define KEEPER_NAME_MAX 59 /* of the Service: with -tls it is a label */
#define KEEPER_CRDS_MAX 16
#define KEEPER_OBJECTS_MAX (3 + KEEPER_CRDS_MAX)
#define KEEPER_NAMES 3 /* under which the Service is called */

/* Borrowed for the keeper's life. */
struct keeper_options {
        struct str service; /* a label of KEEPER_NAME_MAX bytes at the most */
        /* Definitions whose conversion webhook is ours: "apps.keelson.dev". */
        const struct str *crds;
        size_t n_crds;
};

struct keeper {
        struct peer peer; /* first set by keeper_init */
        struct keeper_options options;
        struct peer_config config;
        struct kept_service service;
        char secret_name[KEEPER_NAME_MAX + 5];
        char service_names[KEEPER_NAMES][320];
        struct str names[KEEPER_NAMES];
        struct keeper_object objects[KEEPER_OBJECTS_MAX]; /* [0] is the Secret */
        size_t n_objects;
        struct certificates_memory memory;
        struct loop_timer timer;
        struct rand rand;
        bool leading;
        char problem[256]; /* as it was told; "" */
        struct metric_family *expiry, *writes, *troubled;
};

/* K.peer is for operator_options, which then drives it. It fails where OPTIONS have too
 * many definitions, or a name that is too long: -EINVAL. */
int keeper_init(struct keeper *k, const struct keeper_options *options, struct error *err) _must_check_;
