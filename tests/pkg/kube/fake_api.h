/* SPDX-License-Identifier: Apache-2.0
 *
 * An API server that follows a script, on the test's own loop: it answers the
 * first request with the first step, the second with the second, and so on.
 * What was asked is kept as text, to be compared.
 */
#pragma once

#include <microhttpd.h>

#include "base/buf.h"
#include "kube/client.h"
#include "loop/loop.h"

#define FAKE_STEPS_MAX 32
#define FAKE_HUNG_MAX 64

enum fake_end {
        FAKE_END,  /* the answer ends as it should */
        FAKE_CUT,  /* the connection breaks */
        FAKE_HANG, /* nothing more comes, and it stays open */
};

struct fake_step {
        int status; /* 0: 200 */
        const char *body;
        enum fake_end end;
        const char *retry_after; /* or NULL */
};

struct fake_api {
        struct loop *loop;
        struct MHD_Daemon *daemon;
        struct loop_fd fd;
        struct loop_timer timer;
        struct fake_step steps[FAKE_STEPS_MAX];
        size_t n_steps, next;
        /* Instead of the steps: the answer to a request line, for tests that
         * cannot know how many requests it will take. */
        struct fake_step (*respond)(const char *asked);
        struct buf line;
        struct MHD_Connection *hung[FAKE_HUNG_MAX];
        size_t n_hung;
        struct buf asked;         /* "GET /api/v1/pods?limit=500\n" for each request */
        struct buf bodies;        /* what was sent, "\n" behind each */
        struct buf authorization; /* likewise */
        struct buf content_type;
        struct buf accept;
        char url[64];
};

void fake_api_start(struct fake_api *f, struct loop *l);
void fake_api_stop(struct fake_api *f);

/* The next step of the script. */
void fake_api_will(struct fake_api *f, struct fake_step step);

/* A client of it, with no credentials or those of EXTRA (the user's members in YAML). */
struct kube_client *fake_api_client(struct fake_api *f, const char *user);

/* Turns the loop until DONE says so; fails the test after LIMIT. */
void fake_api_wait(struct fake_api *f, bool (*done)(void *arg), void *arg);
