/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 as text: names that follow from contents, passwords that follow from random bytes.
 */
#pragma once

#include "base/arena.h"

#define DIGEST_BYTES 32

/* The first N bytes of TEXT's, in 2 * N digits. Absent, with A failed, where memory is out or
 * OpenSSL fails, and where TEXT is absent. */
struct str digest_hex(struct str text, size_t n, struct arena *a);
