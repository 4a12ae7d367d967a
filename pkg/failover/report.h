/* SPDX-License-Identifier: Apache-2.0
 *
 * What the members say of themselves, for whoever looks after the cluster: beside the
 * record, in an annotation of the same Lease, written by the leader with each renewal. It
 * is no part of the protocol, and no member decides anything by it.
 *
 *      metadata:
 *        annotations:
 *          failover.keelson.dev/report: '{"epoch":7,"outageMillis":830,"members":[…]}'
 *
 *      {"member": 0, "pod": "0b7d…", "config": "5f2c…"},
 *      {"member": 1, "pod": "91aa…", "config": "5f2c…", "needsRestart": true, "lag": 2097152,
 *       "refused": {"setting": "maxmemory", "words": "argument must be a memory value"},
 *       "lost": {"epoch": 7, "bytes": 4711, "exact": true}}
 *
 * A word is its pod's: it says nothing of the one that has taken its place since.
 *
 * A member that nothing was heard of is not listed. Fields that are not known are passed
 * over.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "failover/failover.h"
#include "failover/fields.h"

#define FAILOVER_REPORT_ANNOTATION "failover.keelson.dev/report"
#define FAILOVER_REPORT_BYTES_MAX ((size_t)6 * 1024)
#define FAILOVER_CONFIG_MAX 32
#define FAILOVER_SETTING_MAX 64
#define FAILOVER_WORDS_MAX 160

/* A setting that is not in force, and why. One that was carried out but for this is said to be
 * in force all the same: nothing more will come of it. */
struct failover_refusal {
        char setting[FAILOVER_SETTING_MAX]; /* "maxmemory", "user shop"; empty: nothing is refused */
        char words[FAILOVER_WORDS_MAX];     /* the server's */
};

/* What one member has carried out of what it was told. */
struct failover_applied {
        char pod[FAILOVER_UID_MAX];       /* whose word it is */
        char config[FAILOVER_CONFIG_MAX]; /* "version" of the config.json in force; empty: none yet */
        bool needs_restart;               /* a part of it waits for another start of the pod */
        struct failover_refusal refused;  /* the first one */
        struct failover_missing lost;     /* what it had beyond a later leader; epoch 0: nothing to say */
};

#define FAILOVER_UNTOLD (-1)

struct failover_report {
        uint64_t epoch;        /* whose leader says so */
        int64_t outage_millis; /* from the end of the leader before until this one was writable; or UNTOLD */
        failover_set known;    /* of whom there is something */
        struct failover_applied applied[FAILOVER_MEMBERS_MAX];
        int64_t lag[FAILOVER_MEMBERS_MAX]; /* bytes; or UNTOLD: it is not connected, or it leads */
};

/* An empty one. */
void failover_report_init(struct failover_report *r);

/* Cuts both to what they may have, and to printable ASCII. */
void failover_refusal_set(struct failover_refusal *r, struct str setting, struct str words);

bool failover_applied_equal(const struct failover_applied *a, const struct failover_applied *b);

/* The members "refused" and "lost" of an object, where there is something to tell. */
void failover_applied_put(struct json_writer *w, const struct failover_applied *applied);
void failover_applied_read(const struct fields *f, struct failover_applied *ret);

/* The JSON of the annotation. 0, or the buffer's error. */
int failover_report_write(const struct failover_report *report, struct buf *out);

/* 0; -EINVAL with the field and what it must be; -ENOMEM. */
int failover_report_read(struct str json, struct failover_report *ret, struct error *err) _must_check_;
