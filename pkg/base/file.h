/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole small files: certificates, tokens, settings.
 */
#pragma once

#include "base/buf.h"

/* Appends what stands in the file to OUT. The negative errno of open or read,
 * or the buffer's error (-EMSGSIZE past its cap, -ENOMEM). A pipe may take 5 s until
 * it is closed, else it is -ETIMEDOUT; a named one that nobody writes to is empty. */
int file_read(const char *path, struct buf *out) _must_check_;
