/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reflector is sent, value by value: the objects and the envelope of a
 * page, the events of a stream. Only reflector*.c includes this.
 */
#pragma once

#include "kube/reflector.h"

/* Both for json_split_feed, with the reflector as ARG. -ECANCELED: the owner
 * has stopped it, and maybe started it again. */
int reflector_take_listed(struct str value, bool envelope, void *arg);
int reflector_take_event(struct str value, bool envelope, void *arg);

/* --- reflector.c's ---------------------------------------------------------- */

/* Tells the owner, unless it knows. */
void reflector_report(struct reflector *r, enum reflector_state state, const struct error *err);

/* All of the list is in, as of r->version. 0, -ECANCELED, or what the owner says. */
int reflector_end_list(struct reflector *r);

/* The watch does what a watch is for. */
void reflector_watch_works(struct reflector *r);
