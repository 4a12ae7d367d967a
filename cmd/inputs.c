/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "yaml/yaml.h"

#define DEPTH_MAX 32 /* of folders */
#define PATH_LEN_MAX 4096
#define READ_SIZE ((size_t)64 * 1024)

void inputs_init(struct inputs *in)
{
        in->n = 0;
}

void inputs_release(struct inputs *in)
{
        for (size_t i = 0; i < in->n; i++)
                buf_release(&in->all[i].text);
}

int inputs_add(struct inputs *in, const char *path)
{
        if (in->n == INPUTS_MAX)
                return -E2BIG;
        in->all[in->n++] = (struct input){ .path = path, .text = BUF_INIT(YAML_BYTES_MAX) };
        return 0;
}

/* --- what cannot be read ------------------------------------------------------------------- */

static void complain(const struct input_reader *reader, const char *path, int error)
{
        reader->complain(path, error == -EMSGSIZE ? "is larger than 16 MiB; split it" : strerror(-error),
                         reader->arg);
}

/* What is no file and no folder. */
static const char *kind_of(mode_t mode)
{
        if (S_ISFIFO(mode))
                return "is a pipe, not a file";
        return S_ISSOCK(mode) ? "is a socket, not a file" : "is a device, not a file";
}

/* A link that leads nowhere says where to, or it looks as if it were not there itself. */
static void complain_of_absent(const struct input_reader *reader, const char *path, int error)
{
        char target[PATH_LEN_MAX], why[PATH_LEN_MAX + 64];
        ssize_t n = error == -ENOENT ? readlink(path, target, sizeof(target)) : -1;

        if (n < 0) {
                complain(reader, path, error);
                return;
        }
        snprintf(why, sizeof(why), "is a link to %.*s, which does not exist", (int)n, target);
        reader->complain(path, why, reader->arg);
}

/* --- files ---------------------------------------------------------------------------------- */

static void take_file(const struct input_reader *reader, const char *path)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(YAML_BYTES_MAX);
        int r = file_read(path, &text);

        if (r < 0)
                complain(reader, path, r);
        else
                reader->take(path, buf_str(&text), reader->arg);
}

/* Until its end, however long whoever writes to it takes. */
static int read_to_end(int fd, struct buf *out)
{
        for (;;) {
                char *room = buf_reserve(out, READ_SIZE);
                ssize_t n = room ? read(fd, room, READ_SIZE) : 0;
                struct pollfd p = { .fd = fd, .events = POLLIN };

                if (!room || n == 0)
                        return buf_error(out);
                if (n > 0)
                        buf_commit(out, (size_t)n);
                else if (errno == EAGAIN)
                        poll(&p, 1, -1);
                else if (errno != EINTR)
                        return -errno;
        }
}

static int read_once(struct input *in)
{
        int fd, r;

        if (strcmp(in->path, "-") == 0)
                return read_to_end(STDIN_FILENO, &in->text);
        /* Without a writer, be there none yet or none any more, it is empty and nobody waits. */
        fd = open(in->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        r = read_to_end(fd, &in->text);
        close(fd);
        return r;
}

static void take_once(struct input *in, bool is_pipe, const struct input_reader *reader)
{
        const char *file = strcmp(in->path, "-") == 0 ? "stdin" : in->path;

        if (!in->was_read)
                in->error = read_once(in);
        in->was_read = true;
        if (in->error < 0)
                complain(reader, file, in->error);
        else if (is_pipe && in->text.len == 0)
                reader->complain(file, "is a pipe that nothing came out of: does anybody write to it?",
                                 reader->arg);
        else
                reader->take(file, buf_str(&in->text), reader->arg);
}

/* --- folders -------------------------------------------------------------------------------- */

static bool is_manifest(const char *name)
{
        struct str s = str_c(name);

        return str_ends(s, STR(".yaml")) || str_ends(s, STR(".yml")) || str_ends(s, STR(".json"));
}

static int not_hidden(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

static size_t take_folder(const struct input_reader *reader, const char *path, unsigned depth);

/* How many files it was. Symbolic links to files are followed, those to folders are not: they
 * may lead in circles. */
static size_t take_entry(const struct input_reader *reader, const char *folder, const char *name,
                         unsigned depth)
{
        char path[PATH_LEN_MAX];
        struct stat st;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path)) {
                reader->complain(folder, "there are paths in it that are too long", reader->arg);
                return 1;
        }
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
                return take_folder(reader, path, depth + 1);
        if (!is_manifest(name))
                return 0;
        if (stat(path, &st) < 0)
                complain_of_absent(reader, path, -errno);
        else if (S_ISREG(st.st_mode))
                take_file(reader, path);
        else if (S_ISDIR(st.st_mode))
                reader->complain(path, "is a link to a folder; name that with -f", reader->arg);
        else
                reader->complain(path, kind_of(st.st_mode), reader->arg);
        return 1;
}

static size_t take_folder(const struct input_reader *reader, const char *path, unsigned depth)
{
        struct dirent **entries;
        size_t found = 0;
        int n;

        if (depth > DEPTH_MAX) {
                reader->complain(path, "is too deep", reader->arg);
                return 1;
        }
        n = scandir(path, &entries, not_hidden, alphasort);
        if (n < 0) {
                complain(reader, path, -errno);
                return 1;
        }
        for (int i = 0; i < n; i++) {
                found += take_entry(reader, path, entries[i]->d_name, depth);
                free(entries[i]);
        }
        free(entries);
        return found;
}

/* --- all ------------------------------------------------------------------------------------- */

static void take(struct input *in, const struct input_reader *reader)
{
        struct stat st;

        if (strcmp(in->path, "-") == 0)
                take_once(in, false, reader);
        else if (stat(in->path, &st) < 0)
                complain_of_absent(reader, in->path, -errno);
        else if (S_ISREG(st.st_mode))
                take_file(reader, in->path);
        else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
                take_once(in, S_ISFIFO(st.st_mode), reader);
        else if (!S_ISDIR(st.st_mode))
                reader->complain(in->path, kind_of(st.st_mode), reader->arg);
        else if (take_folder(reader, in->path, 0) == 0)
                reader->complain(in->path, "has no *.yaml, *.yml or *.json in it", reader->arg);
}

void inputs_read(struct inputs *in, const struct input_reader *reader)
{
        for (size_t i = 0; i < in->n; i++)
                take(&in->all[i], reader);
}
