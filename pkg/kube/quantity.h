/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantities: "500m", "1.5Gi", "2e3" (Kubernetes API, resource.Quantity).
 *
 * The API server rewrites many of them in their canonical form, and then holds
 * another text than was applied. What renders objects therefore writes what
 * the server would:
 *
 *      "1000m" -> "1"     "0.5" -> "500m"     "1024Mi" -> "1Gi"     "1.5Gi" -> "1536Mi"
 */
#pragma once

#include "base/arena.h"

enum quantity_format {
        QUANTITY_DECIMAL,  /* n u m - k M G T P E */
        QUANTITY_BINARY,   /* Ki Mi Gi Ti Pi Ei */
        QUANTITY_EXPONENT, /* e3 */
};

struct quantity {
        __int128 nanos; /* billionths; finer ones were rounded away from zero */
        enum quantity_format format;
};

#define QUANTITY_TEXT_MAX 48

/* 0, -EINVAL for what is no quantity, -ERANGE past 10^29
 * or 19 digits. Binary ones end at
 * 2^63-1, silently, as in the API server. */
int quantity_parse(struct str text, struct quantity *ret) _must_check_;

/* The canonical text; returns its length. */
size_t quantity_format(const struct quantity *q, char out[QUANTITY_TEXT_MAX]);

/* What the API server stores when TEXT is applied: mostly the canonical text,
 * but the server leaves some others alone, like "1.500". The result is TEXT
 * itself or lives in the arena; absent if memory is out. A text that is no
 * quantity comes back as it is, for the server to refuse. */
struct str quantity_stored(struct str text, struct arena *a);

/* Is the quantity A more than B? What is none is neither more nor less. */
bool quantity_exceeds(struct str a, struct str b);
