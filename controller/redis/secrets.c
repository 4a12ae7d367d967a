/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Secrets of a Redis hold:
 *
 *      NAME-app     host, port, username, password, uri, ca.crt       for applications
 *      NAME-env     URL, HOST, PORT, USERNAME, PASSWORD, CA_FILE      the same, as variables
 *      NAME-agent   config.json, which the agents watch; state.json, what we remember
 *      NAME-ca      ca.crt, ca.key, previous.crt                      for us alone
 *      NAME-tls     ca.crt, tls.crt, tls.key                          for the members
 *
 * What stands in them is what counts: a password that is there is kept. config.c writes
 * config.json.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "base/base64.h"
#include "controller/redis/redis.h"
#include "crypto/digest.h"
#include "json/read.h"
#include "redis_templates.gen.h"

#define PASSWORD_BYTES ((size_t)24)
#define PURPOSE_MAX 32

/* --- reading --------------------------------------------------------------------------- */

/* A key of the Secret, decoded; absent where it is not there or is no base64. */
static struct str item(const struct object *secret, struct str key, struct arena *a)
{
        const struct secret_state *state = secret ? secret->state : NULL;
        struct str text = state ? schema_map_get(&state->data, key) : STR_NULL;
        size_t len;
        char *out;

        if (!text.data)
                return STR_NULL;
        out = arena_alloc(a, BASE64_DECODED_MAX(text.len));
        if (!out || base64_decode(text, out, &len) < 0)
                return STR_NULL;
        return str_n(out, len);
}

static void read_passwords(yyjson_val *user, struct redis_intent *told)
{
        yyjson_val *list = yyjson_obj_get(user, "passwords"), *v;
        bool clients = str_eq_c(json_get_str(user, "name"), "default");
        size_t i, n;

        yyjson_arr_foreach (list, i, n, v) {
                if (!clients)
                        told->replication = json_val_str(v);
                else if (told->n_passwords < REDIS_PASSWORDS_MAX)
                        told->passwords[told->n_passwords++] = json_val_str(v);
        }
}

static void read_config(yyjson_val *root, struct redis_intent *told)
{
        yyjson_val *handover = yyjson_obj_get(root, "handover"), *consent = yyjson_obj_get(root, "consent");
        yyjson_val *fenced = yyjson_obj_get(root, "fenced"), *users = json_get_path(root, "/redis/users"), *v;
        size_t i, n;

        told->version = json_get_str(root, "version");
        told->members = json_get_int(root, "members", 0);
        told->handover = json_get_int(handover, "number", 0);
        told->handover_to = (int)json_get_int(handover, "to", FAILOVER_NOBODY);
        told->consent = json_get_int(consent, "number", 0);
        told->consent_member = (int)json_get_int(consent, "member", FAILOVER_NOBODY);
        yyjson_arr_foreach (fenced, i, n, v)
                if (yyjson_is_int(v) && yyjson_get_sint(v) >= 0 && yyjson_get_sint(v) < FAILOVER_MEMBERS_MAX)
                        told->fenced |= failover_only((int)yyjson_get_sint(v));
        yyjson_arr_foreach (users, i, n, v)
                read_passwords(v, told);
}

static void read_state(yyjson_val *root, struct redis_intent *told)
{
        told->handover_done = json_get_str(root, "handover");
        told->promote_done = json_get_str(root, "promote");
        told->rotate_done = json_get_str(root, "rotate");
        told->rotation = json_get_str(root, "rotation");
        told->lease_gone = json_get_int(root, "leaseGone", 0) * USEC_SEC;
        told->since = json_get_int(root, "since", 0) * USEC_SEC;
        told->asked = json_get_int(root, "asked", 0) * USEC_SEC;
}

/* *RET is NULL for what is no JSON: somebody broke it, and it is written anew. */
static int parse(struct str text, struct arena *a, yyjson_val **ret)
{
        struct error err = ERROR_INIT;
        yyjson_doc *doc = NULL;
        int r = text.data ? json_parse_arena(text, a, &doc, &err) : -EINVAL;

        *ret = r == 0 ? yyjson_doc_get_root(doc) : NULL;
        return r == -ENOMEM || r == -EMSGSIZE ? -ENOMEM : 0;
}

static int read_told(const struct object *secret, struct arena *a, struct redis_secrets *s)
{
        yyjson_val *config, *state;

        s->told.handover_to = s->told.consent_member = FAILOVER_NOBODY;
        if (parse(item(secret, STR("config.json"), a), a, &config) < 0 ||
            parse(item(secret, STR("state.json"), a), a, &state) < 0)
                return -ENOMEM;
        if (config)
                read_config(config, &s->told);
        if (state)
                read_state(state, &s->told);
        s->has_told = config != NULL;
        return 0;
}

