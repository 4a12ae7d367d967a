/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "json/read.h"
#include "kube/config_file.h"
#include "kube/config_user.h"

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

void kube_config_release(struct kube_config *c)
{
        arena_release(&c->arena);
        *c = (struct kube_config){ 0 };
}

static void begin(struct kube_config *c)
{
        *c = (struct kube_config){ 0 };
        arena_init(&c->arena, KUBE_CONFIG_BYTES_MAX);
}

/* A message quotes what stands in the file, and must stay one line. */
static void make_one_line(struct error *err)
{
        for (char *at = err ? err->message : NULL; at && *at; at++)
                if ((unsigned char)*at < ' ' || *at == 0x7f)
                        *at = '?';
}

/* Hands C over, or what went wrong. */
static int finish(struct kube_config *c, int r, struct kube_config *ret, struct error *err)
{
        if (r < 0) {
                make_one_line(err);
                kube_config_release(c);
                return r;
        }
        *ret = *c;
        return 0;
}

/* --- a kubeconfig ----------------------------------------------------------- */

static int read_server(const struct config_at *at, struct kube_config *c)
{
        struct str s;
        size_t scheme;
        int r = config_str(at, "server", &s);

        if (r < 0)
                return r;
        if (!s.data)
                return config_fail(at, "server", -EINVAL, "not set: it must be the URL of the API server");
        while (s.len && s.data[s.len - 1] == '/')
                s.len--;
        scheme = str_starts(s, STR("https://")) ? 8 : str_starts(s, STR("http://")) ? 7 : 0;
        if (!scheme || s.len == scheme)
                return config_fail(at, "server", -EINVAL, "\"%.*s\" is not a URL: write https://HOST:PORT",
                                   STR_FMT(s));
        for (size_t i = 0; i < s.len; i++)
                if ((unsigned char)s.data[i] <= ' ' || (unsigned char)s.data[i] >= 0x7f ||
                    strchr("?#@\"\\", s.data[i]))
                        return config_fail(at, "server", -EINVAL,
                                           "must be no more than a scheme, a host, a port and a path");
        c->server = s;
        return 0;
}

/* Kubernetes docs, "Authenticating": what the extension of that name holds is
 * for exec plugins alone. */
static int read_exec_config(const struct config_at *at, struct kube_config *c)
{
        yyjson_val *extensions = yyjson_obj_get(at->value, "extensions"), *one;
        yyjson_arr_iter it = yyjson_arr_iter_with(extensions);

        while ((one = yyjson_arr_iter_next(&it))) {
                yyjson_val *extension = yyjson_obj_get(one, "extension");
                size_t n;
                char *text;

                if (!str_eq_c(json_get_str(one, "name"), "client.authentication.k8s.io/exec") || !extension)
                        continue;
                text = yyjson_val_write_opts(extension, 0, &json_alc, &n, NULL);
                c->exec_config = text ? arena_str(at->files->arena, str_n(text, n)) : STR_NULL;
                mem_free(text);
                return c->exec_config.data ? 0 : config_out_of_memory(at->files);
        }
        return 0;
}

static int read_cluster(const struct config_at *at, struct kube_config *c)
{
        int r = read_server(at, c);

        if (r == 0)
                r = config_pem(at, "certificate-authority", &c->ca_pem, &c->ca_file);
        if (r == 0)
                r = config_bool(at, "insecure-skip-tls-verify", &c->insecure_skip_verify);
        if (r == 0)
                r = config_str(at, "tls-server-name", &c->tls_server_name);
        if (r == 0)
                r = config_str(at, "proxy-url", &c->proxy);
        if (r == 0)
                r = read_exec_config(at, c);
        if (r < 0)
                return r;
        if (c->insecure_skip_verify && c->ca_pem.data)
                return config_fail(at, "insecure-skip-tls-verify", -EINVAL,
                                   "cannot stand beside certificate-authority: take one of them out");
        if (c->proxy.data && !str_starts(c->proxy, STR("http://")) &&
            !str_starts(c->proxy, STR("https://")) && !str_starts(c->proxy, STR("socks5://")))
                return config_fail(at, "proxy-url", -EINVAL,
                                   "must start with http://, https:// or socks5://");
        return 0;
}

