/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_SIZE ((size_t)4096)

static int read_all(int fd, struct buf *out)
{
        for (;;) {
                char piece[READ_SIZE];
                ssize_t n = read(fd, piece, sizeof(piece));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return buf_error(out);
                if (buf_add(out, piece, (size_t)n) < 0)
                        return buf_error(out);
        }
}

int file_read(const char *path, struct buf *out)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        int r;

        if (fd < 0)
                return -errno;
        r = read_all(fd, out);
        close(fd);
        return r;
}
