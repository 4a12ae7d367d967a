/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define PIECE_MAX 4096 /* PIPE_BUF: a pipe that may be written has so much room */
#define DRAIN_MAX 64   /* pieces: what a pipe holds, and as much again */

static char *line_under_way(struct output *o)
{
        return o->lines[o->n % OUTPUT_LINES];
}

/* Of a panic, an assertion and a signal, by Redis and by Valkey. */
static bool says_why(const char *line)
{
        return strstr(line, "Guru Meditation: ") || strstr(line, " is not true") ||
               strstr(line, " crashed by signal: ");
}

static void end_line(struct output *o)
{
        char *line = line_under_way(o);

        line[o->len] = '\0';
        if (o->len && !o->cause[0] && says_why(line))
                memcpy(o->cause, line, o->len + 1);
        o->n += o->len > 0;
        o->len = 0;
}

static void take_in(struct output *o, char c)
{
        char *line = line_under_way(o);

        if (c == '\n')
                end_line(o);
        else if (o->len < OUTPUT_LINE_MAX)
                line[o->len++] = (unsigned char)c < ' ' ? ' ' : c;
}

static void hand_on(struct output *o, const char *data, size_t n)
{
        struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
        ssize_t done = poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) ? write(STDOUT_FILENO, data, n) : 0;

        o->lost += n - (size_t)MAX(done, 0);
}

/* One piece. False: there is nothing more, for now or for ever. */
static bool read_piece(struct output *o)
{
        char data[PIECE_MAX];
        ssize_t n = read(o->source.fd, data, sizeof(data));

        if (n == 0)
                loop_fd_stop(&o->source); /* the last of them has closed it */
        if (n <= 0)
                return false;
        hand_on(o, data, (size_t)n);
        for (ssize_t i = 0; i < n; i++)
                take_in(o, data[i]);
        return true;
}

static void on_output(struct loop_fd *source _unused_, uint32_t events _unused_, void *arg)
{
        (void)read_piece(arg);
}

int output_open(struct loop *l, struct output *o, int *ret)
{
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        *o = (struct output){ 0 };
        r = loop_fd_start(l, &o->source, ends[0], EPOLLIN, on_output, o);
        if (r < 0) {
                close(ends[0]);
                close(ends[1]);
                return r;
        }
        o->loop = l;
        *ret = ends[1];
        return 0;
}

void output_close(struct output *o)
{
        if (!o->loop)
                return;
        for (int i = 0; i < DRAIN_MAX && read_piece(o); i++)
                ;
        if (o->len)
                take_in(o, '\n');
        loop_fd_stop(&o->source);
        close(o->source.fd);
        o->loop = NULL;
}

const char *output_line(const struct output *o, size_t back)
{
        /* The place of the one that is under way is taken. */
        if (back >= MIN(o->n, (uint64_t)OUTPUT_LINES - 1))
                return "";
        return o->lines[(o->n - 1 - back) % OUTPUT_LINES];
}

const char *output_why(const struct output *o)
{
        return o->cause[0] ? o->cause : output_line(o, 0);
}
