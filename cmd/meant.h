/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody may have meant who wrote a group or a kind that is not there.
 */
#pragma once

#include "base/str.h"

/* The kind that KIND is a longer or a shorter name of, or the same in another case: App for
 * Application, apps and app. Absent: none. */
struct str meant_kind(struct str kind);

/* Is KIND one of ours, and API_VERSION missing or a group that was taken for ours, such as
 * keelson.io/v1? Then the apiVersion that it has, in TO; else absent. */
struct str meant_api_version(struct str api_version, struct str kind, char to[64]);
