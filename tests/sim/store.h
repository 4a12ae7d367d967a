/* SPDX-License-Identifier: Apache-2.0
 *
 * How the simulated API server keeps objects: what its verbs (verbs.c) and
 * everybody else's side (apiserver.c) share. Internal to the server.
 */
#pragma once

#include "sim/apiserver.h"

/* --- small JSON ---------------------------------------------------------------- */

struct str sim_get_str(yyjson_mut_val *object, const char *key);
yyjson_mut_val *sim_meta(yyjson_mut_val *object);
void sim_put(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value);
void sim_put_str(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct str value);
/* NULL if it is not JSON. */
yyjson_mut_val *sim_parse(yyjson_mut_doc *doc, struct str json);

/* --- changes --------------------------------------------------------------------- */

/* DOC (taken over) becomes the object's state, if that is a change. The object
 * may be gone afterwards: deleted, and its last finalizer taken away. */
/* Is it being deleted, and its last finalizer gone? */
bool sim_ends(yyjson_mut_doc *doc);
void sim_store(struct sim_api *api, struct sim_object *o, yyjson_mut_doc *doc);
struct sim_object *sim_store_new(struct sim_api *api, const struct kube_kind *kind, yyjson_mut_doc *doc);
void sim_erase(struct sim_api *api, struct sim_object *o);
void sim_begin_deletion(struct sim_api *api, struct sim_object *o);

/* A strategic merge patch. */
struct sim_reply sim_patch_as_kubectl(struct sim_api *api, const struct kube_call *call);

/* --- lists --------------------------------------------------------------------- */

/* The page that CALL asks for, as of VERSION unless its token names another. */
struct sim_reply sim_list_page(const struct sim_api *api, const struct kube_call *call, uint64_t version);
