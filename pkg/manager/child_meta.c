/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/child_meta.h"

/* An object's name needs no escaping: it is letters, digits, '-' and '.'. */
static struct str labels_of(const struct object *self, const char *word, struct arena *a)
{
        const struct str component = str_c(word);

        return arena_join(a, STR("{\"app.kubernetes.io/name\":\""), component,
                          STR("\",\"app.kubernetes.io/instance\":\""), self->name,
                          STR("\",\"app.kubernetes.io/component\":\""), component,
                          STR("\",\"app.kubernetes.io/part-of\":\""), self->name,
                          STR("\",\"app.kubernetes.io/managed-by\":\"keelson\"}"));
}

static struct str owner_of(const struct object *self, struct arena *a)
{
        const struct kube_kind *api = &self->kind->api;
        char uid[UUID_TEXT];

        return arena_join(a, STR("[{\"apiVersion\":\""), api->group, STR("/"), api->version,
                          STR("\",\"kind\":\""), api->kind, STR("\",\"name\":\""), self->name,
                          STR("\",\"uid\":\""), object_uid(self, uid),
                          STR("\",\"controller\":true,\"blockOwnerDeletion\":true}]"));
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
