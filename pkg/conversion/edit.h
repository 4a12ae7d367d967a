/* SPDX-License-Identifier: Apache-2.0
 *
 * The changes that versions of a kind mostly differ by, for the functions that convert
 * (convert.h). Each does nothing where the object is not as it expects: a part may be
 * missing, and a place may be taken. What then does not come back is noted anyway.
 */
#pragma once

#include "conversion/convert.h"

/* The object at that member, or NULL. */
yyjson_mut_val *edit_object(yyjson_mut_val *parent, const char *name);

/* The same, made if nothing is there. NULL if something else is. */
yyjson_mut_val *edit_make_object(struct conversion *c, yyjson_mut_val *parent, const char *name);

/* Takes an object that has become empty away. */
void edit_drop_empty(yyjson_mut_val *parent, const char *name);

/* A member gets another name, and maybe another object. */
void edit_rename(struct conversion *c, yyjson_mut_val *object, const char *from, const char *to);
void edit_move(struct conversion *c, yyjson_mut_val *object, const char *from, yyjson_mut_val *to_object,
               const char *to);

/* What is absent gets the value that it stands for: the default of the version that
 * the object comes from, where the other one has another. */
void edit_default(struct conversion *c, yyjson_mut_val *object, const char *name, const char *text);

/* [{KEY: "a", x: 1}, …] <-> {"a": {x: 1}, …}. A map becomes a list sorted by key. */
void edit_list_to_map(struct conversion *c, yyjson_mut_val *object, const char *name, const char *key);
void edit_map_to_list(struct conversion *c, yyjson_mut_val *object, const char *name, const char *key);
