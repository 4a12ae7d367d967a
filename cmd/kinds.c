/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/kinds.h"

#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"

const struct admission_kind *const cmd_kinds[CMD_KINDS] = { &app_admission, &environment_admission,
                                                            &redis_admission };

/* One version each, so nothing is to be converted yet. */
static const struct conversion_version v1alpha1 = { .name = STR_INIT("v1alpha1") };

static const struct conversion_kind app = { STR_INIT("keelson.dev"), STR_INIT("App"), &v1alpha1, 1 };
static const struct conversion_kind environment = { STR_INIT("keelson.dev"), STR_INIT("Environment"),
                                                    &v1alpha1, 1 };

static const struct conversion_kind redis = { STR_INIT("keelson.dev"), STR_INIT("Redis"), &v1alpha1, 1 };

const struct conversion_kind *const cmd_conversions[CMD_KINDS] = { &app, &environment, &redis };
