/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates. Built three times: with a server that speaks HTTP/2, which the direct
 * engine talks to (OVER_H2); with libcurl alone (BY_LIBCURL); and with a server that
 * only speaks HTTP/1.1, for which the direct engine shakes hands, and then libcurl.
 */
#include "harness.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "fetch.h"
#include "http/client.h"
#include "pki.h"
#include "server.h"

#if defined(OVER_H2)
#define VARIANT "http/tls over HTTP/2"
#define H2_STREAMS 100
#define HANDSHAKES 1
#elif defined(BY_LIBCURL)
#define VARIANT "http/tls by libcurl"
#define H2_STREAMS 0
#define HANDSHAKES 1
#else
#define VARIANT "http/tls over HTTP/1.1"
#define H2_STREAMS 0
#define HANDSHAKES 2 /* to a server that is accepted */
#endif

static struct http_client *choose_engine(struct http_client *c)
{
#ifdef BY_LIBCURL
        c->settings->direct = false;
#endif
        return c;
}

struct world {
        struct pki_cert ca, other_ca, user;
        struct server server;
        struct loop *loop;
        char url[64];
};

static void setup_version(struct world *w, const char *alt_names, bool expired, bool ask_client, int version)
{
        struct pki_cert cert;

        memset(w, 0, sizeof(*w));
        w->ca = pki_make(&(struct pki_wish){ .name = "ca" });
        w->other_ca = pki_make(&(struct pki_wish){ .name = "other ca" });
        w->user = pki_make(&(struct pki_wish){ .name = "system:admin", .ca = &w->ca });
        cert = pki_make(&(struct pki_wish){
                .name = "server", .alt_names = alt_names, .ca = &w->ca, .expired = expired });
        server_start(&w->server, &(struct server_tls){ .cert_pem = cert.cert_pem,
                                                       .key_pem = cert.key_pem,
                                                       .client_ca_pem = ask_client ? w->ca.cert_pem : NULL,
                                                       .max_streams = H2_STREAMS,
                                                       .max_version = version });
        pki_release(&cert);
        ck_assert_int_eq(loop_new(&w->loop), 0);
        snprintf(w->url, sizeof(w->url), "https://127.0.0.1:%d/ok", w->server.port);
}

static void setup(struct world *w, const char *alt_names, bool expired, bool ask_client)
{
        setup_version(w, alt_names, expired, ask_client, 0);
}

static void teardown(struct world *w)
{
        loop_free(w->loop);
        server_stop(&w->server);
        pki_release(&w->ca);
        pki_release(&w->other_ca);
        pki_release(&w->user);
}

static void fetch_with(struct world *w, struct http_client *c, struct fetch *f)
{
        *f = (struct fetch){ 0 };
        ck_assert_int_eq(
                fetch_start(c, f, &(struct http_call){ .method = "GET", .url = str_c(w->url) }, NULL), 0);
        turn_until(w->loop, f->done);
        fetch_release(f);
}

static void fetch_once(struct world *w, struct http_config config, struct fetch *f)
{
        struct error err = ERROR_INIT;
        struct http_client *c;

        ck_assert_msg(http_client_new(w->loop, &config, &c, &err) == 0, "%s", err.message);
        fetch_with(w, choose_engine(c), f);
        http_client_free(c);
}

static void expect_ok(const struct fetch *f)
{
        ck_assert_msg(f->result.status == 200, "%s", f->result.error.message);
}

static void expect_failure(const struct fetch *f, int code, const char *message)
{
        ck_assert_msg(f->result.error.code == code, "%d: %s", f->result.error.code, f->result.error.message);
        ck_assert_msg(strstr(f->result.error.message, message), "\"%s\" is not in \"%s\"", message,
                      f->result.error.message);
}

START_TEST(the_given_ca_decides)
{
        struct fetch f;
        struct world w;
        char both[8192];

        setup(&w, "IP:127.0.0.1", false, false);
        fetch_once(&w, (struct http_config){ .ca_pem = str_c(w.ca.cert_pem) }, &f);
        expect_ok(&f);
        fetch_once(&w, (struct http_config){ .ca_pem = str_c(w.other_ca.cert_pem) }, &f);
        expect_failure(&f, -EKEYREJECTED, "is not signed by the given CA");
        ck_assert_ptr_nonnull(strstr(f.result.error.message, "the certificate of https://127.0.0.1:"));
        fetch_once(&w, (struct http_config){ 0 }, &f);
        expect_failure(&f, -EKEYREJECTED, "is not signed by the system's CAs");
        /* A bundle, as while a CA is being replaced. */
        snprintf(both, sizeof(both), "%s%s", w.other_ca.cert_pem, w.ca.cert_pem);
        fetch_once(&w, (struct http_config){ .ca_pem = str_c(both) }, &f);
        expect_ok(&f);
        teardown(&w);
}
END_TEST

