/* SPDX-License-Identifier: Apache-2.0
 *
 * One Environment, and one reconcile of it (controller/resource.h).
 */
#pragma once

#include "controller/resource.h"

#include "controller/environment/environment.h"

#define ENVIRONMENT_AT(generation, rest)                                                                     \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-env\","                      \
        "\"resourceVersion\":\"7\",\"generation\":" generation "}," rest "}"
#define ENVIRONMENT(spec) ENVIRONMENT_AT("3", "\"spec\":" spec)

#define OBJECT(name, owner, rest)                                                                            \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name "\",\"uid\":\"u-" name                      \
        "\",\"resourceVersion\":\"12\",\"ownerReferences\":[{\"kind\":\"Environment\",\"name\":\"default\"," \
        "\"uid\":\"" owner "\",\"controller\":true}]}" rest "}"

static inline void begin(struct fixture *f, const char *environment)
{
        begin_resource(f, &environment_controller, environment);
}

/* One that uses all that there is. */
static const char full[] _unused_ = ENVIRONMENT(
        "{\"profile\":\"production\","
        "\"quota\":{\"hard\":{\"requests.cpu\":\"8000m\",\"limits.memory\":\"32Gi\",\"pods\":40}},"
        "\"limitRange\":{\"default\":{\"cpu\":\"500m\"},\"defaultRequest\":{\"cpu\":\"50m\"},"
        "\"max\":{\"cpu\":\"2\",\"memory\":\"4096Mi\"}},"
        "\"overrides\":[{\"tier\":\"worker\",\"replicas\":1}],"
        "\"routing\":{\"gateway\":{\"name\":\"edge\",\"namespace\":\"infra\"}}}");
