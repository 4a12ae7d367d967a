/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands in the folder of a mounted ConfigMap or Secret: the name and hash
 * of each file, never its content.
 *
 *      /config/0/ ..data -> ..2026_01     kubelet writes a new folder and then
 *                 color  -> ..data/color  turns the link: all files change at once
 *                 ..2026_01/color
 *                 ..2026_01/private/key   items may put a key into a folder
 *
 * Everything is read below ..data, which is opened once, so that all files are
 * of one age.
 */
#pragma once

#include "base/error.h"

#define RELOAD_FILES_MAX 4096
#define RELOAD_DEPTH_MAX 8                              /* folders in folders, of items */
#define RELOAD_FILE_BYTES_MAX ((size_t)2 * 1024 * 1024) /* a ConfigMap or Secret has 1 MiB at the most */

struct reload_file {
        char *name; /* below ..data: "color", "private/key" */
        uint64_t hash;
        char *problem; /* it is called *.json and is not JSON: why; NULL: nothing is wrong with it */
};

/* Owns what it points to. The zero value is empty. */
struct reload_files {
        struct reload_file *all; /* sorted by name */
        size_t n, room;
};

/* Reads the folder DIR. 0; -ENOMEM; or what open and read say, -E2BIG for more
 * files or deeper folders than the caps, -EMSGSIZE for a larger file, with *err. */
int reload_files_read(const char *dir, struct reload_files *ret, struct error *err) _must_check_;
void reload_files_release(struct reload_files *files);

/* One file that is not as it was: WAS is NULL for a new one, NOW for one that is gone. */
typedef void reload_change_fn(const struct reload_file *was, const struct reload_file *now, void *arg);

/* Calls FN (may be NULL) for each, in the order of their names; returns how many. */
size_t reload_files_compare(const struct reload_files *was, const struct reload_files *now,
                            reload_change_fn *fn, void *arg);
