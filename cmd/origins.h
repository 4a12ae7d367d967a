/* SPDX-License-Identifier: Apache-2.0
 *
 * Where each value of a spec comes from that was put together: from the resource itself,
 * from the Environment of its namespace, or from Keelson.
 *
 *      spec:
 *        replicas: 2                             # Environment
 *        env:                                    # App
 *          - name: LOG_LEVEL
 *            value: info
 *        drain:
 *          delay: 5s                             # built-in
 *
 * A list is one value: it comes as a whole from where it comes from. Only what in it comes
 * from elsewhere has a word of its own.
 */
#pragma once

#include "base/buf.h"
#include "controller/app/app.h"
#include "json/write.h"

struct origins {
        yyjson_val *object; /* as somebody wrote it */
        yyjson_val *spec;   /* what became of its spec */
        /* Of an App beside an Environment: what the status shows as well (status.effective). */
        const struct app_status_effective *figures;
        size_t n_figures;
};

/* Appends the whole resource with that spec as a document of YAML. Control characters are
 * '?'. Paths are made in the arena. */
void origins_put_yaml(const struct origins *o, struct arena *a, struct buf *out);

/* Writes an object: "replicas": "Environment", "drain.delay": "BuiltIn", … */
void origins_put_json(const struct origins *o, struct arena *a, struct json_writer *w);
