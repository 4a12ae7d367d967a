/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/config_user.h"

#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "json/read.h"

/* Ways to log in that kubectl has or had and we have not. */
static const char *const unsupported[] = { "auth-provider", "username",  "password",     "as",
                                           "as-uid",        "as-groups", "as-user-extra" };

bool kube_token_is_valid(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if ((unsigned char)s.data[i] <= ' ' || (unsigned char)s.data[i] >= 0x7f)
                        return false;
        return s.len > 0;
}

int kube_token_read(struct str file, struct arena *a, struct str *ret, struct error *err)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(KUBE_TOKEN_BYTES_MAX);
        int r = file_read(file.data, &text);
        struct str token;

        if (r == -ENOMEM)
                return error_set(err, r, "out of memory");
        if (r < 0)
                return error_set(err, r, "cannot read the token file %s: %s", file.data, strerror(-r));
        token = str_trim(buf_str(&text));
        if (!kube_token_is_valid(token))
                return error_set(err, -EINVAL, "the token file %s does not hold a token", file.data);
        token = arena_str(a, token);
        if (!token.data)
                return error_set(err, -ENOMEM, "out of memory");
        *ret = token;
        return 0;
}

static int read_token(const struct config_at *at, struct kube_config *c)
{
        struct error why = ERROR_INIT;
        struct str token;
        int r = config_path(at, "tokenFile", &c->token_file);

        if (r < 0)
                return r;
        /* The file wins where both are there, as in client-go. */
        if (c->token_file.data) {
                r = kube_token_read(c->token_file, &c->arena, &token, &why);
                if (r == -ENOMEM)
                        return config_out_of_memory(at->files);
                return r < 0 ? config_fail(at, "tokenFile", r, "%s", why.message) : 0;
        }
        r = config_str(at, "token", &c->token);
        if (r == 0 && c->token.data && !kube_token_is_valid(c->token))
                return config_fail(at, "token", -EINVAL,
                                   "must not have spaces, line breaks or other control characters");
        return r;
}

static int read_certificate(const struct config_at *at, struct kube_config *c)
{
        int r = config_pem(at, "client-certificate", &c->client_cert_pem, &c->client_cert_file);

        if (r == 0)
                r = config_pem(at, "client-key", &c->client_key_pem, &c->client_key_file);
        if (r < 0)
                return r;
        if (c->client_cert_pem.data && !c->client_key_pem.data)
                return config_fail(at, "client-key", -EINVAL, "not set, but there is a client-certificate");
        if (!c->client_cert_pem.data && c->client_key_pem.data)
                return config_fail(at, "client-certificate", -EINVAL, "not set, but there is a client-key");
        return 0;
}

/* --- exec plugins ------------------------------------------------------------- */

/* The list's members, and room for as many of SIZE bytes. */
static int list_of(const struct config_at *at, const char *key, struct arena *a, size_t size,
                   yyjson_arr_iter *ret, void **ret_room)
{
        yyjson_val *list = yyjson_obj_get(at->value, key);
        size_t n = yyjson_arr_size(list);

        if (list && !yyjson_is_null(list) && !yyjson_is_arr(list))
                return config_fail(at, key, -EINVAL, "must be a list");
        if (n > KUBE_EXEC_ARGS_MAX)
                return config_fail(at, key, -EINVAL, "must not have more than %d entries",
                                   KUBE_EXEC_ARGS_MAX);
        *ret = yyjson_arr_iter_with(list);
        *ret_room = arena_alloc_n(a, n, size);
        return *ret_room ? 0 : config_out_of_memory(at->files);
}

static int read_args(const struct config_at *at, struct kube_exec *exec, struct arena *a)
{
        yyjson_arr_iter it;
        yyjson_val *one;
        void *room;
        int r = list_of(at, "args", a, sizeof(*exec->args), &it, &room);

        if (r < 0)
                return r;
        exec->args = room;
        while ((one = yyjson_arr_iter_next(&it))) {
                struct str arg = json_val_str(one);

                if (!arg.data || memchr(arg.data, '\0', arg.len))
                        return config_fail(at, "args", -EINVAL,
                                           "entry %zu must be a string; put it in quotes", exec->n_args);
                arg = arena_str(a, arg);
                if (!arg.data)
                        return config_out_of_memory(at->files);
                exec->args[exec->n_args++] = arg;
        }
        return 0;
}

