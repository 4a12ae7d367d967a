/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of the keelson program. Each parses its arguments and calls the
 * package that does the work; argv[0] is the command's name.
 */
#pragma once

#include "base/error.h"

/* Exit codes: 0, 1 (EXIT_FAILURE) for what went wrong, 2 for a wrong command line. */
#define EXIT_USAGE 2

int cmd_operator(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* A boolean value of an option: true, false, 1, 0. 0 or -EINVAL. */
int cmd_parse_bool(struct str s, bool *ret) _must_check_;
