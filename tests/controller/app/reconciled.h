/* SPDX-License-Identifier: Apache-2.0
 *
 * One App, and one reconcile of it (controller/resource.h).
 */
#pragma once

#include "controller/resource.h"

#include "controller/app/app.h"
#include "controller/environment/environment.h"

#define APP(name, generation, rest)                                                                          \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name                                             \
        "\",\"uid\":\"u-app\",\"resourceVersion\":\"7\","                                                    \
        "\"generation\":" generation "}," rest "}"

/* An Environment of that profile, and what it says of routing. */
#define PRODUCTION(routing)                                                                                  \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-env\",\"resourceVersion\":"  \
        "\"3\"},\"spec\":{\"profile\":\"production\",\"routing\":{" routing "}}}"

static inline void begin(struct fixture *f, const char *app)
{
        begin_resource(f, &app_controller, app);
}

/* The cluster has the Gateway API. */
static inline void serve_httproutes(struct fixture *f)
{
        cache_list_begin(&f->cache, &app_httproute_kind, STR_NULL);
        ck_assert_int_eq(cache_list_end(&f->cache, &app_httproute_kind, STR_NULL, STR("1")), 0);
        ck_assert_int_eq(cache_set_served(&f->cache, &app_httproute_kind, true), 0);
}

static inline yyjson_val *container(struct fixture *f)
{
        return json_get_path(child(f, &app_deployment_kind), "/spec/template/spec/containers/0");
}

/* One that uses all that there is, and one that uses nothing. */
static const char full_app[] _unused_ = APP(
        "web", "3",
        "\"spec\":{\"image\":\"registry.example/shop/web:1.8.2\",\"port\":8080,\"replicas\":3,"
        "\"env\":[{\"name\":\"MODE\",\"value\":\"production\"},{\"name\":\"EMPTY\",\"value\":\"\"}],"
        "\"resources\":{\"requests\":{\"cpu\":\"500m\",\"memory\":\"256Mi\"},\"limits\":{\"memory\":\"1Gi\"}},"
        "\"healthCheck\":{\"livePath\":\"/live\",\"readyPath\":\"/ready\",\"startupTimeout\":\"1m30s\"}}");
static const char worker[] _unused_ = APP("worker", "1", "\"spec\":{\"image\":\"w:1\"}");
