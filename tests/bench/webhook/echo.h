/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor of a webhook: a server that for each request does no more than any must. It
 * waits, reads and decrypts once, encrypts and writes once; the reply is always the same.
 * What more the webhook takes on the same machine is its own.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

#define ECHO_CLIENTS_MAX 64

/* In a process of its own, on the loopback, for requests of SIZE bytes in one write. It
 * ends with its parent, or by a signal. -1 where it cannot begin: see errno. */
pid_t echo_start(const char *cert_path, const char *key_path, size_t size, struct str reply,
                 uint16_t *ret_port);
