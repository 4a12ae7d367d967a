/* SPDX-License-Identifier: Apache-2.0
 *
 * The Lease, as the driver needs it: watched, read, and written by compare-and-swap.
 *
 *      streams (one connection) --- watch ----------.
 *                                                   v
 *      calls (another one) ------- GET, PATCH --> record, absent, wrote --> driver
 *
 * A read asks for the newest state, never for a cached one. While the watch fails, the
 * Lease is read every now and then (lease_port.poll), and the first answer has the watch
 * tried again at once, whatever its back-off.
 *
 * A write is a merge patch that names the resourceVersion, so labels, owners and what
 * others have put there stay; one that is made again, after somebody deleted it, has the labels
 * and owners that were seen last, without which its operator would not know it.
 *
 * Anything but a 2xx with the new version counts as of unknown outcome, a 409 too: libcurl
 * sends a request again when the connection that it was to reuse turns out to be dead, and
 * then it is our own first attempt that the second one conflicts with. What really stands
 * there is read at once, so this costs nothing.
 */
#pragma once

#include "agent/member/memory.h"
#include "agent/member/one.h"
#include "failover/record.h"

#define LEASE_BODY_MAX ((size_t)128 * 1024)
/* A watch on which nothing moves for so many L has lost its server: a held Lease is
 * renewed four times in one. */
#define LEASE_SILENCE 4
#define LEASE_SILENCE_MIN (10 * USEC_SEC)

struct lease_handlers {
        /* OBJECT is the Lease that it was read from, valid during the call; NULL: it says something
         * older, and this is what is known (memory.h). */
        void (*record)(const struct failover_lease *lease, yyjson_val *object, void *arg);
        void (*absent)(void *arg);
        /* Once each time: the Lease says THERE, and was known to say KNOWN. */
        void (*went_back)(const struct failover_record *there, const struct failover_record *known,
                          void *arg);
        void (*wrote)(uint64_t id, enum failover_outcome outcome, const char *version, void *arg);
        /* The API server knows this pod no more (401, with the newest token that there is), as it
         * does of one that was deleted by force. Each time; after WROTE, if it was a write. */
        void (*refused)(void *arg);
        /* What goes wrong, for the log and the metrics: NULL when it works again. */
        void (*trouble)(const struct error *why, void *arg);
        void *arg;
};

#define LEASE_META_MAX ((size_t)16 * 1024)

struct lease_port {
        struct kube_client *client;
        struct loop *loop;
        struct str namespace, name;
        struct failover_timing timing;
        struct lease_handlers handlers;
        struct one watch;
        const struct failover_id *self;
        struct memory memory;
        unsigned generation; /* of the write that is under way */
        struct failover_record sent_record;
        struct loop_timer put_back;
        struct buf labels, owners; /* of the Lease as it was seen last, as JSON, for one that is made again */
        struct loop_timer poll;
        struct kube_request *reading, *writing;
        uint64_t id; /* of the write that is under way */
        usec_t sent;
        struct loop_defer failed;  /* it could not even be sent */
        bool troubled, unreadable; /* the latter: what is there, so that a server that answers is not all */
        uint64_t n_writes, n_failed, n_reads;
        usec_t last_took; /* the last write that was answered */
};

struct lease_config {
        struct kube_client *client;
        struct str namespace, name;     /* outlive it */
        usec_t lease;                   /* our L */
        const struct failover_id *self; /* outlives it */
        uint64_t seed;
};

/* Begins to watch. 0 or -ENOMEM. */
int lease_start(struct lease_port *l, const struct lease_config *config,
                const struct lease_handlers *handlers) _must_check_;
/* No callback comes any more. Fine where it was never started (zeroed). */
void lease_stop(struct lease_port *l);

void lease_read(struct lease_port *l);

/* One at a time; answered by one wrote, never from inside this call, after timing.write at
 * the latest. VERSION "": there must be none, and then REPORT is left out. */
void lease_write(struct lease_port *l, uint64_t id, const struct failover_record *record,
                 const struct failover_report *report, const char *version);
