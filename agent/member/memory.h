/* SPDX-License-Identifier: Apache-2.0
 *
 * What a member knows of its Lease, against what the Lease says after etcd was restored from
 * a backup: an epoch that is over, a set that was narrowed since, at a version that was
 * there before. The protocol relies on neither ever going back.
 *
 *      seen --> newer, or another object ----------------------------> TAKE, as ever
 *         `--> went back: this very life held what is known --------> PUT_BACK, at once
 *                  `----> somebody else did: HOLD until it was unchanged
 *                         for L, so that nobody acts by it ----------> PUT_BACK
 *
 * PUT_BACK: the protocol is told what the member knew, as if the Lease said so, at the version
 * that it really has. Whoever leads writes that with its next renewal; if nobody does, a
 * member of the set stands above it. While it holds, the leader goes on by promises: the
 * others know the same as it does.
 *
 * Versions have a generation, which rises when they go back, so that those of the protocol
 * never do:
 *
 *      "4711"                          as the API server says, in the first generation
 *      "110000000000000000000000004711"   generation 11, the next but one
 *
 * Pure: no clock, no I/O.
 */
#pragma once

#include "failover/record.h"

#define MEMORY_GENERATIONS 89 /* so many times; then an agent must be started again */
#define MEMORY_UID_MAX 64

struct memory {
        bool known;
        char uid[MEMORY_UID_MAX];
        struct failover_lease newest; /* as the protocol was told, or wrote; the version is the API's */
        unsigned generation;
        /* what was seen since is older */
        bool back;
        bool doubted; /* versions went back, and nothing has been seen since */
        usec_t since; /* unchanged */
        struct failover_lease there;
};

enum memory_verdict {
        MEMORY_TAKE,
        MEMORY_HOLD,
        MEMORY_PUT_BACK,
};

/* The API server was set back: its versions start anew. */
void memory_set_back(struct memory *m);

/* UID is the object's. SELF is this life. LEASE has the API's version. */
enum memory_verdict memory_saw(struct memory *m, const struct failover_lease *lease, struct str uid,
                               const struct failover_id *self, usec_t now);

/* When HOLD is over, if nothing changes: 0 if it does not. L is our own. */
usec_t memory_due(const struct memory *m, usec_t lease);

/* PUT_BACK: what the protocol is to be told. */
void memory_put_back(struct memory *m, struct failover_lease *ret);

/* RECORD was written, and is at that version of the API's now. */
void memory_wrote(struct memory *m, const struct failover_record *record, const char *version);

/* There is no Lease: the next one is another object. */
void memory_absent(struct memory *m);

/* From the API's version to the protocol's. -EINVAL: it is none that can be told. */
int memory_version(const struct memory *m, const char *raw, char ret[FAILOVER_VERSION_MAX]) _must_check_;

/* And back. -ESTALE: it is of a generation before. */
int memory_raw(const struct memory *m, const char *version, char ret[FAILOVER_VERSION_MAX]) _must_check_;
