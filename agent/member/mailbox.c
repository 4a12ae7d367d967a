/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/mailbox.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admission/stream.h"
#include "base/mem.h"
#include "http/listen.h"

/* One connection, and the message on it. */
struct sender {
        struct identity *identity;
        struct stream stream;
        struct buf body;
};

/* --- messages ----------------------------------------------------------------------- */

static enum MHD_Result reply(struct mailbox *m, struct MHD_Connection *c, struct sender *s, unsigned status,
                             const char *text)
{
        size_t len = strlen(text);
        struct MHD_Response *response =
                MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
        enum MHD_Result r;

        if (!response)
                return MHD_NO;
        if (status != MHD_HTTP_NO_CONTENT)
                m->n_refused++;
        r = MHD_queue_response(c, status, response);
        MHD_destroy_response(response);
        stream_hold(&s->stream, len);
        return r;
}

static enum MHD_Result take_in(struct mailbox *m, struct MHD_Connection *c, struct sender *s)
{
        struct failover_letter letter;
        struct error err = ERROR_INIT;

        if (buf_error(&s->body) == -EMSGSIZE)
                return reply(m, c, s, MHD_HTTP_CONTENT_TOO_LARGE, "too large for a message\n");
        if (buf_error(&s->body) < 0 || failover_letter_read(buf_str(&s->body), &letter, &err) < 0)
                return reply(m, c, s, MHD_HTTP_BAD_REQUEST, "not a message\n");
        m->n_taken++;
        m->fn(&letter, m->arg);
        return reply(m, c, s, MHD_HTTP_NO_CONTENT, "");
}

static struct sender *sender_of(struct MHD_Connection *c)
{
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

        return info ? info->socket_context : NULL;
}

/* Called once with the headers, with each piece of the body, and once more at its end. A
 * reply that is queued at the first call makes MHD close the connection. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version _unused_, const char *piece, size_t *piece_len,
                                  void **state)
{
        struct mailbox *m = arg;
        struct sender *s = sender_of(c);

        m->daemon.moved = true;
        if (!s)
                return MHD_NO; /* there was no memory for it */
        if (!*state) {
                *state = s;
                buf_clear(&s->body);
                if (!str_eq_c(str_c(path), MAILBOX_PATH))
                        return reply(m, c, s, MHD_HTTP_NOT_FOUND, "not found\n");
                if (!str_eq_c(str_c(method), MHD_HTTP_METHOD_POST))
                        return reply(m, c, s, MHD_HTTP_METHOD_NOT_ALLOWED, "only POST\n");
                return MHD_YES;
        }
        if (*piece_len) {
                buf_add(&s->body, piece, *piece_len);
                *piece_len = 0;
                return MHD_YES;
        }
        return take_in(m, c, s);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state _unused_,
                         enum MHD_RequestTerminationCode why _unused_)
{
        struct mailbox *m = arg;
        struct sender *s = sender_of(c);

        m->daemon.moved = true;
        if (s && stream_send(&s->stream) < 0)
                shutdown(s->stream.fd, SHUT_RDWR);
}

/* --- connections -------------------------------------------------------------------- */

/* The identity of the moment, which has the cluster's CA: a client without a certificate
 * of it ends in the handshake. */
static struct sender *open_sender(struct mailbox *m, struct MHD_Connection *c, int fd)
{
        gnutls_session_t session = http_daemon_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION).tls_session;
        struct sender *s = session ? mem_new(struct sender) : NULL;

        if (!s)
                return NULL;
        s->identity = identity_ref(m->identities->now);
        if (identity_show(s->identity, session) < 0) {
                identity_unref(s->identity);
                mem_free(s);
                return NULL;
        }
        stream_init(&s->stream, session, fd, &m->daemon.moved);
        buf_init(&s->body, FAILOVER_MESSAGE_BYTES_MAX);
        return s;
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
        struct mailbox *m = arg;
        struct sender *s = *context;

        m->daemon.moved = true;
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
                int fd = http_daemon_info(c, MHD_CONNECTION_INFO_CONNECTION_FD).connect_fd;

                *context = open_sender(m, c, fd);
                if (!*context)
                        shutdown(fd, SHUT_RDWR); /* it would have no certificate */
        } else if (s) {
                *context = NULL;
                buf_release(&s->body);
                stream_release(&s->stream);
                identity_unref(s->identity);
                mem_free(s);
        }
}

/* --- life --------------------------------------------------------------------------- */

/* Takes FD over. */
static struct MHD_Daemon *start_mhd(struct mailbox *m, int fd)
{
        struct MHD_Daemon *mhd = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_TLS, m->port, NULL, NULL, on_request, m, MHD_OPTION_LISTEN_SOCKET, fd,
                MHD_OPTION_HTTPS_PRIORITIES, IDENTITY_PRIORITIES, MHD_OPTION_HTTPS_CERT_CALLBACK2,
                identity_not_yet, MHD_OPTION_NOTIFY_CONNECTION, on_connection, m, MHD_OPTION_NOTIFY_COMPLETED,
                on_completed, m, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAILBOX_CONNECTIONS_MAX,
                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)MAILBOX_CONNECTION_TIMEOUT,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, MAILBOX_CONNECTION_MEMORY, MHD_OPTION_END);

        /* Whether MHD closes the socket when it fails depends on where it failed.
         * Nothing was opened since, so a second close is harmless. */
        if (!mhd)
                close(fd);
        return mhd;
}

int mailbox_start(struct loop *l, struct mailbox *m, struct str listen, struct identity_source *identities,
                  mailbox_fn *fn, void *arg, struct error *err)
{
        struct MHD_Daemon *mhd;
        int r, fd;

        if (!identities->files.client_ca) /* anybody could seal the cluster */
                return error_set(err, -EINVAL, "members are not served without a CA to know them by");
        fd = http_listen(listen, err);
        if (fd < 0)
                return fd;
        m->identities = identities;
        m->fn = fn;
        m->arg = arg;
        m->port = http_port(fd);
        mhd = start_mhd(m, fd);
        if (!mhd)
                return error_set(err, -ENOMEM, "cannot start the server for members on %.*s",
                                 STR_FMT(listen));
        r = http_daemon_start(l, &m->daemon, mhd);
        if (r < 0)
                return error_set(err, r, "cannot watch %.*s: %s", STR_FMT(listen), strerror(-r));
        return 0;
}

void mailbox_stop(struct mailbox *m)
{
        http_daemon_stop(&m->daemon);
}
