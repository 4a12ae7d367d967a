/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of resources, and what the API server asks of their amounts (Kubernetes docs,
 * "Resource Management for Pods and Containers", "Resource Quotas"). It says so of pods
 * and quotas only, which come after the App or the Environment that they are made of.
 *
 *      cpu, memory             any amount; may be overcommitted
 *      hugepages-2Mi           so many pages; the request is the limit
 *      example.com/gpu         extended: a whole number; the request is the limit
 */
#pragma once

#include "base/str.h"

/* May a container have it? */
bool resource_is_container(struct str name);
/* May a quota name it? */
bool resource_is_quota(struct str name);

/* Does it come in whole numbers only, in a container or a quota? */
bool resource_is_whole(struct str name);
/* May pods request less of it than is their limit? */
bool resource_is_overcommitted(struct str name);
/* Of huge pages: is AMOUNT so many of them, none included? True of all else. */
bool resource_is_pages(struct str name, struct str amount);
