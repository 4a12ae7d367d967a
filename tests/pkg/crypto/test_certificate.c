/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <openssl/x509v3.h>

#include "made.h"
#include "openssl_mem.h"

#define TEXT_BROKEN "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

START_TEST(a_text_and_back)
{
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX), again = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct made m = made_init();
        struct certificate c;

        ck_assert_int_eq(certificate_write(&m.cert, &text), 0);
        ck_assert(str_starts(buf_str(&text), STR("-----BEGIN CERTIFICATE-----\n")));
        ck_assert_int_eq(certificate_parse(buf_str(&text), &c, NULL), 0);
        ck_assert(certificate_same(&c, &m.cert) && !certificate_same(&c, &m.ca));
        ck_assert_int_eq(c.not_before, NOW - USEC_HOUR);
        ck_assert_int_eq(c.not_after, NOW + 90 * DAY);
        ck_assert(c.serves && !c.ca && c.n_names == 2);
        ck_assert_int_eq(certificate_write(&c, &again), 0);
        ck_assert(str_eq(buf_str(&text), buf_str(&again)));
        certificate_release(&c);
        certificate_release(&c);
        buf_release(&text);
        buf_release(&again);
        made_release(&m);
}
END_TEST

START_TEST(who_belongs_to_whom)
{
        struct made a = made_init(), b = made_init();

        ck_assert(certificate_has_key(&a.cert, &a.key) == 1 && certificate_has_key(&a.ca, &a.ca_key) == 1);
        ck_assert(certificate_has_key(&a.cert, &a.ca_key) == 0 && certificate_has_key(&a.cert, &b.key) == 0);
        ck_assert(certificate_signed_by(&a.cert, &a.ca) == 1 && certificate_signed_by(&a.ca, &a.ca) == 1);
        ck_assert(certificate_signed_by(&a.cert, &b.ca) == 0 && certificate_signed_by(&a.ca, &a.cert) == 0);
        ck_assert(certificate_signed_by(&a.cert, &a.cert) == 0);

        ck_assert(certificate_has_name(&a.cert, STR(NAME)) == 1);
        ck_assert(certificate_has_name(&a.cert, STR(NAME ".cluster.local")) == 1);
        ck_assert(certificate_has_name(&a.cert, STR("keelson webhook")) == 0);
        ck_assert(certificate_has_name(&a.cert, STR("x." NAME)) == 0);
        ck_assert(certificate_has_name(&a.cert, STR("")) == 0);
        ck_assert(certificate_has_name(&a.cert, STR_NULL) == 0);
        ck_assert(certificate_has_name(&a.ca, STR(NAME)) == 0);
        made_release(&a);
        made_release(&b);
}
END_TEST

/* The key of the CA has signed it, but it says another issuer. */
START_TEST(a_signature_alone_is_not_enough)
{
        struct made m = made_init();
        struct certificate_wish wish = made_ca_wish();
        struct certificate ca, old = m.ca;

        wish.common_name = STR("another CA with the same key");
        ck_assert_int_eq(certificate_make_ca(&wish, &m.ca_key, &ca, NULL), 0);
        ck_assert(certificate_signed_by(&m.cert, &old) == 1);
        ck_assert(certificate_signed_by(&m.cert, &ca) == 0);
        certificate_release(&ca);
        made_release(&m);
}
END_TEST

START_TEST(reads_one_after_the_other)
{
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct made m = made_init();
        struct certificate c;
        struct secret key = { 0 };
        struct str rest;

        ck_assert_int_eq(key_write(&m.key, &key), 0);
        buf_add_c(&text, "# a comment\n\n");
        ck_assert_int_eq(certificate_write(&m.cert, &text), 0);
        buf_add_str(&text, secret_str(&key));
        ck_assert_int_eq(certificate_write(&m.ca, &text), 0);
        buf_add_c(&text, "the end");

        rest = buf_str(&text);
        ck_assert_int_eq(certificate_read(&rest, &c, NULL), 1);
        ck_assert(certificate_same(&c, &m.cert));
        certificate_release(&c);
        ck_assert_int_eq(certificate_read(&rest, &c, NULL), 1);
        ck_assert(certificate_same(&c, &m.ca));
        certificate_release(&c);
        ck_str_eq(rest, "the end");
        ck_assert_int_eq(certificate_read(&rest, &c, NULL), 0);
        ck_str_eq(rest, "the end");
        secret_release(&key);
        buf_release(&text);
        made_release(&m);
}
END_TEST

