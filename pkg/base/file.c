/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"

#define READ_SIZE ((size_t)4096)
/* All in all, for a pipe to be written and closed. */
#define PATIENCE (5 * USEC_SEC)

/* A pipe, of a shell's <(command) for one, may have nothing yet. */
static int wait_until_readable(int fd, usec_t deadline)
{
        struct pollfd p = { .fd = fd, .events = POLLIN };
        usec_t left = deadline - clock_now();
        int n = left > 0 ? poll(&p, 1, (int)(left / USEC_MSEC) + 1) : 0;

        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        return n == 0 ? -ETIMEDOUT : 0;
}

static int read_all(int fd, struct buf *out)
{
        usec_t deadline = clock_now() + PATIENCE;

        for (;;) {
                char piece[READ_SIZE];
                ssize_t n = read(fd, piece, sizeof(piece));
                int r;

                if (n == 0)
                        return buf_error(out);
                if (n > 0) {
                        if (buf_add(out, piece, (size_t)n) < 0)
                                return buf_error(out);
                        continue;
                }
                if (errno == EINTR)
                        continue;
                if (errno != EAGAIN)
                        return -errno;
                r = wait_until_readable(fd, deadline);
                if (r < 0)
                        return r;
        }
}

int file_read(const char *path, struct buf *out)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r;

        if (fd < 0)
                return -errno;
        r = read_all(fd, out);
        close(fd);
        return r;
}