/* One that is another's is not looked into; it is a conflict, which the apply finds. */
static bool read_one(const struct view *view, struct plan *plan, const char *suffix,
                     const struct object **ret)
{
        struct str name = arena_join(plan->arena, view->self->name, str_c(suffix));
        const struct object *o;
        usec_t age = REDIS_READ_AGE;

        *ret = name.data ? view_child(view, &redis_secret_kind, name) : NULL;
        if (name.data && !*ret)
                age = REDIS_FOREIGN_AGE;
        return name.data && view_read(view, plan, &redis_secret_kind, name, age, &o) != READING_UNKNOWN;
}

int redis_read_secrets(const struct view *view, struct plan *plan, struct redis_secrets *ret)
{
        struct arena *a = plan->arena;
        const struct object *app, *env, *agent, *ca, *tls;
        bool known = read_one(view, plan, REDIS_APP_SUFFIX, &app);

        known &= read_one(view, plan, REDIS_ENV_SUFFIX, &env);
        known &= read_one(view, plan, "-agent", &agent);
        known &= read_one(view, plan, "-ca", &ca);
        known &= read_one(view, plan, "-tls", &tls);
        *ret = (struct redis_secrets){
                .known = known,
                .password = item(app, STR("password"), a),
                .ca_crt = item(ca, STR("ca.crt"), a),
                .ca_key = item(ca, STR("ca.key"), a),
                .previous_crt = item(ca, STR("previous.crt"), a),
                .trusted_crt = item(tls, STR("ca.crt"), a),
                .tls_crt = item(tls, STR("tls.crt"), a),
                .tls_key = item(tls, STR("tls.key"), a),
        };
        if (read_told(agent, a, ret) < 0 || a->failed)
                return -ENOMEM;
        return plan->error;
}

/* --- passwords --------------------------------------------------------------------------- */

struct str redis_new_password(const struct view *view, const char *what, struct arena *a)
{
        char in[VIEW_RANDOM_BYTES + PURPOSE_MAX] = { 0 };

        memcpy(in, view->random, VIEW_RANDOM_BYTES);
        for (size_t i = 0; what[i] && i < PURPOSE_MAX; i++)
                in[VIEW_RANDOM_BYTES + i] = what[i];
        return digest_hex(str_n(in, sizeof(in)), PASSWORD_BYTES, a);
}

static struct str state_json(const struct redis_intent *i, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_object(&w);
        if (!str_empty(i->handover_done))
                json_put_str(&w, "handover", i->handover_done);
        if (!str_empty(i->promote_done))
                json_put_str(&w, "promote", i->promote_done);
        if (!str_empty(i->rotate_done))
                json_put_str(&w, "rotate", i->rotate_done);
        if (!str_empty(i->rotation))
                json_put_str(&w, "rotation", i->rotation);
        if (i->since)
                json_put_int(&w, "since", i->since / USEC_SEC);
        if (i->lease_gone)
                json_put_int(&w, "leaseGone", i->lease_gone / USEC_SEC);
        if (i->asked)
                json_put_int(&w, "asked", i->asked / USEC_SEC);
        json_end(&w);
        return arena_buf(a, &text);
}

/* --- the Secrets --------------------------------------------------------------------------- */

/* The data of one that is being written. */
struct data {
        struct buf text;
        struct json_writer w;
        bool failed;
};

static void begin(struct data *d)
{
        *d = (struct data){ .text = BUF_INIT(REDIS_CHILD_BYTES_MAX) };
        json_writer_init(&d->w, &d->text);
        json_object(&d->w);
}

static void put(struct data *d, const char *key, struct str value)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CHILD_BYTES_MAX);

        if (!value.data)
                return;
        d->failed |= base64_encode(&text, value) < 0;
        json_put_str(&d->w, key, buf_str(&text));
}

static int plan_secret(const struct view *view, const char *suffix, struct data *d, struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct child_meta c = child_meta_of(view, "redis", plan->arena);
        struct redis_secret_params params = { CHILD_META(&c) };
        int r = -ENOMEM;

        json_end(&d->w);
        params.name = arena_join(plan->arena, view->self->name, str_c(suffix));
        params.data = arena_buf(plan->arena, &d->text);
        buf_release(&d->text);
        if (params.name.data && params.data.data && !d->failed)
                r = redis_render_secret(&json, &params);
        if (r < 0)
                return r;
        plan_apply(plan, &redis_secret_kind, params.name, buf_str(&json));
        return plan->error;
}

