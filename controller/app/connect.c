/* SPDX-License-Identifier: Apache-2.0
 *
 * access.to: [{redis: NAME}]: the App's pods get what it takes to connect, as if the spec had
 * said so itself. From here on it is a part of the settings like any other: what changes in it
 * is followed as configReload says, and a revision that is gone back to has its own.
 *
 *      envFrom       REDIS_URL, REDIS_HOST …   of the first; first in the list, so that the
 *                    SESSIONS_URL …            App's own variables win
 *      configFiles   /etc/keelson/redis/NAME/ca.crt, with TLS
 *
 * Of several, each has variables of its own name; the first has REDIS_ as well, so that a
 * second one takes no name away.
 */
#include <ctype.h>
#include <errno.h>

#include "controller/app/app.h"
#include "controller/redis/connect.h"

static const struct str redis_prefix = STR_INIT("REDIS_");

/* "session-store" is SESSION_STORE_. */
static struct str prefix_of(struct str name, struct arena *a)
{
        struct str copy = arena_join(a, name, STR("_"));
        char *text = (char *)(uintptr_t)copy.data;

        for (size_t i = 0; text && i < copy.len; i++)
                text[i] = text[i] == '-' ? '_' : (char)toupper((unsigned char)text[i]);
        return copy;
}

static int add_variables(struct app_spec *spec, struct str redis, struct str prefix, struct arena *a)
{
        struct app_spec_env_from_secret_ref *ref = arena_new(a, struct app_spec_env_from_secret_ref);

        if (!ref)
                return -ENOMEM;
        ref->name = arena_join(a, redis, STR(REDIS_ENV_SUFFIX));
        spec->env_from.items[spec->env_from.n++] =
                (struct app_spec_env_from){ .prefix = prefix, .secret_ref = ref };
        return 0;
}

static int add_file(struct app_spec *spec, struct str redis, struct arena *a)
{
        struct app_spec_config_files_secret_ref *ref = arena_new(a, struct app_spec_config_files_secret_ref);
        struct app_spec_config_files_items *item = arena_new(a, struct app_spec_config_files_items);

        if (!ref || !item)
                return -ENOMEM;
        ref->name = arena_join(a, redis, STR(REDIS_APP_SUFFIX));
        *item = (struct app_spec_config_files_items){ .key = STR(REDIS_CA_FILE), .path = STR(REDIS_CA_FILE) };
        spec->config_files.items[spec->config_files.n++] = (struct app_spec_config_files){
                .secret_ref = ref,
                .mount_path = arena_join(a, STR(REDIS_FILES_DIR "/"), redis),
                .items = { .items = item, .n = 1 },
        };
        return 0;
}

size_t app_redis_of(const struct app_spec *spec, struct app_redis_use list[APP_REDIS_MAX])
{
        size_t n = 0;

        for (size_t i = 0; spec->access && i < spec->access->to.n && n < APP_REDIS_MAX; i++) {
                struct str name = spec->access->to.items[i].redis;
                bool known = !name.data;

                for (size_t k = 0; k < n; k++)
                        known |= str_eq(list[k].name, name);
                if (!known)
                        list[n++] = (struct app_redis_use){ name, i };
        }
        return n;
}

static bool has_tls(const struct object *redis)
{
        const struct redis_state *state = redis->state;

        return !state->spec || !state->spec->tls || !state->spec->tls->has_enabled ||
               state->spec->tls->enabled;
}

static void tell_missing(struct app_settings *s, const struct app_redis_use *use, struct arena *a)
{
        if (s->missing.path.data)
                return;
        s->missing = (struct problem){
                arena_printf(a, "spec.access.to[%zu].redis", use->place),
                arena_printf(a,
                             "there is no Redis \"%.*s\" in this namespace; make it, or take the entry out",
                             STR_FMT(use->name)),
        };
}

/* The lists with room for what comes; the App's own variables come last, its own files first. */
static int make_room(struct app_settings *s, size_t n, struct arena *a)
{
        struct app_spec *spec = &s->spec;
        struct app_spec_env_from *variables =
                arena_new_n(a, struct app_spec_env_from, spec->env_from.n + n + 1);
        struct app_spec_config_files *files =
                arena_new_n(a, struct app_spec_config_files, spec->config_files.n + n);

        if (!variables || !files)
                return -ENOMEM;
        if (spec->config_files.n)
                memcpy(files, spec->config_files.items, spec->config_files.n * sizeof(*files));
        spec->config_files.items = files;
        spec->env_from.items = variables;
        spec->env_from.n = 0;
        return 0;
}

int app_connect(const struct view *view, struct arena *a, struct app_settings *s)
{
        struct app_redis_use list[APP_REDIS_MAX];
        struct app_spec *spec = &s->spec;
        const struct app_spec own = *spec;
        size_t n = app_redis_of(&own, list);
        int r = n ? make_room(s, n, a) : 0;

        if (r == 0 && n > 0)
                r = add_variables(spec, list[0].name, redis_prefix, a);
        for (size_t i = 0; r == 0 && i < n; i++) {
                const struct object *redis = view_lookup(view, &app_redis_kind, list[i].name);

                if (!redis)
                        tell_missing(s, &list[i], a);
                if (n > 1)
                        r = add_variables(spec, list[i].name, prefix_of(list[i].name, a), a);
                if (r == 0 && redis && has_tls(redis))
                        r = add_file(spec, list[i].name, a);
        }
        if (r < 0 || n == 0)
                return r;
        s->n_connected = spec->env_from.n;
        if (own.env_from.n)
                memcpy(&spec->env_from.items[spec->env_from.n], own.env_from.items,
                       own.env_from.n * sizeof(*own.env_from.items));
        spec->env_from.n += own.env_from.n;
        s->n_own_files = own.config_files.n;
        return a->failed ? -ENOMEM : 0;
}
