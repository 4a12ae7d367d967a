/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reload/reload.h"

#include <errno.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/reload/files.h"
#include "agent/reload/program.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define EVENT_BYTES ((size_t)16 * 1024)
#define SHORT_HASH 10

enum step {
        STEP_NONE,
        STEP_BEGIN,
        STEP_CHECK,
        STEP_TELL,
};

struct reload {
        struct loop *loop;
        struct reload_options options;
        struct str paths[RELOAD_FOLDERS_MAX];         /* of the folders */
        struct reload_files told[RELOAD_FOLDERS_MAX]; /* what the program knows of, or is about to */
        bool known;                                   /* told is filled */
        bool late; /* it was not at once: what changed before then is not known */
        bool owed; /* the program is to get a signal */
        usec_t owed_since;
        usec_t first;  /* change of those that are settling; 0: none is */
        int inotify;   /* -1: not watching */
        bool looking;  /* since that cannot be had, every now and then */
        uint64_t held; /* hash of the files that hold the signal back, which were told of; 0: none */
        struct loop_fd fd;
        /* Always set, be it to never, so that setting it takes no memory. */
        struct loop_timer timer;
        enum step next;
};

static void on_timer(struct loop_timer *timer, void *arg);

static void go_on(struct reload *r, enum step next, usec_t due)
{
        int e = loop_timer_set(r->loop, &r->timer, next == STEP_NONE ? USEC_NEVER : due, on_timer, r);

        r->next = next;
        assert(e == 0); /* a timer that is set can be moved */
        (void)e;
}

/* Until something changes: inotify will tell, or, without it, the next look. */
static void rest(struct reload *r)
{
        if (r->inotify >= 0)
                go_on(r, STEP_NONE, 0);
        else
                go_on(r, STEP_BEGIN, loop_now(r->loop) + r->options.retry);
}

static void stop_watching(struct reload *r)
{
        loop_fd_stop(&r->fd);
        if (r->inotify >= 0)
                close(r->inotify);
        r->inotify = -1;
}

/* What is not read or watched now is tried again from the start. */
static void try_later(struct reload *r, const char *what, const char *why)
{
        log_error(what, LOG_CSTR("error", why), LOG_INT("retrySeconds", r->options.retry / USEC_SEC));
        stop_watching(r);
        go_on(r, STEP_BEGIN, loop_now(r->loop) + r->options.retry);
}

/* --- the log ------------------------------------------------------------------------ */

struct telling {
        const struct reload_folder *folder;
        size_t n_told;
        bool silent;
        uint64_t problems; /* a hash of the files that have one; 0: there are none */
};

static const char *kind_of(const struct reload_folder *folder)
{
        return folder->secret ? "secret" : "configMap";
}

static struct str short_hash(const struct reload_file *file, char out[17])
{
        if (!file)
                return STR_NULL;
        snprintf(out, 17, "%016llx", (unsigned long long)file->hash);
        return str_n(out, SHORT_HASH);
}

static void tell_change(const struct reload_file *was, const struct reload_file *now, void *arg)
{
        struct telling *t = arg;
        struct log_field fields[5] = {
                LOG_STR(kind_of(t->folder), t->folder->name),
                LOG_CSTR("file", now ? now->name : was->name),
                LOG_CSTR("change", !was   ? "added"
                                   : !now ? "removed"
                                          : "changed"),
        };
        char from[17], to[17];

        if (t->n_told++ >= RELOAD_CHANGES_TOLD_MAX)
                return;
        if (was && !t->folder->secret)
                fields[3] = (struct log_field)LOG_STR("from", short_hash(was, from));
        if (now && !t->folder->secret)
                fields[4] = (struct log_field)LOG_STR("to", short_hash(now, to));
        log_emit(LOG_INFO, "a file has changed", fields, ARRAY_SIZE(fields));
}

/* Of what changed only: the program lives with the rest already. */
static void tell_problem(const struct reload_file *was _unused_, const struct reload_file *now, void *arg)
{
        struct telling *t = arg;

        if (!now || !now->problem)
                return;
        t->problems = hash_str(t->problems ? t->problems : HASH_INIT, str_c(now->name)) ^ now->hash;
        t->problems += t->problems == 0;
        if (t->silent)
                return;
        /* Where the error is would tell how a Secret begins. */
        log_warn("a file is not JSON, although its name says so: no signal until it is corrected",
                 LOG_STR(kind_of(t->folder), t->folder->name), LOG_CSTR("file", now->name),
                 LOG_CSTR("error", t->folder->secret ? "not told of a Secret" : now->problem));
}

/* --- the signal ----------------------------------------------------------------------- */

static int find_program(const struct reload *r, struct reload_program *ret)
{
        const struct reload_options *o = &r->options;

        return o->pid ? reload_program_read(o->proc, o->pid, ret)
                      : reload_program_find(o->proc, getpid(), r->paths, o->n_folders, ret);
}

static void is_told(struct reload *r)
{
        r->owed = false;
        rest(r);
}

static void tell_absent(struct reload *r)
{
        log_info("no signal: the program does not run now, and will read the files as it starts");
        is_told(r);
}

