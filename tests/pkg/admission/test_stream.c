/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "harness.h"

/* Keys without certificates: the records are the same. */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH"

struct end {
        gnutls_session_t session;
        int fd;
};

static gnutls_anon_server_credentials_t server_keys;
static gnutls_anon_client_credentials_t client_keys;
static struct end here, there;
static struct stream stream;
static bool moved;

static void connect_both(void)
{
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t len = sizeof(at);

        ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, len), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
        there.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(there.fd, (struct sockaddr *)&at, len), 0);
        here.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        ck_assert_int_ge(here.fd, 0);
        ck_assert_int_eq(fcntl(there.fd, F_SETFL, O_NONBLOCK), 0);
        close(fd);
}

static void start(struct end *e, unsigned role, void *keys)
{
        ck_assert_int_eq(gnutls_init(&e->session, role | GNUTLS_NONBLOCK), 0);
        ck_assert_int_eq(gnutls_priority_set_direct(e->session, PRIORITIES, NULL), 0);
        ck_assert_int_eq(gnutls_credentials_set(e->session, GNUTLS_CRD_ANON, keys), 0);
        gnutls_transport_set_int(e->session, e->fd);
}

static void setup(void)
{
        int a = -1, b = -1;

        ck_assert_int_eq(gnutls_anon_allocate_server_credentials(&server_keys), 0);
        ck_assert_int_eq(gnutls_anon_allocate_client_credentials(&client_keys), 0);
        connect_both();
        start(&here, GNUTLS_SERVER, server_keys);
        start(&there, GNUTLS_CLIENT, client_keys);
        stream_init(&stream, here.session, here.fd, &moved);
        while (a < 0 || b < 0) {
                b = b < 0 ? gnutls_handshake(there.session) : 0;
                a = a < 0 ? gnutls_handshake(here.session) : 0;
                ck_assert(!gnutls_error_is_fatal(a) && !gnutls_error_is_fatal(b));
        }
}

static void finish(void)
{
        stream_release(&stream);
        gnutls_deinit(here.session);
        gnutls_deinit(there.session);
        gnutls_anon_free_server_credentials(server_keys);
        gnutls_anon_free_client_credentials(client_keys);
        close(here.fd);
        close(there.fd);
}

static void tell(struct end *e, const char *text)
{
        ck_assert_int_eq(gnutls_record_send(e->session, text, strlen(text)), (int)strlen(text));
}

/* One record, as soon as it is there. */
static void expect(struct end *e, const char *text)
{
        char found[64];
        ssize_t n;

        do
                n = gnutls_record_recv(e->session, found, sizeof(found));
        while (n == GNUTLS_E_AGAIN);
        ck_assert_int_ge(n, 0);
        ck_str_eq(str_n(found, (size_t)n), text);
}

/* The kernel's bytes that nobody has read. */
static size_t unread(int fd, size_t at_least)
{
        static char bytes[64 * 1024];
        ssize_t n;

        do
                n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
        while (n < (ssize_t)at_least);
        return (size_t)n;
}

