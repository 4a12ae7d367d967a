/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/app/config.h"

#include <ctype.h>
#include <errno.h>

#include "controller/app/children.h"
#include "controller/redis/connect.h"
#include "crypto/digest.h"

#define NAME_MAX_LEN ((size_t)253)
#define HASH_BYTES ((size_t)5)
#define CHANGES_TOLD_MAX ((size_t)512)

/* One mention of a Secret or ConfigMap in a spec. */
struct mention {
        bool secret;
        struct str name;
        struct str path;                           /* of the reference */
        bool connection;                           /* by app_connect */
        const struct app_spec_env_from *variables; /* or */
        const struct app_spec_config_files *files;
};

/* The I-th, first of envFrom, then of configFiles. */
static bool mention_at(const struct app_spec *spec, size_t i, struct mention *ret)
{
        *ret = (struct mention){ 0 };
        if (i < spec->env_from.n) {
                const struct app_spec_env_from *from = &spec->env_from.items[i];

                ret->variables = from;
                ret->secret = from->secret_ref != NULL;
                ret->name = ret->secret            ? from->secret_ref->name
                            : from->config_map_ref ? from->config_map_ref->name
                                                   : STR_NULL;
                return true;
        }
        i -= spec->env_from.n;
        if (i < spec->config_files.n) {
                const struct app_spec_config_files *files = &spec->config_files.items[i];

                ret->files = files;
                ret->secret = files->secret_ref != NULL;
                ret->name = ret->secret             ? files->secret_ref->name
                            : files->config_map_ref ? files->config_map_ref->name
                                                    : STR_NULL;
                return true;
        }
        return false;
}

/* Not by the spec itself, but by app_connect. */
static bool is_connection(const struct app_settings *s, size_t i)
{
        return i < s->n_connected || i >= s->spec.env_from.n + s->n_own_files;
}

static struct str path_of(const struct app_settings *s, size_t i, const struct mention *m, struct arena *a)
{
        const struct app_spec *spec = &s->spec;

        if (is_connection(s, i))
                return STR("spec.access.to");
        return arena_printf(a, "spec.%s[%zu].%s.name", m->variables ? "envFrom" : "configFiles",
                            m->variables ? i - s->n_connected : i - spec->env_from.n,
                            m->secret ? "secretRef" : "configMapRef");
}

static bool is_followed(const struct app_spec *spec)
{
        return !str_eq(spec->config_reload, STR("None"));
}

/* Variables never change in a running process, so whatever is one of them is
 * followed by a rollout although files are not. */
static bool is_copied(const struct app_spec *spec, const struct mention *m)
{
        return m->variables || !str_eq(spec->config_reload, STR("Signal"));
}

static const struct cache_kind *source_kind(bool secret)
{
        return secret ? &app_secret_source_kind : &app_configmap_source_kind;
}

static const struct cache_kind *copy_kind(bool secret)
{
        return secret ? &app_secret_kind : &app_configmap_kind;
}

size_t app_config_references(const struct app_spec *spec, struct arena *a,
                             struct reference list[REFERENCES_MAX])
{
        struct app_redis_use redis[APP_REDIS_MAX];
        size_t n = 0, n_redis = app_redis_of(spec, redis);
        struct mention m;

        if (!is_followed(spec))
                return 0;
        for (size_t i = 0; i < APP_CONFIG_MAX && mention_at(spec, i, &m); i++)
                if (m.name.data)
                        list[n++] = (struct reference){ source_kind(m.secret), m.name };
        for (size_t i = 0; i < n_redis; i++) {
                list[n++] = (struct reference){ source_kind(true),
                                                arena_join(a, redis[i].name, STR(REDIS_ENV_SUFFIX)) };
                list[n++] = (struct reference){ source_kind(true),
                                                arena_join(a, redis[i].name, STR(REDIS_APP_SUFFIX)) };
        }
        return n;
}

/* --- hashes ---------------------------------------------------------------------- */

/* Of this App's copy: the App's UID goes in, or whoever sees the name of a copy
 * could tell by it that two Apps share a password. */