static int find_context(struct config_files *files, struct str wanted, struct kube_config *c,
                        struct config_at *ret)
{
        int r;

        if (wanted.data) {
                c->context = arena_str(files->arena, wanted);
                if (!c->context.data)
                        return config_out_of_memory(files);
                return config_find(files, "contexts", "context", wanted, "--context", ret);
        }
        r = config_top_str(files, "current-context", &c->context);
        if (r < 0)
                return r;
        if (!c->context.data)
                return error_set(files->err, -EINVAL,
                                 "%.*s: current-context: not set; choose one with "
                                 "kubectl config use-context NAME",
                                 STR_FMT(files->files[0].path));
        return config_find(files, "contexts", "context", c->context, "current-context", ret);
}

static int read_context(struct config_files *files, struct str wanted, struct kube_config *c)
{
        struct config_at context, cluster, user;
        struct str cluster_name, user_name;
        int r = find_context(files, wanted, c, &context);

        if (r == 0)
                r = config_str(&context, "cluster", &cluster_name);
        if (r == 0)
                r = config_str(&context, "user", &user_name);
        if (r == 0)
                r = config_str(&context, "namespace", &c->namespace);
        if (r < 0)
                return r;
        if (!cluster_name.data)
                return config_fail(&context, "cluster", -EINVAL,
                                   "not set: it must name an entry of clusters");
        c->source = context.file->path;
        if (!c->namespace.data)
                c->namespace = STR("default");
        r = config_find(files, "clusters", "cluster", cluster_name, "the context", &cluster);
        if (r == 0)
                r = read_cluster(&cluster, c);
        if (r < 0 || !user_name.data)
                return r;
        r = config_find(files, "users", "user", user_name, "the context", &user);
        return r < 0 ? r : config_read_user(&user, c);
}

int kube_config_parse(struct str text, struct str file, struct kube_config *ret, struct error *err)
{
        struct kube_config c;
        struct config_files files = { .arena = &c.arena, .err = err };
        int r;

        begin(&c);
        r = config_files_add(&files, file, text);
        if (r == 0)
                r = read_context(&files, STR_NULL, &c);
        config_files_release(&files);
        return finish(&c, r, ret, err);
}

/* --- the places to look ----------------------------------------------------- */

static int read_one(struct config_files *files, struct str path)
{
        bool missing;
        int r = config_files_read(files, path, &missing);

        if (r == 0 && missing)
                return error_set(files->err, -ENOENT, "%.*s: no such file (asked for by --kubeconfig)",
                                 STR_FMT(path));
        return r;
}

/* As kubectl: a file of the list that is not there is passed over. */
static int read_list(struct config_files *files, struct str list)
{
        struct str rest = list;

        while (rest.data) {
                struct str path;
                bool missing;
                int r;

                (void)str_cut(rest, ':', &path, &rest);
                if (str_empty(path))
                        continue;
                r = config_files_read(files, path, &missing);
                if (r < 0)
                        return r;
        }
        if (files->n == 0)
                return error_set(files->err, -ENOENT, "%.*s: no such file (asked for by KUBECONFIG)",
                                 STR_FMT(list));
        return 0;
}

/* *ret_missing: there is none. */
static int read_home(struct config_files *files, struct str home, bool *ret_missing)
{
        struct str path;

        *ret_missing = true;
        if (str_empty(home))
                return 0;
        path = arena_printf(files->arena, "%.*s/.kube/config", STR_FMT(home));
        if (!path.data)
                return config_out_of_memory(files);
        return config_files_read(files, path, ret_missing);
}

