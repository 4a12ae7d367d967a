/* SPDX-License-Identifier: Apache-2.0
 *
 * The sockets that our servers listen on, by an address as people write it:
 *
 *      "0.0.0.0:8080"  "[::]:8080"  ":8080" (both IPv4 and IPv6)  "127.0.0.1:0" (any free port)
 */
#pragma once

#include "base/error.h"

/* Could it be listened on? 0, or -EINVAL with *err. Opens nothing. */
int http_check_address(struct str listen, struct error *err) _must_check_;

/* The socket, which listens and does not block; it is the caller's. On failure a
 * negative errno with *err saying what to do about it. */
int http_listen(struct str listen, struct error *err) _must_check_;

/* The port that FD has got, or 0. */
uint16_t http_port(int fd);
