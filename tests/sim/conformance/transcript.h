/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers as text that is the same for every server and run: keys in order,
 * UIDs and versions by the order in which they were seen, no times.
 */
#pragma once

#include <stdio.h>

#include "sim/apiserver.h"

/* Forgets all UIDs and versions. */
void transcript_begin(void);

/* An answer: its status and reason, or the object. Remembers the object's UID and version. */
void transcript_reply(FILE *out, int status, const char *body);

/* The names of a list, and whether there is more. The token of the next page, to *RET_TOKEN (NULL: none). */
void transcript_list(FILE *out, int status, const char *body, char **ret_token);

/* Lines of a watch. */
void transcript_events(FILE *out, const char *events);

/* What was last seen of the object of that name: "uid", or "version"; and "first", its first version. */
const char *transcript_seen(const char *name, const char *what);
