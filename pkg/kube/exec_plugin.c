/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/exec_plugin.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define ENVIRONMENT_MAX ((size_t)4 * 1024 * 1024)
#define INFO_NAME "KUBERNETES_EXEC_INFO"

void exec_plugin_init(struct exec_plugin *p, struct loop *l, const struct kube_config *config,
                      exec_plugin_done_fn *done, void *arg)
{
        *p = (struct exec_plugin){
                .loop = l, .config = config, .done = done, .arg = arg, .timeout = EXEC_PLUGIN_TIMEOUT
        };
        buf_init(&p->out, EXEC_CREDENTIAL_MAX);
        buf_init(&p->complaint, EXEC_PLUGIN_COMPLAINT_MAX);
}

void exec_plugin_release(struct exec_plugin *p)
{
        child_free(p->child);
        p->child = NULL;
        buf_release(&p->out);
        buf_release(&p->complaint);
}

bool exec_plugin_is_running(const struct exec_plugin *p)
{
        return p->child != NULL;
}

/* --- what it is started with ---------------------------------------------------- */

static const char *const *make_argv(const struct kube_exec *exec, struct arena *a)
{
        const char **argv = arena_new_n(a, const char *, exec->n_args + 2);

        if (!argv)
                return NULL;
        argv[0] = exec->command.data;
        for (size_t i = 0; i < exec->n_args; i++)
                argv[i + 1] = exec->args[i].data;
        return argv;
}

static bool names(const char *assignment, struct str name)
{
        return strncmp(assignment, name.data, name.len) == 0 && assignment[name.len] == '=';
}

/* Whether a variable of ours has another value for the plugin. */
static bool is_replaced(const struct kube_exec *exec, const char *assignment)
{
        if (names(assignment, STR(INFO_NAME)))
                return true;
        for (size_t i = 0; i < exec->n_env; i++)
                if (names(assignment, exec->env[i].name))
                        return true;
        return false;
}

static const char *assign(struct arena *a, struct str name, struct str value)
{
        return arena_printf(a, "%.*s=%.*s", STR_FMT(name), STR_FMT(value)).data;
}

/* A failure shows in the arena. */
static const char *const *make_env(const struct kube_config *config, struct arena *a)
{
        _cleanup_(buf_release) struct buf info = BUF_INIT(EXEC_INFO_MAX);
        const struct kube_exec *exec = config->exec;
        size_t n = 0;
        const char **env;

        while (environ && environ[n])
                n++;
        env = arena_new_n(a, const char *, n + exec->n_env + 2);
        if (!env)
                return NULL;
        n = 0;
        for (char **ours = environ; ours && *ours; ours++)
                if (!is_replaced(exec, *ours))
                        env[n++] = *ours;
        for (size_t i = 0; i < exec->n_env; i++)
                env[n++] = assign(a, exec->env[i].name, exec->env[i].value);
        exec_info_write(&info, config);
        a->failed |= buf_error(&info) != 0;
        env[n] = assign(a, STR(INFO_NAME), buf_str(&info));
        return env;
}

/* --- what went wrong ------------------------------------------------------------ */

/* Without its folder. */
static struct str name_of(const struct kube_exec *exec)
{
        struct str name = exec->command;

        while (str_index(name, '/') >= 0)
                (void)str_cut(name, '/', &(struct str){ 0 }, &name);
        return name;
}

/* "exec plugin NAME: …" or "exec plugin NAME exited …", in one line. */
static int fail(const struct exec_plugin *p, struct error *err, const char *what)
{
        error_set(err, -ENOKEY, "exec plugin %.*s%s", STR_FMT(name_of(p->config->exec)), what);
        for (char *at = err ? err->message : NULL; at && *at; at++)
                if ((unsigned char)*at < ' ' || *at == 0x7f)
                        *at = ' ';
        return -ENOKEY;
}

