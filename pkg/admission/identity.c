/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/identity.h"

#include <errno.h>
#include <gnutls/x509.h>

#include "admission/identity_why.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

/* What stands in the files. */
struct contents {
        struct buf certificate, key, client_ca;
};

struct identity *identity_ref(struct identity *id)
{
        id->refs++;
        return id;
}

void identity_unref(struct identity *id)
{
        if (!id || --id->refs)
                return;
        gnutls_certificate_free_credentials(id->credentials);
        mem_free(id);
}

static void identity_unrefp(struct identity **id)
{
        identity_unref(*id);
}

void identity_source_init(struct identity_source *s, const struct identity_files *files)
{
        *s = (struct identity_source){ .files = *files };
}

void identity_source_release(struct identity_source *s)
{
        identity_unref(s->now);
        s->now = NULL;
}

/* --- files ---------------------------------------------------------------------------- */

static void contents_init(struct contents *c)
{
        buf_init(&c->certificate, IDENTITY_FILE_MAX);
        buf_init(&c->key, IDENTITY_FILE_MAX);
        buf_init(&c->client_ca, IDENTITY_FILE_MAX);
}

static void contents_release(struct contents *c)
{
        if (c->key.data)
                explicit_bzero(c->key.data, c->key.size);
        buf_release(&c->certificate);
        buf_release(&c->key);
        buf_release(&c->client_ca);
}

int identity_not_yet(gnutls_session_t session _unused_, const struct gnutls_cert_auth_context *info _unused_,
                     gnutls_pcert_st **certificate _unused_, unsigned *n _unused_,
                     gnutls_ocsp_data_st **ocsp _unused_, unsigned *n_ocsp _unused_,
                     gnutls_privkey_t *key _unused_, unsigned *flags _unused_)
{
        return -1;
}

int identity_show(const struct identity *id, gnutls_session_t session)
{
        static gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID,
                                                 (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
        int r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, id->credentials);

        if (r < 0 || !id->verifies_clients)
                return r;
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
        return 0;
}

/* There is room for the whole from the start, so that a key leaves no copy behind. */
static int read_file(const char *path, const char *option, struct buf *to, struct error *err)
{
        int r;

        if (!buf_reserve(to, 16 * (size_t)1024))
                return error_set(err, -ENOMEM, "out of memory");
        r = file_read(path, to);
        if (r == -EMSGSIZE)
                return error_set(err, r, "%s: %s has more than %zu bytes", option, path, IDENTITY_FILE_MAX);
        if (r < 0)
                return error_set(err, r, "%s: cannot read %s: %s", option, path, strerror(-r));
        return 0;
}

static int read_contents(const struct identity_files *files, struct contents *c, struct error *err)
{
        int r = read_file(files->certificate, identity_option(files, "--tls-cert"), &c->certificate, err);

        if (r == 0)
                r = read_file(files->key, identity_option(files, "--tls-key"), &c->key, err);
        if (r == 0 && files->client_ca)
                r = read_file(files->client_ca, identity_option(files, "--client-ca"), &c->client_ca, err);
        return r;
}

static uint64_t hash_contents(const struct contents *c)
{
        uint64_t h = hash_str(HASH_INIT, buf_str(&c->certificate));

        h = hash_str(h, buf_str(&c->key));
        return hash_str(h, buf_str(&c->client_ca));
}

/* --- from their contents to an identity --------------------------------------------------- */

static gnutls_datum_t datum(const struct buf *b)
{
        return (gnutls_datum_t){ (unsigned char *)b->data, (unsigned)b->len };
}

/* What GnuTLS said. */
static int fail(int code, const char *option, const char *path, struct error *err)
{
        if (code == GNUTLS_E_MEMORY_ERROR)
                return error_set(err, -ENOMEM, "out of memory");
        return error_set(err, -EINVAL, "%s: %s cannot be used: %s", option, path, gnutls_strerror(code));
}

