/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers and a mailbox, both on one loop, with real TLS over loopback.
 */
#include "agent/member/peers.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/member/mailbox.h"
#include "harness.h"
#include "pkg/http/pki.h"

#define LIMIT (60 * USEC_SEC)
#define NAMES "shop-#.shop-members.test.svc"

static struct loop *loop;
static struct mailbox mailbox;
static struct peers peers;
static struct identity_source identities;
static struct pki_cert ca, cert, other_ca;
static char folder[64], paths[3][128];
static struct failover_letter letters[64];
static size_t n_letters;

static void on_letter(const struct failover_letter *letter, void *arg _unused_)
{
        ck_assert_uint_lt(n_letters, ARRAY_SIZE(letters));
        letters[n_letters++] = *letter;
}

static void write_file(int i, const char *name, const char *text)
{
        FILE *f;

        snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, name);
        f = fopen(paths[i], "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

static struct pki_cert make(const struct pki_cert *by, const char *names)
{
        return pki_make(&(struct pki_wish){ .name = "member", .alt_names = names, .ca = by });
}

static void open_mailbox(const char *names)
{
        struct identity_files files = { .certificate = paths[1], .key = paths[2], .client_ca = paths[0] };
        struct error err = ERROR_INIT;

        n_letters = 0;
        memset(&mailbox, 0, sizeof(mailbox));
        snprintf(folder, sizeof(folder), "/tmp/keelson-peers-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(loop_new(&loop), 0);
        ca = pki_make(&(struct pki_wish){ .name = "CA" });
        other_ca = pki_make(&(struct pki_wish){ .name = "CA" });
        cert = make(&ca, names);
        write_file(0, "ca.crt", ca.cert_pem);
        write_file(1, "tls.crt", cert.cert_pem);
        write_file(2, "tls.key", cert.key_pem);
        identity_source_init(&identities, &files);
        ck_assert_msg(identity_source_check(&identities, &err) == 1, "%s", err.message);
        ck_assert_msg(mailbox_start(loop, &mailbox, STR("127.0.0.1:0"), &identities, on_letter, NULL, &err) ==
                              0,
                      "%s", err.message);
}

static void open_peers(const struct pki_cert *trusted, const struct pki_cert *own)
{
        struct peers_config config = { .hosts = "127.0.0.1",
                                       .names = NAMES,
                                       .address = "10.0.0.1",
                                       .port = mailbox.port,
                                       .deadline = LIMIT };
        struct error err = ERROR_INIT;

        peers_init(&peers, loop, &config);
        ck_assert_msg(peers_trust(&peers, str_c(trusted->cert_pem), str_c(own->cert_pem), str_c(own->key_pem),
                                  &err) == 0,
                      "%s", err.message);
}

static void open_all(void)
{
        open_mailbox("DNS:*.shop-members.test.svc");
        open_peers(&ca, &cert);
}

static void close_all(void)
{
        peers_release(&peers);
        mailbox_stop(&mailbox);
        identity_source_release(&identities);
        pki_release(&ca);
        pki_release(&other_ca);
        pki_release(&cert);
        loop_free(loop);
        for (int i = 0; i < 3; i++)
                (void)unlink(paths[i]);
        (void)rmdir(folder);
}

static void wait_until(bool (*done)(uint64_t n), uint64_t n)
{
        usec_t end = clock_now() + LIMIT;

        while (!done(n)) {
                ck_assert_msg(clock_now() < end, "%zu letters, %llu lost", n_letters,
                              (unsigned long long)peers.n_lost);
                ck_assert_int_eq(loop_turn(loop, 50 * USEC_MSEC), 0);
        }
}

static bool have_come(uint64_t n)
{
        return n_letters >= n;
}

static bool are_lost(uint64_t n)
{
        return peers.n_lost >= n;
}

static bool are_idle(uint64_t n _unused_)
{
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                for (int lane = 0; lane < PEER_LANES; lane++)
                        if (peers.list[m].lanes[lane].request)
                                return false;
        return true;
}

static struct failover_message question(uint64_t round)
{
        return (struct failover_message){
                .type = FAILOVER_SEAL, .from = 0, .to = 1, .life = 7, .round = round, .epoch = 3
        };
}

START_TEST(test_there)
{
        struct failover_message m = question(1), answer = question(2);

        open_all();
        peers_send(&peers, &m);
        answer.type = FAILOVER_NO;
        answer.about = FAILOVER_PROMISE;
        peers_send(&peers, &answer);
        wait_until(have_come, 2);
        for (size_t i = 0; i < 2; i++) {
                ck_assert_str_eq(letters[i].address, "10.0.0.1");
                ck_assert_int_eq(letters[i].message.to, 1);
                ck_assert_uint_eq(letters[i].message.life, 7);
                ck_assert_uint_eq(letters[i].message.epoch, 3);
        }
        ck_assert_uint_eq(letters[0].message.round + letters[1].message.round, 3);
        wait_until(are_idle, 0);
        ck_assert_uint_eq(peers.n_lost, 0);
        close_all();
}
END_TEST

/* One is on its way, and of those that wait the newest goes next. */
START_TEST(test_the_newest_replaces)
{
        open_all();
        for (uint64_t round = 1; round <= 10; round++) {
                struct failover_message m = question(round);

                peers_send(&peers, &m);
        }
        wait_until(have_come, 2);
        wait_until(are_idle, 0);
        ck_assert_uint_eq(n_letters, 2);
        ck_assert_uint_eq(letters[0].message.round, 1);
        ck_assert_uint_eq(letters[1].message.round, 10);
        ck_assert_uint_eq(peers.n_replaced, 8);
        close_all();
}
END_TEST

/* Another cluster's agent at an address that was a member's: its name is another, or its CA. */
START_TEST(test_whoever_is_not_the_member)
{
        struct failover_message m = question(1);

        open_mailbox("DNS:*.other-members.test.svc");
        open_peers(&ca, &cert);
        peers_send(&peers, &m);
        wait_until(are_lost, 1);
        peers_release(&peers);
        open_peers(&other_ca, &cert);
        peers_send(&peers, &m);
        wait_until(are_lost, 1);
        ck_assert_uint_eq(n_letters, 0);
        close_all();
}
END_TEST

START_TEST(test_a_client_of_another_ca)
{
        struct failover_message m = question(1);
        struct pki_cert strange;

        open_mailbox("DNS:*.shop-members.test.svc");
        strange = make(&other_ca, "DNS:*.shop-members.test.svc");
        open_peers(&ca, &strange);
        peers_send(&peers, &m);
        wait_until(are_lost, 1);
        ck_assert_uint_eq(n_letters, 0);
        ck_assert_uint_eq(mailbox.n_taken, 0);
        pki_release(&strange);
        close_all();
}
END_TEST

/* An address where nobody answers is followed by the name, and the other way round. */
START_TEST(test_address_and_name_in_turn)
{
        struct failover_message m = question(1);

        open_all();
        peers_at(&peers, 1, "127.0.0.2"); /* nobody listens there */
        peers_send(&peers, &m);
        wait_until(are_lost, 1);
        ck_assert(peers.list[1].by_name);
        peers_send(&peers, &m);
        wait_until(have_come, 1);
        peers_at(&peers, 1, "127.0.0.1");
        ck_assert(!peers.list[1].by_name);
        wait_until(are_idle, 0);
        peers_send(&peers, &m);
        wait_until(have_come, 2);
        close_all();
}
END_TEST

START_TEST(test_new_certificates)
{
        struct failover_message m = question(1);
        struct error err = ERROR_INIT;

        open_all();
        ck_assert_int_eq(peers_trust(&peers, STR("no PEM"), str_c(cert.cert_pem), str_c(cert.key_pem), &err),
                         -EINVAL);
        ck_assert_str_ne(err.message, "");
        peers_send(&peers, &m); /* by the old ones */
        wait_until(have_come, 1);
        ck_assert_int_eq(
                peers_trust(&peers, str_c(ca.cert_pem), str_c(cert.cert_pem), str_c(cert.key_pem), &err), 0);
        peers_send(&peers, &m);
        wait_until(have_come, 2);
        close_all();
}
END_TEST

/* --- what is no message ------------------------------------------------------------ */

static int status;
static bool ended;

static void on_done(struct http_request *r _unused_, const struct http_result *result, void *arg _unused_)
{
        status = result->status;
        ended = true;
}

static bool has_ended(uint64_t n _unused_)
{
        return ended;
}

static int post(const char *method, const char *path, struct str body)
{
        static const struct http_header json = { STR_INIT("Content-Type"), STR_INIT("application/json") };
        struct http_config config = { .ca_pem = str_c(ca.cert_pem),
                                      .client_cert_pem = str_c(cert.cert_pem),
                                      .client_key_pem = str_c(cert.key_pem),
                                      .tls_server_name = STR("shop-0.shop-members.test.svc") };
        struct http_client *client;
        struct http_handlers handlers = { .done = on_done };
        struct http_call call = {
                .method = method, .headers = &json, .n_headers = 1, .body = body, .timeout = LIMIT
        };
        struct http_request *request;
        struct error err = ERROR_INIT;
        char url[128];

        snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", (unsigned)mailbox.port, path);
        call.url = str_c(url);
        ended = false;
        ck_assert_int_eq(http_client_new(loop, &config, &client, &err), 0);
        ck_assert_int_eq(http_start(client, &call, &handlers, &request, &err), 0);
        wait_until(has_ended, 0);
        http_client_free(client);
        return status;
}

START_TEST(test_what_is_no_message)
{
        static char large[FAILOVER_MESSAGE_BYTES_MAX + 1];

        open_all();
        memset(large, ' ', sizeof(large));
        ck_assert_int_eq(post("POST", MAILBOX_PATH, STR("{}")), 400);
        ck_assert_int_eq(post("POST", MAILBOX_PATH, str_n(large, sizeof(large))), 413);
        ck_assert_int_eq(post("POST", "/metrics", STR("{}")), 404);
        ck_assert_int_eq(post("GET", MAILBOX_PATH, STR_NULL), 405);
        ck_assert_uint_eq(mailbox.n_refused, 4);
        ck_assert_uint_eq(n_letters, 0);
        close_all();
}
END_TEST

static const TTest *const tests[] = {
        test_there,
        test_the_newest_replaces,
        test_whoever_is_not_the_member,
        test_a_client_of_another_ca,
        test_address_and_name_in_turn,
        test_new_certificates,
        test_what_is_no_message,
};

TEST_MAIN("member/peers", tests)
