/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of the keelson program. Each parses its arguments and calls the
 * package that does the work; argv[0] is the command's name. They return the
 * exit code: 0, EXIT_FAILURE for what went wrong, EXIT_USAGE (cmd/options.h) for
 * a wrong command line.
 */
#pragma once

int cmd_agent(int argc, char **argv);
/* A command of agent. */
int cmd_agent_redis(int argc, char **argv);
int cmd_define(int argc, char **argv);
int cmd_operator(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_validate(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_webhook(int argc, char **argv);
