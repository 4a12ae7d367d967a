/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in a text the values of a document stand: for each of them, keys included, its
 * line, in the order in which they stand there, which is also that of the document in
 * memory.
 *
 *      2 | spec:              document   {  spec  {  port  80  }  }
 *      3 |   port: 80         lines      2  2     3  3     3
 */
#pragma once

#include <yyjson.h>

#include "base/str.h"

struct yaml_lines {
        unsigned first; /* on which the document begins: that of its --- if it has one */
        uint32_t *of;
        size_t n, room;
};

void yaml_lines_release(struct yaml_lines *lines);

/* N values on LINE. 0 or -ENOMEM. */
int yaml_lines_add(struct yaml_lines *lines, unsigned line, size_t n) _must_check_;

/* The line of the field PATH ("ports[1].name", as errors name it) of FROM, a value in the
 * document ROOT. Where there is no such field, that of the innermost one that it would be
 * in. The absent path is FROM itself. */
unsigned yaml_line(const struct yaml_lines *lines, yyjson_val *root, yyjson_val *from, struct str path);
