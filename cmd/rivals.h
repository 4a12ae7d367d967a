/* SPDX-License-Identifier: Apache-2.0
 *
 * Which hosts the Apps among the files claim. What two of them claim only one will
 * have, and which that is the files do not tell: it is the one that is made first.
 *
 *      host --> | namespace, name, file, line of the first App that names it |
 */
#pragma once

#include <yyjson.h>

#include "base/map.h"
#include "schema/problem.h"

#define RIVALS_MAX 65536 /* hosts; the rest is not compared */

struct rivals {
        struct map hosts;
};

void rivals_init(struct rivals *r);
void rivals_release(struct rivals *r);

/* Takes in the hosts of APP, which is fine and begins at LINE of FILE, and adds to WARNINGS
 * those that another App has named before. 0 or -ENOMEM. */
int rivals_note(struct rivals *r, yyjson_val *app, const char *file, unsigned line, struct problems *warnings)
        _must_check_;