static int load_files(const struct kube_config_sources *s, struct kube_config *c, struct error *err)
{
        struct config_files files = { .arena = &c->arena, .err = err };
        bool missing = false;
        int r;

        if (s->path.data)
                r = read_one(&files, s->path);
        else if (!str_empty(s->kubeconfig))
                r = read_list(&files, s->kubeconfig);
        else
                r = read_home(&files, s->home, &missing);
        if (r == 0 && missing)
                r = error_set(
                        err, -ENOENT,
                        "no way to the API server: pass --kubeconfig FILE, set KUBECONFIG, or run in a pod "
                        "with a service account (neither %.*s/token nor %.*s/.kube/config is there)",
                        STR_FMT(s->service_account_dir), STR_FMT(s->home));
        if (r == 0)
                r = read_context(&files, s->context, c);
        config_files_release(&files);
        return r;
}

/* --- in a pod ----------------------------------------------------------------- */

static int has_service_account(const struct kube_config_sources *s, struct arena *a, bool *ret)
{
        struct str token;

        *ret = false;
        if (str_empty(s->service_host) || str_empty(s->service_port))
                return 0;
        token = arena_printf(a, "%.*s/token", STR_FMT(s->service_account_dir));
        if (!token.data)
                return -ENOMEM;
        *ret = access(token.data, F_OK) == 0;
        return 0;
}

static int read_namespace(struct str path, struct kube_config *c)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(256);
        int r = file_read(path.data, &text);

        if (r == -ENOMEM)
                return r;
        c->namespace = STR("default");
        if (r == 0 && str_trim(buf_str(&text)).len)
                c->namespace = arena_str(&c->arena, str_trim(buf_str(&text)));
        return 0;
}

static int load_in_cluster(const struct kube_config_sources *s, struct kube_config *c, struct error *err)
{
        bool is_ipv6 = str_index(s->service_host, ':') >= 0;
        struct str dir = s->service_account_dir, namespace_file, token;
        int r;

        c->in_cluster = true;
        c->source = STR("in-cluster");
        c->server = arena_printf(&c->arena, is_ipv6 ? "https://[%.*s]:%.*s" : "https://%.*s:%.*s",
                                 STR_FMT(s->service_host), STR_FMT(s->service_port));
        c->token_file = arena_printf(&c->arena, "%.*s/token", STR_FMT(dir));
        c->ca_file = arena_printf(&c->arena, "%.*s/ca.crt", STR_FMT(dir));
        namespace_file = arena_printf(&c->arena, "%.*s/namespace", STR_FMT(dir));
        if (c->arena.failed)
                return error_set(err, -ENOMEM, "out of memory");
        r = kube_token_read(c->token_file, &c->arena, &token, err);
        if (r == 0)
                r = config_read_pem(&c->arena, c->ca_file, &c->ca_pem, err);
        if (r < 0) {
                error_prefix(err, "service account of this pod");
                return r;
        }
        if (read_namespace(namespace_file, c) < 0 || c->arena.failed)
                return error_set(err, -ENOMEM, "out of memory");
        return 0;
}

int kube_config_load_from(const struct kube_config_sources *s, struct kube_config *ret, struct error *err)
{
        bool explicit = s->path.data || !str_empty(s->kubeconfig), in_pod = false;
        struct kube_config c;
        int r = 0;

        begin(&c);
        if (!explicit)
                r = has_service_account(s, &c.arena, &in_pod);
        if (r < 0)
                r = error_set(err, r, "out of memory");
        else
                r = in_pod ? load_in_cluster(s, &c, err) : load_files(s, &c, err);
        return finish(&c, r, ret, err);
}

int kube_config_load(struct str path, struct kube_config *ret, struct error *err)
{
        struct kube_config_sources s = {
                .path = path,
                .kubeconfig = str_c(getenv("KUBECONFIG")),
                .home = str_c(getenv("HOME")),
                .service_host = str_c(getenv("KUBERNETES_SERVICE_HOST")),
                .service_port = str_c(getenv("KUBERNETES_SERVICE_PORT")),
                .service_account_dir = STR(SERVICE_ACCOUNT_DIR),
        };

        return kube_config_load_from(&s, ret, err);
}
