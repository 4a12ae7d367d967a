/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memlimit.h"

#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define FILE_MAX ((size_t)4096)
/* Version 1 says "none" as a number near 2^63. */
#define LIMIT_MAX ((int64_t)1 << 50)

static uint64_t read_limit(const char *root, const char *name)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(FILE_MAX);
        char path[PATH_MAX];
        int64_t n;

        (void)snprintf(path, sizeof(path), "%s/%s", root, name);
        /* Version 2 says "none" as "max". */
        if (file_read(path, &text) < 0 || str_to_int64(str_trim(buf_str(&text)), &n) < 0)
                return 0;
        return n > 0 && n < LIMIT_MAX ? (uint64_t)n : 0;
}

uint64_t memlimit_read(const char *root)
{
        uint64_t limit = read_limit(root, "memory.max");

        return limit ? limit : read_limit(root, "memory/memory.limit_in_bytes");
}

/* What counts for RLIMIT_DATA already: proc(5), the sixth of statm, in pages. */
static uint64_t data_in_use(void)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(FILE_MAX);
        struct str rest, word = STR_NULL;
        int64_t pages;

        if (file_read("/proc/self/statm", &text) < 0)
                return UINT64_MAX;
        rest = buf_str(&text);
        for (int i = 0; i < 6; i++)
                (void)str_cut(rest, ' ', &word, &rest);
        if (str_to_int64(word, &pages) < 0 || pages < 0)
                return UINT64_MAX;
        return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t memlimit_set(uint64_t bytes)
{
        uint64_t limit = bytes - bytes / 10;
        struct rlimit now;

        if (limit == 0 || data_in_use() > limit / 2 || getrlimit(RLIMIT_DATA, &now) < 0 ||
            now.rlim_cur <= limit)
                return 0;
        now.rlim_cur = limit;
        return setrlimit(RLIMIT_DATA, &now) < 0 ? 0 : limit;
}
