/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/managed.h"

#include <assert.h>

#include "sim/fields.h"

#define OTHERS_MAX 8

static struct str get_str(yyjson_mut_val *object, const char *key)
{
        yyjson_mut_val *value = yyjson_mut_obj_get(object, key);

        return str_n(yyjson_mut_get_str(value), yyjson_mut_get_len(value));
}

static yyjson_mut_val *meta_of(yyjson_mut_val *object)
{
        return yyjson_mut_obj_get(object, "metadata");
}

static yyjson_mut_val *managed_of(yyjson_mut_doc *doc, yyjson_mut_val *object)
{
        yyjson_mut_val *list = yyjson_mut_obj_get(meta_of(object), "managedFields");

        if (!list) {
                list = yyjson_mut_arr(doc);
                yyjson_mut_obj_put(meta_of(object), yyjson_mut_str(doc, "managedFields"), list);
        }
        return list;
}

static bool is_entry_of(yyjson_mut_val *entry, const struct sim_writer *w)
{
        return str_eq_c(get_str(entry, "manager"), w->manager) &&
               str_eq_c(get_str(entry, "operation"), w->operation) &&
               str_eq_c(get_str(entry, "subresource"), w->status ? "status" : "");
}

static yyjson_mut_val *find_entry(yyjson_mut_val *managed, const struct sim_writer *w)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(managed);
        yyjson_mut_val *entry;

        while ((entry = yyjson_mut_arr_iter_next(&it)))
                if (is_entry_of(entry, w))
                        return entry;
        return NULL;
}

static void add_entry(yyjson_mut_doc *doc, yyjson_mut_val *object, const struct sim_writer *w,
                      yyjson_mut_val *set)
{
        yyjson_mut_val *entry = yyjson_mut_obj(doc);

        yyjson_mut_obj_add_strcpy(doc, entry, "manager", w->manager);
        yyjson_mut_obj_add_strcpy(doc, entry, "operation", w->operation);
        yyjson_mut_obj_add_str(doc, entry, "fieldsType", "FieldsV1");
        yyjson_mut_obj_add_val(doc, entry, "fieldsV1", set);
        if (w->status)
                yyjson_mut_obj_add_str(doc, entry, "subresource", "status");
        yyjson_mut_arr_append(managed_of(doc, object), entry);
}

static yyjson_mut_val *set_of(yyjson_mut_val *entry)
{
        return yyjson_mut_obj_get(entry, "fieldsV1");
}

/* The sets of all but W, as far as there is room. */
static size_t other_sets(yyjson_mut_val *managed, const struct sim_writer *w, yyjson_mut_val **sets)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(managed);
        yyjson_mut_val *entry;
        size_t n = 0;

        while ((entry = yyjson_mut_arr_iter_next(&it))) {
                if (is_entry_of(entry, w))
                        continue;
                assert(n < OTHERS_MAX);
                sets[n++] = set_of(entry);
        }
        return n;
}

/* Takes from everybody but W what W has changed. By index: an iterator of
 * yyjson 0.10 that removes twice leaves the array in knots. */
static void prune_others(yyjson_mut_val *before, yyjson_mut_val *after, const struct sim_writer *w)
{
        yyjson_mut_val *managed = yyjson_mut_obj_get(meta_of(after), "managedFields"), *entry;

        for (size_t i = 0; (entry = yyjson_mut_arr_get(managed, i));) {
                if (!is_entry_of(entry, w)) {
                        fields_prune(set_of(entry), before, after);
                        if (yyjson_mut_obj_size(set_of(entry)) == 0) {
                                yyjson_mut_arr_remove(managed, i);
                                continue;
                        }
                }
                i++;
        }
}

/* What of a body is its writer's to set: not the identity, and either the
 * status or all but the status. */
void managed_strip(yyjson_mut_doc *doc, yyjson_mut_val *body, bool status)
{
        static const char *const identity[] = { "name",         "namespace",
                                                "uid",          "resourceVersion",
                                                "generation",   "creationTimestamp",
                                                "managedFields" };
        yyjson_mut_val *meta = meta_of(body), *half;

        yyjson_mut_obj_remove_key(body, "apiVersion");
        yyjson_mut_obj_remove_key(body, "kind");
        for (size_t i = 0; i < ARRAY_SIZE(identity); i++)
                yyjson_mut_obj_remove_key(meta, identity[i]);
        if (!status) {
                yyjson_mut_obj_remove_key(body, "status");
                if (yyjson_mut_obj_size(meta) == 0)
                        yyjson_mut_obj_remove_key(body, "metadata");
                return;
        }
        half = yyjson_mut_obj_get(body, "status");
        yyjson_mut_obj_clear(body);
        if (half)
                yyjson_mut_obj_add(body, yyjson_mut_str(doc, "status"), half);
}

/* What of the metadata is not written when it is empty. */
static void drop_empty(yyjson_mut_val *object)
{
        static const char *const maps[] = { "labels", "annotations" };
        static const char *const lists[] = { "finalizers", "ownerReferences" };
        yyjson_mut_val *meta = meta_of(object), *value;

        for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
                value = yyjson_mut_obj_get(meta, maps[i]);
                if (yyjson_mut_is_obj(value) && yyjson_mut_obj_size(value) == 0)
                        yyjson_mut_obj_remove_key(meta, maps[i]);
        }
        for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
                value = yyjson_mut_obj_get(meta, lists[i]);
                if (yyjson_mut_is_arr(value) && yyjson_mut_arr_size(value) == 0)
                        yyjson_mut_obj_remove_key(meta, lists[i]);
        }
}

/* Server-side apply, forced: CONFIG over the object in DOC. */
void managed_apply(yyjson_mut_doc *doc, yyjson_mut_val *config, const struct sim_writer *w)
{
        yyjson_mut_val *object = yyjson_mut_doc_get_root(doc);
        yyjson_mut_val *before = yyjson_mut_val_mut_copy(doc, object);
        yyjson_mut_val *managed = managed_of(doc, object), *entry = find_entry(managed, w);
        yyjson_mut_val *set = fields_of(doc, STR(""), config);
        yyjson_mut_val *kept[OTHERS_MAX + 1] = { set };
        size_t n = 1 + other_sets(managed, w, kept + 1);

        fields_merge(doc, object, config, FIELDS_APPLY);
        if (entry)
                fields_remove(object, set_of(entry), kept, n);
        drop_empty(object);
        prune_others(before, object, w);
        if (entry)
                yyjson_mut_obj_put(entry, yyjson_mut_str(doc, "fieldsV1"), set);
        else
                add_entry(doc, object, w, set);
}

void managed_update(yyjson_mut_doc *doc, yyjson_mut_val *before, const struct sim_writer *w)
{
        yyjson_mut_val *after = yyjson_mut_doc_get_root(doc);
        yyjson_mut_val *set, *entry;

        drop_empty(after);
        set = fields_changed(doc, STR(""), before, after);
        prune_others(before, after, w);
        entry = find_entry(managed_of(doc, after), w);
        if (entry)
                fields_prune(set_of(entry), before, after);
        if (entry && set)
                fields_add(doc, set_of(entry), set);
        else if (set)
                add_entry(doc, after, w, set);
}

void managed_create(yyjson_mut_doc *doc, const struct sim_writer *w)
{
        yyjson_mut_val *object = yyjson_mut_doc_get_root(doc);
        yyjson_mut_val *fields = yyjson_mut_val_mut_copy(doc, object);

        managed_strip(doc, fields, false);
        add_entry(doc, object, w, fields_of_new(doc, STR(""), fields));
}
