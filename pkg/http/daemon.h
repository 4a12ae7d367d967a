/* SPDX-License-Identifier: Apache-2.0
 *
 * A server of libmicrohttpd, started without threads (MHD_USE_EPOLL), on the
 * event loop:
 *
 *      loop --- epoll descriptor of MHD ---> MHD_run --> the server's callbacks
 *           --- timer (MHD_get_timeout) -------^
 */
#pragma once

#include <microhttpd.h>

#include "loop/loop.h"

struct http_daemon {
        struct loop *loop;
        struct MHD_Daemon *mhd; /* NULL: not started */
        struct loop_fd fd;
        struct loop_timer timer;
        /* While a TLS handshake waits for its peer, or the head of a chunk for room, MHD
         * asks to be run again at once, and again. So after some runs in which nothing
         * moved there is a pause, which the next event ends. A server with TLS, whose
         * bytes may lie in between, sets MOVED with each of them and with each callback. */
        bool moved;
        unsigned still; /* runs in a row without */
};

/* Takes MHD over, be it that it fails: 0, -ENOMEM, or -EINVAL for one that was not
 * started so. D must be zeroed. */
int http_daemon_start(struct loop *l, struct http_daemon *d, struct MHD_Daemon *mhd) _must_check_;

/* Stops MHD as well, which closes its sockets; fine where it was never started. Not
 * from inside a callback of MHD. */
void http_daemon_stop(struct http_daemon *d);

/* Copied: newer versions of MHD have one place in a connection for all that they tell. */
union MHD_ConnectionInfo http_daemon_info(struct MHD_Connection *c, enum MHD_ConnectionInfoType what);

/* Something was done to a connection from outside of MHD's callbacks: look at it in
 * this turn. */
void http_daemon_kick(struct http_daemon *d);
