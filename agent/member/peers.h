/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends messages to the agents of the other members: fire and forget.
 *
 *      peers --> peer 0 --> lane of questions: one on its way, the newest of those that wait
 *           |          `--> lane of answers:   likewise
 *           `--> peer 1 …
 *
 * A member is tried where it was heard from last, and by its name in DNS, in turn as they
 * fail. Whichever it is, it must have a certificate of the cluster's CA for its own name,
 * so an address that somebody else has got by now leads nowhere. (libcurl resolves names in
 * a thread of its own: the loop never waits for DNS.)
 *
 * A message that has not arrived within the deadline is lost, and one that waits is
 * replaced by the next: the protocol asks again.
 */
#pragma once

#include "failover/message.h"
#include "http/http.h"

#define PEERS_NAME_MAX 320

enum peer_lane { PEER_QUESTIONS, PEER_ANSWERS, PEER_LANES };

struct peers;
struct member_peer;

struct peer_sending {
        struct member_peer *peer;
        struct http_request *request; /* NULL: nothing is on its way */
        bool waits;
        struct failover_message next;
};

struct member_peer {
        struct peers *all;
        int member;
        struct http_client *client;         /* NULL until needed */
        char name[PEERS_NAME_MAX];          /* in DNS, and in its certificate */
        char address[FAILOVER_ADDRESS_MAX]; /* where it was heard from; "" if it was not */
        bool by_name;                       /* that address did not answer */
        struct peer_sending lanes[PEER_LANES];
};

struct peers_config {
        const char *hosts;   /* of members' names: "shop-#.shop-members.ns.svc", # being the number */
        const char *names;   /* of their certificates, likewise */
        const char *address; /* our own, for answers */
        uint16_t port;
        usec_t deadline;
};

struct peers {
        struct loop *loop;
        struct peers_config config;
        struct buf ca, cert, key;        /* PEM */
        struct failover_applied applied; /* ours, which goes with each letter */
        struct member_peer list[FAILOVER_MEMBERS_MAX];
        uint64_t n_sent, n_lost, n_replaced;
};

/* CONFIG's strings outlive P. Nobody can be reached before peers_trust. */
void peers_init(struct peers *p, struct loop *l, const struct peers_config *config);
void peers_release(struct peers *p);

/* New certificates, for what is sent from now on. 0, -ENOMEM, or -EINVAL with *err, and
 * then all stays as it was. */
int peers_trust(struct peers *p, struct str ca, struct str cert, struct str key, struct error *err)
        _must_check_;

/* MEMBER was heard of at ADDRESS. */
void peers_at(struct peers *p, int member, const char *address);

void peers_send(struct peers *p, const struct failover_message *message);
