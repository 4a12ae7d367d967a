/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memlimit.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1024 * 1024)

static char root[] = "/tmp/keelson-test-cgroup-XXXXXX";

static void put(const char *name, const char *text)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", root, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        ck_assert_int_eq(fclose(f), 0);
}

static void drop(const char *name)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", root, name);
        ck_assert_int_eq(remove(path), 0);
}

START_TEST(the_limit_is_read)
{
        char path[128];

        ck_assert_ptr_nonnull(mkdtemp(root));
        ck_assert_uint_eq(memlimit_read(root), 0);
        put("memory.max", "134217728\n");
        ck_assert_uint_eq(memlimit_read(root), 128 * MIB);
        put("memory.max", "max\n");
        ck_assert_uint_eq(memlimit_read(root), 0);
        drop("memory.max");

        snprintf(path, sizeof(path), "%s/memory", root);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        put("memory/memory.limit_in_bytes", "67108864\n");
        ck_assert_uint_eq(memlimit_read(root), 64 * MIB);
        put("memory/memory.limit_in_bytes", "9223372036854771712\n");
        ck_assert_uint_eq(memlimit_read(root), 0);
        put("memory/memory.limit_in_bytes", "-1\n");
        ck_assert_uint_eq(memlimit_read(root), 0);
        put("memory/memory.limit_in_bytes", "");
        ck_assert_uint_eq(memlimit_read(root), 0);
        drop("memory/memory.limit_in_bytes");
        drop("memory");
        ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

static bool can_have(size_t bytes)
{
        void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (room == MAP_FAILED)
                return false;
        ck_assert_int_eq(munmap(room, bytes), 0);
        return true;
}

/* What the kernel holds us to. Not getrlimit: valgrind answers that by itself, and
 * keeps the limit for itself too. */
static bool kernel_enforces(uint64_t bytes)
{
        char line[256];
        unsigned long long soft = 0;
        FILE *f = fopen("/proc/self/limits", "r");

        ck_assert_ptr_nonnull(f);
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "Max data size %llu", &soft) == 1)
                        break;
        ck_assert_int_eq(fclose(f), 0);
        return soft == bytes;
}

START_TEST(allocations_fail_before_it)
{
        uint64_t limit;

        ck_assert_uint_eq(memlimit_set(0), 0);
        ck_assert_uint_eq(memlimit_set(4096), 0); /* more is in use: that would be the end */
        ck_assert(can_have(2000 * MIB));
        limit = memlimit_set(1000 * MIB);
        if (limit == 0) {
                /* A sanitizer: the address space has more in it than that. */
                ck_assert(can_have(2000 * MIB));
                return;
        }
        ck_assert_uint_eq(limit, 900 * MIB);
        if (!kernel_enforces(limit)) {
                /* valgrind: the limit never got through to where it counts. */
                ck_assert_ptr_nonnull(getenv("LD_PRELOAD"));
                ck_assert_ptr_nonnull(strstr(getenv("LD_PRELOAD"), "vgpreload"));
                return;
        }
        ck_assert(!can_have(920 * MIB));
        ck_assert(can_have(300 * MIB));
        /* A stricter one stays. */
        ck_assert_uint_eq(memlimit_set(2000 * MIB), 0);
        ck_assert(!can_have(920 * MIB));
}
END_TEST

static const TTest *const tests[] = { the_limit_is_read, allocations_fail_before_it };

TEST_MAIN("base/memlimit", tests)
