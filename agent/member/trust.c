/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates of the cluster's own CA, with which agents know each other: read from a
 * folder, and again every few seconds, since others replace them.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/member/member.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_PATH_MAX 512
#define PEM_MAX ((size_t)256 * 1024)

struct pem {
        struct buf ca, cert, key;
};

static void pem_release(struct pem *p)
{
        if (p->key.data)
                explicit_bzero(p->key.data, p->key.size);
        buf_release(&p->ca);
        buf_release(&p->cert);
        buf_release(&p->key);
}

static int read_pem(const struct member *m, const char *name, struct buf *out, struct error *err)
{
        char path[FILE_PATH_MAX];
        int r;

        buf_init(out, PEM_MAX);
        snprintf(path, sizeof(path), "%s/%s", m->options->tls, name);
        if (!buf_reserve(out, PEM_MAX / 16)) /* at once, so that a key leaves no copy behind */
                return error_set(err, -ENOMEM, "out of memory");
        r = file_read(path, out);
        return r < 0 ? error_set(err, r, "--tls: cannot read %s: %s", path, strerror(-r)) : 0;
}

static int trust(struct member *m, struct error *err)
{
        _cleanup_(pem_release) struct pem pem = { 0 };
        int r = read_pem(m, "ca.crt", &pem.ca, err);

        if (r == 0)
                r = read_pem(m, "tls.crt", &pem.cert, err);
        if (r == 0)
                r = read_pem(m, "tls.key", &pem.key, err);
        if (r < 0)
                return r;
        r = peers_trust(&m->peers, buf_str(&pem.ca), buf_str(&pem.cert), buf_str(&pem.key), err);
        if (r < 0)
                error_prefix(err, "--tls: %s", m->options->tls);
        return r;
}

/* A look may fall into the middle of a turn: what could not be used is tried again. */
static void on_files(struct loop_timer *timer, void *arg)
{
        struct member *m = arg;
        struct error err = ERROR_INIT;
        int r = identity_source_check(&m->identities, &err);

        if (r > 0 || (r == 0 && m->distrusted)) {
                r = trust(m, &err);
                m->distrusted = r < 0;
        }
        if (r < 0)
                log_error("the certificate could not be read again; the old one stays",
                          LOG_CSTR("error", err.message));
        r = loop_timer_set(m->loop, timer, clock_now() + MEMBER_FILES_PERIOD, on_files, m);
        (void)r; /* set from its own callback: it needs no memory */
}

int trust_start(struct member *m, struct error *err)
{
        static char ca[FILE_PATH_MAX], cert[FILE_PATH_MAX], key[FILE_PATH_MAX];
        struct identity_files files = { .certificate = cert, .key = key, .client_ca = ca, .option = "--tls" };
        int r;

        snprintf(ca, sizeof(ca), "%s/ca.crt", m->options->tls);
        snprintf(cert, sizeof(cert), "%s/tls.crt", m->options->tls);
        snprintf(key, sizeof(key), "%s/tls.key", m->options->tls);
        identity_source_init(&m->identities, &files);
        r = trust(m, err);
        if (r == 0)
                r = identity_source_check(&m->identities, err);
        return r < 0 ? r : loop_timer_set(m->loop, &m->files, clock_now() + MEMBER_FILES_PERIOD, on_files, m);
}
