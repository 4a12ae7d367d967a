/* SPDX-License-Identifier: Apache-2.0
 *
 * What a resource becomes once all that it leaves out is filled in: by the defaults of
 * its schema, and where the Environment of an App's namespace is known, as the operator
 * does it: built-in < Environment < App.
 *
 *      explain_learn(e, environment)       each of those that are looked at
 *      explain_spec(e, kind, app, …)       the same code that reconciles
 */
#pragma once

#include "admission/judge.h"
#include "cmd/origins.h"

struct explain {
        struct cache cache; /* the Environments, and the Apps that were asked about */
        uint64_t version;   /* that of the newest: the cache passes over what is not newer */
};

void explain_init(struct explain *e);
void explain_release(struct explain *e);

/* Where OBJECT is to be: it need not say. */
struct str explain_namespace(yyjson_val *object);

/* Takes in OBJECT if it is an Environment that is fine. 0 or -ENOMEM. */
int explain_learn(struct explain *e, yyjson_val *object) _must_check_;

/* The spec of OBJECT, which is fine, and where each part of it comes from, to *RET, which
 * lies in the arena of WARNINGS. What does not go together with the Environment is added to
 * those: then, and where that is not known, it is the spec with its defaults. 0 or -ENOMEM. */
int explain_spec(struct explain *e, const struct admission_kind *kind, yyjson_val *object,
                 struct problems *warnings, struct origins *ret) _must_check_;
