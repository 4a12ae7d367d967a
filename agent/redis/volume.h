/* SPDX-License-Identifier: Apache-2.0
 *
 * All that touches the volume but the server: in a thread of its own, since a volume that
 * stands still holds whoever touches it. The loop never waits.
 *
 *      loop: volume_open ------> thread: lock, read the state file ------------> done
 *            volume_prepare ---> thread: sweep what servers left, look --------> done
 *            volume_write -----> thread: write, fsync, rename, fsync, room ----> done
 *
 * One at a time. Writing the state file is also how it is found out whether the volume
 * still writes.
 *
 * The lock is a flock(2) on a file of the volume, held by one open file that agent, keeper,
 * server and the server's children share: it is free when the last of them is gone, and not
 * before. So the agent of a pod that takes the place of one that was deleted by force waits
 * for the other's server, which may still write. Where the file system knows no locks there
 * is none.
 */
#pragma once

#include <errno.h>

#include "base/error.h"
#include "loop/loop.h"

#define VOLUME_TEXT_MAX 2048
#define VOLUME_LOCK_FILE "keelson.lock"
/* Of PREPARE and WRITE: it is not the one that was opened, or is torn out. Nothing was written. */
#define VOLUME_GONE (-ENODEV)

struct volume;

enum volume_task {
        VOLUME_OPEN,
        VOLUME_PREPARE,
        VOLUME_WRITE,
};

struct volume_done {
        enum volume_task task;
        /* 0 or a negative errno. OPEN: -EWOULDBLOCK: another process has it. */
        int result;
        usec_t began;        /* WRITE: what was given to volume_write */
        struct str text;     /* OPEN: what the state file holds; absent if there is none */
        bool unlocked;       /* OPEN: without a lock, for there are none here */
        bool aof, rdb;       /* PREPARE: what a server could load */
        uint64_t size, room; /* bytes of the file system, once known; room: for who is not root */
};

/* DONE is valid during the call; another task may be given in it. */
typedef void volume_fn(struct volume *v, const struct volume_done *done, void *arg);

/* For the folder DIR. 0 or a negative errno. */
int volume_new(struct loop *l, const char *dir, volume_fn *fn, void *arg, struct volume **ret) _must_check_;

/* Gives the lock back, as far as it is ours. A thread that the volume holds is left behind,
 * with what it needs, and frees that should it ever come back. */
void volume_free(struct volume *v);

/* Is a task under way? Then none is taken. */
bool volume_busy(const struct volume *v);

/* All: 0 or -EBUSY. */
int volume_open(struct volume *v) _must_check_;

/* Before a server is started: takes away what former ones left unfinished, and what one that
 * keeps nothing has received. */
int volume_prepare(struct volume *v) _must_check_;

/* Copies TEXT, of at most VOLUME_TEXT_MAX; -EMSGSIZE. DROP_COPY: when that is on the disk, the
 * RDB is taken away, since TEXT says that a start loads the AOF. */
int volume_write(struct volume *v, struct str text, usec_t began, bool drop_copy) _must_check_;

/* The file that holds the lock, to be shared with a process; -1: there is none. */
int volume_lock(const struct volume *v);