START_TEST(verification_can_be_skipped)
{
        struct fetch f;
        struct world w;

        setup(&w, "DNS:elsewhere.example", true, false);
        fetch_once(&w, (struct http_config){ .insecure_skip_verify = true }, &f);
        expect_ok(&f);
        fetch_once(&w,
                   (struct http_config){ .insecure_skip_verify = true, .ca_pem = str_c(w.other_ca.cert_pem) },
                   &f);
        expect_ok(&f);
        teardown(&w);
}
END_TEST

START_TEST(an_expired_certificate_is_not_accepted)
{
        struct fetch f;
        struct world w;

        setup(&w, "IP:127.0.0.1", true, false);
        fetch_once(&w, (struct http_config){ .ca_pem = str_c(w.ca.cert_pem) }, &f);
        expect_failure(&f, -EKEYREJECTED, "is not accepted: certificate has expired");
        teardown(&w);
}
END_TEST

START_TEST(the_name_must_fit)
{
        struct fetch f;
        struct world w;

        setup(&w, "DNS:kubernetes.default.svc", false, false);
        fetch_once(&w, (struct http_config){ .ca_pem = str_c(w.ca.cert_pem) }, &f);
        expect_failure(&f, -EKEYREJECTED, "the certificate of https://127.0.0.1:");
        fetch_once(&w,
                   (struct http_config){ .ca_pem = str_c(w.ca.cert_pem),
                                         .tls_server_name = STR("kubernetes.default.svc") },
                   &f);
        expect_ok(&f);
        ck_assert_str_eq(w.server.sni, "kubernetes.default.svc");
        fetch_once(&w,
                   (struct http_config){ .ca_pem = str_c(w.ca.cert_pem),
                                         .tls_server_name = STR("other.example") },
                   &f);
        expect_failure(&f, -EKEYREJECTED, "is not for other.example");
        teardown(&w);

        setup(&w, "IP:10.0.0.1", false, false);
        fetch_once(&w,
                   (struct http_config){ .ca_pem = str_c(w.ca.cert_pem), .tls_server_name = STR("10.0.0.1") },
                   &f);
        expect_ok(&f);
        fetch_once(&w,
                   (struct http_config){ .ca_pem = str_c(w.ca.cert_pem), .tls_server_name = STR("10.0.0.2") },
                   &f);
        expect_failure(&f, -EKEYREJECTED, "is not for 10.0.0.2");
        teardown(&w);
}
END_TEST

START_TEST(the_client_shows_its_certificate)
{
        struct fetch f;
        struct world w;

        setup(&w, "IP:127.0.0.1", false, true);
        fetch_once(&w,
                   (struct http_config){ .ca_pem = str_c(w.ca.cert_pem),
                                         .client_cert_pem = str_c(w.user.cert_pem),
                                         .client_key_pem = str_c(w.user.key_pem) },
                   &f);
        expect_ok(&f);
        ck_assert_str_eq(w.server.client_name, "system:admin");
        /* In TLS 1.3 the refusal comes after the handshake, as a failed read. */
        fetch_once(&w, (struct http_config){ .ca_pem = str_c(w.ca.cert_pem) }, &f);
        expect_failure(&f, -ECONNRESET, "certificate required");
        teardown(&w);
}
END_TEST

START_TEST(tls_is_new_enough)
{
        struct http_config config = { 0 };
        struct fetch f;
        struct world w;

        setup_version(&w, "IP:127.0.0.1", false, true, TLS1_2_VERSION);
        config.ca_pem = str_c(w.ca.cert_pem);
        config.client_cert_pem = str_c(w.user.cert_pem);
        config.client_key_pem = str_c(w.user.key_pem);
        fetch_once(&w, config, &f);
        expect_ok(&f);
        ck_assert_str_eq(w.server.client_name, "system:admin");
        teardown(&w);

        setup_version(&w, "IP:127.0.0.1", false, false, TLS1_1_VERSION);
        fetch_once(&w, (struct http_config){ .ca_pem = str_c(w.ca.cert_pem) }, &f);
        expect_failure(&f, -EPROTO, "no TLS with https://127.0.0.1:");
        teardown(&w);
}
END_TEST

