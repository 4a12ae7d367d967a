/* SPDX-License-Identifier: Apache-2.0
 *
 * The metadata of any object, as the API server takes it: only who asks before the API
 * server does has to look.
 */
#pragma once

#include <yyjson.h>

#include "schema/problem.h"

/* Adds to PROBLEMS what is wrong with the metadata of OBJECT, but for its name. */
void metadata_check(yyjson_val *object, struct problems *problems);
