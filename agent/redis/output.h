/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server prints: handed on to our own standard output, and its last lines kept, for
 * when it ends and nobody has asked it to.
 *
 *      server, its children --> pipe --> output --> standard output, as it came
 *                                           `-----> the last lines
 *
 * Nobody waits for anybody: what the pipe has no room for, since the agent stands still, the
 * server loses; and what standard output has no room for is kept as lines all the same.
 */
#pragma once

#include "loop/loop.h"

#define OUTPUT_LINES 4
#define OUTPUT_LINE_MAX 240 /* of a longer one, its beginning */

struct output {
        struct loop *loop; /* NULL: closed */
        struct loop_fd source;
        char lines[OUTPUT_LINES][OUTPUT_LINE_MAX + 1]; /* a ring */
        uint64_t n;                                    /* lines that were ended */
        size_t len;                                    /* of the one that is under way */
        char cause[OUTPUT_LINE_MAX + 1];               /* the line that says why it crashes, or "" */
        uint64_t lost;                                 /* bytes that standard output had no room for */
};

/* *RET is the end that the server is given; close it when the server has it. 0 or a negative
 * errno. */
int output_open(struct loop *l, struct output *o, int *ret) _must_check_;

/* Takes in what is there, to the last byte of a server that has ended. The lines stay. */
void output_close(struct output *o);

/* Why it has ended: the line that says so, which a long report of all that it knows follows, or
 * else the last one; "" where there is none. */
const char *output_why(const struct output *o);

/* The last line but BACK that is no empty one; "" where there is none. */
const char *output_line(const struct output *o, size_t back);
