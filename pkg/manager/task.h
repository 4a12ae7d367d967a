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

/* Reconciles the active ITEM; gives it back to the queue, now or when the last
 * reply is in. */
void task_start(struct manager *m, struct queue_item *item);

/* Drops all tasks and events on their way without another word. */
void tasks_cancel(struct manager *m);
