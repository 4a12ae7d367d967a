/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/child_meta.h"

/* An object's name needs no escaping: it is letters, digits, '-' and '.'. */
static struct str labels_of(const struct object *self, const char *word, struct arena *a)
{
        return arena_printf(a,
                            "{\"app.kubernetes.io/name\":\"%s\","
                            "\"app.kubernetes.io/instance\":\"%.*s\","
                            "\"app.kubernetes.io/component\":\"%s\","
                            "\"app.kubernetes.io/part-of\":\"%.*s\","
                            "\"app.kubernetes.io/managed-by\":\"keelson\"}",
                            word, STR_FMT(self->name), word, STR_FMT(self->name));
}

static struct str owner_of(const struct object *self, struct arena *a)
{
        const struct kube_kind *api = &self->kind->api;

        return arena_printf(a,
                            "[{\"apiVersion\":\"%.*s/%.*s\",\"kind\":\"%.*s\",\"name\":\"%.*s\","
                            "\"uid\":\"%.*s\",\"controller\":true,\"blockOwnerDeletion\":true}]",
                            STR_FMT(api->group), STR_FMT(api->version), STR_FMT(api->kind),
                            STR_FMT(self->name), STR_FMT(object_uid(self)));
}

struct child_meta child_meta_of(const struct view *view, const char *word, struct arena *a)
{
        const struct object *self = view->self;

        return (struct child_meta){
                .name = self->name,
                .namespace = self->namespace,
                .labels = labels_of(self, word, a),
                .owner = owner_of(self, a),
        };
}
