/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "sim/apiserver.h"

void sim_watch_init(struct sim_watch *w, struct sim_api *api, const struct kube_kind *kind,
                    struct str selector)
{
        *w = (struct sim_watch){ .api = api, .kind = kind, .selector = selector, .at = api->n_log };
}

static bool matches(const struct sim_watch *w, const char *object)
{
        struct str key, value;
        yyjson_doc *doc;
        yyjson_val *label;
        bool match;

        if (!object)
                return false;
        if (!w->selector.data)
                return true;
        str_cut(w->selector, '=', &key, &value);
        doc = yyjson_read(object, strlen(object), 0);
        label = yyjson_obj_getn(
                yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "metadata"), "labels"), key.data,
                key.len);
        match = label && yyjson_equals_strn(label, value.data, value.len);
        yyjson_doc_free(doc);
        return match;
}

/* What a change is to this watch; false: nothing. */
static bool tell(const struct sim_watch *w, const struct sim_change *c, enum sim_change_type *ret_type,
                 const char **ret_object)
{
        bool before, now;

        if (!sim_same_kind(c->kind, w->kind))
                return false;
        before = matches(w, c->before);
        now = matches(w, c->object);
        if (!before && !now)
                return false;
        *ret_type = !now ? SIM_DELETED : before ? SIM_MODIFIED : SIM_ADDED;
        *ret_object = now ? c->object : c->before;
        return true;
}

bool sim_watch_pending(struct sim_watch *w)
{
        enum sim_change_type type;
        const char *object;

        while (w->at < w->api->n_log && !tell(w, &w->api->log[w->at], &type, &object))
                w->at++;
        return w->at < w->api->n_log;
}

bool sim_watch_next(struct sim_watch *w, enum sim_change_type *ret_type, const char **ret_object)
{
        return sim_watch_pending(w) && tell(w, &w->api->log[w->at++], ret_type, ret_object);
}

void sim_list(const struct sim_watch *w, void (*fn)(const char *object, void *arg), void *arg)
{
        list_for_each (link, &w->api->objects) {
                struct sim_object *o = container_of(link, struct sim_object, link);
                char *text;

                if (!sim_same_kind(o->kind, w->kind))
                        continue;
                text = yyjson_mut_write(o->doc, 0, NULL);
                if (matches(w, text))
                        fn(text, arg);
                free(text);
        }
}

char *sim_list_version(const struct sim_api *api)
{
        char *text = NULL;

        return asprintf(&text, "%s%llu", api->version_prefix, (unsigned long long)api->version) < 0 ? NULL
                                                                                                    : text;
}