static struct str hash_of(const struct view *view, const struct mention *m, const struct config_state *state,
                          struct arena *a)
{
        char uid_text[UUID_TEXT];
        const struct str uid = object_uid(view->self, uid_text);
        struct str text =
                arena_printf(a, "%.*s/%s/%.*s/%.*s", STR_FMT(uid), m->secret ? "Secret" : "ConfigMap",
                             STR_FMT(m->name), STR_FMT(state->digest));

        return digest_hex(text, HASH_BYTES, a);
}

static struct str copy_name(const struct view *view, struct str source, struct str hash, struct arena *a)
{
        size_t room = NAME_MAX_LEN - view->self->name.len - hash.len - 2;

        source.len = MIN(source.len, room);
        /* A name must not have "." and "-" side by side. */
        while (source.len && !isalnum((unsigned char)source.data[source.len - 1]))
                source.len--;
        return arena_printf(a, "%.*s-%.*s-%.*s", STR_FMT(view->self->name), STR_FMT(source), STR_FMT(hash));
}

/* --- what changed ------------------------------------------------------------------- */

/* Likely near HINT, for the API server sorts keys; there it is left. */
static const struct config_state_entries *find_entry_near(const struct config_state *state, struct str key,
                                                          size_t *hint)
{
        size_t n = state->entries.n;

        for (size_t i = 0; i < n; i++) {
                size_t at = (*hint + i) % n;

                if (!str_eq(state->entries.items[at].key, key))
                        continue;
                *hint = at + 1;
                return &state->entries.items[at];
        }
        return NULL;
}

static const struct config_state_entries *find_entry(const struct config_state *state, struct str key)
{
        size_t hint = 0;

        return find_entry_near(state, key, &hint);
}

/* No more than is told: there may be tens of thousands. */
static bool is_told(const struct buf *out)
{
        return buf_str(out).len >= CHANGES_TOLD_MAX;
}

static void tell_keys(const struct config_state *from, const struct config_state *to, struct buf *out)
{
        size_t hint = 0;

        for (size_t i = 0; i < to->entries.n && !is_told(out); i++) {
                const struct config_state_entries *now = &to->entries.items[i];
                const struct config_state_entries *was = find_entry_near(from, now->key, &hint);

                if (!was || was->hash != now->hash)
                        buf_printf(out, ", key %.*s %s", STR_FMT(now->key), was ? "changed" : "added");
        }
        hint = 0;
        for (size_t i = 0; i < from->entries.n && !is_told(out); i++)
                if (!find_entry_near(to, from->entries.items[i].key, &hint))
                        buf_printf(out, ", key %.*s removed", STR_FMT(from->entries.items[i].key));
}

static struct str hash_before(const struct view *view, const struct app_config_ref *ref)
{
        const struct app *app = view->self->state;

        for (size_t i = 0; app->status && i < app->status->config.n; i++) {
                const struct app_status_config *was = &app->status->config.items[i];

                if (str_eq(was->name, ref->name) && str_eq_c(was->kind, ref->secret ? "Secret" : "ConfigMap"))
                        return was->hash;
        }
        return STR_NULL;
}

/* Which keys, and hashes; never values. The copy of before knows what was. */
static void tell_change(const struct view *view, struct plan *plan, const struct app_config_ref *ref,
                        const struct config_state *now)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(64 * 1024);
        struct str was = hash_before(view, ref);
        const struct object *copy;

        if (!was.data || str_eq(was, ref->hash))
                return;
        buf_printf(&out, "%s %.*s changed from %.*s to %.*s", ref->secret ? "Secret" : "ConfigMap",
                   STR_FMT(ref->name), STR_FMT(was), STR_FMT(ref->hash));
        copy = view_child(view, copy_kind(ref->secret), copy_name(view, ref->name, was, plan->arena));
        if (!ref->copy.data)
                buf_add_c(&out, "; its files change in the running pods, and the program gets SIGHUP");
        else if (copy)
                tell_keys(copy->state, now, &out);
        if (buf_error(&out) == 0)
                plan_event(plan, false, STR("ConfigChanged"),
                           str_n(out.data, MIN(buf_str(&out).len, CHANGES_TOLD_MAX)));
}

