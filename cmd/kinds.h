/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds that we judge, for the webhook and whoever else gives a verdict, and the
 * versions that each has.
 */
#pragma once

#include "admission/judge.h"
#include "conversion/convert.h"

#define CMD_KINDS 3

extern const struct admission_kind *const cmd_kinds[CMD_KINDS];
extern const struct conversion_kind *const cmd_conversions[CMD_KINDS];
