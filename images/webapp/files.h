/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings files of the sample app: what it has read of the folders that are
 * mounted into it, as one state of all of them.
 *
 *      CONFIG_DIRS=/etc/shop:/etc/keys
 *
 *      /etc/shop/ ..data -> ..2026_01     a ConfigMap's volume: its files are links
 *                 color  -> ..data/color  through ..data, which changes once for all
 *                 limit  -> ..data/limit
 *
 * Files are read from ..data, opened once, so that those of one folder are always
 * of the same age. Names that begin with a dot and folders are passed over. Values
 * are kept as they stand there, without the line break at their end.
 *
 * Not safe for several threads at once; the caller locks.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

#define FILES_MAX 64
#define FILE_NAME_MAX 128
#define FILE_SIZE_MAX (64 * 1024)

struct setting {
        char name[FILE_NAME_MAX + 1];
        char *value; /* NUL-terminated behind LEN bytes */
        size_t len;
};

/* Owns the values. The zero value is empty. */
struct files {
        struct setting all[FILES_MAX]; /* sorted by name */
        size_t n;
};

/* Reads all files of the folders in DIRS, which ':' separates; a name in two of
 * them is that of the first. 0; or -ENOENT and the like for a folder or a file that
 * cannot be read, -E2BIG for more files, a longer name or a larger file than the
 * caps, -ENOMEM: then *WHERE (WHERE_SIZE bytes) names it, and *ret is not touched. */
int files_read(const char *dirs, struct files *ret, char *where, size_t where_size) _must_check_;
void files_release(struct files *files);

/* NULL if there is none. */
const struct setting *files_find(const struct files *files, struct str name);

/* FNV-1a of 64 bits over the value: easy to compute in any language. */
uint64_t setting_hash(const struct setting *s);
