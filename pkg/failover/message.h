/* SPDX-License-Identifier: Apache-2.0
 *
 * A message between agents, as JSON:
 *
 *      {"type": "Seal", "from": 2, "to": 0, "life": "00c0ffee00c0ffee", "round": "…", "epoch": 8,
 *       "address": "10.0.0.3"}
 *
 *      {"type": "Yes", "about": "Seal", …, "copy": {"data": "Warm", "lineage": "…",
 *                                                   "position": {"timeline": 7, "offset": 123456}}}
 *
 * address is where the sender is reached, for the answer; "config", "needsRestart", "refused" and "lost"
 * are what it has carried out of its settings (report.h). None of them is part of the protocol.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "failover/report.h"

#define FAILOVER_MESSAGE_BYTES_MAX ((size_t)4 * 1024)

struct failover_letter {
        struct failover_message message;
        char address[FAILOVER_ADDRESS_MAX];
        struct failover_applied applied; /* the sender's */
};

/* 0, or the buffer's error. */
int failover_letter_write(const struct failover_letter *letter, struct buf *out);

/* 0; -EINVAL with the field and what it must be; -ENOMEM. */
int failover_letter_read(struct str json, struct failover_letter *ret, struct error *err) _must_check_;
