/* SPDX-License-Identifier: Apache-2.0
 *
 * Which process gets the signal, in a pod whose containers share one process
 * namespace.
 *
 *      pid 1 (pause)    the pod's own; never
 *      pid 7            ourselves, parent 0; never
 *      pid 15           parent 0, has our folders mounted: the program
 *      |- pid 22        its child, which it tells what it likes
 *      pid 31           parent 0 as well: a shell of kubectl exec in the program's
 *                       container, which began later
 *      pid 40           parent 0: another container's, without our folders
 *
 * A folder is the same for two containers if its device and its root in it are
 * (proc(5), /proc/PID/mountinfo), wherever each has mounted it.
 */
#pragma once

#include <sys/types.h>

#include "base/str.h"

struct reload_program {
        pid_t pid, parent;
        uid_t uid;        /* its real one */
        uint64_t started; /* clock ticks since the machine began */
        bool ended;       /* a zombie */
        bool beginning;   /* still the container runtime's, which will become the program */
        /* SIGHUP is caught, ignored, or blocked in a thread (to be taken by sigwait or
         * signalfd), or a thread is in sigwait. If not, it would end the program. */
        bool hears;
};

/* Of a process, from the texts of its /proc/PID/stat and status. 0 or -EBADMSG. */
int reload_program_parse(struct str stat, struct str status, struct reload_program *ret) _must_check_;

/* Process PID. -ESRCH if there is none. PROC is "/proc". */
int reload_program_read(const char *proc, pid_t pid, struct reload_program *ret) _must_check_;

/* Do two mountinfo texts have all FOLDERS (mount points of MINE) in common? */
bool reload_shares_folders(struct str mine, struct str theirs, const struct str *folders, size_t n);

/* The program that has the FOLDERS of ours mounted. -ESRCH: it does not run now;
 * -ENODEV: one of them is not where something is mounted. */
int reload_program_find(const char *proc, pid_t self, const struct str *folders, size_t n,
                        struct reload_program *ret) _must_check_;
