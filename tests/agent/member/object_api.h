/* SPDX-License-Identifier: Apache-2.0
 *
 * An API server that keeps one object, a Lease or an EndpointSlice, and can be told to fail.
 */
#pragma once

#include "agent/member/lease.h"
#include "harness.h"
#include "pkg/kube/fake_api.h"

extern struct loop *loop;
extern struct fake_api api;
extern struct kube_client *client;
extern int version;               /* of the object; 0: there is none */
extern int duration;              /* what the Lease wants to be waited for, in seconds */
extern int transitions;           /* of the Lease's holder, 2/8f14/00c0ffee00c0ffee: 7 */
extern const char *record;        /* of the Lease; NULL: one of that holder and epoch */
extern struct fake_step write_as; /* how the next write is answered, if a status or an end is set */
extern struct fake_step read_as;  /* how every GET is answered, likewise */
extern const char *annotations;   /* of the EndpointSlice, with the braces */
extern const char *labels;        /* likewise */
extern const char *endpoints;     /* of it, with the brackets */
extern const char *ports;         /* likewise */

extern const struct fake_step object_conflict, object_hangs;

/* With the object at VERSION. */
void object_open(int at);
void object_close(void);
/* How often HEAD stands at the head of what was asked. */
unsigned object_n_asked(const char *head);
