/* SPDX-License-Identifier: Apache-2.0
 *
 * What the base layer costs: a lookup in a large map, a small piece of an arena,
 * a log line (to /dev/null).
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define NODES ((size_t)100000)
#define ROUNDS ((size_t)20)

static void figure(const char *name, usec_t began, size_t n)
{
        printf("figure %s %.1f ns\n", name, (double)(clock_now() - began) * 1000 / (double)n);
}

static int bench_map(void)
{
        struct map_node *nodes = mem_new_n(struct map_node, NODES);
        size_t found = 0;
        usec_t began;
        struct map m;

        map_init(&m);
        if (!nodes)
                return -1;
        for (size_t i = 0; i < NODES; i++)
                if (map_insert(&m, &nodes[i], hash_add(HASH_INIT, i)) < 0)
                        return -1;
        began = clock_now();
        for (size_t round = 0; round < ROUNDS; round++)
                for (size_t i = 0; i < NODES; i++)
                        found += map_first(&m, hash_add(HASH_INIT, i)) == &nodes[i];
        figure("base.map.find", began, NODES * ROUNDS);
        map_release(&m);
        mem_free(nodes);
        return found == NODES * ROUNDS ? 0 : -1;
}

static int bench_arena(void)
{
        struct arena a = ARENA_INIT((size_t)64 * 1024 * 1024);
        usec_t began = clock_now();

        for (size_t round = 0; round < ROUNDS; round++) {
                for (size_t i = 0; i < NODES; i++)
                        (void)arena_str(&a, STR("metadata"));
                arena_clear(&a);
        }
        figure("base.arena.str", began, NODES * ROUNDS);
        arena_release(&a);
        return a.failed ? -1 : 0;
}

static int bench_log(void)
{
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        usec_t began;

        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
                return -1;
        close(fd);
        log_setup(LOG_INFO, LOG_JSON);
        began = clock_now();
        for (size_t i = 0; i < NODES; i++)
                log_info("applied", LOG_CSTR("kind", "Deployment"), LOG_CSTR("name", "shop"),
                         LOG_INT("n", i));
        figure("base.log.line", began, NODES);
        return 0;
}

int main(void)
{
        return bench_map() < 0 || bench_arena() < 0 || bench_log() < 0;
}
