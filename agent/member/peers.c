/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/peers.h"

#include <errno.h>
#include <stdio.h>

#include "agent/member/mailbox.h"

#define PEM_MAX ((size_t)256 * 1024)
#define URL_MAX (PEERS_NAME_MAX + 64)

static void fill_in(char out[PEERS_NAME_MAX], const char *pattern, int member)
{
        struct str before, after;

        if (str_cut(str_c(pattern), '#', &before, &after))
                snprintf(out, PEERS_NAME_MAX, "%.*s%d%.*s", STR_FMT(before), member, STR_FMT(after));
        else
                snprintf(out, PEERS_NAME_MAX, "%s", pattern);
}

static void forget_clients(struct peers *p)
{
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                http_client_free(p->list[m].client); /* cancels what is on its way */
                p->list[m].client = NULL;
                for (int lane = 0; lane < PEER_LANES; lane++)
                        p->list[m].lanes[lane] = (struct peer_sending){ .peer = &p->list[m] };
        }
}

void peers_init(struct peers *p, struct loop *l, const struct peers_config *config)
{
        *p = (struct peers){ .loop = l, .config = *config };
        buf_init(&p->ca, PEM_MAX);
        buf_init(&p->cert, PEM_MAX);
        buf_init(&p->key, PEM_MAX);
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                p->list[m].all = p;
                p->list[m].member = m;
                fill_in(p->list[m].name, config->names, m);
        }
        forget_clients(p);
}

static void release_pem(struct peers *p)
{
        if (p->key.data)
                explicit_bzero(p->key.data, p->key.size);
        buf_release(&p->ca);
        buf_release(&p->cert);
        buf_release(&p->key);
}

void peers_release(struct peers *p)
{
        forget_clients(p);
        release_pem(p);
}

/* --- who they are ------------------------------------------------------------------- */

static int new_client(struct peers *p, struct member_peer *peer, struct str ca, struct str cert,
                      struct str key, struct http_client **ret, struct error *err)
{
        struct http_config config = { .ca_pem = ca,
                                      .client_cert_pem = cert,
                                      .client_key_pem = key,
                                      .tls_server_name = str_c(peer->name),
                                      .proxy = STR(""), /* never by way of one */
                                      .user_agent = STR("keelson-agent"),
                                      .connect_timeout = p->config.deadline,
                                      .max_connections = PEER_LANES };

        return http_client_new(p->loop, &config, ret, err);
}

/* A client is made with them at once, so that what cannot be used is refused here. */
int peers_trust(struct peers *p, struct str ca, struct str cert, struct str key, struct error *err)
{
        struct http_client *probe;
        int r = new_client(p, &p->list[0], ca, cert, key, &probe, err);

        if (r < 0)
                return r;
        http_client_free(probe);
        forget_clients(p);
        release_pem(p);
        buf_init(&p->ca, PEM_MAX);
        buf_init(&p->cert, PEM_MAX);
        buf_init(&p->key, PEM_MAX);
        if (buf_add_str(&p->ca, ca) < 0 || buf_add_str(&p->cert, cert) < 0 || buf_add_str(&p->key, key) < 0)
                return error_set(err, -ENOMEM, "out of memory");
        return 0;
}

void peers_at(struct peers *p, int member, const char *address)
{
        struct member_peer *peer = &p->list[member];

        if (member < 0 || member >= FAILOVER_MEMBERS_MAX || !address[0])
                return;
        if (strcmp(peer->address, address) != 0)
                peer->by_name = false;
        memcpy(peer->address, address, strnlen(address, sizeof(peer->address) - 1) + 1);
        peer->address[sizeof(peer->address) - 1] = '\0';
}

/* --- what is sent ------------------------------------------------------------------- */

static enum peer_lane lane_of(const struct failover_message *m)
{
        return m->type == FAILOVER_YES || m->type == FAILOVER_NO ? PEER_ANSWERS : PEER_QUESTIONS;
}

static void write_url(const struct member_peer *peer, char out[URL_MAX])
{
        const struct peers_config *c = &peer->all->config;
        char host[PEERS_NAME_MAX];
        bool by_name = peer->by_name || !peer->address[0], six;

        if (by_name)
                fill_in(host, c->hosts, peer->member);
        else
                snprintf(host, sizeof(host), "%s", peer->address);
        six = strchr(host, ':') != NULL;
        snprintf(out, URL_MAX, "https://%s%s%s:%u" MAILBOX_PATH, six ? "[" : "", host, six ? "]" : "",
                 (unsigned)c->port);
}

static int begin(struct member_peer *peer, enum peer_lane lane, const struct failover_message *m);

static void ended(struct peer_sending *s, enum peer_lane lane, const struct http_result *result)
{
        struct member_peer *peer = s->peer;
        struct failover_message next = s->next;

        s->request = NULL;
        if (result->status != MHD_HTTP_NO_CONTENT) {
                peer->all->n_lost++;
                peer->by_name = !peer->by_name && peer->address[0];
        }
        if (!s->waits)
                return;
        s->waits = false;
        if (begin(peer, lane, &next) < 0)
                peer->all->n_lost++;
}

static void question_done(struct http_request *r _unused_, const struct http_result *result, void *arg)
{
        ended(arg, PEER_QUESTIONS, result);
}

static void answer_done(struct http_request *r _unused_, const struct http_result *result, void *arg)
{
        ended(arg, PEER_ANSWERS, result);
}

static int write_letter(struct peers *p, const struct failover_message *m, struct buf *out)
{
        struct failover_letter letter = { .message = *m, .applied = p->applied };

        snprintf(letter.address, sizeof(letter.address), "%s", p->config.address);
        return failover_letter_write(&letter, out);
}

static int begin(struct member_peer *peer, enum peer_lane lane, const struct failover_message *m)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(FAILOVER_MESSAGE_BYTES_MAX);
        static const struct http_header json = { STR_INIT("Content-Type"), STR_INIT("application/json") };
        struct peers *p = peer->all;
        struct peer_sending *s = &peer->lanes[lane];
        struct http_handlers handlers = { .done = lane == PEER_QUESTIONS ? question_done : answer_done,
                                          .arg = s };
        struct http_call call = { .method = "POST",
                                  .headers = &json,
                                  .n_headers = 1,
                                  .timeout = p->config.deadline,
                                  .max_body = FAILOVER_MESSAGE_BYTES_MAX };
        struct error err = ERROR_INIT;
        char url[URL_MAX];
        int r = p->ca.len ? write_letter(p, m, &body) : -ENOKEY;

        if (r == 0 && !peer->client)
                r = new_client(p, peer, buf_str(&p->ca), buf_str(&p->cert), buf_str(&p->key), &peer->client,
                               &err);
        if (r < 0)
                return r;
        write_url(peer, url);
        call.url = str_c(url);
        call.body = buf_str(&body);
        return http_start(peer->client, &call, &handlers, &s->request, &err);
}

void peers_send(struct peers *p, const struct failover_message *m)
{
        enum peer_lane lane = lane_of(m);
        struct peer_sending *s;

        if (m->to < 0 || m->to >= FAILOVER_MEMBERS_MAX)
                return;
        s = &p->list[m->to].lanes[lane];
        p->n_sent++;
        if (s->request) {
                p->n_replaced += s->waits;
                s->waits = true;
                s->next = *m;
        } else if (begin(&p->list[m->to], lane, m) < 0) {
                p->n_lost++;
        }
}
