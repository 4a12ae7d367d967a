/* SPDX-License-Identifier: Apache-2.0 */
#include "echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX ((size_t)64 * 1024)

static int listen_on_loopback(uint16_t *ret_port)
{
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(at);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (const void *)&at, sizeof(at)) < 0 || listen(fd, ECHO_CLIENTS_MAX) < 0 ||
            getsockname(fd, (void *)&at, &len) < 0)
                return -1;
        *ret_port = ntohs(at.sin_port);
        return fd;
}

static SSL_CTX *make_context(const char *cert_path, const char *key_path)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

        if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1 ||
            SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1)
                return NULL;
        SSL_CTX_set_num_tickets(ctx, 0);
        return ctx;
}

/* Clients come one by one, and each is ready for the handshake at once. */
static void take_client(SSL_CTX *ctx, int listener, int epoll)
{
        const int on = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        SSL *ssl = SSL_new(ctx);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = ssl };

        if (fd < 0 || !ssl || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
            SSL_set_fd(ssl, fd) != 1 || SSL_accept(ssl) != 1 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                _exit(EXIT_FAILURE);
}

static void answer(SSL *ssl, size_t size, struct str reply)
{
        static char text[REQUEST_MAX];

        for (size_t len = 0; len < size;) {
                int n = SSL_read(ssl, text, (int)sizeof(text));

                if (n <= 0) {
                        close(SSL_get_fd(ssl));
                        SSL_free(ssl);
                        return;
                }
                len += (size_t)n;
        }
        if (SSL_write(ssl, reply.data, (int)reply.len) <= 0)
                _exit(EXIT_FAILURE);
}

static _Noreturn void serve(SSL_CTX *ctx, int listener, size_t size, struct str reply)
{
        struct epoll_event ready[ECHO_CLIENTS_MAX], event = { .events = EPOLLIN };
        int epoll = epoll_create1(EPOLL_CLOEXEC);

        if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
                _exit(EXIT_FAILURE);
        for (;;) {
                int n = epoll_wait(epoll, ready, ECHO_CLIENTS_MAX, -1);

                for (int i = 0; i < n; i++)
                        if (ready[i].data.ptr)
                                answer(ready[i].data.ptr, size, reply);
                        else
                                take_client(ctx, listener, epoll);
        }
}

pid_t echo_start(const char *cert_path, const char *key_path, size_t size, struct str reply,
                 uint16_t *ret_port)
{
        SSL_CTX *ctx = make_context(cert_path, key_path);
        int listener = listen_on_loopback(ret_port);
        pid_t child = ctx && listener >= 0 ? fork() : -1;

        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(ctx, listener, size, reply);
        }
        SSL_CTX_free(ctx);
        if (listener >= 0)
                close(listener);
        return child;
}
