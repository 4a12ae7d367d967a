/* SPDX-License-Identifier: Apache-2.0
 *
 * Members with real servers on loopback ports, each behind an engine, all on one loop.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "agent/redis/redis.h"
#include "harness.h"

#define NODES 3
#define LONG_ENOUGH (40 * USEC_SEC) /* for a slow machine */

struct node {
        struct engine *engine;
        int member;
        char data[96], run[96], address[32];
        int port;
        uint64_t number; /* of the last order */
        struct failover_server seen;
        uint64_t looks, canaries, complaints;
        bool opened;
        struct error unopened;
        bool was_without_data; /* a look said so since it was last cleared */
        struct error complaint, crash;
        uint64_t crashes;
};

extern struct loop *loop;
extern struct node nodes[NODES];

/* Before nodes_begin: the servers speak TLS, with certificates of one CA in this folder,
 * which nodes_begin makes. Then there are no clients here. */
extern bool nodes_tls;
/* The text of FILE in that folder, in the way in which the kubelet replaces files. */
void nodes_write_tls(const char *file, struct str text);

/* Folders, ports and engines for N members; no server yet. The server is $KEELSON_TEST_SERVER, or
 * what was there when this was built. CONFIG is the object "config", as text. */
void nodes_begin(int n, const char *config);
void nodes_end(void);
void node_configure(struct node *n, const char *config, const char *users);
/* The agent is started again: the engine anew, and the volume is its own when this returns. */
void node_renew(struct node *n, const char *config);
/* Likewise, and the volume may be another's yet. */
void node_begin(struct node *n, const char *config);

void node_order(struct node *n, enum failover_order what, const struct node *whom);
void node_kill(struct node *n);
void node_remember(struct node *n, uint64_t timeline);
bool node_obeyed(const struct node *n, enum failover_server_state state);
void node_make_leader(struct node *n, uint64_t timeline);
void node_follow(struct node *n, const struct node *leader, uint64_t timeline);
pid_t node_server(const struct node *n);
/* Whatever N's server was sent, it has carried out. */
void node_catch_up(const struct node *n);

/* Turns the loop until the condition holds. */
#define until(condition)                                                                                     \
        do {                                                                                                 \
                usec_t deadline_ = clock_now() + LONG_ENOUGH;                                                \
                while (!(condition)) {                                                                       \
                        ck_assert_msg(clock_now() < deadline_, "never: %s", #condition);                     \
                        ck_assert_int_eq(loop_turn(loop, 5 * USEC_MSEC), 0);                                 \
                }                                                                                            \
        } while (0)

/* A client, logged in as default with PASSWORD unless that is NULL. */
redisContext *node_client(const struct node *n, const char *password);
/* Whether the answer is no error; what it was is in REPLY if that is not NULL. */
bool ask(redisContext *c, char reply[256], const char *format, ...);
/* The number that it answers with, or -1. */
long long ask_number(redisContext *c, const char *format, ...);

void node_write_keys(const struct node *n, int count);
long long node_keys(const struct node *n);
/* The value of KEY (with its quotes and colon) in what the engine says of itself. */
struct str node_described(struct node *n, const char *key, struct buf *out);
/* Is so much known to be brought back by a restart? */
bool node_claims(struct node *n, uint64_t offset);

/* Three, of which the first leads and the others follow. */
void nodes_lead_three(const char *config);
/* Have both followers all that N has? */
bool node_all_confirmed(const struct node *n);
