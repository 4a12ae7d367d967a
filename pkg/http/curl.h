/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine on libcurl: what curl.c (a transfer), pool.c (a multi handle on the
 * loop) and their failures share.
 */
#pragma once

#include <curl/curl.h>

#include "http/client.h"

/* libcurl's part of a request; kept with it while it is parked. */
struct transfer {
        CURL *easy;
        struct http_pool *pool; /* while in flight */
        bool gzip;              /* what the easy handle is set to accept */
        char message[CURL_ERROR_SIZE];
};

struct http_pool {
        struct http_client *client;
        struct http_settings *settings;
        struct list link; /* in client->pools */
        CURLM *multi;
        struct loop_timer timer; /* libcurl's one timer; always set */
        struct loop_timer quiet; /* likewise: when to look again (pool.c) */
        usec_t woken;            /* when a socket had something to read */
        struct list sockets;
        struct list requests;
        usec_t heard; /* when the last byte came, from anyone */
        int broken;   /* a callback failed, the multi handle is of no more use */
};

/* Makes r->curl say what R says. 0 or -ENOMEM. */
int transfer_prepare(struct http_request *r) _must_check_;
/* Ends R with what libcurl said, or with the error CODE where that is not 0. */
void transfer_finish(struct http_request *r, CURLcode said, int code);

/* failure.c: fills ERR from what libcurl said. */
void failure_curl(const struct http_request *r, CURLcode said, struct error *err);
