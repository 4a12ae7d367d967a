/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent whose server is a line on a board that all agents of a machine share: it
 * replicates a counter. For trying the member's part with real processes and a real API
 * server, without a database.
 *
 *      board_agent CLUSTER DATA TLS LISTEN HEALTH HOSTS       POD_* from the environment
 *
 * DATA/../../board is the board, mapped by all. The deadline is a kernel timer that kills the
 * process, and so its line, which counts as down once its process is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "agent/member/member.h"
#include "base/log.h"
#include "base/mem.h"

#define LOOK (200 * USEC_MSEC)

struct line {
        pid_t pid;
        enum failover_server_state state;
        int follows;
        uint64_t offset;
};

struct board_engine {
        struct engine base;
        struct engine_handlers handlers;
        struct loop *loop;
        struct loop_timer look;
        struct loop_defer told;
        struct line *board;
        int member;
        timer_t deadline;
        uint64_t run, order;
        bool opened;
        struct failover_copy stored;
        char state_file[512];
};

static struct board_engine *board(const struct engine *e)
{
        return (struct board_engine *)(uintptr_t)e;
}

static struct line *own(struct board_engine *e)
{
        return &e->board[e->member];
}

static bool lives(const struct line *l)
{
        return l->pid && kill(l->pid, 0) == 0 && l->state != FAILOVER_DOWN;
}

static bool follows_us(struct board_engine *e, int m)
{
        return m != e->member && lives(&e->board[m]) && e->board[m].state == FAILOVER_FOLLOWING &&
               e->board[m].follows == e->member;
}

static void replicate(struct board_engine *e)
{
        struct line *l = own(e);

        if (l->state == FAILOVER_WRITABLE)
                l->offset++;
        else if (l->state == FAILOVER_FOLLOWING && lives(&e->board[l->follows]))
                l->offset = e->board[l->follows].offset;
}

static void tell(struct board_engine *e)
{
        struct line *l = own(e);
        struct failover_server s = { .at = clock_now(), .order = e->order, .state = l->state, .run = e->run };

        replicate(e);
        s.offset = l->offset;
        s.has_data = l->offset > 0;
        s.in_sync = l->state == FAILOVER_FOLLOWING && lives(&e->board[l->follows]) &&
                    e->board[l->follows].state >= FAILOVER_PAUSED;
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                if (!follows_us(e, m))
                        continue;
                s.online |= failover_only(m);
                s.acked[m] = e->board[m].offset;
        }
        e->handlers.looked(e->handlers.arg, &s);
        e->handlers.canary(e->handlers.arg, s.at, true);
}

static void on_look(struct loop_timer *timer, void *arg)
{
        struct board_engine *e = arg;
        int r = loop_timer_set(e->loop, timer, clock_now() + LOOK, on_look, e);

        (void)r;
        if (!e->opened)
                e->handlers.volume(e->handlers.arg, NULL);
        e->opened = true;
        tell(e);
}

static void on_told(struct loop_defer *defer _unused_, void *arg)
{
        tell(arg);
}

static void order(struct engine *base, enum failover_order what, uint64_t number,
                  const struct failover_id *whom, uint64_t epoch _unused_)
{
        static const enum failover_server_state states[] = { FAILOVER_STANDING, FAILOVER_FOLLOWING,
                                                             FAILOVER_PAUSED, FAILOVER_WRITABLE,
                                                             FAILOVER_DOWN };
        struct board_engine *e = board(base);
        struct line *l = own(e);

        if (l->state == FAILOVER_DOWN && what != FAILOVER_HALT)
                e->run++;
        l->follows = whom ? whom->member : 0;
        l->state = states[what];
        e->order = number;
        loop_defer_set(e->loop, &e->told, on_told, e);
}

static void kill_server(struct engine *base, uint64_t number)
{
        struct board_engine *e = board(base);

        own(e)->state = FAILOVER_DOWN;
        e->order = number;
        loop_defer_set(e->loop, &e->told, on_told, e);
}

static int arm(struct engine *base, usec_t until)
{
        struct itimerspec at = { .it_value = { .tv_sec = until / USEC_SEC,
                                               .tv_nsec = until % USEC_SEC * 1000 } };

        return timer_settime(board(base)->deadline, TIMER_ABSTIME, &at, NULL) < 0 ? -errno : 0;
}