START_TEST(all_that_came_is_read_at_once_and_used_in_its_time)
{
        size_t one;

        setup();
        tell(&there, "first");
        one = unread(here.fd, 1);
        tell(&there, "other"); /* as long as the first */
        tell(&there, "third");
        (void)unread(here.fd, 3 * one);
        expect(&here, "first");
        ck_assert_int_eq(recv(here.fd, (char[1]){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT), -1);
        ck_assert_ptr_nonnull(stream.ahead);
        expect(&here, "other");
        expect(&here, "third");
        ck_assert_ptr_null(stream.ahead); /* an idle one holds no memory */
        finish();
}
END_TEST

START_TEST(more_than_is_read_at_once_comes_whole)
{
        static char sent[3 * STREAM_AHEAD], got[sizeof(sent)];
        size_t n = 0;

        setup();
        for (size_t i = 0; i < sizeof(sent); i++)
                sent[i] = (char)(i * 7 + i / 251);
        for (size_t at = 0; at < sizeof(sent);)
                at += (size_t)gnutls_record_send(there.session, sent + at, sizeof(sent) - at);
        while (n < sizeof(got)) {
                ssize_t r = gnutls_record_recv(here.session, got + n, sizeof(got) - n);

                ck_assert(r > 0 || r == GNUTLS_E_AGAIN);
                n += r > 0 ? (size_t)r : 0;
        }
        ck_assert_mem_eq(sent, got, sizeof(sent));
        finish();
}
END_TEST

START_TEST(without_memory_it_reads_as_if_it_were_not_there)
{
        setup();
        tell(&there, "first");
        (void)unread(here.fd, 1);
        mem_fail_after(1);
        expect(&here, "first");
        mem_fail_after(0);
        tell(&there, "second");
        expect(&here, "second");
        finish();
}
END_TEST

START_TEST(the_end_of_the_peer_is_seen)
{
        char text[8];
        ssize_t n;

        setup();
        close(there.fd);
        do
                n = gnutls_record_recv(here.session, text, sizeof(text));
        while (n == GNUTLS_E_AGAIN);
        ck_assert_int_eq(n, GNUTLS_E_PREMATURE_TERMINATION);
        there.fd = -1;
        finish();
}
END_TEST

START_TEST(the_pieces_of_a_reply_are_one_record)
{
        setup();
        stream_hold(&stream, 8);
        tell(&here, "head");
        tell(&here, "body");
        ck_assert_int_eq(recv(there.fd, (char[1]){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT), -1);
        ck_assert_int_eq(stream_send(&stream), 0);
        expect(&there, "headbody");
        /* A large one is sent as it comes. */
        stream_hold(&stream, STREAM_HELD_MAX + 1);
        tell(&here, "head");
        expect(&there, "head");
        tell(&here, "body");
        ck_assert_int_eq(stream_send(&stream), 0);
        expect(&there, "body");
        finish();
}
END_TEST

START_TEST(no_cork_keeps_it_back)
{
        int cork = 1;
        socklen_t len = sizeof(cork);

        setup();
        ck_assert_int_eq(setsockopt(here.fd, SOL_TCP, TCP_CORK, &cork, len), 0);
        stream_hold(&stream, 4);
        tell(&here, "text");
        ck_assert_int_eq(stream_send(&stream), 0);
        ck_assert_int_eq(getsockopt(here.fd, SOL_TCP, TCP_CORK, &cork, &len), 0);
        ck_assert_int_eq(cork, 0);
        expect(&there, "text");
        finish();
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_told_from_one_that_is_gone)
{
        char text[1024] = { 0 };
        int r;

        setup();
        do {
                stream_hold(&stream, sizeof(text));
                ck_assert_int_eq(gnutls_record_send(here.session, text, sizeof(text)), sizeof(text));
                r = stream_send(&stream);
        } while (r == 0);
        ck_assert_int_eq(r, -EAGAIN);
        close(there.fd);
        do
                r = stream_send(&stream);
        while (r == -EAGAIN);
        ck_assert_int_eq(r, -EPIPE);
        there.fd = -1;
        finish();
}
END_TEST

START_TEST(each_byte_is_told)
{
        setup();
        moved = false;
        ck_assert_int_eq(gnutls_record_recv(here.session, (char[1]){ 0 }, 1), GNUTLS_E_AGAIN);
        ck_assert(!moved);
        tell(&here, "text");
        ck_assert(moved);
        tell(&there, "text");
        moved = false;
        expect(&here, "text");
        ck_assert(moved);
        finish();
}
END_TEST

static const TTest *const tests[] = {
        all_that_came_is_read_at_once_and_used_in_its_time,
        more_than_is_read_at_once_comes_whole,
        without_memory_it_reads_as_if_it_were_not_there,
        the_end_of_the_peer_is_seen,
        the_pieces_of_a_reply_are_one_record,
        no_cork_keeps_it_back,
        a_peer_that_does_not_read_is_told_from_one_that_is_gone,
        each_byte_is_told,
};

TEST_MAIN("admission/stream", tests)