/* --- resolving ---------------------------------------------------------------------- */

static void go_wrong(struct app_config *c, struct str reason, struct str path, struct str message)
{
        if (c->phase == APP_CONFIG_WRONG)
                return;
        c->phase = APP_CONFIG_WRONG;
        c->reason = reason;
        c->problem = (struct problem){ path, message };
}

static bool is_variable(struct str prefix, struct str key)
{
        return !str_empty(prefix) || !isdigit((unsigned char)key.data[0]);
}

/* Can the pods use it in the way that they are to? */
static void check(struct app_config *c, const struct mention *m, const struct config_state *state,
                  struct arena *a)
{
        const char *kind = m->secret ? "Secret" : "ConfigMap";

        if (state->problem.data)
                go_wrong(c, STR("InvalidConfig"), m->path,
                         arena_printf(a, "%s \"%.*s\": %.*s; correct it, what runs goes on as it was", kind,
                                      STR_FMT(m->name), STR_FMT(state->problem)));
        for (size_t i = 0; m->variables && i < state->entries.n; i++)
                if (!is_variable(m->variables->prefix, state->entries.items[i].key))
                        go_wrong(c, STR("InvalidConfig"), m->path,
                                 arena_printf(
                                         a,
                                         "%s \"%.*s\" has the key \"%.*s\", which begins with a digit and "
                                         "cannot be a variable: rename it, or set a prefix",
                                         kind, STR_FMT(m->name), STR_FMT(state->entries.items[i].key)));
        for (size_t i = 0; m->files && i < m->files->items.n; i++)
                if (!find_entry(state, m->files->items.items[i].key))
                        go_wrong(c, STR("InvalidConfig"), m->path,
                                 arena_printf(a, "%s \"%.*s\" has no key \"%.*s\", which items names", kind,
                                              STR_FMT(m->name), STR_FMT(m->files->items.items[i].key)));
}

static bool is_known(const struct app_config *c, const struct mention *m)
{
        for (size_t i = 0; i < c->n; i++)
                if (c->refs[i].secret == m->secret && str_eq(c->refs[i].name, m->name))
                        return true;
        return false;
}

/* The Redis's controller makes it, mostly a moment later. */
static void tell_no_secret(struct app_config *c, const struct mention *m, struct arena *a)
{
        go_wrong(c, STR("ConfigNotFound"), m->path,
                 arena_printf(a,
                              "Secret \"%.*s\" is not there yet: its Redis has it made (noticed within a "
                              "minute); if it does not come, see what the Redis says",
                              STR_FMT(m->name)));
}

static void resolve(const struct view *view, struct plan *plan, const struct mention *m, bool copied,
                    struct app_config *c)
{
        const struct object *source = NULL;
        struct app_config_ref ref = { .secret = m->secret, .name = m->name };

        switch (view_read(view, plan, source_kind(m->secret), m->name, VIEW_READ_AGE, &source)) {
        case READING_UNKNOWN:
                if (c->phase == APP_CONFIG_READY)
                        c->phase = APP_CONFIG_READING;
                return;
        case READING_ABSENT:
                if (m->connection) {
                        tell_no_secret(c, m, plan->arena);
                        return;
                }
                go_wrong(c, STR("ConfigNotFound"), m->path,
                         arena_printf(plan->arena,
                                      "%s \"%.*s\" does not exist in this namespace: make it (noticed "
                                      "within a minute), or name another",
                                      m->secret ? "Secret" : "ConfigMap", STR_FMT(m->name)));
                return;
        case READING_PRESENT:
                break;
        }
        check(c, m, source->state, plan->arena);
        if (is_known(c, m))
                return; /* if it is copied at all, then as a variable, and those come first */
        ref.hash = hash_of(view, m, source->state, plan->arena);
        if (copied)
                ref.copy = copy_name(view, m->name, ref.hash, plan->arena);
        c->sources[c->n] = source;
        c->refs[c->n++] = ref;
}

int app_config_resolve(const struct view *view, const struct app_settings *settings, struct plan *plan,
                       struct app_config *ret)
{
        const struct app_spec *spec = &settings->spec;
        struct mention m;