static int set_pair(gnutls_certificate_credentials_t to, const struct identity_files *files,
                    const struct contents *c, struct error *err)
{
        gnutls_datum_t certificate = datum(&c->certificate), key = datum(&c->key);
        int r = identity_try_certificate(buf_str(&c->certificate));

        if (r == 0)
                r = gnutls_certificate_set_x509_key_mem(to, &certificate, &key, GNUTLS_X509_FMT_PEM);
        return r < 0 ? identity_why(files, buf_str(&c->certificate), buf_str(&c->key), r, err) : 0;
}

static int set_client_ca(gnutls_certificate_credentials_t to, const struct identity_files *files,
                         const struct contents *c, struct error *err)
{
        gnutls_datum_t ca = datum(&c->client_ca);
        int r = gnutls_certificate_set_x509_trust_mem(to, &ca, GNUTLS_X509_FMT_PEM);

        if (r == 0)
                return error_set(err, -EINVAL, "%s: %s has no certificate in it",
                                 identity_option(files, "--client-ca"), files->client_ca);
        return r < 0 ? fail(r, identity_option(files, "--client-ca"), files->client_ca, err) : 0;
}

/* When the serving certificate ends, by which others renew it, and whether others take it. */
static int read_leaf(gnutls_certificate_credentials_t credentials, struct identity *id)
{
        gnutls_x509_crt_t leaf;
        gnutls_datum_t raw;
        int r = gnutls_certificate_get_crt_raw(credentials, 0, 0, &raw);

        if (r < 0)
                return r;
        r = gnutls_x509_crt_init(&leaf);
        if (r < 0)
                return r;
        r = gnutls_x509_crt_import(leaf, &raw, GNUTLS_X509_FMT_DER);
        if (r >= 0) {
                id->expires = (usec_t)gnutls_x509_crt_get_expiration_time(leaf) * USEC_SEC;
                id->weakness = identity_weakness(leaf);
        }
        gnutls_x509_crt_deinit(leaf);
        return r;
}

static int make(const struct identity_files *files, const struct contents *c, struct identity **ret,
                struct error *err)
{
        _cleanup_(identity_unrefp) struct identity *id = mem_new(struct identity);
        int r;

        if (!id)
                return error_set(err, -ENOMEM, "out of memory");
        r = gnutls_certificate_allocate_credentials(&id->credentials);
        if (r < 0) {
                mem_free(id);
                id = NULL;
                return error_set(err, -ENOMEM, "out of memory");
        }
        id->refs = 1;
        id->verifies_clients = files->client_ca != NULL;
        r = set_pair(id->credentials, files, c, err);
        if (r == 0 && files->client_ca)
                r = set_client_ca(id->credentials, files, c, err);
        if (r < 0)
                return r;
        r = read_leaf(id->credentials, id);
        if (r < 0)
                return fail(r, identity_option(files, "--tls-cert"), files->certificate, err);
        *ret = id;
        id = NULL;
        return 0;
}

/* What cannot be read counts as contents of its own. */
static uint64_t hash_failure(int r)
{
        return hash_add(HASH_INIT, (uint64_t)-r);
}

int identity_source_check(struct identity_source *s, struct error *err)
{
        _cleanup_(contents_release) struct contents c;
        struct identity *made = NULL;
        uint64_t seen;
        int r;

        contents_init(&c);
        r = read_contents(&s->files, &c, err);
        if (r == -ENOMEM)
                return r;
        seen = r < 0 ? hash_failure(r) : hash_contents(&c);
        if (seen == s->seen) {
                s->doubted = false;
                return 0;
        }
        if (r == 0)
                r = make(&s->files, &c, &made, err);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && s->now && !s->doubted) {
                s->doubted = true;
                return 0;
        }
        s->doubted = false;
        s->seen = seen;
        if (r < 0)
                return r;
        identity_unref(s->now);
        s->now = made;
        return 1;
}
