/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/credentials.h"

#include <errno.h>

#include "base/file.h"
#include "kube/config_file.h"

#define AUTHORIZATION_MAX (KUBE_TOKEN_BYTES_MAX + 16)
#define PEM_MAX ((size_t)1024 * 1024)

/* On a failure the old one stays. */
static int set_token(struct kube_credentials *c, struct str token)
{
        struct buf fresh = BUF_INIT(AUTHORIZATION_MAX);

        buf_add_str(&fresh, STR("Bearer "));
        buf_add_str(&fresh, token);
        if (buf_error(&fresh)) {
                int r = buf_error(&fresh);

                buf_release(&fresh);
                return r;
        }
        buf_release(&c->authorization);
        c->authorization = fresh;
        return 0;
}

/* *ret_changed is whether the file holds another token than we have. On an
 * error the old one stays. */
static int read_token(struct kube_credentials *c, bool *ret_changed, struct error *err)
{
        struct arena scratch = ARENA_INIT(2 * KUBE_TOKEN_BYTES_MAX);
        struct str old = buf_str(&c->authorization), token;
        int r = kube_token_read(c->config->token_file, &scratch, &token, err);

        if (r == 0) {
                *ret_changed = !(str_ends(old, token) && old.len == token.len + strlen("Bearer "));
                if (*ret_changed && set_token(c, token) < 0)
                        r = error_set(err, -ENOMEM, "out of memory");
        }
        arena_release(&scratch);
        return r;
}

/* Reads FILE into PEM; whether that changed it. */
static bool reload_pem(struct buf *pem, struct str file)
{
        struct buf fresh = BUF_INIT(PEM_MAX);
        bool changed;

        if (!file.data || file_read(file.data, &fresh) < 0 || fresh.len == 0) {
                buf_release(&fresh);
                return false;
        }
        changed = !str_eq(buf_str(&fresh), buf_str(pem));
        buf_release(pem);
        *pem = fresh;
        return changed;
}

static bool reload_tls(struct kube_credentials *c)
{
        bool ca = reload_pem(&c->ca, c->config->ca_file);
        bool cert = reload_pem(&c->cert, c->config->client_cert_file);
        bool key = reload_pem(&c->key, c->config->client_key_file);

        return ca || cert || key;
}

int kube_credentials_init(struct kube_credentials *c, const struct kube_config *config, usec_t now,
                          struct error *err)
{
        bool changed;
        int r = 0;

        *c = (struct kube_credentials){ .config = config, .read_at = now };
        buf_init(&c->authorization, AUTHORIZATION_MAX);
        buf_init(&c->ca, PEM_MAX);
        buf_init(&c->cert, PEM_MAX);
        buf_init(&c->key, PEM_MAX);
        if (config->exec)
                return error_set(err, -EOPNOTSUPP,
                                 "%.*s: exec credential plugins are not supported yet: use a token or a "
                                 "client certificate",
                                 STR_FMT(config->source));
        if (config->token_file.data)
                r = read_token(c, &changed, err);
        else if (config->token.data && set_token(c, config->token) < 0)
                r = error_set(err, -ENOMEM, "out of memory");
        if (r == 0)
                (void)reload_tls(c);
        if (r < 0)
                kube_credentials_release(c);
        return r;
}

void kube_credentials_release(struct kube_credentials *c)
{
        buf_release(&c->authorization);
        buf_release(&c->ca);
        buf_release(&c->cert);
        buf_release(&c->key);
}

void kube_credentials_refresh(struct kube_credentials *c, usec_t now, bool *ret_tls)
{
        bool changed;

        *ret_tls = false;
        if (now - c->read_at < KUBE_RELOAD_INTERVAL)
                return;
        c->read_at = now;
        if (c->config->token_file.data)
                (void)read_token(c, &changed, NULL);
        *ret_tls = reload_tls(c);
}

bool kube_credentials_refused(struct kube_credentials *c)
{
        bool changed = false;

        if (c->config->token_file.data && read_token(c, &changed, NULL) < 0)
                return false;
        return changed;
}

/* The text from the file if there is one, else the text in the config. */
static struct str newest(const struct buf *from_file, struct str in_config)
{
        return from_file->len ? buf_str(from_file) : in_config;
}

struct http_config kube_credentials_http(const struct kube_credentials *c)
{
        return (struct http_config){
                .ca_pem = newest(&c->ca, c->config->ca_pem),
                .client_cert_pem = newest(&c->cert, c->config->client_cert_pem),
                .client_key_pem = newest(&c->key, c->config->client_key_pem),
                .tls_server_name = c->config->tls_server_name,
                .proxy = c->config->proxy,
                .user_agent = STR("keelson"),
                .insecure_skip_verify = c->config->insecure_skip_verify,
        };
}
