/* SPDX-License-Identifier: Apache-2.0
 *
 * A second version of the App that exists in tests only. It differs in each way in
 * which versions tend to differ:
 *
 *      v1alpha1                                v1alpha2
 *      tier: backend                           role: backend                   another name
 *      image: shop:1@sha256:…                  image: {repository: shop,       one string in parts
 *                                                      tag: "1", digest: sha256:…}
 *      replicas: 2, autoscaling: {…}           scale: {replicas: 2,            moved inside
 *                                                      autoscaling: {…}}
 *      drain: {…}, healthCheck: {…}            lifecycle: {drain: {…}, checks: {…}}
 *      env: [{name: A, value: a}]              env: {A: {value: a}}            a list as a map
 *      strategy.progressDeadline: 10m          strategy.progressDeadline: 5m   another default
 *      revisionHistoryLimit: 10                -                               only there
 *      -                                       owner: ann, env.A.purpose: …    only here
 */
#pragma once

#include "conversion/convert.h"

extern const struct conversion_kind app_two_versions;
