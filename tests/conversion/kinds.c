/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of a keelson program that has a second version of the App.
 */
#include "cmd/kinds.h"

#include "app_v1alpha2.h"
#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"

static const struct conversion_version v1alpha1 = { .name = STR_INIT("v1alpha1") };
static const struct conversion_kind environment = { STR_INIT("keelson.dev"), STR_INIT("Environment"),
                                                    &v1alpha1, 1 };
static const struct conversion_kind redis = { STR_INIT("keelson.dev"), STR_INIT("Redis"), &v1alpha1, 1 };

const struct admission_kind *const cmd_kinds[CMD_KINDS] = { &app_admission, &environment_admission,
                                                            &redis_admission };
const struct conversion_kind *const cmd_conversions[CMD_KINDS] = { &app_two_versions, &environment, &redis };
