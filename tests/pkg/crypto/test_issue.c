/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "client.h"
#include "made.h"
#include "openssl_mem.h"

static struct str pem_of(const struct certificate *c, struct buf *out)
{
        buf_clear(out);
        ck_assert_int_eq(certificate_write(c, out), 0);
        return buf_str(out);
}

struct texts {
        struct buf ca, cert;
};

static void check_verdict(const struct texts *t, const char *name, usec_t wall, int expected)
{
        const int verdict = client_verdict(buf_str(&t->ca), buf_str(&t->cert), name, wall);

        ck_assert_msg(verdict == expected, "%s", X509_verify_cert_error_string(verdict));
}

START_TEST(clients_take_it)
{
        struct made m = made_init();
        struct texts t = { BUF_INIT(CERTIFICATE_TEXT_MAX), BUF_INIT(CERTIFICATE_TEXT_MAX) };

        pem_of(&m.ca, &t.ca);
        pem_of(&m.cert, &t.cert);
        check_verdict(&t, NAME, NOW, X509_V_OK);
        check_verdict(&t, NAME ".cluster.local", NOW, X509_V_OK);
        check_verdict(&t, "keelson-webhook.other.svc", NOW, X509_V_ERR_HOSTNAME_MISMATCH);
        check_verdict(&t, NAME, NOW - CERTIFICATE_BACKDATE, X509_V_OK);
        check_verdict(&t, NAME, NOW - CERTIFICATE_BACKDATE - USEC_MINUTE, X509_V_ERR_CERT_NOT_YET_VALID);
        check_verdict(&t, NAME, NOW + 90 * DAY - USEC_MINUTE, X509_V_OK);
        check_verdict(&t, NAME, NOW + 90 * DAY + USEC_MINUTE, X509_V_ERR_CERT_HAS_EXPIRED);

        /* The CA's own does not serve. */
        pem_of(&m.ca, &t.cert);
        ck_assert_int_ne(client_verdict(buf_str(&t.ca), buf_str(&t.cert), NAME, NOW), X509_V_OK);
        buf_release(&t.ca);
        buf_release(&t.cert);
        made_release(&m);
}
END_TEST

/* Two of the same name, in either order. */
START_TEST(clients_find_the_right_ca)
{
        struct made old = made_init(), new = made_init();
        struct texts t = { BUF_INIT(CERTIFICATE_TEXT_MAX), BUF_INIT(CERTIFICATE_TEXT_MAX) };

        pem_of(&new.cert, &t.cert);
        pem_of(&old.ca, &t.ca);
        ck_assert_int_ne(client_verdict(buf_str(&t.ca), buf_str(&t.cert), NAME, NOW), X509_V_OK);
        ck_assert_int_eq(certificate_write(&new.ca, &t.ca), 0);
        check_verdict(&t, NAME, NOW, X509_V_OK);
        pem_of(&old.cert, &t.cert);
        check_verdict(&t, NAME, NOW, X509_V_OK);
        buf_release(&t.ca);
        buf_release(&t.cert);
        made_release(&old);
        made_release(&new);
}
END_TEST

START_TEST(what_it_says)
{
        struct made m = made_init(), other = made_init();
        const ASN1_INTEGER *serial = X509_get0_serialNumber(m.cert.x509);

        ck_assert(m.ca.ca && !m.ca.serves && m.ca.n_names == 0);
        ck_assert(!m.cert.ca && m.cert.serves && m.cert.n_names == 2);
        ck_assert_int_eq(m.cert.not_before, NOW - USEC_HOUR);
        ck_assert_int_eq(m.cert.not_after, NOW + 90 * DAY);
        ck_assert_int_eq(X509_get_version(m.cert.x509), X509_VERSION_3);
        ck_assert_int_eq(X509_get_key_usage(m.ca.x509), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
        ck_assert_int_eq(X509_get_key_usage(m.cert.x509), KU_DIGITAL_SIGNATURE);
        ck_assert_int_eq(X509_get_extended_key_usage(m.cert.x509), XKU_SSL_SERVER);
        ck_assert_int_eq(X509_get_pathlen(m.ca.x509), 0);

        /* 128 random bits: shorter than 12 bytes, or equal, once in 2^32 at the most. */
        ck_assert_int_gt(serial->type, 0);
        ck_assert_int_ge(ASN1_STRING_length(serial), 12);
        ck_assert_int_le(ASN1_STRING_length(serial), 16);
        ck_assert_int_ne(ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(other.cert.x509)), 0);
        ck_assert_int_ne(ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(m.ca.x509)), 0);
        made_release(&m);
        made_release(&other);
}
END_TEST