        *ret = (struct app_config){ .phase = APP_CONFIG_READY };
        if (settings->missing.path.data)
                go_wrong(ret, STR("RedisNotFound"), settings->missing.path, settings->missing.message);
        if (!is_followed(spec))
                return 0;
        for (size_t i = 0; i < APP_CONFIG_MAX && mention_at(spec, i, &m); i++) {
                if (!m.name.data)
                        continue; /* admitted by an API server without our rules; the Deployment will say */
                m.connection = is_connection(settings, i);
                m.path = path_of(settings, i, &m, plan->arena);
                resolve(view, plan, &m, is_copied(spec, &m), ret);
        }
        for (size_t i = 0; ret->phase == APP_CONFIG_READY && i < ret->n; i++)
                tell_change(view, plan, &ret->refs[i], ret->sources[i]->state);
        return plan->arena->failed ? -ENOMEM : plan->error;
}

/* --- copies ---------------------------------------------------------------------------- */

static bool is_remembered(const struct view *view, struct str copy)
{
        const struct app *app = view->self->state;

        return app->status && str_is_one_of(copy, app->status->copies.items, app->status->copies.n);
}

static int plan_one(const struct view *view, const struct app_config_ref *ref, const struct object *source,
                    struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(CHILD_BYTES_MAX);
        struct child_meta child = app_child_meta(view, plan->arena);
        struct app_copy_params params = {
                .kind = ref->secret ? STR("Secret") : STR("ConfigMap"),
                .name = ref->copy,
                .namespace = child.namespace,
                .labels = child.labels,
                .source = ref->name,
                .owner = child.owner,
        };
        int r = app_render_copy(&json, &params);

        if (r < 0)
                return r;
        plan_copy(plan, copy_kind(ref->secret), ref->copy, buf_str(&json), source);
        return plan->error;
}

/* After a start nothing is known of a Secret's copy, not even whether it is there. */
static bool is_unknown(const struct view *view, const struct app_config_ref *ref)
{
        return ref->secret &&
               cache_read_at(view->cache, copy_kind(true), view->self->namespace, ref->copy) == 0;
}

/* One that is made and not recorded would stay for ever. */
static bool is_crowded(const struct view *view, const struct app_config *config)
{
        const struct app *app = view->self->state;
        size_t n_new = 0;

        for (size_t i = 0; i < config->n; i++)
                n_new += config->refs[i].secret && config->refs[i].copy.data &&
                         !is_remembered(view, config->refs[i].copy);
        return n_new > 0 && app->status && app->status->copies.n + n_new > APP_COPIES_MAX;
}

static void go_crowded(const struct view *view, struct app_config *config, struct arena *a)
{
        const struct app *app = view->self->state;

        config->crowded = true;
        config->copied = false;
        go_wrong(
                config, STR("TooManyCopies"), STR("spec.revisionHistoryLimit"),
                arena_printf(a,
                             "%zu copies of Secrets are kept for earlier revisions and their pods, and there "
                             "may be %d; lower it, or name fewer Secrets",
                             app->status->copies.n, APP_COPIES_MAX));
}

int app_config_plan(const struct view *view, struct app_config *config, struct plan *plan)
{
        config->copied = config->phase == APP_CONFIG_READY;
        if (!config->copied)
                return 0; /* nor does the status name any before all is known */
        if (is_crowded(view, config)) {
                go_crowded(view, config, plan->arena);
                return 0;
        }
        for (size_t i = 0; i < config->n; i++) {
                const struct app_config_ref *ref = &config->refs[i];
                int r;

                if (!ref->copy.data)
                        continue;
                config->copied &= view_child(view, copy_kind(ref->secret), ref->copy) != NULL;
                if (ref->secret && !is_remembered(view, ref->copy)) {
                        plan_wake(plan, view->now); /* the status is written first */
                        continue;
                }
                if (config->phase == APP_CONFIG_READY && is_unknown(view, ref))
                        config->phase = APP_CONFIG_READING;
                r = plan_one(view, ref, config->sources[i], plan);
                if (r < 0)
                        return r;
        }
        return 0;
}
