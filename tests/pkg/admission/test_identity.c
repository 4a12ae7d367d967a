/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/identity.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"
#include "pki.h"

#define FOLDER "/tmp/keelson-test-XXXXXX"

static char folder[] = FOLDER;
static char cert_path[sizeof(folder) + 16], key_path[sizeof(folder) + 16], ca_path[sizeof(folder) + 16];
static struct pki_cert one, other;
static struct identity_source source;
static struct error err;

static void put(const char *path, const char *text)
{
        FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

static void setup(bool with_ca)
{
        const struct pki_wish wish = { .name = "webhook", .alt_names = "DNS:localhost" };

        memcpy(folder, FOLDER, sizeof(folder));
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(cert_path, sizeof(cert_path), "%s/tls.crt", folder);
        snprintf(key_path, sizeof(key_path), "%s/tls.key", folder);
        snprintf(ca_path, sizeof(ca_path), "%s/ca.crt", folder);
        one = pki_make(&wish);
        other = pki_make(&wish);
        put(cert_path, one.cert_pem);
        put(key_path, one.key_pem);
        identity_source_init(&source,
                             &(struct identity_files){ cert_path, key_path, with_ca ? ca_path : NULL });
        err = (struct error)ERROR_INIT;
}

static void teardown(void)
{
        identity_source_release(&source);
        pki_release(&one);
        pki_release(&other);
        unlink(cert_path);
        unlink(key_path);
        unlink(ca_path);
        ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(a_pair_is_read_once)
{
        setup(false);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        ck_assert_ptr_nonnull(source.now);
        ck_assert(!source.now->verifies_clients);
        ck_assert_int_gt(source.now->expires, clock_wall());
        ck_assert_ptr_null(source.now->weakness);
        ck_assert_int_eq(identity_source_check(&source, &err), 0);
        teardown();
}
END_TEST

START_TEST(a_weak_one_is_used_and_known_for_it)
{
        const struct pki_wish wish = { .name = "webhook", .alt_names = "DNS:localhost", .rsa_bits = 1024 };

        setup(false);
        pki_release(&one);
        one = pki_make(&wish);
        put(cert_path, one.cert_pem);
        put(key_path, one.key_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        ck_assert_ptr_nonnull(source.now->weakness);
        teardown();
}
END_TEST

START_TEST(f23_the_old_one_lives_as_long_as_it_is_used)
{
        struct identity *used;

        setup(false);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        used = identity_ref(source.now);
        put(cert_path, other.cert_pem);
        put(key_path, other.key_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        ck_assert_ptr_ne(source.now, used);
        ck_assert_uint_eq(used->refs, 1);
        identity_unref(used);
        teardown();
}
END_TEST

/* At the second look; the first may have been in the middle of a turn. */
static void must_be_told(int r, const char *says)
{
        ck_assert_int_eq(identity_source_check(&source, &err), 0);
        ck_assert_int_eq(identity_source_check(&source, &err), r);
        ck_assert_msg(strstr(err.message, says), "%s", err.message);
        ck_assert_int_eq(identity_source_check(&source, &err), 0);
}

START_TEST(f23_what_cannot_be_used_is_told_once_and_the_old_one_stays)
{
        struct identity *before;

        setup(false);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        before = source.now;

        put(cert_path, other.cert_pem);
        must_be_told(-EINVAL, "does not belong to the certificate");
        put(cert_path, "nonsense");
        must_be_told(-EINVAL, cert_path);
        memset(other.cert_pem + strlen(other.cert_pem) / 2, '!', 8);
        put(cert_path, other.cert_pem);
        must_be_told(-EINVAL, "a certificate in ");
        ck_assert_int_eq(unlink(cert_path), 0);
        must_be_told(-ENOENT, "--tls-cert: cannot read");
        ck_assert_ptr_eq(source.now, before);

        pki_release(&other);
        other = pki_make(&(struct pki_wish){ .name = "webhook" });
        put(cert_path, other.cert_pem);
        put(key_path, other.key_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        teardown();
}
END_TEST

START_TEST(f23_a_look_in_the_middle_of_a_turn_is_no_failure)
{
        setup(false);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        put(cert_path, other.cert_pem); /* and its key comes a little later */
        ck_assert_int_eq(identity_source_check(&source, &err), 0);
        put(key_path, other.key_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);

        /* Each turn may be met so, also one that is taken back. */
        ck_assert_int_eq(unlink(cert_path), 0);
        ck_assert_int_eq(identity_source_check(&source, &err), 0);
        put(cert_path, other.cert_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), 0);
        ck_assert_int_eq(unlink(cert_path), 0);
        ck_assert_int_eq(identity_source_check(&source, &err), 0);
        put(cert_path, one.cert_pem);
        put(key_path, one.key_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        teardown();
}
END_TEST

START_TEST(at_the_start_it_is_told_at_once)
{
        setup(false);
        put(cert_path, other.cert_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), -EINVAL);
        teardown();
}
END_TEST

START_TEST(a_huge_file_is_not_read)
{
        setup(false);
        ck_assert_int_eq(truncate(key_path, IDENTITY_FILE_MAX + 1), 0);
        ck_assert_int_eq(identity_source_check(&source, &err), -EMSGSIZE);
        ck_assert_msg(strstr(err.message, "--tls-key: "), "%s", err.message);
        teardown();
}
END_TEST

START_TEST(clients_are_verified_where_there_is_a_ca)
{
        setup(true);
        ck_assert_int_eq(identity_source_check(&source, &err), -ENOENT);
        put(ca_path, "");
        ck_assert_int_eq(identity_source_check(&source, &err), -EINVAL);
        ck_assert_msg(strstr(err.message, "--client-ca: "), "%s", err.message);
        put(ca_path, other.cert_pem);
        ck_assert_int_eq(identity_source_check(&source, &err), 1);
        ck_assert(source.now->verifies_clients);
        teardown();
}
END_TEST

static int check_once(void *arg _unused_)
{
        int r;

        identity_source_init(&source, &(struct identity_files){ cert_path, key_path, NULL });
        r = identity_source_check(&source, NULL);
        identity_source_release(&source);
        return r > 0 ? 0 : r;
}

START_TEST(survives_a_lack_of_memory)
{
        setup(false);
        torture(check_once, NULL, 0);
        teardown();
}
END_TEST

static const TTest *const tests[] = {
        a_pair_is_read_once,
        a_weak_one_is_used_and_known_for_it,
        f23_the_old_one_lives_as_long_as_it_is_used,
        f23_what_cannot_be_used_is_told_once_and_the_old_one_stays,
        f23_a_look_in_the_middle_of_a_turn_is_no_failure,
        at_the_start_it_is_told_at_once,
        a_huge_file_is_not_read,
        clients_are_verified_where_there_is_a_ca,
        survives_a_lack_of_memory,
};
TEST_MAIN("admission/identity", tests)
