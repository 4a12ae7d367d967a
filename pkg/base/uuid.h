/* SPDX-License-Identifier: Apache-2.0
 *
 * UUIDs as text and in 16 bytes (RFC 9562, 4): "c7bf2d5a-1f0e-4b7c-9f3a-0d6a51e0b1aa".
 */
#pragma once

#include "base/str.h"

#define UUID_BYTES 16
#define UUID_TEXT 36

/* Whether S is one, in small letters: then the same text comes of its bytes. TO is
 * written even if it is not. */
bool uuid_pack(struct str s, uint8_t to[UUID_BYTES]);

void uuid_unpack(const uint8_t from[UUID_BYTES], char to[UUID_TEXT]);
