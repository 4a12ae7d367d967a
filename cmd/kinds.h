/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds that we judge, for the webhook and whoever else gives a verdict.
 */
#pragma once

#include "admission/judge.h"

#define CMD_KINDS 2

extern const struct admission_kind *const cmd_kinds[CMD_KINDS];
