/* SPDX-License-Identifier: Apache-2.0
 *
 * An errand: one effect of a plan on its way, as a request to the API server, or several in a
 * row. Internal to effect.c, errand_*.c, finalizer.c, reset.c and copy.c.
 */
#pragma once

#include "manager/task.h"

enum errand_step {
        ERRAND_CHANGING,  /* the last one: its reply ends the effect */
        ERRAND_CREATING,  /* likewise, but it fails if the name is taken */
        ERRAND_TRYING,    /* whether such a child may be made now */
        ERRAND_LOOKING,   /* at who has the name of the child */
        ERRAND_FETCHING,  /* what is to be copied */
        ERRAND_RESETTING, /* the lists of a child; then it is changed again */
};

struct errand {
        struct list link;
        struct list waiting; /* in the manager's list, for a place: see errands_begin */
        struct call call;    /* meanwhile: what it will begin with */
        struct task *task;
        const struct effect *effect;
        enum errand_step step;
        bool placed;       /* it has a place among those that may be large */
        bool repairing;    /* it undoes somebody's change */
        bool taken;        /* the child could not be made: the name was taken */
        bool reset;        /* its lists were set as a whole */
        struct str status; /* of EFFECT_STATUS: what is sent, as JSON in the task's arena */
        void *handle;
};

/* In the task's list; NULL without memory, and the task knows. */
struct errand *errand_new(struct task *t, const struct effect *e);
void errand_free(struct errand *q);

/* To the child of the effect. */
struct call errand_call(const struct errand *q, enum call_type type);

/* Starts CALL as STEP, or tells the task why not and frees Q. What reads or copies the
 * objects of others may have to wait before its first call, which has no body. */
void errand_start(struct errand *q, enum errand_step step, const struct call *call);

/* What it is about, for messages: "Deployment", "status". */
struct str errand_subject(const struct errand *q);

/* What came could not be taken in: R says why. The attempt failed, not for good. */
void errand_fail_reply(struct errand *q, int r);

/* Reads REPLY as an object. *RET_DOC is the caller's to free, *RET_META borrows from
 * it. False: it is none, or memory is out, and the task knows. */
bool errand_read(struct errand *q, const struct kube_reply *reply, yyjson_doc **ret_doc,
                 struct kube_meta *ret_meta) _must_check_;

/* Makes the child, unless the name is taken or its kind is on its way out: of one whose
 * definition may be deleted. */
void errand_try(struct errand *q);
/* Makes the child from its whole JSON, unless the name is taken. */
void errand_create(struct errand *q, struct str json);
/* Changes this very child; if VERSION is present, as it is. */
void errand_change(struct errand *q, struct str uid, struct str version);

/* A merge patch, JSON, of the object with that UID. */
void errand_patch(struct errand *q, struct str json, struct str uid);

/* Begins those that have waited, as far as there are places. Their tasks may end. */
void errands_begin(struct manager *m);

/* --- errand_reply.c -------------------------------------------------------------------- */

/* Takes the effect a step on, or ends it. */
void errand_on_reply(const struct kube_reply *reply, void *arg);

/* The name of a child is taken by an object that OWNER controls, or nobody; OURS
 * if fields in it were applied by Keelson. */
void effect_conflict(struct task *t, const struct effect *e, struct kube_owner owner, bool ours);

/* --- errand_status.c ------------------------------------------------------------------- */

/* Sends Q's status. */
void errand_send_status(struct errand *q);
/* No answer came, or one that leaves open whether it was taken. */
bool errand_status_is_open(const struct errand *q, const struct kube_reply *reply);
/* It was refused. If for a field that the cluster does not know, it is sent again
 * without that. Whether the request goes on. */
bool errand_status_refused(struct errand *q, const struct kube_reply *reply);

/* --- finalizer.c ---------------------------------------------------------------------- */

/* Adds our finalizer to the resource. */
void finalizer_hold(struct task *t, const struct effect *e);
/* Begins to take it away: which others are there? */
void finalizer_release(struct task *t, const struct effect *e);
/* The resource came. Whether the request goes on. */
bool finalizer_on_resource(struct errand *q, const struct kube_reply *reply);

/* --- copy.c --------------------------------------------------------------------- */

/* Begins a copy: is it there already? */
void copy_start(struct task *t, const struct effect *e);
/* Nobody has its name: asks for what is to be copied. */
void copy_fetch(struct errand *q);
/* The source came. Whether the request goes on. */
bool copy_on_source(struct errand *q, const struct kube_reply *reply);
/* It is not there any more. */
void copy_on_no_source(struct errand *q);

/* --- reset.c -------------------------------------------------------------------- */

/* The API server refused to apply the child. Whether that may be for what others
 * have put into its lists; then these are on their way to be set as a whole. */
bool reset_start(struct errand *q, const struct kube_reply *refusal);
/* They are: applies the child again. Whether the request goes on. */
bool reset_on_done(struct errand *q, const struct kube_reply *reply);
