/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command line names with -f, as texts.
 *
 *      -f deploy/        deploy/shop.yaml, deploy/more/web.json, …   in the order of their names
 *      -f shop.yaml      shop.yaml                                   whatever it is called
 *      -f <(helm …)      /dev/fd/63                                  a pipe comes once, and is kept
 *      -f -              stdin                                       likewise
 *
 * Nothing is waited for but a pipe that somebody has open to write, or a terminal. In a
 * folder only files are read; what else is called so is complained of.
 */
#pragma once

#include "base/buf.h"

#define INPUTS_MAX 256

struct inputs {
        struct input {
                const char *path;
                bool was_read; /* what can be read only once has been: */
                int error;     /* 0, or why not */
                struct buf text;
        } all[INPUTS_MAX];
        size_t n;
};

struct input_reader {
        void (*take)(const char *file, struct str text, void *arg);
        /* FILE, or a folder, could not be read, and why. */
        void (*complain)(const char *file, const char *why, void *arg);
        void *arg;
};

void inputs_init(struct inputs *in);
void inputs_release(struct inputs *in);

/* PATH is borrowed. 0, or -E2BIG past INPUTS_MAX. */
int inputs_add(struct inputs *in, const char *path) _must_check_;

/* Gives each file to READER; may be called again. */
void inputs_read(struct inputs *in, const struct input_reader *reader);
