/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/credentials.h"

#include <errno.h>

#include "base/file.h"
#include "kube/config_file.h"

#define AUTHORIZATION_MAX (KUBE_TOKEN_BYTES_MAX + 16)
#define PEM_MAX ((size_t)1024 * 1024)

static void on_plugin_done(struct exec_credential *credential, const struct error *err, void *arg);

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
        c->generation++;
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
        bool cert, key;

        if (c->from_plugin && c->cert.len)
                return ca; /* the plugin's own goes before that of a file */
        cert = reload_pem(&c->cert, c->config->client_cert_file);
        key = reload_pem(&c->key, c->config->client_key_file);
        return ca || cert || key;
}

int kube_credentials_init(struct kube_credentials *c, struct loop *l, const struct kube_config *config,
                          void (*settled)(void *arg), void *arg, struct error *err)
{
        bool changed;
        int r = 0;

        *c = (struct kube_credentials){
                .config = config, .loop = l, .read_at = loop_now(l), .settled = settled, .arg = arg
        };
        buf_init(&c->authorization, AUTHORIZATION_MAX);
        buf_init(&c->ca, PEM_MAX);
        buf_init(&c->cert, PEM_MAX);
        buf_init(&c->key, PEM_MAX);
        c->from_plugin = config->exec && !config->token.data && !config->token_file.data;
        exec_plugin_init(&c->plugin, l, config, on_plugin_done, c);
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
        exec_plugin_release(&c->plugin);
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

/* --- the exec plugin ------------------------------------------------------------ */

static void note_failure(struct kube_credentials *c, usec_t now, const struct error *err)
{
        c->failure = *err;
        c->failure.code = -ENOKEY;
        c->paused_until = now + KUBE_EXEC_PAUSE;
}

/* By the clock that only rises, which stays right when somebody sets the other. */
static void note_lifetime(struct kube_credentials *c, usec_t now, usec_t expires)
{
        usec_t left = expires - clock_wall();

        c->paused_until = now + KUBE_EXEC_PAUSE;
        c->renew_at = c->expires_at = USEC_NEVER;
        if (expires == USEC_NEVER)
                return;
        /* One that has expired already may be a matter of clocks: the server decides. */
        left = MAX(left, KUBE_EXEC_PAUSE);
        c->expires_at = now + left;
        c->renew_at = c->expires_at - MIN(KUBE_EXEC_RENEW, left / 4);
}

static void take_pem(struct buf *to, struct buf *fresh, bool *changed)
{
        *changed |= !str_eq(buf_str(to), buf_str(fresh));
        buf_release(to);
        *to = *fresh;
        buf_init(fresh, fresh->cap);
}

static int take_credential(struct kube_credentials *c, struct exec_credential *given)
{
        if (given->token.len == 0)
                buf_clear(&c->authorization);
        else if (set_token(c, buf_str(&given->token)) < 0)
                return -ENOMEM;
        if (given->cert.len || !c->config->client_cert_file.data) {
                take_pem(&c->cert, &given->cert, &c->new_cert);
                take_pem(&c->key, &given->key, &c->new_cert);
        }
        c->generation++;
        return 0;
}

static void on_plugin_done(struct exec_credential *credential, const struct error *err, void *arg)
{
        struct kube_credentials *c = arg;
        usec_t now = loop_now(c->loop);
        struct error memory = { .message = "out of memory" };

        if (!credential)
                note_failure(c, now, err);
        else if (take_credential(c, credential) < 0)
                note_failure(c, now, &memory);
        else
                note_lifetime(c, now, credential->expires);
        if (credential)
                exec_credential_release(credential);
        c->settled(c->arg);
}

int kube_credentials_ask(struct kube_credentials *c, usec_t now, struct error *err)
{
        struct error why = ERROR_INIT;

        if (!c->from_plugin)
                return 1;
        if (now >= c->renew_at && now >= c->paused_until && !exec_plugin_is_running(&c->plugin) &&
            exec_plugin_start(&c->plugin, &why) < 0)
                note_failure(c, now, &why);
        if (now < c->expires_at)
                return 1;
        if (exec_plugin_is_running(&c->plugin))
                return 0;
        if (err)
                *err = c->failure;
        return -ENOKEY;
}

bool kube_credentials_refused(struct kube_credentials *c, usec_t now, uint64_t generation)
{
        bool changed = false;

        if (generation != c->generation)
                return true;
        if (!c->from_plugin)
                return c->config->token_file.data && read_token(c, &changed, NULL) == 0 && changed;
        /* The server does not like what the plugin gave a moment ago. */
        if (now < c->paused_until && !exec_plugin_is_running(&c->plugin))
                return false;
        c->renew_at = c->expires_at = 0;
        return true;
}

bool kube_credentials_new_certificate(struct kube_credentials *c)
{
        bool is_new = c->new_cert;

        c->new_cert = false;
        return is_new;
}

void kube_credentials_reject(struct kube_credentials *c, usec_t now, const struct error *err)
{
        note_failure(c, now, err);
        error_prefix(&c->failure, "what the exec plugin gave cannot be used");
        c->renew_at = c->expires_at = 0;
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
