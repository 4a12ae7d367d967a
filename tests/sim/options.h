/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command lines of the simulators have in common.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* Tells what is wrong, and ends the program. */
_Noreturn void options_wrong(const char *format, ...) _printf_(1, 2);

/* TEXT, which stands behind OPTION; ends the program if it is no number. */
uint64_t options_number(const char *text, const char *option);

/* Does WANTED, behind --case, ask for NAME? "F01" asks for F01-create as well, "all" for each. */
bool options_ask_for(const char *wanted, const char *name);

/* How many processes at once; TEXT stands behind --jobs, NULL: as many as there are processors. */
unsigned options_workers(const char *text);
