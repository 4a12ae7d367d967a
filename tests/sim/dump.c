/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the simulated cluster as a text that is equal where the state is.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/apiserver.h"

/* Takes away, at any depth, what differs from run to run. */
static void forget_identity(yyjson_mut_val *value)
{
        static const char *const differing[] = { "uid",
                                                 "resourceVersion",
                                                 "generation",
                                                 "observedGeneration",
                                                 "creationTimestamp",
                                                 "lastTransitionTime" };
        yyjson_mut_val *key, *item;
        yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(value);
        yyjson_mut_arr_iter items = yyjson_mut_arr_iter_with(value);

        for (size_t i = 0; i < ARRAY_SIZE(differing); i++)
                yyjson_mut_obj_remove_key(value, differing[i]);
        while ((key = yyjson_mut_obj_iter_next(&members))) {
                /* An owner reference is named by the UID in it. */
                if (str_starts(str_c(yyjson_mut_get_str(key)), STR("k:{\"uid\"")))
                        yyjson_mut_set_str(key, "k:{\"uid\":…}");
                forget_identity(yyjson_mut_obj_iter_get_val(key));
        }
        while ((item = yyjson_mut_arr_iter_next(&items)))
                forget_identity(item);
}

static int compare_keys(const void *a, const void *b)
{
        return strcmp(yyjson_mut_get_str(*(yyjson_mut_val *const *)a),
                      yyjson_mut_get_str(*(yyjson_mut_val *const *)b));
}

/* The order of keys tells only in which order they were written. */
static void sort_keys(yyjson_mut_val *value)
{
        yyjson_mut_obj_iter members = yyjson_mut_obj_iter_with(value);
        yyjson_mut_arr_iter items = yyjson_mut_arr_iter_with(value);
        yyjson_mut_val **keys, **values, *key, *item;
        size_t n = 0, size = yyjson_mut_obj_size(value);

        while ((item = yyjson_mut_arr_iter_next(&items)))
                sort_keys(item);
        if (size == 0)
                return;
        keys = calloc(size, sizeof(*keys));
        values = calloc(size, sizeof(*values));
        assert(keys && values);
        while ((key = yyjson_mut_obj_iter_next(&members)))
                keys[n++] = key;
        qsort(keys, n, sizeof(*keys), compare_keys);
        for (size_t i = 0; i < n; i++)
                values[i] = yyjson_mut_obj_iter_get_val(keys[i]);
        yyjson_mut_obj_clear(value);
        for (size_t i = 0; i < n; i++) {
                yyjson_mut_obj_add(value, keys[i], values[i]);
                sort_keys(values[i]);
        }
        free(keys);
        free(values);
}

static int compare_texts(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *dump(const struct sim_api *api, const struct kube_kind *skip,
                  bool (*keep)(const struct sim_object *o, yyjson_mut_val *root))
{
        char **texts = calloc(1, sizeof(*texts)), **grown, *all;
        size_t n = 0, bytes = 1, at = 0;

        list_for_each (link, &api->objects) {
                struct sim_object *o = container_of(link, struct sim_object, link);
                yyjson_mut_doc *doc;

                if (skip && sim_same_kind(o->kind, skip))
                        continue;
                doc = yyjson_mut_doc_mut_copy(o->doc, NULL);
                if (keep && !keep(o, yyjson_mut_doc_get_root(doc))) {
                        yyjson_mut_doc_free(doc);
                        continue;
                }
                forget_identity(yyjson_mut_doc_get_root(doc));
                sort_keys(yyjson_mut_doc_get_root(doc));
                grown = realloc(texts, (n + 1) * sizeof(*texts));
                assert(grown);
                texts = grown;
                texts[n] = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY, NULL);
                bytes += strlen(texts[n++]) + 1;
                yyjson_mut_doc_free(doc);
        }
        qsort(texts, n, sizeof(*texts), compare_texts);
        all = calloc(1, bytes);
        assert(all);
        for (size_t i = 0; i < n; i++) {
                at += (size_t)snprintf(all + at, bytes - at, "%s\n", texts[i]);
                free(texts[i]);
        }
        free(texts);
        return all;
}

char *sim_api_dump(const struct sim_api *api, const struct kube_kind *skip)
{
        return dump(api, skip, NULL);
}

char *sim_api_dump_of(const struct sim_api *api,
                      bool (*keep)(const struct sim_object *o, yyjson_mut_val *root))
{
        return dump(api, NULL, keep);
}
