/* SPDX-License-Identifier: Apache-2.0
 *
 * How an App fares, from what is observed and nothing else.
 *
 *      Stalled      something must be changed by a person before this goes on
 *      Reconciling  on the way, and it will go on by itself
 *      Ready        the spec is what runs
 *      Available    requests are answered, be it by an older revision
 */
#pragma once

#include "controller/app/revision.h"

/* What is known when the verdict is asked for. Without SETTINGS the spec cannot
 * be read, or has PROBLEMS; then there is neither config nor revision. */
struct app_outlook {
        const struct app_settings *settings;
        const struct problems *problems;
        const struct app_config *config;
        const struct app_revision *revision;
};

enum app_phase { APP_STALLED, APP_RECONCILING, APP_READY };

struct app_verdict {
        enum app_phase phase;
        struct str reason, message;
        bool complete; /* the revision that is to run is what runs, all of it */
        /* The wanted revision has failed just now, and is to be gone back from. */
        bool failed;
        struct str failed_reason, failed_message;
};

/* --- judge.c ---------------------------------------------------------------------- */

struct app_verdict app_judge(const struct view *view, const struct app_outlook *outlook, struct plan *plan);

/* What the Deployment is to have; 1 if it does not say. */
int64_t app_wanted_replicas(const struct deployment_state *d);

/* A condition of the Deployment; absent where it has none of that type. */
void app_deployment_condition(const struct deployment_state *d, struct str type, struct str *ret_reason,
                              struct str *ret_message);

/* --- causes.c ----------------------------------------------------------------------- */

extern const struct cache_kind app_pod_kind; /* pods that are not ready */

/* What is wrong with the pods of one revision. */
struct app_cause {
        struct str reason;  /* absent: nothing that can be told */
        struct str message; /* names the pod, and what to do */
        bool decisive;      /* waiting any longer will not mend it */
};

struct app_cause app_find_cause(const struct view *view, struct str revision, struct plan *plan);

/* --- size.c ------------------------------------------------------------------------- */

/* MESSAGE says that the App is too large. If it can be told which field is: that, and
 * what to do. */
struct str app_tell_size(const struct app_spec *spec, struct str message, struct arena *a);

/* --- status.c ------------------------------------------------------------------------- */

/* Says in the status what is so, and keeps what is to be kept of a revision
 * that is complete. */
int app_report(const struct view *view, const struct app_outlook *outlook, struct plan *plan) _must_check_;
