/* SPDX-License-Identifier: Apache-2.0
 *
 * Any JSON as an App that a watch brings: read by the schema, packed into the
 * cache, put twice, and deleted. What the cache counts must come out even.
 */
#include <errno.h>
#include <stdlib.h>

#include "controller/app/app.h"
#include "json/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t n_objects;

static void on_change(enum cache_change change, const struct object *old_object,
                      const struct object *new_object, void *arg _unused_)
{
        if ((change == CACHE_ADDED) != !old_object || (change == CACHE_DELETED) != !new_object)
                abort();
        n_objects += new_object != NULL;
        n_objects -= old_object != NULL;
        if (new_object && (!new_object->state || !new_object->name.len))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        const struct cache_total *total;
        struct cache cache;
        int r;

        if (json_parse(str_n((const char *)data, size), &doc, NULL) < 0)
                return 0;
        n_objects = 0;
        cache_init(&cache, STR("keelson"), on_change, NULL);
        for (int i = 0; i < 2; i++) {
                r = cache_put(&cache, &app_kind, yyjson_doc_get_root(doc),
                              i == 0 ? CACHE_FROM_WATCH : CACHE_FROM_REPLY);
                if (r < 0 && r != -EBADMSG && r != -ENOMEM)
                        abort();
        }
        total = cache_total(&cache, &app_kind);
        if (n_objects > 1 || (total ? total->objects : 0) != n_objects)
                abort();
        r = cache_delete(&cache, &app_kind, yyjson_doc_get_root(doc));
        if (r == 0 && n_objects != 0)
                abort();
        cache.changed = NULL;
        cache_release(&cache);
        return 0;
}
