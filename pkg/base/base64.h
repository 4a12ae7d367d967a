/* SPDX-License-Identifier: Apache-2.0
 *
 * Base64 (RFC 4648, section 4, with padding): the data of Secrets and the
 * certificates in a kubeconfig.
 */
#pragma once

#include "base/buf.h"

/* Room that decoding N characters needs at the most. */
#define BASE64_DECODED_MAX(n) ((n) / 4 * 3 + 3)

/* Decodes all of S into OUT, which has room for BASE64_DECODED_MAX(s.len)
 * bytes. Line breaks are passed over, as Go's decoder does. 0, or -EINVAL for
 * any other character, for missing padding, or for something behind it. */
int base64_decode(struct str s, void *out, size_t *ret_len) _must_check_;

/* Appends the text of DATA; the buffer's error is sticky. */
int base64_encode(struct buf *out, struct str data);
