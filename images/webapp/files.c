/* SPDX-License-Identifier: Apache-2.0 */
#include "images/webapp/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, struct setting *s)
{
        char *value = malloc(FILE_SIZE_MAX + 1), *fitting;
        size_t len = 0;

        if (!value)
                return -ENOMEM;
        while (len <= FILE_SIZE_MAX) {
                ssize_t n = read(fd, value + len, FILE_SIZE_MAX + 1 - len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        int r = -errno;

                        free(value);
                        return r;
                }
                if (n == 0)
                        break;
                len += (size_t)n;
        }
        if (len > FILE_SIZE_MAX) {
                free(value);
                return -E2BIG;
        }
        if (len > 0 && value[len - 1] == '\n')
                len--;
        value[len] = '\0';
        fitting = realloc(value, len + 1);
        s->value = fitting ? fitting : value;
        s->len = len;
        return 0;
}

/* One file into FILES; folders and the like are passed over. */
static int read_file(int dir, const char *name, struct files *files)
{
        struct setting *s = &files->all[files->n];
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (S_ISREG(st.st_mode) && (files->n == FILES_MAX || strlen(name) > FILE_NAME_MAX))
                r = -E2BIG;
        else if (S_ISREG(st.st_mode)) {
                r = read_all(fd, s);
                if (r == 0) {
                        snprintf(s->name, sizeof(s->name), "%s", name);
                        files->n++;
                }
        }
        close(fd);
        return r;
}

/* *NAME is that of the file that could not be read, or "". */
static int read_folder(const char *path, struct files *files, const char **name, char *copy, size_t copy_size)
{
        int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), data, r = 0;
        struct dirent *entry;
        DIR *dir;

        *name = "";
        if (top < 0)
                return -errno;
        data = openat(top, "..data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (data >= 0)
                close(top);
        else
                data = top;
        dir = fdopendir(data);
        if (!dir) {
                r = -errno;
                close(data);
                return r;
        }
        while (r == 0 && (errno = 0, entry = readdir(dir))) {
                if (entry->d_name[0] == '.' || files_find(files, str_c(entry->d_name)))
                        continue;
                r = read_file(data, entry->d_name, files);
                if (r < 0) {
                        snprintf(copy, copy_size, "%s", entry->d_name);
                        *name = copy;
                }
        }
        closedir(dir);
        return r;
}

static int by_name(const void *a, const void *b)
{
        const struct setting *x = a, *y = b;

        return strcmp(x->name, y->name);
}

int files_read(const char *dirs, struct files *ret, char *where, size_t where_size)
{
        struct str rest = str_c(dirs), head;
        struct files files = { .n = 0 };
        const char *name;
        char path[1024], copy[256];

        while (rest.data) {
                int r;

                (void)str_cut(rest, ':', &head, &rest);
                if (head.len == 0)
                        continue;
                snprintf(path, sizeof(path), "%.*s", STR_FMT(head));
                r = read_folder(path, &files, &name, copy, sizeof(copy));
                if (r < 0) {
                        snprintf(where, where_size, "%s%s%s", path, *name ? "/" : "", name);
                        files_release(&files);
                        return r;
                }
        }
        qsort(files.all, files.n, sizeof(*files.all), by_name);
        *ret = files;
        return 0;
}

void files_release(struct files *files)
{
        for (size_t i = 0; i < files->n; i++)
                free(files->all[i].value);
        files->n = 0;
}

const struct setting *files_find(const struct files *files, struct str name)
{
        for (size_t i = 0; i < files->n; i++)
                if (str_eq_c(name, files->all[i].name))
                        return &files->all[i];
        return NULL;
}

uint64_t setting_hash(const struct setting *s)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < s->len; i++)
                h = (h ^ (unsigned char)s->value[i]) * UINT64_C(0x100000001b3);
        return h;
}