static struct str host_of(const struct view *view, const char *suffix, struct arena *a)
{
        return arena_printf(a, "%.*s%s.%.*s.svc", STR_FMT(view->self->name), suffix,
                            STR_FMT(view->self->namespace));
}

/* A password that somebody chose may have what ends one in a URI. */
static struct str escaped(struct str password, struct arena *a)
{
        char *out = arena_alloc(a, 3 * password.len + 1);
        size_t n = 0;

        for (size_t i = 0; out && i < password.len; i++) {
                unsigned char byte = (unsigned char)password.data[i];

                if (isalnum(byte) || byte == '-' || byte == '.' || byte == '_' || byte == '~')
                        out[n++] = (char)byte;
                else
                        n += (size_t)snprintf(out + n, 4, "%%%02X", byte);
        }
        return out ? str_n(out, n) : STR_NULL;
}

static struct str uri_of(const struct view *view, const struct redis_settings *s,
                         const struct redis_intent *i, struct str port, struct arena *a)
{
        struct str who =
                s->auth ? arena_join(a, STR("default:"), escaped(i->passwords[0], a), STR("@")) : STR("");

        return arena_join(a, s->tls ? STR("rediss://") : STR("redis://"), who, host_of(view, "", a), STR(":"),
                          port, STR("/0"));
}

/* What it takes to connect, each of it under the name that it has in NAME-app and in NAME-env. */
static int plan_connection(const struct view *view, const struct redis_settings *s,
                           const struct redis_intent *i, struct str trusted, struct plan *plan)
{
        struct arena *a = plan->arena;
        struct str file = arena_join(a, STR(REDIS_FILES_DIR "/"), view->self->name, STR("/" REDIS_CA_FILE));
        struct str port = arena_printf(a, "%d", REDIS_PORT);
        const struct {
                const char *app, *env; /* NULL: it is not in that one */
                struct str value;      /* absent: in none */
        } parts[] = {
                { "uri", "URL", uri_of(view, s, i, port, a) },
                { "host", "HOST", host_of(view, "", a) },
                { "host-ro", "HOST_RO", host_of(view, REDIS_READS_SUFFIX, a) },
                { "port", "PORT", port },
                { "username", "USERNAME", s->auth ? STR("default") : STR_NULL },
                { "password", "PASSWORD", s->auth ? i->passwords[0] : STR_NULL },
                { REDIS_CA_FILE, NULL, s->tls ? trusted : STR_NULL },
                { NULL, "CA_FILE", s->tls ? file : STR_NULL },
        };
        struct data app, env;
        int r;

        begin(&app);
        begin(&env);
        for (size_t k = 0; k < ARRAY_SIZE(parts); k++) {
                if (parts[k].app)
                        put(&app, parts[k].app, parts[k].value);
                if (parts[k].env)
                        put(&env, parts[k].env, parts[k].value);
        }
        r = plan_secret(view, REDIS_APP_SUFFIX, &app, plan);
        if (r < 0)
                buf_release(&env.text);
        return r < 0 ? r : plan_secret(view, REDIS_ENV_SUFFIX, &env, plan);
}

static int plan_agent(const struct view *view, const struct redis_settings *s, const struct redis_intent *i,
                      struct plan *plan)
{
        struct data d;

        begin(&d);
        put(&d, "config.json", redis_config_json(s, i, plan->arena));
        put(&d, "state.json", state_json(i, plan->arena));
        return plan_secret(view, "-agent", &d, plan);
}

static int plan_ca(const struct view *view, const struct redis_secrets *s, struct plan *plan)
{
        struct data d;

        begin(&d);
        put(&d, "ca.crt", s->ca_crt);
        put(&d, "ca.key", s->ca_key);
        put(&d, "previous.crt", s->previous_crt);
        return plan_secret(view, "-ca", &d, plan);
}

static int plan_tls(const struct view *view, const struct redis_secrets *s, struct str trusted,
                    struct plan *plan)
{
        struct data d;

        begin(&d);
        put(&d, "ca.crt", trusted);
        put(&d, "tls.crt", s->tls_crt);
        put(&d, "tls.key", s->tls_key);
        return plan_secret(view, "-tls", &d, plan);
}

int redis_plan_secrets(const struct view *view, const struct redis_settings *settings,
                       const struct redis_secrets *secrets, const struct redis_intent *intent,
                       struct plan *plan)
{
        struct str trusted = arena_join(plan->arena, secrets->ca_crt, secrets->previous_crt);
        int r = plan_ca(view, secrets, plan);

        if (r == 0)
                r = plan_tls(view, secrets, trusted, plan);
        if (r == 0)
                r = plan_agent(view, settings, intent, plan);
        if (r == 0)
                r = plan_connection(view, settings, intent, trusted, plan);
        return r;
}
