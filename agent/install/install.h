/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies this very program, with all that it needs to run, into a folder that the
 * container of another image has mounted:
 *
 *      init container (our image)               main container (redis, valkey, … any libc)
 *        keelson agent install /keelson  --->     /keelson/ld.so --library-path /keelson
 *                                                 /keelson/keelson agent redis …
 *
 *      /keelson/keelson      the program
 *               ld.so        the dynamic loader that it was started by
 *               lib….so.N    every library that is loaded now
 *
 * The loader maps the program into its own process: it is process 1, as if it had been
 * executed. Nothing of the other image is used but the kernel's and /etc's files for DNS.
 */
#pragma once

#include "base/error.h"

/* 0, or a negative errno with *err saying what to do. May be done again over what is there,
 * be it in use. */
int install_copy(const char *folder, struct error *err) _must_check_;