static struct http_client *must_open(struct world *w, struct http_config config)
{
        struct error err = ERROR_INIT;
        struct http_client *c;

        ck_assert_msg(http_client_new(w->loop, &config, &c, &err) == 0, "%s", err.message);
        return choose_engine(c);
}

static void must_reconfigure(struct http_client *c, struct http_config config)
{
        ck_assert_int_eq(http_client_reconfigure(c, &config, NULL), 0);
        choose_engine(c);
}

START_TEST(certificates_are_replaced_for_new_connections)
{
        const struct http_config broken = { .ca_pem = STR("no certificate") };
        struct http_client *c;
        struct fetch f;
        struct world w;

        setup(&w, "IP:127.0.0.1", false, false);
        c = must_open(&w, (struct http_config){ .ca_pem = str_c(w.other_ca.cert_pem) });
        fetch_with(&w, c, &f);
        ck_assert_int_eq(f.result.error.code, -EKEYREJECTED);
        must_reconfigure(c, (struct http_config){ .ca_pem = str_c(w.ca.cert_pem) });
        fetch_with(&w, c, &f);
        expect_ok(&f);
        /* A broken one changes nothing. */
        ck_assert_int_eq(http_client_reconfigure(c, &broken, NULL), -EINVAL);
        fetch_with(&w, c, &f);
        expect_ok(&f);
        ck_assert_int_eq(w.server.n_connections, 1 + HANDSHAKES);
        /* The connection that is open does not save the next one. */
        must_reconfigure(c, (struct http_config){ .ca_pem = str_c(w.other_ca.cert_pem) });
        fetch_with(&w, c, &f);
        ck_assert_int_eq(f.result.error.code, -EKEYREJECTED);
        http_client_free(c);
        teardown(&w);
}
END_TEST

static void reconfigure_in_headers(struct fetch *f)
{
        struct world *w = f->arg;

        ck_assert_int_eq(
                http_client_reconfigure(f->client,
                                        &(struct http_config){ .ca_pem = str_c(w->other_ca.cert_pem),
                                                               .tls_server_name = STR("gone.example") },
                                        NULL),
                0);
}

/* The old settings, their name and roots live as long as connections use them. */
START_TEST(requests_in_flight_keep_their_certificates)
{
        struct fetch flying = { .stream = true, .in_headers = reconfigure_in_headers }, queued = { 0 };
        struct http_client *c;
        struct world w;

        setup(&w, "DNS:a.example", false, false);
        flying.arg = &w;
        c = must_open(&w, (struct http_config){ .ca_pem = str_c(w.ca.cert_pem),
                                                .tls_server_name = STR("a.example") });
        ck_assert_int_eq(
                fetch_start(c, &flying, &(struct http_call){ .method = "GET", .url = str_c(w.url) }, NULL),
                0);
        ck_assert_int_eq(
                fetch_start(c, &queued, &(struct http_call){ .method = "GET", .url = str_c(w.url) }, NULL),
                0);
        turn_until(w.loop, flying.done && queued.done);
        expect_ok(&flying);
        expect_ok(&queued);
        fetch_release(&flying);
        fetch_release(&queued);
        http_client_free(c);
        teardown(&w);
}
END_TEST

/* What is not PEM would be noticed if it were read again. */
START_TEST(a_client_uses_what_another_has_read)
{
        struct http_config config = { .tls_server_name = STR("a.example") };
        struct http_client *first, *second;
        struct fetch f;
        struct world w;

        setup(&w, "DNS:a.example", false, true);
        config.ca_pem = str_c(w.ca.cert_pem);
        config.client_cert_pem = str_c(w.user.cert_pem);
        config.client_key_pem = str_c(w.user.key_pem);
        first = must_open(&w, config);
        second = must_open(&w, (struct http_config){ .ca_pem = STR("no PEM"), .tls_of = first });
        /* Neither another reading nor the end of the first changes the second. */
        config.ca_pem = str_c(w.other_ca.cert_pem);
        must_reconfigure(first, config);
        fetch_with(&w, first, &f);
        ck_assert_int_eq(f.result.error.code, -EKEYREJECTED);
        fetch_with(&w, second, &f);
        expect_ok(&f);
        ck_assert_str_eq(w.server.client_name, "system:admin");
        must_reconfigure(second, (struct http_config){ .tls_of = first });
        http_client_free(first);
        fetch_with(&w, second, &f);
        ck_assert_int_eq(f.result.error.code, -EKEYREJECTED);
        http_client_free(second);
        teardown(&w);
}
END_TEST

