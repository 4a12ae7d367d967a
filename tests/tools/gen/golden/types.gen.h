/* SPDX-License-Identifier: Apache-2.0
 *
 * Made by keelson-gen from types.yaml: change that, not this.
 */
#pragma once

#include "schema/schema.h"

struct deployment_state_spec { /* spec */
        int64_t replicas;
        /* Whether these are set. */
        bool has_replicas;
};

struct deployment_state_status_conditions { /* status.conditions[] */
        struct str type;
        struct str status;
};

struct deployment_state_status { /* status */
        int64_t ready_replicas;
        struct {
                struct deployment_state_status_conditions *items;
                size_t n;
        } conditions;
        /* Whether these are set. */
        bool has_ready_replicas;
};

struct deployment_state {
        struct deployment_state_spec *spec;
        struct deployment_state_status *status;
};

struct plain_state {
        bool nothing; /* C wants one member */
};

extern const struct schema deployment_state_schema;
extern const struct schema plain_state_schema;
