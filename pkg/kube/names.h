/* SPDX-License-Identifier: Apache-2.0
 *
 * What Kubernetes takes for a name (Kubernetes docs, "Object Names and IDs", "Labels and
 * Selectors").
 *
 *      domain   [a-z0-9-] in parts between dots, 253 at most   example.com
 *      word     [A-Za-z0-9._-], 63 at most                     gpu_0.x-Y
 *      key      word, or domain/word                           example.com/gpu
 *
 * Each part, and each word, begins and ends with a letter or a digit.
 */
#pragma once

#include "base/str.h"

/* A part of a domain, of any length. */
bool kube_is_part(struct str s);
bool kube_is_domain(struct str s);
bool kube_is_word(struct str s);
/* domain/word */
bool kube_is_qualified(struct str s);
/* word, or domain/word */
bool kube_is_key(struct str s);