static void expect_bad(struct http_config config, const char *message)
{
        struct error err = ERROR_INIT;
        struct http_client *c;
        struct loop *l;

        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(http_client_new(l, &config, &c, &err), -EINVAL);
        ck_assert_int_eq(err.code, -EINVAL);
        ck_assert_msg(strstr(err.message, message), "\"%s\" is not in \"%s\"", message, err.message);
        loop_free(l);
}

static char *encrypt(EVP_PKEY *key)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *data, *copy;
        long n;

        ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL),
                         1);
        n = BIO_get_mem_data(bio, &data);
        copy = strndup(data, (size_t)n);
        BIO_free(bio);
        return copy;
}

START_TEST(what_is_wrong_with_the_pem_is_said_at_once)
{
        struct pki_cert ca = pki_make(&(struct pki_wish){ .name = "ca" });
        struct pki_cert a = pki_make(&(struct pki_wish){ .name = "a", .ca = &ca });
        struct pki_cert b = pki_make(&(struct pki_wish){ .name = "b", .ca = &ca });
        char *encrypted = encrypt(a.key), broken[8192];

        expect_bad((struct http_config){ .ca_pem = STR("") }, "the CA bundle has no PEM certificate");
        expect_bad((struct http_config){ .ca_pem = STR("/etc/ca.crt") },
                   "the CA bundle has no PEM certificate");
        snprintf(broken, sizeof(broken), "%s-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
                 ca.cert_pem);
        expect_bad((struct http_config){ .ca_pem = str_c(broken) },
                   "cannot read certificate 2 of the CA bundle");
        expect_bad((struct http_config){ .client_cert_pem = str_c(a.cert_pem) }, "needs its key");
        expect_bad((struct http_config){ .client_key_pem = str_c(a.key_pem) }, "a key its certificate");
        expect_bad((struct http_config){ .client_cert_pem = str_c(a.cert_pem), .client_key_pem = STR("x") },
                   "the client key is not an unencrypted PEM private key");
        expect_bad((struct http_config){ .client_cert_pem = str_c(a.cert_pem),
                                         .client_key_pem = str_c(encrypted) },
                   "the client key is not an unencrypted PEM private key");
        expect_bad((struct http_config){ .client_cert_pem = str_c(a.cert_pem),
                                         .client_key_pem = str_c(b.key_pem) },
                   "does not belong to the client certificate");
        expect_bad((struct http_config){ .client_cert_pem = str_c(a.key_pem),
                                         .client_key_pem = str_c(a.key_pem) },
                   "the client certificate has no PEM certificate");
        free(encrypted);
        pki_release(&ca);
        pki_release(&a);
        pki_release(&b);
}
END_TEST

static int init_all(void *arg)
{
        const struct pki_cert *cert = arg;
        const struct http_config config = {
                .ca_pem = str_c(cert->cert_pem),
                .client_cert_pem = str_c(cert->cert_pem),
                .client_key_pem = str_c(cert->key_pem),
                .tls_server_name = STR("a.example"),
        };
        struct http_tls *tls;
        int r;

        r = http_tls_new(&config, &tls, NULL);
        if (r == 0)
                http_tls_unref(tls);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct pki_cert cert = pki_make(&(struct pki_wish){ .name = "a" });

        torture(init_all, &cert, 0);
        pki_release(&cert);
}
END_TEST

static const TTest *const tests[] = {
        the_given_ca_decides,
        verification_can_be_skipped,
        an_expired_certificate_is_not_accepted,
        the_name_must_fit,
        the_client_shows_its_certificate,
        tls_is_new_enough,
        certificates_are_replaced_for_new_connections,
        requests_in_flight_keep_their_certificates,
        a_client_uses_what_another_has_read,
        what_is_wrong_with_the_pem_is_said_at_once,
        it_survives_the_lack_of_memory,
};
TEST_MAIN(VARIANT, tests)
