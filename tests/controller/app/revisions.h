/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stories of revisions share: releases that go well and badly, and the
 * records that are kept of them.
 */
#pragma once

#include "cluster.h"

#include "controller/app/config.h"

#define APP_OF(image) "\"image\":\"" image "\",\"replicas\":2"
#define WITH_CONFIG(image)                                                                                   \
        APP_OF(image)                                                                                        \
        ",\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}},"                                          \
        "{\"secretRef\":{\"name\":\"db\"}}]"
#define KEPT(n) ",\"revisionHistoryLimit\":" #n
#define NO_ROLLBACK ",\"strategy\":{\"autoRollback\":false}"

static inline void begin_good(struct cluster *c, const char *spec)
{
        begin_cluster(c, spec);
        set_object(c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        set_object(c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"P\":\"MQ==\"}");
        settle(c);
        ck_condition(c, "Ready", "True", "Ready");
}

/* Another spec, whose pods do not become ready by the deadline. */
static inline void roll_out_badly(struct cluster *c, const char *spec)
{
        change_spec(c, spec);
        step(c);
        set_rollout(c, PAST_ITS_DEADLINE);
}

/* What fails is taken back, and what was there before runs again. */
static inline void fail_and_recover(struct cluster *c, const char *spec)
{
        roll_out_badly(c, spec);
        for (int i = 0; i < STEPS_MAX && !has_part(str_c(c->status), "failedRevision"); i++)
                step(c);
        c->rollout = ROLLED_OUT; /* what is applied next is well */
        settle(c);
}

static inline struct str running(struct cluster *c)
{
        return deployment_at(c, "/spec/template/spec/containers/0/image");
}

static inline bool has_failed_revision(struct cluster *c)
{
        return json_get_path(parse_(c, c->status), "/failedRevision") != NULL;
}

static inline bool is_kept(struct cluster *c, const char *name)
{
        return find_object(c, "controllerrevisions", str_c(name)) != NULL;
}

static inline size_t count_kept(struct cluster *c)
{
        return count_held(c, &app_revision_kind);
}
