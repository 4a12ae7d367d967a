/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder as kubelet makes one of a ConfigMap: mounted_write writes a new folder
 * of files and turns ..data to it, all at once.
 */
#pragma once

#include "harness.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNTED_PATH "/tmp/keelson-test-XXXXXX"

struct mounted {
        char path[sizeof(MOUNTED_PATH)];
        int turn; /* which folder ..data is */
};

/* NAME and content, in turns, up to a NULL. */
typedef const char *const mounted_files[];

static inline void mounted_init(struct mounted *m)
{
        *m = (struct mounted){ .path = MOUNTED_PATH };
        ck_assert_ptr_nonnull(mkdtemp(m->path));
}

static inline void write_text(const char *folder, const char *name, const char *text)
{
        char path[1024];
        FILE *f;

        ck_assert_int_lt(snprintf(path, sizeof(path), "%s/%s", folder, name), (int)sizeof(path));
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

/* As pkg/volume/util/atomic_writer.go of Kubernetes does it. */
static inline void mounted_write(struct mounted *m, mounted_files files)
{
        char folder[256], name[64], data[256], fresh[256];

        snprintf(name, sizeof(name), "..2026_%d", ++m->turn);
        snprintf(folder, sizeof(folder), "%s/%s", m->path, name);
        ck_assert_int_eq(mkdir(folder, 0700), 0);
        for (size_t i = 0; files[i]; i += 2) {
                const char *slash = strchr(files[i], '/');
                char inner[512];

                if (slash) {
                        snprintf(inner, sizeof(inner), "%s/%.*s", folder, (int)(slash - files[i]), files[i]);
                        ck_assert_int_eq(mkdir(inner, 0700), 0);
                }
                write_text(folder, files[i], files[i + 1]);
        }
        snprintf(data, sizeof(data), "%s/..data", m->path);
        snprintf(fresh, sizeof(fresh), "%s/..data_tmp", m->path);
        ck_assert_int_eq(symlink(name, fresh), 0);
        ck_assert_int_eq(rename(fresh, data), 0);
}

static inline int remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
                             struct FTW *ftw _unused_)
{
        return remove(path);
}

static inline void mounted_remove(struct mounted *m)
{
        ck_assert_int_eq(nftw(m->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
