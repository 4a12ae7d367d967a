/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells a program by SIGHUP that the ConfigMaps and Secrets which are mounted
 * beside it have changed. It runs as a sidecar in the pods of an App with
 * configReload Signal.
 *
 *      kubelet turns ..data --inotify--> settle --> read --> are all *.json JSON?
 *                                                    |          | no: a warning
 *                               names and hashes <---' yes      '---> wait for the next
 *                               into the log          |
 *                                                     v
 *                     the program: does it handle SIGHUP? --yes--> SIGHUP
 *                        | not there: it reads the files as it starts
 *                        '- no: looked at again for a while, then a warning
 *
 * What is compared with is what the program was last told of. A sidecar that was
 * started again knows nothing of that, so if the program is older than itself it
 * tells it once for all that may have been missed.
 *
 * Where inotify cannot be had (its instances are counted for each user of a node)
 * the files are looked at every RELOAD_RETRY instead.
 *
 * Nothing that goes wrong here ends it: a sidecar that is down takes the whole
 * pod out of its Service. It says what is wrong and tries again.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "loop/loop.h"

#define RELOAD_FOLDERS_MAX 64
#define RELOAD_SETTLE (1 * USEC_SEC)         /* several folders change within a moment: one signal */
#define RELOAD_SETTLE_ROUNDS 10              /* but no longer than so many times that */
#define RELOAD_RETRY (10 * USEC_SEC)         /* after a failure, and between looks */
#define RELOAD_LOOK_AGAIN (1 * USEC_SEC)     /* at a program that does not handle the signal yet */
#define RELOAD_PATIENCE (30 * USEC_SEC)      /* with it */
#define RELOAD_CHANGES_TOLD_MAX ((size_t)64) /* files, each time; of the rest only the number */

struct reload_folder {
        struct str name; /* of the ConfigMap or Secret, for the log */
        struct str path; /* where it is mounted; NUL-terminated */
        bool secret;     /* then not even hashes are logged */
};

struct reload_options {
        const struct reload_folder *folders; /* borrowed, 1 to RELOAD_FOLDERS_MAX */
        size_t n_folders;
        /* The process to tell; 0: the program in the pod's shared process namespace
         * that has the folders mounted (program.h). */
        pid_t pid;
        usec_t settle, retry, look_again, patience;
        bool without_inotify;
        const char *proc; /* "/proc" */
};

/* No folders, the rest as above. */
void reload_options_init(struct reload_options *options);

struct reload;

/* Begins in the first turn of the loop. 0 or -ENOMEM. */
int reload_new(struct loop *l, const struct reload_options *options, struct reload **ret) _must_check_;
void reload_free(struct reload *r);

/* Until SIGTERM or SIGINT, at which it stops at once with 0. Negative errno, with
 * *err, where it cannot even begin. */
int reload_run(const struct reload_options *options, struct error *err) _must_check_;
