/* SPDX-License-Identifier: Apache-2.0
 *
 * Revisions: what an App's pods are made of, and which of them is to run.
 *
 *      spec + config ----> the wanted one --rolled out--> good: kept as a ControllerRevision
 *                              |                                     |
 *                              | failed: noted in the status         | the last good one
 *                              '------------> gone back <------------'
 *
 * A revision is called by a hash of its pods' spec, which names its copies of
 * ConfigMaps and Secrets; so going back takes the config along. That a revision
 * failed is written to status.failedRevision before anything is done about it,
 * and holds until the spec, or a config that it names, asks for another.
 */
#pragma once

#include "controller/app/config.h"

struct app_revision {
        struct str wanted; /* the hash of what the spec asks for; absent while its config is not known */
        struct str hash;   /* of what is to run; absent: nothing can be said */
        bool ready;        /* it may run: its config is there. If not, what runs goes on */
        struct app_pods pods;
        bool rolled_back; /* it is the last good one, since the wanted one failed */
        /* The last good one, other than the wanted; NULL: there is none. */
        const struct object *good;
        const struct app_status_failed_revision *failed; /* of the wanted, or NULL */
};

extern const struct cache_kind app_revision_kind;      /* ControllerRevisions: which there are */
extern const struct cache_kind app_revision_data_kind; /* and one of them in full, on demand */

/* Which revision is to run. */
int app_revision_choose(const struct view *view, const struct app_settings *settings,
                        const struct app_config *config, struct plan *plan, struct app_revision *ret)
        _must_check_;

/* Those that are kept of this very App, not of one that was called so before, in
 * no order: start with NULL. */
const struct object *app_next_revision(const struct view *view, const struct object *after);

/* The one that runs has proved good: it is kept, and what is older than the
 * history goes. */
int app_revision_keep(const struct view *view, const struct app_settings *settings,
                      const struct app_revision *revision, struct plan *plan) _must_check_;

/* Only that. */
int app_revision_trim(const struct view *view, const struct app_settings *settings, struct plan *plan)
        _must_check_;

/* --- copies.c ------------------------------------------------------------------------ */

/* Drops the copies that no revision needs. While the rollout is not COMPLETE an
 * older pod may still use any of them, so only those go that are too many.
 * status.copies becomes the Secrets that there are, or may be. */
int app_drop_copies(const struct view *view, const struct app_revision *revision,
                    const struct app_config *config, bool complete, struct plan *plan,
                    struct app_status *status) _must_check_;
