/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reload/program.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

#define STAT_BYTES_MAX ((size_t)64 * 1024)
#define MOUNTS_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define PATH_BYTES_MAX 512
#define THREADS_MAX 64 /* that are looked at */
/* Fields of stat(5) behind the name, which ends in the last ')': 3 is the state. */
#define FIELD_STATE 3
#define FIELD_PARENT 4
#define FIELD_STARTED 22

/* --- one process ------------------------------------------------------------------ */

static int field_of(struct str stat, int field, struct str *ret)
{
        struct str word = STR_NULL, rest = stat;

        while (rest.len && rest.data[rest.len - 1] != ')')
                rest.len--;
        if (!rest.len)
                return -EBADMSG;
        rest = str_trim(str_n(stat.data + rest.len, stat.len - rest.len));
        for (int i = FIELD_STATE; i <= field; i++) {
                if (!rest.data)
                        return -EBADMSG;
                (void)str_cut(rest, ' ', &word, &rest);
        }
        *ret = word;
        return 0;
}

static int number_of(struct str stat, int field, int64_t *ret)
{
        struct str word;
        int r = field_of(stat, field, &word);

        return r < 0 || str_to_int64(word, ret) < 0 ? -EBADMSG : 0;
}

/* "Uid:\t1001\t1001" --> "1001\t1001" for "Uid:". */
static struct str line_of(struct str status, struct str key)
{
        struct str line, rest = status;

        while (rest.data) {
                (void)str_cut(rest, '\n', &line, &rest);
                if (str_starts(line, key))
                        return str_trim(str_n(line.data + key.len, line.len - key.len));
        }
        return STR_NULL;
}

static bool has_signal(struct str status, struct str key, int signum)
{
        struct str line = line_of(status, key);
        char text[32], *end;
        unsigned long long set;

        if (str_empty(line) || line.len >= sizeof(text))
                return false;
        memcpy(text, line.data, line.len);
        text[line.len] = '\0';
        set = strtoull(text, &end, 16);
        return *end == '\0' && (set >> (signum - 1) & 1);
}

int reload_program_parse(struct str stat, struct str status, struct reload_program *ret)
{
        struct str state, name = line_of(status, STR("Name:")), uid = line_of(status, STR("Uid:")), rest;
        int64_t pid, parent, started, real;

        (void)str_cut(stat, ' ', &rest, &(struct str){ 0 });
        (void)str_cut(uid, '\t', &uid, &(struct str){ 0 });
        if (str_to_int64(rest, &pid) < 0 || str_to_int64(uid, &real) < 0 ||
            field_of(stat, FIELD_STATE, &state) < 0 || number_of(stat, FIELD_PARENT, &parent) < 0 ||
            number_of(stat, FIELD_STARTED, &started) < 0)
                return -EBADMSG;
        *ret = (struct reload_program){
                .pid = (pid_t)pid,
                .parent = (pid_t)parent,
                .uid = (uid_t)real,
                .started = (uint64_t)started,
                .ended = str_eq_c(state, "Z") || str_eq_c(state, "X"),
                .beginning = str_starts(name, STR("runc:[")),
                .hears = has_signal(status, STR("SigCgt:"), SIGHUP) ||
                         has_signal(status, STR("SigIgn:"), SIGHUP) ||
                         has_signal(status, STR("SigBlk:"), SIGHUP),
        };
        return 0;
}

/* A small text, or nothing. */
static struct str read_piece(const char *path, struct buf *out)
{
        buf_clear(out);
        return file_read(path, out) == 0 ? buf_str(out) : STR_NULL;
}

/* Of one thread: does it keep SIGHUP blocked, or wait for signals just now? While
 * sigwait(3) waits, the kernel shows none of its signals as blocked, so all that
 * can be seen then is in which function it sleeps. */
static bool thread_hears(const char *proc, pid_t pid, const char *thread, struct buf *text)
{
        char path[PATH_BYTES_MAX];
        struct str wait;

        snprintf(path, sizeof(path), "%s/%lld/task/%s/status", proc, (long long)pid, thread);
        if (has_signal(read_piece(path, text), STR("SigBlk:"), SIGHUP))
                return true;
        snprintf(path, sizeof(path), "%s/%lld/task/%s/wchan", proc, (long long)pid, thread);
        wait = read_piece(path, text);
        return wait.data && memmem(wait.data, wait.len, "sigtimedwait", strlen("sigtimedwait"));
}

/* The threads of a program that waits for signals in one of them block those in all. */
static bool threads_hear(const char *proc, pid_t pid)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(STAT_BYTES_MAX);
        char path[PATH_BYTES_MAX];
        struct dirent *entry;
        bool hears = false;
        size_t n = 0;
        DIR *dir;

        snprintf(path, sizeof(path), "%s/%lld/task", proc, (long long)pid);
        dir = opendir(path);
        if (!dir)
                return false;
        while (!hears && n < THREADS_MAX && (entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                n++;
                hears = thread_hears(proc, pid, entry->d_name, &text);
        }
        closedir(dir);
        return hears;
}

static int read_text(const char *proc, pid_t pid, const char *file, struct buf *out)
{
        char path[PATH_BYTES_MAX];

        snprintf(path, sizeof(path), "%s/%lld/%s", proc, (long long)pid, file);
        return file_read(path, out);
}