static void look_again(struct reload *r, const char *why)
{
        if (loop_now(r->loop) - r->owed_since < r->options.patience) {
                go_on(r, STEP_TELL, loop_now(r->loop) + r->options.look_again);
                return;
        }
        log_warn("no signal: the program has the new files, and will read them when it starts again",
                 LOG_CSTR("error", why));
        is_told(r);
}

static void tell_program(struct reload *r)
{
        struct reload_program program;
        int e = find_program(r, &program);

        if (e == -ESRCH || (e == 0 && (program.ended || program.beginning))) {
                tell_absent(r);
                return;
        }
        if (e == -ENODEV) {
                look_again(r, "a folder is not a mounted volume, so no other container can have it");
                return;
        }
        if (e < 0) {
                look_again(r, strerror(-e));
                return;
        }
        if (!program.hears) {
                look_again(r, "the program does not handle SIGHUP and would be ended by it");
                return;
        }
        if (kill(program.pid, SIGHUP) < 0) {
                look_again(r, strerror(errno));
                return;
        }
        log_info("the program was sent SIGHUP", LOG_INT("pid", program.pid));
        is_told(r);
}

static void owe(struct reload *r)
{
        if (r->owed)
                return;
        r->owed = true;
        r->owed_since = loop_now(r->loop);
}

/* --- the files ------------------------------------------------------------------------- */

static void release_all(struct reload_files *all, size_t n)
{
        for (size_t i = 0; i < n; i++)
                reload_files_release(&all[i]);
}

static int read_all(const struct reload *r, struct reload_files *ret, struct error *err)
{
        for (size_t i = 0; i < r->options.n_folders; i++) {
                int e = reload_files_read(r->options.folders[i].path.data, &ret[i], err);

                if (e < 0) {
                        release_all(ret, i);
                        return e;
                }
        }
        return 0;
}

static uint64_t find_problems(const struct reload *r, const struct reload_files *fresh, bool silent)
{
        struct telling t = { .silent = silent };

        for (size_t i = 0; i < r->options.n_folders; i++) {
                t.folder = &r->options.folders[i];
                (void)reload_files_compare(&r->told[i], &fresh[i], tell_problem, &t);
        }
        return t.problems;
}

/* Is there a file that holds the signal back? It is told of once. */
static bool are_held(struct reload *r, const struct reload_files *fresh)
{
        uint64_t problems = find_problems(r, fresh, true);

        if (problems && problems != r->held)
                (void)find_problems(r, fresh, false);
        r->held = problems;
        return problems != 0;
}

/* How many files are not as they were. */
static size_t take_in(struct reload *r, struct reload_files *fresh)
{
        struct telling t = { 0 };

        for (size_t i = 0; i < r->options.n_folders; i++) {
                t.folder = &r->options.folders[i];
                (void)reload_files_compare(&r->told[i], &fresh[i], tell_change, &t);
                reload_files_release(&r->told[i]);
                r->told[i] = fresh[i];
        }
        if (t.n_told > RELOAD_CHANGES_TOLD_MAX)
                log_info("more files have changed",
                         LOG_INT("files", (int64_t)(t.n_told - RELOAD_CHANGES_TOLD_MAX)));
        return t.n_told;
}

static void check(struct reload *r)
{
        struct reload_files fresh[RELOAD_FOLDERS_MAX] = { 0 };
        struct error err = ERROR_INIT;

        r->first = 0;
        if (read_all(r, fresh, &err) < 0) {
                try_later(r, "cannot read the files", err.message);
                return;
        }
        if (are_held(r, fresh)) {
                release_all(fresh, r->options.n_folders);
                rest(r);
                return;
        }
        if (take_in(r, fresh) > 0)
                owe(r);
        if (r->owed)
                tell_program(r);
        else
                rest(r);
}

/* --- watching ---------------------------------------------------------------------------- */

/* Were we started after the program? Then it may have missed something. */
static void look_back(struct reload *r)
{
        struct reload_program program, self;

        if (find_program(r, &program) < 0 || reload_program_read(r->options.proc, getpid(), &self) < 0)
                return;
        if (!r->late && program.started >= self.started)
                return;
        log_info("started after the program, which may have missed a change");
        owe(r);
}

static void settle(struct reload *r)
{
        usec_t now = loop_now(r->loop), window = r->options.settle;

        if (!r->first)
                r->first = now;
        go_on(r, STEP_CHECK, MIN(now + window, r->first + RELOAD_SETTLE_ROUNDS * window));
}

static bool is_turn(const struct inotify_event *e)
{
        return (e->mask & IN_Q_OVERFLOW) || (e->len && strcmp(e->name, "..data") == 0);
}

