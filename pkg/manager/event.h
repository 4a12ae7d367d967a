/* SPDX-License-Identifier: Apache-2.0
 *
 * Events about resources (events.k8s.io/v1): sent once, not retried, and
 * dropped while too many are on their way, since they tell and do not decide.
 * Internal to the manager.
 */
#pragma once

#include "manager/manager.h"

#define EVENTS_IN_FLIGHT_MAX 64

void event_send(struct manager *m, const struct object *regarding, bool warning, struct str reason,
                struct str message);
void events_cancel(struct manager *m);
