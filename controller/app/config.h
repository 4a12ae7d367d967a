/* SPDX-License-Identifier: Apache-2.0
 *
 * The Secrets and ConfigMaps that an App's pods use. Their contents are part of
 * a revision: pods never see the original, but a copy whose name follows from
 * the contents and which is never changed.
 *
 *      ConfigMap shop-config --digest--> copy shop-shop-config-3f9a0c77d1 --> the pods
 *                 | changes                (of the revision before: …-a81c55e02b)
 *                 '---------> another copy, other pods: a rollout like any other
 *
 * Contents are never kept, logged or compared in the clear: what is known is a
 * digest of the whole and a hash of each key's value. With configReload Signal
 * those that are files only are looked at in the same way, but the pods use the
 * originals (reload.c). With None they use them all, and nothing here looks at them.
 *
 * A Secret may be read by its name only (docs/app.md), so its copies cannot be
 * listed. Their names stand in status.copies from before they are made until
 * they are gone.
 */
#pragma once

#include "controller/app/app.h"

/* envFrom and configFiles, at the most: those of the spec, and what connections take. */
#define APP_CONFIG_MAX 72
#define APP_COPIES_MAX 1024 /* status.copies, as the CRD says */

enum app_config_phase {
        APP_CONFIG_READY,
        APP_CONFIG_READING, /* what is there is not known yet */
        APP_CONFIG_WRONG,   /* something is missing or cannot be used: see the problem */
};

struct app_config {
        enum app_config_phase phase;
        struct str reason; /* of APP_CONFIG_WRONG: ConfigNotFound, RedisNotFound, … */
        struct problem problem;
        struct app_config_ref refs[APP_CONFIG_MAX];
        const struct object *sources[APP_CONFIG_MAX];
        size_t n;
        bool copied;  /* all copies are there, and pods may begin */
        bool crowded; /* there is no room in status.copies for the names of more */
};

extern const struct cache_kind app_configmap_kind; /* the copies */
extern const struct cache_kind app_secret_kind;
extern const struct cache_kind app_configmap_source_kind; /* the originals, on demand */
extern const struct cache_kind app_secret_source_kind;

/* For app_controller. */
size_t app_config_references(const struct app_spec *spec, struct arena *a,
                             struct reference list[REFERENCES_MAX]);

/* What the pods of these settings would use, and the event of what changed. */
int app_config_resolve(const struct view *view, const struct app_settings *settings, struct plan *plan,
                       struct app_config *ret) _must_check_;

/* The copies that are not there yet, if CONFIG is ready. That of a Secret is made
 * once its name stands in the status. What is known of them then goes to *CONFIG. */
int app_config_plan(const struct view *view, struct app_config *config, struct plan *plan) _must_check_;
