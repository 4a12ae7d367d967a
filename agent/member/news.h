/* SPDX-License-Identifier: Apache-2.0
 *
 * What the protocol tells, for people: a line in the log, and Events (events.k8s.io/v1)
 * about the pod and about the resource that owns the Lease. Events are sent once and not
 * retried: they tell, and decide nothing.
 */
#pragma once

#include "failover/failover.h"
#include "kube/client.h"

#define NEWS_NOTE_MAX 512
#define NEWS_IN_FLIGHT_MAX 16
#define NEWS_OWNER_MAX 256
/* The same news within so long is one Event. */
#define NEWS_AGAIN USEC_MINUTE

/* The owner of the Lease; "" where it has none. */
struct news_owner {
        char api_version[NEWS_OWNER_MAX], kind[NEWS_OWNER_MAX], name[NEWS_OWNER_MAX], uid[NEWS_OWNER_MAX];
};

struct news_config {
        struct kube_client *client;
        struct str namespace, pod, uid, cluster; /* outlive it */
        usec_t timeout;
};

struct news {
        struct news_config config;
        struct news_owner owner;
        size_t n_in_flight;
        uint64_t n_told, n_dropped, serial;
        uint64_t last_hash;
        usec_t last_at;
};

void news_init(struct news *n, const struct news_config *config);
/* Nobody waits for those on their way: the client must be freed first, or live on. */

/* Who owns the Lease, from its metadata. */
void news_take_owner(struct news *n, yyjson_val *lease);

/* "shop-2 leads epoch 7; in sync: shop-0, shop-2", and whether it is something to worry about. */
bool news_note(const struct news *n, const struct failover_effect *e, char out[NEWS_NOTE_MAX]);

/* NOTE as the owner has it, who has several members: with that POD in front which says it. */
void news_note_of(struct str pod, const char *note, char out[NEWS_NOTE_MAX]);

/* Any other news, likewise: REASON is the Event's, in CamelCase. */
void news_say(struct news *n, bool warning, const char *reason, const char *note);

/* Logs and sends; what the engine tells with more words (ServerCrashed) is only logged. */
void news_tell(struct news *n, const struct failover_effect *e);
