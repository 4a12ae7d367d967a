/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps up with one object of the API, by its name: a reflector with the field selector
 * metadata.name=NAME. What is seen is never older than what was seen before.
 *
 *      list --> seen, or absent --> watch --> seen, seen, absent, …
 */
#pragma once

#include "kube/reflector.h"

#define ONE_SELECTOR_MAX 280
#define ONE_VERSION_MAX 64

struct one_handlers {
        /* The object as it is now, valid during the call. */
        void (*seen)(yyjson_val *object, void *arg);
        void (*absent)(void *arg);
        /* The server was set back: what comes next may be older than what was told. Optional. */
        void (*set_back)(void *arg);
        /* As reflector's on_state. Optional. */
        void (*state)(enum reflector_state state, const struct error *err, void *arg);
        void *arg;
};

struct one {
        struct reflector reflector;
        struct one_handlers handlers;
        char selector[ONE_SELECTOR_MAX];
        char newest[ONE_VERSION_MAX]; /* resourceVersion of what was told last */
        bool found;                   /* by the list under way */
};

struct one_config {
        struct kube_client *client;
        const struct kube_kind *kind;
        struct str namespace, name; /* outlive it */
        usec_t silence; /* a watch without a word for so long is made anew; 0: REFLECTOR_SILENCE */
        uint64_t seed;
};

void one_init(struct one *o, const struct one_config *config, const struct one_handlers *handlers);
int one_start(struct one *o) _must_check_;
void one_release(struct one *o);

/* Somebody got through to the server: does not wait any longer where it was waiting. */
void one_hurry(struct one *o);

/* Tells OBJECT as if it had come by the watch: what another request brought. */
void one_brought(struct one *o, yyjson_val *object);