static void disarm(struct engine *base)
{
        struct itimerspec never = { 0 };

        (void)timer_settime(board(base)->deadline, 0, &never, NULL);
}

static void recall(const struct engine *base, struct failover_copy *ret)
{
        *ret = board(base)->stored;
}

static void member_at(struct engine *base _unused_, int member _unused_, uint64_t life _unused_,
                      const char *address _unused_)
{
}

static void remember(struct engine *base, const struct failover_copy *copy)
{
        FILE *f = fopen(board(base)->state_file, "w");

        if (!f)
                return;
        (void)fwrite(copy, sizeof(*copy), 1, f);
        (void)fclose(f);
}

static void set_confirmed(struct engine *base _unused_, failover_set in_sync _unused_)
{
}

static int configure(struct engine *base _unused_, struct str json _unused_, struct error *err _unused_)
{
        return 0;
}

static bool needs_restart(const struct engine *base _unused_)
{
        return false;
}

static bool settled(const struct engine *base _unused_)
{
        return true;
}

static int metrics(struct engine *base, struct buf *out)
{
        return buf_printf(out, "board_offset %llu\n", (unsigned long long)own(board(base))->offset);
}

static int describe(struct engine *base _unused_, struct buf *out)
{
        return buf_add_c(out, "{}");
}

static void free_engine(struct engine *base)
{
        struct board_engine *e = board(base);

        own(e)->state = FAILOVER_DOWN;
        loop_timer_stop(&e->look);
        loop_defer_stop(&e->told);
        timer_delete(e->deadline);
        munmap(e->board, 4096);
        mem_free(e);
}

static const struct engine_ops ops = {
        .name = "board",
        .order = order,
        .kill = kill_server,
        .arm = arm,
        .disarm = disarm,
        .recall = recall,
        .member_at = member_at,
        .remember = remember,
        .set_confirmed = set_confirmed,
        .configure = configure,
        .needs_restart = needs_restart,
        .settled = settled,
        .metrics = metrics,
        .describe = describe,
        .free = free_engine,
};

static struct line *map_board(const char *data)
{
        char path[512];
        void *at;
        int fd;

        snprintf(path, sizeof(path), "%s/../../board", data);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, 4096) < 0)
                return NULL;
        at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        return at == MAP_FAILED ? NULL : at;
}

/* A server that was started again has what it had: its line stays. */
static int board_engine_new(struct loop *l, const struct engine_config *config,
                            const struct engine_handlers *handlers, struct engine **ret, struct error *err)
{
        struct board_engine *e = mem_new(struct board_engine);
        struct sigevent kill_us = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
        FILE *f;

        if (!e)
                return error_set(err, -ENOMEM, "out of memory");
        e->base.ops = &ops;
        e->handlers = *handlers;
        e->loop = l;
        e->member = config->member;
        e->board = map_board(config->data);
        if (!e->board || timer_create(CLOCK_BOOTTIME, &kill_us, &e->deadline) < 0 ||
            loop_timer_set(l, &e->look, clock_now(), on_look, e) < 0) {
                mem_free(e);
                return error_set(err, -EIO, "no board");
        }
        own(e)->pid = getpid();
        own(e)->state = FAILOVER_DOWN;
        snprintf(e->state_file, sizeof(e->state_file), "%s/state", config->data);
        f = fopen(e->state_file, "r");
        if (f && fread(&e->stored, sizeof(e->stored), 1, f) != 1)
                memset(&e->stored, 0, sizeof(e->stored));
        if (f)
                (void)fclose(f);
        *ret = &e->base;
        return 0;
}

int main(int argc, char **argv)
{
        struct error err = ERROR_INIT;
        struct member_options o = { .engine_name = "redis", .engine = board_engine_new, .version = "test" };

        if (argc != 7)
                return 2;
        o.cluster = argv[1];
        o.data = o.run = argv[2];
        o.tls = argv[3];
        o.listen = argv[4];
        o.health = argv[5];
        o.hosts = argv[6];
        o.namespace = getenv("POD_NAMESPACE");
        o.pod = getenv("POD_NAME");
        o.uid = getenv("POD_UID");
        o.address = getenv("POD_IP");
        log_setup(LOG_DEBUG, LOG_JSON);
        if (member_run(&o, &err) < 0) {
                log_last_words("board_agent", err.message);
                return 1;
        }
        return 0;
}
