/* SPDX-License-Identifier: Apache-2.0
 *
 * The record, as a Lease (coordination.k8s.io/v1) carries it:
 *
 *      metadata:
 *        annotations:
 *          failover.keelson.dev/record: '{"phase":"Held","epoch":7,"holder":{…},…}'   what counts
 *      spec:
 *        holderIdentity: 2/8f14…/00c0ffee00c0ffee                                    for people
 *        leaseDurationSeconds: 4                          how long the holder wants to be waited for
 *        leaseTransitions: 7
 *        renewTime: …
 *
 *      {
 *        "phase": "Held", "epoch": 7,
 *        "holder": {"member": 2, "uid": "8f14…", "incarnation": "00c0ffee00c0ffee", "address": "10.0.0.3"},
 *        "handoverTo": 1, "inSync": [0, 1, 2], "lineage": "…",
 *        "position": {"timeline": 7, "offset": 123456}, "floor": 6,
 *        "final": false, "cause": "ServerCrashed", "from": 0, "lost": 0, "loss": "AtLeast",
 *        "start": {"epoch": 7, "position": {"timeline": 6, "offset": 120000}}, "request": 3, "consent": 0
 *      }
 *
 * holder is absent before there was one, handoverTo and from where they are nobody, loss and
 * start where they are not known; floor (0), loss and start in records of earlier releases. Every
 * field is checked; fields that are not known are passed over, and gone with the next write.
 */
#pragma once

#include "failover/failover.h"
#include "failover/report.h"
#include "json/read.h"

#define FAILOVER_ANNOTATION "failover.keelson.dev/record"

/* The JSON of the annotation. 0, or the buffer's error. */
int failover_record_write(const struct failover_record *record, struct buf *out);

/* 0; -EINVAL with the field and what it must be; -ENOMEM. */
int failover_record_read(struct str json, struct failover_record *ret, struct error *err) _must_check_;

struct failover_lease {
        struct failover_record record;
        char version[FAILOVER_VERSION_MAX];
        usec_t duration; /* leaseDurationSeconds; 0: it does not say */
};

/* A Lease as the API server gives it. -EINVAL, likewise. */
int failover_lease_read(yyjson_val *lease, struct failover_lease *ret, struct error *err) _must_check_;

/* Is RECORD's holder named beside the record, with its epoch? Whoever takes the Lease writes all of it at once. */
bool failover_lease_names(yyjson_val *lease, const struct failover_record *record);

/* What a Lease that is made again has of the one before, or its operator would not know it. */
struct failover_lease_meta {
        struct str name;
        struct str labels, owners; /* metadata.labels, metadata.ownerReferences: JSON; absent: none */
};

/* The whole Lease, for a create; and a merge patch that is refused unless the Lease is at
 * VERSION. LEASE is the holder's L, WALL the time for people. REPORT goes beside it; NULL: what
 * is there stays. 0, or the buffer's error. */
int failover_lease_create(const struct failover_record *record, const struct failover_lease_meta *meta,
                          usec_t lease, usec_t wall, struct buf *out);
int failover_lease_patch(const struct failover_record *record, const struct failover_report *report,
                         usec_t lease, usec_t wall, const char *version, struct buf *out);
