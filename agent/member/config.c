/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/config.h"

#include <errno.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/mem.h"
#include "json/read.h"
#include "kube/kinds.h"

static void tell(struct config_watch *c, const struct error *why)
{
        if (!why && !c->troubled)
                return;
        c->troubled = why != NULL;
        c->handlers.trouble(why, c->handlers.arg);
}

static int read_text(struct config_watch *c, struct str encoded, struct error *err)
{
        size_t room = BASE64_DECODED_MAX(encoded.len), len;
        char *text = mem_alloc(room);
        int r;

        if (!text)
                return error_set(err, -ENOMEM, "out of memory");
        r = base64_decode(encoded, text, &len);
        if (r < 0)
                r = error_set(err, r, "data.config.json is no base64");
        else
                r = settings_read(str_n(text, len), c->engine, &c->settings, err);
        explicit_bzero(text, room);
        mem_free(text);
        return r;
}

static void on_seen(yyjson_val *object, void *arg)
{
        struct config_watch *c = arg;
        struct str encoded = json_get_str(yyjson_obj_get(object, "data"), "config.json");
        uint64_t hash = hash_str(HASH_INIT, encoded) | 1;
        struct error err = ERROR_INIT;
        int r;

        if (hash == c->seen)
                return;
        if (!encoded.data)
                r = error_set(&err, -EINVAL, "it has no data.config.json; the operator writes it");
        else
                r = read_text(c, encoded, &err);
        if (r != -ENOMEM)
                c->seen = hash;
        if (r < 0) {
                error_prefix(&err, "Secret %s", c->secret);
                tell(c, &err);
                return;
        }
        tell(c, NULL);
        c->handlers.changed(&c->settings, c->handlers.arg);
}

static void on_absent(void *arg)
{
        struct config_watch *c = arg;
        struct error err = ERROR_INIT;

        (void)error_set(&err, -ENOENT, "Secret %s: it does not exist; the operator makes it", c->secret);
        tell(c, &err);
}

static void on_state(enum reflector_state state, const struct error *err, void *arg)
{
        if (state == REFLECTOR_FAILING)
                tell(arg, err);
}

int config_start(struct config_watch *c, struct kube_client *client, struct str namespace, struct str cluster,
                 const char *engine, uint64_t seed, const struct config_handlers *handlers)
{
        struct one_handlers seen = { .seen = on_seen, .absent = on_absent, .state = on_state, .arg = c };
        struct one_config watched = {
                .client = client, .kind = &kube_secret_kind, .namespace = namespace, .seed = seed
        };

        *c = (struct config_watch){ .handlers = *handlers, .engine = engine };
        settings_init(&c->settings);
        snprintf(c->secret, sizeof(c->secret), "%.*s-agent", STR_FMT(cluster));
        watched.name = str_c(c->secret);
        one_init(&c->one, &watched, &seen);
        return one_start(&c->one);
}

void config_stop(struct config_watch *c)
{
        if (!c->engine)
                return;
        one_release(&c->one);
        settings_release(&c->settings);
        c->engine = NULL;
}
