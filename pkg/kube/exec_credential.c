/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/exec_credential.h"

#include <errno.h>

#include "base/base64.h"
#include "json/read.h"
#include "json/write.h"

void exec_credential_release(struct exec_credential *c)
{
        buf_release(&c->token);
        buf_release(&c->cert);
        buf_release(&c->key);
}

/* --- what it is told ---------------------------------------------------------- */

static void put_if_there(struct json_writer *w, const char *key, struct str s)
{
        if (s.data)
                json_put_str(w, key, s);
}

static void write_cluster(struct json_writer *w, const struct kube_config *config)
{
        _cleanup_(buf_release) struct buf ca = BUF_INIT(EXEC_INFO_MAX);

        json_key(w, "cluster");
        json_object(w);
        json_put_str(w, "server", config->server);
        put_if_there(w, "tls-server-name", config->tls_server_name);
        if (config->insecure_skip_verify)
                json_put_bool(w, "insecure-skip-tls-verify", true);
        if (config->ca_pem.data) {
                base64_encode(&ca, config->ca_pem);
                json_put_str(w, "certificate-authority-data", buf_str(&ca));
                if (buf_error(&ca))
                        w->out->error = buf_error(&ca);
        }
        put_if_there(w, "proxy-url", config->proxy);
        if (config->exec_config.data)
                json_put_raw(w, "config", config->exec_config);
        json_end(w);
}

void exec_info_write(struct buf *out, const struct kube_config *config)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "kind", "ExecCredential");
        json_put_str(&w, "apiVersion", config->exec->api_version);
        json_key(&w, "spec");
        json_object(&w);
        if (config->exec->provide_cluster_info)
                write_cluster(&w, config);
        json_put_bool(&w, "interactive", false);
        json_end(&w);
        json_end(&w);
}

/* --- what it answers ---------------------------------------------------------- */

static int wrong(struct error *err, const char *what)
{
        return error_set(err, -EINVAL, "it did not print an ExecCredential: %s", what);
}

static int check_head(yyjson_val *root, const struct kube_exec *exec, struct error *err)
{
        if (!str_eq_c(json_get_str(root, "kind"), "ExecCredential"))
                return wrong(err, "kind is another");
        if (!str_eq(json_get_str(root, "apiVersion"), exec->api_version))
                return error_set(err, -EINVAL,
                                 "its ExecCredential is not of the version that the kubeconfig says, %.*s",
                                 STR_FMT(exec->api_version));
        if (!yyjson_is_obj(yyjson_obj_get(root, "status")))
                return wrong(err, "status is missing");
        return 0;
}

static int read_text(yyjson_val *status, const char *key, struct buf *out, struct error *err)
{
        yyjson_val *v = yyjson_obj_get(status, key);

        if (!v || yyjson_is_null(v))
                return 0;
        if (!yyjson_is_str(v))
                return error_set(err, -EINVAL, "status.%s in its ExecCredential is not a string", key);
        if (buf_add_str(out, json_val_str(v)) < 0)
                return error_set(err, -ENOMEM, "out of memory");
        return 0;
}

static int read_expiry(yyjson_val *status, usec_t *ret, struct error *err)
{
        struct buf text = BUF_INIT(EXEC_CREDENTIAL_MAX);
        int r = read_text(status, "expirationTimestamp", &text, err);

        *ret = USEC_NEVER;
        if (r == 0 && text.len && clock_parse(buf_str(&text), ret) < 0)
                r = error_set(err, -EINVAL,
                              "status.expirationTimestamp in its ExecCredential is not a time of RFC 3339");
        buf_release(&text);
        return r;
}

static int check(const struct exec_credential *c, struct error *err)
{
        if (c->token.len == 0 && c->cert.len == 0 && c->key.len == 0)
                return wrong(err, "it holds neither a token nor a client certificate");
        if ((c->cert.len == 0) != (c->key.len == 0))
                return wrong(err, "clientCertificateData and clientKeyData must come together");
        if (c->token.len && (c->token.len > KUBE_TOKEN_BYTES_MAX || !kube_token_is_valid(buf_str(&c->token))))
                return wrong(err, "status.token cannot be one");
        return 0;
}

int exec_credential_parse(struct str text, const struct kube_exec *exec, struct exec_credential *ret,
                          struct error *err)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct exec_credential c = { .token = BUF_INIT(EXEC_CREDENTIAL_MAX),
                                     .cert = BUF_INIT(EXEC_CREDENTIAL_MAX),
                                     .key = BUF_INIT(EXEC_CREDENTIAL_MAX) };
        yyjson_val *status;
        int r = json_parse(text, &doc, NULL);

        if (r == -ENOMEM)
                return error_set(err, r, "out of memory");
        if (r < 0)
                return wrong(err, str_empty(str_trim(text)) ? "nothing at all" : "this is not JSON");
        r = check_head(yyjson_doc_get_root(doc), exec, err);
        status = yyjson_obj_get(yyjson_doc_get_root(doc), "status");
        if (r == 0)
                r = read_text(status, "token", &c.token, err);
        if (r == 0)
                r = read_text(status, "clientCertificateData", &c.cert, err);
        if (r == 0)
                r = read_text(status, "clientKeyData", &c.key, err);
        if (r == 0)
                r = read_expiry(status, &c.expires, err);
        if (r == 0)
                r = check(&c, err);
        if (r < 0) {
                exec_credential_release(&c);
                return r;
        }
        *ret = c;
        return 0;
}
