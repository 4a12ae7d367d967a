/* SPDX-License-Identifier: Apache-2.0
 *
 * Made by keelson-gen from widget.yaml: change that, not this.
 */
#pragma once

#include "schema/condition.h"

struct widget_set_spec_env { /* spec.env[] */
        struct str name;
        struct str from;
        int64_t order;
        /* Whether these are set. */
        bool has_order;
};

struct widget_set_spec_health_check_nested { /* spec.healthCheck.nested */
        struct str deep;
};

/* Filled with its defaults when absent. */
struct widget_set_spec_health_check { /* spec.healthCheck */
        struct str live_path;
        int64_t retries;
        struct widget_set_spec_health_check_nested *nested;
};

/* Absent when absent. */
struct widget_set_spec_storage { /* spec.storage */
        struct str size;
        struct {
                struct str *items;
                size_t n;
        } zones;
};

struct widget_set_spec_nothing { /* spec.nothing */
        bool nothing; /* C wants one member */
};

/* What the set should be. It has a * / in it, and a long text that must go over to the next line of the
 * comment at some point. */
struct widget_set_spec { /* spec */
        /* A name of 2 to 10 letters. */
        struct str name;
        int64_t size;
        int64_t count;
        int64_t big;
        struct str tier;
        int64_t target_cpu_utilization;
        struct {
                struct str *items;
                size_t n;
        } pod_ips;
        struct str s3;
        struct str default_;
        struct str port;
        struct str memory;
        struct str timeout;
        struct schema_map labels;
        struct schema_map limits;
        struct str anything; /* JSON */
        struct {
                int64_t *items;
                size_t n;
        } numbers;
        struct {
                bool *items;
                size_t n;
        } flags;
        struct {
                struct str *items;
                size_t n;
        } modes;
        struct {
                struct widget_set_spec_env *items;
                size_t n;
        } env;
        /* Filled with its defaults when absent. */
        struct widget_set_spec_health_check *health_check;
        /* Absent when absent. */
        struct widget_set_spec_storage *storage;
        struct widget_set_spec_nothing *nothing;
        bool enabled;
        bool debug;
        /* Whether these are set. */
        bool has_big;
        bool has_debug;
        bool has_target_cpu_utilization;
};

struct widget_set_status { /* status */
        int64_t observed_generation;
        struct schema_conditions conditions;
        bool ready;
        /* Whether these are set. */
        bool has_observed_generation;
        bool has_ready;
};

extern const struct schema widget_set_spec_schema;
extern const struct schema widget_set_status_schema;
