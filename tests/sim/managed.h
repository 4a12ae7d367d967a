/* SPDX-License-Identifier: Apache-2.0
 *
 * metadata.managedFields of the simulated API server: what each way of writing
 * does to an object and to who owns what in it. Internal to sim/apiserver.c.
 */
#pragma once

#include <yyjson.h>

#include "base/str.h"

/* Who writes, and how it stands in managedFields. */
struct sim_writer {
        const char *manager;
        const char *operation;
        bool status; /* the subresource */
};

/* Leaves of a body what is its writer's to set: not the identity, and either
 * the status or all but the status. */
void managed_strip(yyjson_mut_doc *doc, yyjson_mut_val *body, bool status);

/* Server-side apply, forced: CONFIG (stripped) over the object in DOC. */
void managed_apply(yyjson_mut_doc *doc, yyjson_mut_val *config, const struct sim_writer *w);

/* The object in DOC was BEFORE until W changed it. */
void managed_update(yyjson_mut_doc *doc, yyjson_mut_val *before, const struct sim_writer *w);

/* W made the object in DOC. */
void managed_create(yyjson_mut_doc *doc, const struct sim_writer *w);
