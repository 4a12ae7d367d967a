/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reload/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "json/read.h"

#define PIECE ((size_t)16 * 1024)

struct reading {
        const char *dir; /* for messages */
        struct reload_files files;
        struct buf content; /* of the file under way */
        struct error *err;
};

static int fail(const struct reading *r, const char *name, int code)
{
        if (code == -ENOMEM)
                return error_set(r->err, code, "out of memory");
        return error_set(r->err, code, "%s%s%s: %s", r->dir, *name ? "/" : "", name, strerror(-code));
}

static int make_room(struct reload_files *files)
{
        size_t room = files->room ? 2 * files->room : 16;
        struct reload_file *all;

        if (files->n < files->room)
                return 0;
        if (files->n == RELOAD_FILES_MAX)
                return -E2BIG;
        all = mem_realloc(files->all, room * sizeof(*all));
        if (!all)
                return -ENOMEM;
        files->all = all;
        files->room = room;
        return 0;
}

static int read_content(int fd, struct buf *out)
{
        buf_clear(out);
        for (;;) {
                char *to = buf_reserve(out, PIECE);
                ssize_t n;

                if (!to)
                        return buf_error(out);
                n = read(fd, to, PIECE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                buf_commit(out, (size_t)n);
        }
}

/* What is wrong with it goes to *RET, if anything is. Where it is, not what stands there. */
static int check_json(struct str name, struct str content, char **ret)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct error err = ERROR_INIT;
        int r;

        if (!str_ends(name, STR(".json")))
                return 0;
        r = json_parse(content, &doc, &err);
        if (r == 0 || r == -ENOMEM)
                return r;
        *ret = mem_strndup(err.message, strlen(err.message));
        return *ret ? 0 : -ENOMEM;
}

/* Takes the descriptor. */
static int take_file(struct reading *r, int fd, const char *name)
{
        struct reload_file *file;
        int e = make_room(&r->files);

        if (e == 0)
                e = read_content(fd, &r->content);
        close(fd);
        if (e < 0)
                return fail(r, name, e);
        file = &r->files.all[r->files.n];
        *file = (struct reload_file){ .hash = hash_str(HASH_INIT, buf_str(&r->content)) };
        file->name = mem_strndup(name, strlen(name));
        if (!file->name)
                return fail(r, name, -ENOMEM);
        r->files.n++;
        e = check_json(str_c(name), buf_str(&r->content), &file->problem);
        return e < 0 ? fail(r, name, e) : 0;
}

static int take_folder(struct reading *r, int fd, const char *name, int depth);

static int take_entry(struct reading *r, int folder, const char *entry, const char *name, int depth)
{
        int fd = openat(folder, entry, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return fail(r, name, -errno);
        if (fstat(fd, &st) < 0) {
                int e = -errno;

                close(fd);
                return fail(r, name, e);
        }
        if (S_ISDIR(st.st_mode))
                return take_folder(r, fd, name, depth + 1);
        if (S_ISREG(st.st_mode))
                return take_file(r, fd, name);
        close(fd);
        return 0;
}

/* Takes the descriptor. NAME is "" for the folder at the top. */
static int take_folder(struct reading *r, int fd, const char *name, int depth)
{
        DIR *dir = depth > RELOAD_DEPTH_MAX ? NULL : fdopendir(fd);
        struct dirent *entry;
        char path[PATH_MAX];
        int e = 0;

        if (!dir) {
                e = depth > RELOAD_DEPTH_MAX ? -E2BIG : -errno;
                close(fd);
                return fail(r, name, e);
        }
        while (e == 0 && (errno = 0, entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if ((size_t)snprintf(path, sizeof(path), "%s%s%s", name, *name ? "/" : "", entry->d_name) >=
                    sizeof(path))
                        e = fail(r, name, -ENAMETOOLONG);
                else
                        e = take_entry(r, fd, entry->d_name, path, depth);
        }
        if (e == 0 && errno)
                e = fail(r, name, -errno);
        closedir(dir);
        return e;
}

static int by_name(const void *a, const void *b)
{
        const struct reload_file *x = a, *y = b;

        return strcmp(x->name, y->name);
}

int reload_files_read(const char *dir, struct reload_files *ret, struct error *err)
{
        struct reading r = { .dir = dir, .content = BUF_INIT(RELOAD_FILE_BYTES_MAX), .err = err };
        char data[PATH_MAX];
        int fd, e;

        if ((size_t)snprintf(data, sizeof(data), "%s/..data", dir) >= sizeof(data))
                return fail(&r, "", -ENAMETOOLONG);
        fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return error_set(err, -ENOENT,
                                 "%s has no ..data: it is not where a ConfigMap or Secret is mounted", dir);
        if (fd < 0)
                return fail(&r, "..data", -errno);
        e = take_folder(&r, fd, "", 0);
        buf_release(&r.content);
        if (e < 0) {
                reload_files_release(&r.files);
                return e;
        }
        if (r.files.n)
                qsort(r.files.all, r.files.n, sizeof(*r.files.all), by_name);
        *ret = r.files;
        return 0;
}

void reload_files_release(struct reload_files *files)
{
        for (size_t i = 0; i < files->n; i++) {
                mem_free(files->all[i].name);
                mem_free(files->all[i].problem);
        }
        mem_free(files->all);
        *files = (struct reload_files){ 0 };
}

size_t reload_files_compare(const struct reload_files *was, const struct reload_files *now,
                            reload_change_fn *fn, void *arg)
{
        size_t i = 0, j = 0, n = 0;

        while (i < was->n || j < now->n) {
                const struct reload_file *a = i < was->n ? &was->all[i] : NULL;
                const struct reload_file *b = j < now->n ? &now->all[j] : NULL;
                int order = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);

                i += order <= 0;
                j += order >= 0;
                if (order == 0 && a->hash == b->hash)
                        continue;
                n++;
                if (fn)
                        fn(order <= 0 ? a : NULL, order >= 0 ? b : NULL, arg);
        }
        return n;
}
