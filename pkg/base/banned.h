/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that we do not use, with what to use in their place. Forced into
 * every compilation by the build; a use does not compile.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Macros with clang, which poisoning them would report. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat  /* struct str, struct buf */
#pragma GCC poison sprintf vsprintf               /* buf_printf, snprintf */
#pragma GCC poison strtok                         /* str_cut */
#pragma GCC poison atoi atol atof                 /* str_to_int64 */
#pragma GCC poison gmtime localtime ctime asctime /* clock.h */
#pragma GCC poison system popen                   /* loop/child.h, with an argument vector */