static void check_refused(struct str pem, const char *why)
{
        struct error err = ERROR_INIT;
        struct certificate c;

        ck_assert_int_eq(certificate_parse(pem, &c, &err), -EINVAL);
        ck_assert_msg(strstr(err.message, why), "%s", err.message);
}

START_TEST(refuses_what_is_not_one_certificate)
{
        static char long_text[CERTIFICATE_TEXT_MAX + 1];
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct made m = made_init();
        size_t len;

        check_refused(STR_NULL, "has no PEM certificate");
        check_refused(STR("garbage"), "has no PEM certificate");
        check_refused(STR(TEXT_BROKEN), "cannot read the certificate");
        check_refused(str_n(long_text, sizeof(long_text)), "longer than 262144 bytes");
        ck_assert_int_eq(certificate_write(&m.cert, &text), 0);
        len = text.len;
        check_refused(str_n(text.data, len / 2), "cannot read the certificate");
        buf_add_c(&text, TEXT_BROKEN);
        check_refused(buf_str(&text), "cannot read the certificate");
        text.len = len;
        ck_assert_int_eq(certificate_write(&m.ca, &text), 0);
        check_refused(buf_str(&text), "more than one");
        buf_release(&text);
        made_release(&m);
}
END_TEST

/* M's CA again, with an extension that says VALUE; signed. */
static void check_extension(struct made *m, int nid, const char *value, int expected)
{
        X509 *x509 = X509_dup(m->ca.x509);
        X509_EXTENSION *ext;
        struct certificate c = { .x509 = x509 };
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        int r;

        ck_assert_ptr_nonnull(x509);
        for (int at; (at = X509_get_ext_by_NID(x509, nid, -1)) >= 0;)
                X509_EXTENSION_free(X509_delete_ext(x509, at));
        ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
        ck_assert_ptr_nonnull(ext);
        ck_assert_int_eq(X509_add_ext(x509, ext, -1), 1);
        X509_EXTENSION_free(ext);
        ck_assert_int_gt(X509_sign(x509, m->ca_key.pkey, EVP_sha256()), 0);
        ck_assert_int_eq(certificate_write(&c, &text), 0);
        certificate_release(&c);
        r = certificate_parse(buf_str(&text), &c, NULL);
        ck_assert_msg(r == expected, "%s: %d", value, r);
        if (r == 0) {
                /* No CA without its word. */
                ck_assert(!c.ca && certificate_signed_by(&m->cert, &c) == 0);
                certificate_release(&c);
        }
        buf_release(&text);
}

START_TEST(extensions_decide)
{
        struct made m = made_init();

        check_extension(&m, NID_basic_constraints, "CA:FALSE", 0);
        check_extension(&m, NID_key_usage, "digitalSignature", 0);
        check_extension(&m, NID_basic_constraints, "DER:0500", -EINVAL);
        made_release(&m);
}
END_TEST

static int write_and_read(void *arg)
{
        const struct made *m = arg;
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct certificate c;
        int r = certificate_write(&m->cert, &text);

        if (r == 0)
                r = certificate_parse(buf_str(&text), &c, NULL);
        if (r == 0)
                certificate_release(&c);
        buf_release(&text);
        return r;
}

/* "No" for "no memory" would throw away what is good. */
static int ask(void *arg)
{
        const struct made *m = arg;
        int r = certificate_has_key(&m->cert, &m->key);

        if (r == 1)
                r = certificate_signed_by(&m->cert, &m->ca);
        if (r == 1)
                r = certificate_has_name(&m->cert, STR(NAME));
        return r < 0 ? r : r == 1 ? 0 : -EPERM;
}

START_TEST(survives_every_failed_allocation)
{
        struct made m = made_init();

        torture_openssl(write_and_read, &m, -EIO);
        torture_openssl(ask, &m, 0);
        made_release(&m);
}
END_TEST

static const TTest *const tests[] = { a_text_and_back,
                                      who_belongs_to_whom,
                                      a_signature_alone_is_not_enough,
                                      reads_one_after_the_other,
                                      refuses_what_is_not_one_certificate,
                                      extensions_decide,
                                      survives_every_failed_allocation };
TEST_MAIN("crypto/certificate", tests)
