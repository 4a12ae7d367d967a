/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/one.h"

#include <stdio.h>

#include "json/read.h"

static struct str version_of(yyjson_val *object)
{
        return json_get_str(yyjson_obj_get(object, "metadata"), "resourceVersion");
}

/* An answer may be overtaken by what the watch tells, and the other way round. */
static bool is_news(struct one *o, yyjson_val *object)
{
        struct str version = version_of(object);

        if (str_empty(version) || version.len >= sizeof(o->newest) ||
            str_version_cmp(version, str_c(o->newest)) < 0)
                return false;
        memcpy(o->newest, version.data, version.len);
        o->newest[version.len] = '\0';
        return true;
}

void one_brought(struct one *o, yyjson_val *object)
{
        if (is_news(o, object))
                o->handlers.seen(object, o->handlers.arg);
}

static void on_list_begin(struct reflector *r _unused_, void *arg)
{
        ((struct one *)arg)->found = false;
}

static int on_object(struct reflector *r _unused_, enum reflector_event event, yyjson_val *object, void *arg)
{
        struct one *o = arg;

        if (event != REFLECTOR_DELETED) {
                o->found = true;
                one_brought(o, object);
        } else if (is_news(o, object)) {
                o->found = false;
                o->handlers.absent(o->handlers.arg);
        }
        return 0;
}

static int on_list_end(struct reflector *r _unused_, struct str version _unused_, void *arg)
{
        struct one *o = arg;

        if (!o->found)
                o->handlers.absent(o->handlers.arg);
        return 0;
}

static void on_set_back(struct reflector *r _unused_, void *arg)
{
        struct one *o = arg;

        o->newest[0] = '\0';
        if (o->handlers.set_back)
                o->handlers.set_back(o->handlers.arg);
}

static void on_state(struct reflector *r _unused_, enum reflector_state state, const struct error *err,
                     void *arg)
{
        struct one *o = arg;

        if (o->handlers.state)
                o->handlers.state(state, err, o->handlers.arg);
}

void one_init(struct one *o, const struct one_config *config, const struct one_handlers *handlers)
{
        struct reflector_handlers reflected = { .on_list_begin = on_list_begin,
                                                .on_object = on_object,
                                                .on_list_end = on_list_end,
                                                .on_set_back = on_set_back,
                                                .on_state = on_state,
                                                .arg = o };
        struct reflector_config watched = { .kind = config->kind,
                                            .namespace = config->namespace,
                                            .silence = config->silence,
                                            .seed = config->seed };

        *o = (struct one){ .handlers = *handlers };
        snprintf(o->selector, sizeof(o->selector), "metadata.name=%.*s", STR_FMT(config->name));
        watched.field_selector = str_c(o->selector);
        reflector_init(&o->reflector, config->client, &watched, &reflected);
}

int one_start(struct one *o)
{
        return reflector_start(&o->reflector);
}

void one_release(struct one *o)
{
        reflector_release(&o->reflector);
}

void one_hurry(struct one *o)
{
        int r;

        if (o->reflector.phase != REFLECTOR_WAITING)
                return;
        reflector_stop(&o->reflector);
        r = reflector_start(&o->reflector);
        (void)r; /* without memory for a timer that was there a moment ago: its owner polls */
}