static int read_env(const struct config_at *at, struct kube_exec *exec, struct arena *a)
{
        yyjson_arr_iter it;
        yyjson_val *one;
        void *room;
        int r = list_of(at, "env", a, sizeof(*exec->env), &it, &room);

        if (r < 0)
                return r;
        exec->env = room;
        while ((one = yyjson_arr_iter_next(&it))) {
                struct config_at entry = { .files = at->files, .file = at->file, .value = one };
                struct kube_exec_env *env = &exec->env[exec->n_env];

                (void)snprintf(entry.path, sizeof(entry.path), "%.100s.env[%zu]", at->path, exec->n_env++);
                r = config_str(&entry, "name", &env->name);
                if (r == 0)
                        r = config_str(&entry, "value", &env->value);
                if (r < 0)
                        return r;
                if (!env->name.data || str_index(env->name, '=') >= 0)
                        return config_fail(&entry, "name", -EINVAL,
                                           "must be the name of a variable, without a \"=\"");
                if (!env->value.data)
                        env->value = STR("");
        }
        return 0;
}

static int read_exec_words(const struct config_at *at, struct kube_exec *exec)
{
        int r = config_str(at, "apiVersion", &exec->api_version);

        if (r == 0)
                r = config_str(at, "command", &exec->command);
        /* A name without a slash is looked for in PATH. */
        if (r == 0 && str_index(exec->command, '/') >= 0)
                r = config_path(at, "command", &exec->command);
        if (r == 0)
                r = config_str(at, "installHint", &exec->install_hint);
        if (r == 0)
                r = config_str(at, "interactiveMode", &exec->interactive_mode);
        if (r == 0)
                r = config_bool(at, "provideClusterInfo", &exec->provide_cluster_info);
        return r;
}

static int check_exec(const struct config_at *at, const struct kube_exec *exec)
{
        if (!str_eq_c(exec->api_version, "client.authentication.k8s.io/v1") &&
            !str_eq_c(exec->api_version, "client.authentication.k8s.io/v1beta1"))
                return config_fail(at, "apiVersion", -EINVAL,
                                   "must be client.authentication.k8s.io/v1 (or v1beta1), not \"%.*s\"",
                                   STR_FMT(exec->api_version));
        if (!exec->command.data)
                return config_fail(at, "command", -EINVAL, "not set: it must be the program to run");
        if (str_eq_c(exec->interactive_mode, "Always"))
                return config_fail(at, "interactiveMode", -EINVAL,
                                   "is Always, but there is no terminal at which the program could ask "
                                   "somebody: use a token or a client certificate");
        if (exec->interactive_mode.data && !str_eq_c(exec->interactive_mode, "Never") &&
            !str_eq_c(exec->interactive_mode, "IfAvailable"))
                return config_fail(at, "interactiveMode", -EINVAL, "must be Never, IfAvailable or Always");
        return 0;
}

static int read_exec(const struct config_at *user, struct kube_config *c)
{
        struct config_at at = { .files = user->files, .file = user->file };
        int r;

        at.value = yyjson_obj_get(user->value, "exec");
        if (!at.value || yyjson_is_null(at.value))
                return 0;
        if (!yyjson_is_obj(at.value))
                return config_fail(user, "exec", -EINVAL, "must be an object");
        (void)snprintf(at.path, sizeof(at.path), "%.140s.exec", user->path);
        c->exec = arena_new(&c->arena, struct kube_exec);
        if (!c->exec)
                return config_out_of_memory(user->files);
        r = read_exec_words(&at, c->exec);
        if (r == 0)
                r = check_exec(&at, c->exec);
        if (r == 0)
                r = read_args(&at, c->exec, &c->arena);
        if (r == 0)
                r = read_env(&at, c->exec, &c->arena);
        return r;
}

int config_read_user(const struct config_at *at, struct kube_config *c)
{
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
                yyjson_val *v = yyjson_obj_get(at->value, unsupported[i]);

                if (v && !yyjson_is_null(v))
                        return config_fail(
                                at, unsupported[i], -EINVAL,
                                "not supported: use a token, a client certificate or an exec plugin");
        }
        r = read_certificate(at, c);
        if (r == 0)
                r = read_token(at, c);
        if (r == 0)
                r = read_exec(at, c);
        return r;
}
