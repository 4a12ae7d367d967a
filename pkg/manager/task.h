/* SPDX-License-Identifier: Apache-2.0
 *
 * A task: one resource being reconciled, from its view to the last reply.
 * Internal to the manager.
 *
 *      task_start: reconcile --> plan --> one request for each effect that is not so yet
 *      replies:    into the cache; what failed is noted on the queue's item
 *      the last:   queue_done, or queue_done_failed
 */
#pragma once

#include "manager/manager.h"

struct task {
        struct list link;
        struct manager *manager;
        struct queue_item *item;
        const struct controller *controller;
        struct arena arena;
        struct str uid; /* of the resource */
        struct list requests;
        struct str *claims; /* of the resource, when it was begun */
        size_t n_claims;
        struct failure failure; /* a permanent one, if any; of these the first in the plan's order */
        size_t failure_place;
        struct str created; /* the children made by it: "Deployment shop, Service shop" */
        uint32_t lost;      /* kinds of children of which one vanished before it, and is not back yet */
        usec_t retry_after; /* not before */
        bool soon;          /* an answer was KUBE_SOON: no backoff */
        usec_t started;
        usec_t wake;
        bool blocked;    /* nothing may be done but say why: GATE_BLOCKED */
        bool starting;   /* replies cannot come yet, so the task may not end */
        bool unreported; /* status and events of the plan are left to the next reconcile */
        char id[24];
};

/* Reconciles the active ITEM; gives it back to the queue, now or when the last
 * reply is in. */
void task_start(struct manager *m, struct queue_item *item);

/* The memory that all tasks have taken for what they work on. */
size_t tasks_bytes(const struct manager *m);

/* Drops all tasks and events on their way without another word. */
void tasks_cancel(struct manager *m);

/* --- for effect.c ------------------------------------------------------------- */

/* The attempt failed, at effect E (NULL: before any). What is said of it is the
 * first permanent failure in the plan's order, else the first of the others. */
void task_fail(struct task *t, const struct effect *e, bool permanent, struct str reason, struct str message);
void task_fail_memory(struct task *t);

/* What was written to the resource's status may not have been taken, or be taken
 * later: it is looked at again soon, several times. */
void task_doubt(struct task *t);

/* A child was made; one event at the end of the task tells of all. */
void task_note_created(struct task *t, const struct effect *e);

/* Was a child of the kind of E, which we had made, deleted by somebody else? Once. */
bool task_take_lost(struct task *t, const struct effect *e);

/* Sends an event about the resource. */
void task_tell(struct task *t, bool warning, struct str reason, struct str message);

/* Ends the task, and frees it, if no reply is awaited any more. */
void task_finish_if_done(struct task *t);