static int cannot_start(const struct exec_plugin *p, int code, struct error *err)
{
        struct str hint = p->config->exec->install_hint;
        char what[512];

        if (code == -ENOENT)
                (void)snprintf(what, sizeof(what), ": command not found%s%.*s", hint.data ? "; " : "",
                               STR_FMT(str_trim(hint)));
        else
                (void)snprintf(what, sizeof(what), ": it cannot be started: %s", strerror(-code));
        return fail(p, err, what);
}

/* What it wrote to its standard error, white space as single blanks. */
static void squeeze(struct buf *text)
{
        size_t n = 0;

        for (size_t i = 0; i < text->len; i++) {
                bool blank = (unsigned char)text->data[i] <= ' ';

                if (!blank)
                        text->data[n++] = text->data[i];
                else if (n && text->data[n - 1] != ' ')
                        text->data[n++] = ' ';
        }
        while (n && text->data[n - 1] == ' ')
                n--;
        text->len = n;
}

static void explain(struct exec_plugin *p, const struct child_result *result, struct error *err)
{
        char what[EXEC_PLUGIN_COMPLAINT_MAX + 64];
        size_t n;

        squeeze(&p->complaint);
        if (result->timed_out)
                n = (size_t)snprintf(what, sizeof(what), " did not end within %lld s",
                                     (long long)(p->timeout / USEC_SEC));
        else if (result->signal)
                n = (size_t)snprintf(what, sizeof(what), " was ended by signal %d", result->signal);
        else
                n = (size_t)snprintf(what, sizeof(what), " exited with %d", result->exit_code);
        if (p->complaint.len)
                (void)snprintf(what + n, sizeof(what) - n, ": %.*s", STR_FMT(buf_str(&p->complaint)));
        (void)fail(p, err, what);
}

/* --- its life ------------------------------------------------------------------- */

static void end(struct exec_plugin *p, struct exec_credential *credential, const struct error *err)
{
        p->child = NULL;
        buf_release(&p->out); /* it is a secret */
        p->done(credential, err, p->arg);
}

static void on_output(struct child *c, enum child_stream stream, struct str data, void *arg)
{
        struct exec_plugin *p = arg;
        struct error err = ERROR_INIT;

        if (stream == CHILD_STDERR) {
                (void)buf_add(&p->complaint, data.data, MIN(data.len, p->complaint.cap - p->complaint.len));
                return;
        }
        if (buf_add_str(&p->out, data) == 0)
                return;
        (void)fail(p, &err, buf_error(&p->out) == -EMSGSIZE ? " printed more than 1 MiB" : ": out of memory");
        child_free(c);
        end(p, NULL, &err);
}

static void on_end(struct child *c _unused_, const struct child_result *result, void *arg)
{
        struct exec_plugin *p = arg;
        struct exec_credential credential;
        struct error err = ERROR_INIT;

        if (result->timed_out || result->signal || result->exit_code != 0) {
                explain(p, result, &err);
                end(p, NULL, &err);
                return;
        }
        if (exec_credential_parse(buf_str(&p->out), p->config->exec, &credential, &err) < 0) {
                error_prefix(&err, "exec plugin %.*s", STR_FMT(name_of(p->config->exec)));
                err.code = -ENOKEY;
                end(p, NULL, &err);
                return;
        }
        end(p, &credential, NULL);
}

int exec_plugin_start(struct exec_plugin *p, struct error *err)
{
        struct child_handlers handlers = { .on_output = on_output, .done = on_end, .arg = p };
        struct arena scratch = ARENA_INIT(ENVIRONMENT_MAX);
        struct child_config config = {
                .argv = make_argv(p->config->exec, &scratch),
                .env = make_env(p->config, &scratch),
                .out = CHILD_PIPE,
                .err = CHILD_PIPE,
                .timeout = p->timeout,
        };
        int r = -ENOMEM;

        buf_clear(&p->out);
        buf_clear(&p->complaint);
        if (!scratch.failed)
                r = child_start(p->loop, &config, &handlers, &p->child, NULL);
        arena_release(&scratch);
        return r < 0 ? cannot_start(p, r, err) : 0;
}