/* Before 1950 + 100 years and behind, the two notations of ASN.1. */
START_TEST(times_of_all_years)
{
        static const int64_t seconds[] = { 0, 2524607999, 2524608000, 253402300799 };
        struct certificate_wish wish = made_ca_wish();
        struct key key;

        ck_assert_int_eq(key_make(&key, NULL), 0);
        for (size_t i = 1; i < ARRAY_SIZE(seconds); i++) {
                struct certificate c;

                wish.not_before = seconds[i - 1] * USEC_SEC + 999999;
                wish.not_after = seconds[i] * USEC_SEC;
                ck_assert_int_eq(certificate_make_ca(&wish, &key, &c, NULL), 0);
                ck_assert_int_eq(c.not_before, seconds[i - 1] * USEC_SEC);
                ck_assert_int_eq(c.not_after, seconds[i] * USEC_SEC);
                certificate_release(&c);
        }
        key_release(&key);
}
END_TEST

static void check_refused(const struct certificate_wish *wish, const char *path, const char *why)
{
        struct made m = made_init();
        struct error err = ERROR_INIT;
        struct certificate c;

        ck_assert_int_eq(certificate_issue(wish, &m.key, &m.ca, &m.ca_key, &c, &err), -EINVAL);
        ck_assert_str_eq(err.path, path);
        ck_assert_msg(strstr(err.message, why), "%s", err.message);
        made_release(&m);
}

START_TEST(refuses_names_that_are_none)
{
        static const char *const bad[] = {
                "",     ".",
                "a.",   ".a",
                "a..b", "-a.b",
                "a-.b", "A.b",
                "a b",  "a,DNS:b",
                "a.*",  "*",
                "*a.b", "*.",
                "a_b",  "a12345678901234567890123456789012345678901234567890123456789012b.c"
        };
        static const char *const good[] = { "localhost", "a.b", "*.a.b", "1.2.3.a", "x--y.a" };
        static char long_name[CERTIFICATE_NAME_MAX + 1];
        struct str names[CERTIFICATE_NAMES_MAX + 1];
        struct certificate_wish wish = made_wish();
        struct made m = made_init();

        wish.names = names;
        wish.n_names = 1;
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                names[0] = str_c(bad[i]);
                check_refused(&wish, "names", "is not a DNS name");
        }
        for (size_t i = 0; i < sizeof(long_name); i++)
                long_name[i] = i % 50 == 49 ? '.' : 'a';
        names[0] = str_n(long_name, sizeof(long_name));
        check_refused(&wish, "names", "is not a DNS name");
        wish.n_names = ARRAY_SIZE(names);
        check_refused(&wish, "names", "must not be more than 16");
        wish.n_names = 0;
        check_refused(&wish, "names", "must be given");

        wish.n_names = 1;
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                struct certificate c;

                names[0] = str_c(good[i]);
                ck_assert_int_eq(certificate_issue(&wish, &m.key, &m.ca, &m.ca_key, &c, NULL), 0);
                certificate_release(&c);
        }
        made_release(&m);
}
END_TEST

START_TEST(refuses_what_cannot_be)
{
        static const char long_text[] = "12345678901234567890123456789012345678901234567890123456789012345";
        struct made m = made_init(), other = made_init();
        struct certificate_wish wish = made_wish();
        struct error err = ERROR_INIT;
        struct certificate c;

        wish.common_name = STR("");
        check_refused(&wish, "common_name", "must have 1 to 64 characters");
        wish.common_name = str_c(long_text);
        check_refused(&wish, "common_name", "must have 1 to 64 characters");
        wish = made_wish();
        wish.not_before = -1;
        check_refused(&wish, "not_before, not_after", "1970 to 9999");
        wish = made_wish();
        wish.not_after = USEC_NEVER;
        check_refused(&wish, "not_before, not_after", "1970 to 9999");
        wish = made_wish();
        wish.not_after = wish.not_before;
        check_refused(&wish, "not_after", "must lie behind");

        wish = made_wish();
        ck_assert_int_eq(certificate_make_ca(&wish, &m.ca_key, &c, &err), -EINVAL);
        ck_assert_str_eq(err.path, "names");
        ck_assert_int_eq(certificate_issue(&wish, &m.key, &m.ca, &other.ca_key, &c, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.message, "the key is not its own"));
        ck_assert_int_eq(certificate_issue(&wish, &m.key, &m.cert, &m.key, &c, &err), -EINVAL);
        made_release(&m);
        made_release(&other);
}
END_TEST

static int make_all(void *arg _unused_)
{
        struct made m;
        int r = made_try(&m);

        if (r == 0)
                made_release(&m);
        return r;
}

START_TEST(survives_every_failed_allocation)
{
        torture_openssl(make_all, NULL, -EIO);
}
END_TEST

static const TTest *const tests[] = { clients_take_it,
                                      clients_find_the_right_ca,
                                      what_it_says,
                                      times_of_all_years,
                                      refuses_names_that_are_none,
                                      refuses_what_cannot_be,
                                      survives_every_failed_allocation };
TEST_MAIN("crypto/issue", tests)
