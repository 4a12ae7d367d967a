/* SPDX-License-Identifier: Apache-2.0
 *
 * Events about resources (events.k8s.io/v1). They tell and do not decide: sent
 * once, not retried, and dropped while too many are on their way.
 *
 * What happens again becomes a series instead of one more Event (Kubernetes
 * docs, "Event v1 events.k8s.io", series): the Event that stands there is
 * patched.
 *
 *      first time ---> create                             told 1
 *      again ----.---> patch series {count 2}             told 2
 *      again -.  '---- on its way: only counted
 *             '------> patch series {count 4}             told 4
 *                        '-- 404, it has expired: create anew, with what was not told
 *
 * Nothing is lost by that: two events are one series only if the resource (its
 * UID), the type, the reason and the whole note are equal, so no text is ever
 * merged into another; and each time is counted. A count that cannot be told at
 * once goes with the next request about the same, which follows the answer to
 * the one under way. It is given up where such a request fails and nothing
 * happens again within EVENT_SERIES_WINDOW.
 *
 * EVENTS_REMEMBERED_MAX are remembered, those that happened last; one that is
 * forgotten and happens again is a new Event.
 *
 *      by_key: hash -> event                    embedded in the manager
 *      recent: oldest <-> ... <-> newest
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "cache/cache.h"

#define EVENTS_IN_FLIGHT_MAX 64
#define EVENTS_REMEMBERED_MAX 256
/* What does not happen again for so long is over, as in client-go. */
#define EVENT_SERIES_WINDOW (6 * USEC_MINUTE)

struct manager;

struct events {
        struct map by_key;
        struct list recent;
        size_t n, n_in_flight;
};

void events_init(struct events *e);
/* Cancels those on their way and forgets all. It may be used again. */
void events_release(struct manager *m);

/* What an Event is about, where that is in no cache. */
struct event_about {
        const struct kube_kind *kind; /* static storage */
        struct str namespace, name;
        struct str uid, version; /* empty: it is not there, or not known */
};

void event_send_about(struct manager *m, const struct event_about *about, bool warning, struct str reason,
                      struct str message);
void event_send(struct manager *m, const struct object *regarding, bool warning, struct str reason,
                struct str message);