int reload_program_read(const char *proc, pid_t pid, struct reload_program *ret)
{
        _cleanup_(buf_release) struct buf stat = BUF_INIT(STAT_BYTES_MAX);
        _cleanup_(buf_release) struct buf status = BUF_INIT(STAT_BYTES_MAX);
        int r = read_text(proc, pid, "stat", &stat);

        if (r == 0)
                r = read_text(proc, pid, "status", &status);
        if (r == -ENOENT)
                return -ESRCH;
        if (r == 0)
                r = reload_program_parse(buf_str(&stat), buf_str(&status), ret);
        if (r == 0 && !ret->hears)
                ret->hears = threads_hear(proc, pid);
        return r;
}

/* --- mounts ------------------------------------------------------------------------- */

/* One line: "36 35 98:0 /dir/in/device /mount/point rw,noatime …". */
struct mount {
        struct str device, root, point;
};

static bool next_mount(struct str *rest, struct mount *ret)
{
        struct str line, skipped;

        if (!rest->data || !rest->len)
                return false;
        (void)str_cut(*rest, '\n', &line, rest);
        (void)str_cut(line, ' ', &skipped, &line);
        (void)str_cut(line, ' ', &skipped, &line);
        (void)str_cut(line, ' ', &ret->device, &line);
        (void)str_cut(line, ' ', &ret->root, &line);
        (void)str_cut(line, ' ', &ret->point, &line);
        return true;
}

/* The last one counts: it lies over those before it. */
static bool find_mount(struct str mounts, struct str point, struct mount *ret)
{
        bool found = false;
        struct mount m;

        while (next_mount(&mounts, &m))
                if (str_eq(m.point, point)) {
                        *ret = m;
                        found = true;
                }
        return found;
}

static bool has_mount(struct str mounts, const struct mount *wanted)
{
        struct mount m;

        while (next_mount(&mounts, &m))
                if (str_eq(m.device, wanted->device) && str_eq(m.root, wanted->root))
                        return true;
        return false;
}

bool reload_shares_folders(struct str mine, struct str theirs, const struct str *folders, size_t n)
{
        struct mount m = { 0 };

        for (size_t i = 0; i < n; i++)
                if (!find_mount(mine, folders[i], &m) || !has_mount(theirs, &m))
                        return false;
        return true;
}

/* --- all processes --------------------------------------------------------------------- */

struct search {
        const char *proc;
        struct reload_program self;
        struct str mounts; /* ours */
        const struct str *folders;
        size_t n;
};

/* One that does not let us look (a program that cannot be read, proc(5) on
 * PR_SET_DUMPABLE) may well be the one. */
static int uses_folders(const struct search *s, pid_t pid, bool *ret)
{
        _cleanup_(buf_release) struct buf mounts = BUF_INIT(MOUNTS_BYTES_MAX);
        int r = read_text(s->proc, pid, "mountinfo", &mounts);

        if (r == -EACCES || r == -EPERM) {
                *ret = true;
                return 0;
        }
        if (r < 0)
                return r;
        *ret = reload_shares_folders(s->mounts, buf_str(&mounts), s->folders, s->n);
        return 0;
}

/* Is it the first process of the program's container? 0, or -ESRCH if not. */
static int consider(const struct search *s, pid_t pid, struct reload_program *ret)
{
        bool uses;
        int r;

        if (pid == 1 || pid == s->self.pid)
                return -ESRCH;
        r = reload_program_read(s->proc, pid, ret);
        if (r < 0)
                return r;
        if (ret->parent != 0 || ret->uid != s->self.uid || ret->ended || ret->beginning)
                return -ESRCH;
        r = uses_folders(s, pid, &uses);
        if (r < 0)
                return r;
        return uses ? 0 : -ESRCH;
}

static int search(const struct search *s, struct reload_program *ret)
{
        struct reload_program best = { 0 }, one;
        DIR *dir = opendir(s->proc);
        struct dirent *entry;
        int64_t pid;

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                int r;

                if (str_to_int64(str_c(entry->d_name), &pid) < 0 || pid <= 0)
                        continue;
                r = consider(s, (pid_t)pid, &one);
                if (r == -ENOMEM) {
                        closedir(dir);
                        return r;
                }
                /* One that ends while it is looked at was not it. */
                if (r == 0 && (!best.pid || one.started < best.started ||
                               (one.started == best.started && one.pid < best.pid)))
                        best = one;
        }
        closedir(dir);
        if (!best.pid)
                return -ESRCH;
        *ret = best;
        return 0;
}

int reload_program_find(const char *proc, pid_t self, const struct str *folders, size_t n,
                        struct reload_program *ret)
{
        _cleanup_(buf_release) struct buf mounts = BUF_INIT(MOUNTS_BYTES_MAX);
        struct search s = { .proc = proc, .folders = folders, .n = n };
        int r = reload_program_read(proc, self, &s.self);

        if (r == 0)
                r = read_text(proc, self, "mountinfo", &mounts);
        if (r < 0)
                return r;
        s.mounts = buf_str(&mounts);
        if (!reload_shares_folders(s.mounts, s.mounts, folders, n))
                return -ENODEV;
        return search(&s, ret);
}
