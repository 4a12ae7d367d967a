/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/kinds.h"

#include "controller/app/app.h"
#include "controller/environment/environment.h"

const struct admission_kind *const cmd_kinds[CMD_KINDS] = { &app_admission, &environment_admission };
