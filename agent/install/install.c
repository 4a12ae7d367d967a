/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/install/install.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096
#define COPY_ONCE ((size_t)1024 * 1024)
#define SELF "/proc/self/exe"

struct copying {
        const char *folder;
        struct error *err;
        int result;
};

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int copy_bytes(int from, int to)
{
        ssize_t n;

        do
                n = sendfile(to, from, NULL, COPY_ONCE);
        while (n > 0 || (n < 0 && errno == EINTR));
        return n < 0 || fsync(to) < 0 ? -errno : 0;
}

/* By way of another name, so that a program that runs from there is not written into. */
static int copy_to(int from, const char *path)
{
        char part[PATH_BYTES_MAX + 8];
        int to, r;

        snprintf(part, sizeof(part), "%s.part", path);
        (void)unlink(part);
        to = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        if (to < 0)
                return -errno;
        r = copy_bytes(from, to);
        if (r == 0 && fchmod(to, 0755) < 0) /* whatever the umask: another user runs it */
                r = -errno;
        close(to);
        if (r == 0 && rename(part, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlink(part);
        return r;
}

static int copy_file(const char *source, const char *folder, const char *name, struct error *err)
{
        char path[PATH_BYTES_MAX];
        int from, r;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
                return error_set(err, -ENAMETOOLONG, "%s: the name is too long", folder);
        from = open(source, O_RDONLY | O_CLOEXEC);
        if (from < 0)
                return error_set(err, -errno, "cannot read %s: %s", source, strerror(errno));
        r = copy_to(from, path);
        close(from);
        return r < 0 ? error_set(err, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static bool is_loader(const char *name)
{
        return strncmp(name, "ld-", 3) == 0 || strcmp(name, "ld.so") == 0;
}

/* The program itself has no name here, and the kernel's vdso no slash in it. */
static int copy_library(struct dl_phdr_info *info, size_t size _unused_, void *arg)
{
        struct copying *c = arg;
        const char *name = base_name(info->dlpi_name);

        if (!strchr(info->dlpi_name, '/'))
                return 0;
        c->result = copy_file(info->dlpi_name, c->folder, is_loader(name) ? "ld.so" : name, c->err);
        return c->result;
}

int install_copy(const char *folder, struct error *err)
{
        struct copying c = { .folder = folder, .err = err };
        char self[PATH_BYTES_MAX];
        struct stat st;
        ssize_t n = readlink(SELF, self, sizeof(self) - 1);

        if (n < 0)
                return error_set(err, -errno, "cannot tell which program this is: %s: %s", SELF,
                                 strerror(errno));
        self[n] = '\0';
        if (is_loader(base_name(self)))
                return error_set(err, -EINVAL,
                                 "this is a copy already; install from the image that it came with");
        if (stat(folder, &st) < 0)
                return error_set(err, -errno, "%s: %s; mount a volume there, such as an emptyDir", folder,
                                 strerror(errno));
        (void)dl_iterate_phdr(copy_library, &c);
        return c.result < 0 ? c.result : copy_file(SELF, folder, "keelson", err);
}