static void on_inotify(struct loop_fd *fd, uint32_t events _unused_, void *arg)
{
        alignas(struct inotify_event) char bytes[EVENT_BYTES];
        struct reload *r = arg;
        ssize_t n = read(fd->fd, bytes, sizeof(bytes));
        bool turned = false, lost = false;

        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *e = (const void *)(bytes + at);

                turned |= is_turn(e);
                lost |= (e->mask & (IN_IGNORED | IN_UNMOUNT | IN_MOVE_SELF)) != 0;
                at += (ssize_t)(sizeof(*e) + e->len);
        }
        if (lost)
                try_later(r, "cannot watch the files", "a folder has gone away");
        else if (turned)
                settle(r);
}

static int watch(struct reload *r, struct error *err)
{
        int e;

        if (r->options.without_inotify)
                return error_set(err, -ENOSYS, "inotify is not to be used");
        r->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (r->inotify < 0 && errno == EMFILE)
                return error_set(err, -EMFILE,
                                 "the node has no inotify instances left for this user; raise its sysctl "
                                 "fs.inotify.max_user_instances");
        if (r->inotify < 0)
                return error_set(err, -errno, "inotify: %s", strerror(errno));
        for (size_t i = 0; i < r->options.n_folders; i++)
                if (inotify_add_watch(r->inotify, r->paths[i].data, EVENTS) < 0)
                        return error_set(err, -errno, "%s: %s", r->paths[i].data,
                                         errno == ENOSPC
                                                 ? "the node has no inotify watches left for this "
                                                   "user; raise its sysctl fs.inotify.max_user_watches"
                                                 : strerror(errno));
        e = loop_fd_start(r->loop, &r->fd, r->inotify, EPOLLIN, on_inotify, r);
        return e < 0 ? error_set(err, e, "%s", strerror(-e)) : 0;
}

/* Inotify instances are counted for each user of a node, and somebody else of that
 * number may have used them up. Then it is tried again at each look. */
static void watch_or_look(struct reload *r)
{
        bool was_looking = r->looking;
        struct error err = ERROR_INIT;

        r->looking = watch(r, &err) < 0;
        if (r->looking)
                stop_watching(r);
        if (r->looking && was_looking)
                return;
        if (r->looking)
                log_warn("no word of changes to be had: the files are looked at every few seconds",
                         LOG_CSTR("error", err.message), LOG_INT("seconds", r->options.retry / USEC_SEC));
        log_info("watching", LOG_INT("folders", (int64_t)r->options.n_folders));
}

/* The files are looked at once more when they are watched, for what changed
 * in between. */
static void begin(struct reload *r)
{
        struct error err = ERROR_INIT;

        if (!r->known) {
                if (read_all(r, r->told, &err) < 0) {
                        r->late = true;
                        try_later(r, "cannot read the files", err.message);
                        return;
                }
                r->known = true;
                look_back(r);
        }
        watch_or_look(r);
        check(r);
}

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        struct reload *r = arg;
        enum step step = r->next;

        go_on(r, STEP_NONE, 0);
        switch (step) {
        case STEP_NONE:
                break;
        case STEP_BEGIN:
                begin(r);
                break;
        case STEP_CHECK:
                check(r);
                break;
        case STEP_TELL:
                tell_program(r);
                break;
        }
}

/* --- life --------------------------------------------------------------------------------- */

void reload_options_init(struct reload_options *options)
{
        *options = (struct reload_options){
                .settle = RELOAD_SETTLE,
                .retry = RELOAD_RETRY,
                .look_again = RELOAD_LOOK_AGAIN,
                .patience = RELOAD_PATIENCE,
                .proc = "/proc",
        };
}

int reload_new(struct loop *l, const struct reload_options *options, struct reload **ret)
{
        struct reload *r = mem_new(struct reload);
        int e;

        if (!r)
                return -ENOMEM;
        r->loop = l;
        r->options = *options;
        r->inotify = -1;
        for (size_t i = 0; i < options->n_folders; i++)
                r->paths[i] = options->folders[i].path;
        r->next = STEP_BEGIN;
        e = loop_timer_set(l, &r->timer, clock_now(), on_timer, r);
        if (e < 0) {
                mem_free(r);
                return e;
        }
        *ret = r;
        return 0;
}

void reload_free(struct reload *r)
{
        if (!r)
                return;
        stop_watching(r);
        loop_timer_stop(&r->timer);
        release_all(r->told, r->options.n_folders);
        mem_free(r);
}

static void on_signal(struct loop_signal *source, const struct signalfd_siginfo *info, void *arg _unused_)
{
        log_info("stopped", LOG_CSTR("signal", info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM"));
        loop_stop(source->fd.loop, 0);
}

int reload_run(const struct reload_options *options, struct error *err)
{
        struct loop_signal signals = { 0 };
        struct reload *r = NULL;
        struct loop *loop;
        sigset_t set;
        int e = loop_new(&loop);

        if (e < 0)
                return error_set(err, e, "cannot make an event loop: %s", strerror(-e));
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        e = loop_signal_start(loop, &signals, &set, on_signal, NULL);
        if (e == 0)
                e = reload_new(loop, options, &r);
        if (e == 0)
                e = loop_run(loop);
        reload_free(r);
        loop_signal_stop(&signals);
        loop_free(loop);
        return e < 0 ? error_set(err, e, "cannot run: %s", strerror(-e)) : 0;
}
