/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/fields.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define KEPT_MAX 16
#define SET_KEY_MAX 512
#define LOST_MAX 256

/* Lists whose items are told apart by the values of some of their fields. */
static const struct list_map {
        const char *name;
        const char *keys[2];
        bool whole; /* an item belongs to one manager as a whole */
} list_maps[] = {
        { "containers", { "name" } },
        { "conditions", { "type" } },
        { "env", { "name" } },
        { "ownerReferences", { "uid" }, true },
        { "ports", { "containerPort", "protocol" } },
        { "ports", { "port", "protocol" } },
        { "topologySpreadConstraints", { "topologyKey", "whenUnsatisfiable" } },
        { "volumeMounts", { "mountPath" } },
        { "volumes", { "name" } },
        { "webhooks", { "name" } },
};

/* Maps that belong to one manager as a whole. */
static const char *const atomic_maps[] = { "selector", "labelSelector", "nodeSelector" };

static struct str key_str(yyjson_mut_val *key)
{
        return str_n(yyjson_mut_get_str(key), yyjson_mut_get_len(key));
}

static bool is_atomic(struct str name)
{
        for (size_t i = 0; i < ARRAY_SIZE(atomic_maps); i++)
                if (str_eq_c(name, atomic_maps[i]))
                        return true;
        return false;
}

static bool is_container(struct str name, yyjson_mut_val *value)
{
        return yyjson_mut_is_obj(value) && yyjson_mut_obj_size(value) > 0 && !is_atomic(name);
}

static bool has_keys(const struct list_map *m, yyjson_mut_val *list)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
        yyjson_mut_val *item;

        while ((item = yyjson_mut_arr_iter_next(&it)))
                for (size_t i = 0; i < ARRAY_SIZE(m->keys) && m->keys[i]; i++)
                        if (!yyjson_mut_obj_get(item, m->keys[i]))
                                return false;
        return true;
}

static const struct list_map *list_map_of(struct str name, yyjson_mut_val *list)
{
        if (!yyjson_mut_is_arr(list) || yyjson_mut_arr_size(list) == 0)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(list_maps); i++)
                if (str_eq_c(name, list_maps[i].name) && has_keys(&list_maps[i], list))
                        return &list_maps[i];
        return NULL;
}

/* The one list of ours that is a set of strings. */
static bool is_set(struct str name, yyjson_mut_val *list)
{
        return str_eq(name, STR("finalizers")) && yyjson_mut_is_arr(list) && yyjson_mut_arr_size(list) > 0;
}

/* "k:{…}" of an item. */
static yyjson_mut_val *item_key(yyjson_mut_doc *doc, const struct list_map *m, yyjson_mut_val *item)
{
        char text[SET_KEY_MAX];
        size_t n = 0;

        n += (size_t)snprintf(text, sizeof(text), "k:{");
        for (size_t i = 0; i < ARRAY_SIZE(m->keys) && m->keys[i]; i++) {
                char *value = yyjson_mut_val_write(yyjson_mut_obj_get(item, m->keys[i]), 0, NULL);

                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%s\":%s", i ? "," : "", m->keys[i],
                                      value);
                free(value);
        }
        n += (size_t)snprintf(text + n, sizeof(text) - n, "}");
        return yyjson_mut_strncpy(doc, text, n);
}

static yyjson_mut_val *set_key(yyjson_mut_doc *doc, yyjson_mut_val *item)
{
        char *value = yyjson_mut_val_write(item, 0, NULL);
        char text[SET_KEY_MAX];
        int n = snprintf(text, sizeof(text), "v:%s", value);

        free(value);
        return yyjson_mut_strncpy(doc, text, (size_t)n);
}

static yyjson_mut_val *field_key(yyjson_mut_doc *doc, struct str name)
{
        char text[SET_KEY_MAX];
        int n = snprintf(text, sizeof(text), "f:%.*s", STR_FMT(name));

        return yyjson_mut_strncpy(doc, text, (size_t)n);
}

/* --- finding ------------------------------------------------------------------- */

static bool item_matches(yyjson_mut_val *item, yyjson_val *wanted)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(wanted);
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&it))) {
                yyjson_mut_val *have = yyjson_mut_obj_getn(item, yyjson_get_str(key), yyjson_get_len(key));
                yyjson_val *want = yyjson_obj_iter_get_val(key);
                bool same = yyjson_is_str(want) ? yyjson_mut_equals_str(have, yyjson_get_str(want))
                                                : yyjson_mut_get_int(have) == yyjson_get_int(want);

                if (!have || !same)
                        return false;
        }
        return true;
}

/* What a set's KEY names in VALUE, and where it stands in a list; NULL if it is not there. */
static yyjson_mut_val *lookup(yyjson_mut_val *value, struct str key, size_t *ret_index)
{
        struct str text = str_n(key.data + 2, key.len - 2);
        yyjson_mut_arr_iter it;
        yyjson_mut_val *item;
        yyjson_doc *wanted;

        if (key.data[0] == 'f')
                return yyjson_mut_obj_getn(value, text.data, text.len);
        wanted = yyjson_read(text.data, text.len, 0);
        it = yyjson_mut_arr_iter_with(value);
        for (*ret_index = 0; (item = yyjson_mut_arr_iter_next(&it)); ++*ret_index) {
                yyjson_val *root = yyjson_doc_get_root(wanted);

                if (key.data[0] == 'k' ? item_matches(item, root)
                                       : yyjson_mut_equals_str(item, yyjson_get_str(root)))
                        break;
        }
        yyjson_doc_free(wanted);
        return item;
}

static void take_out(yyjson_mut_val *value, struct str key, size_t index)
{
        if (key.data[0] == 'f')
                yyjson_mut_obj_remove_keyn(value, key.data + 2, key.len - 2);
        else
                yyjson_mut_arr_remove(value, index);
}

static bool is_dot(struct str key)
{
        return str_eq(key, STR("."));
}

/* Has the set anything below it but its own being there? */
static bool is_leaf(yyjson_mut_val *set)
{
        return yyjson_mut_obj_size(set) == (yyjson_mut_obj_get(set, ".") ? 1 : 0);
}

/* --- sets ------------------------------------------------------------------------ */

static yyjson_mut_val *fields_of_list(yyjson_mut_doc *doc, struct str name, yyjson_mut_val *list)
{
        const struct list_map *m = list_map_of(name, list);
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
        yyjson_mut_val *set = yyjson_mut_obj(doc), *item;

        while ((item = yyjson_mut_arr_iter_next(&it))) {
                bool parts = m && !m->whole;
                yyjson_mut_val *sub = parts ? fields_of(doc, STR(""), item) : yyjson_mut_obj(doc);

                if (parts)
                        yyjson_mut_obj_add(sub, yyjson_mut_str(doc, "."), yyjson_mut_obj(doc));
                yyjson_mut_obj_add(set, m ? item_key(doc, m, item) : set_key(doc, item), sub);
        }
        return set;
}

yyjson_mut_val *fields_of(yyjson_mut_doc *doc, struct str name, yyjson_mut_val *value)
{
        yyjson_mut_val *set = yyjson_mut_obj(doc), *key;
        yyjson_mut_obj_iter it;

        if (list_map_of(name, value) || is_set(name, value))
                return fields_of_list(doc, name, value);
        if (!is_container(name, value))
                return set;
        it = yyjson_mut_obj_iter_with(value);
        while ((key = yyjson_mut_obj_iter_next(&it)))
                yyjson_mut_obj_add(set, field_key(doc, key_str(key)),
                                   fields_of(doc, key_str(key), yyjson_mut_obj_iter_get_val(key)));
        return set;
}

/* Marks the maps and lists in SET, below its root, as made by its owner. */
static void add_dots(yyjson_mut_doc *doc, yyjson_mut_val *set)
{
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(set);
        yyjson_mut_val *key;

        while ((key = yyjson_mut_obj_iter_next(&it))) {
                yyjson_mut_val *sub = yyjson_mut_obj_iter_get_val(key);

                if (yyjson_mut_obj_size(sub) == 0)
                        continue;
                add_dots(doc, sub);
                if (!yyjson_mut_obj_get(sub, ".") && !yyjson_mut_equals_str(key, "f:metadata"))
                        yyjson_mut_obj_add(sub, yyjson_mut_str(doc, "."), yyjson_mut_obj(doc));
        }
}

yyjson_mut_val *fields_of_new(yyjson_mut_doc *doc, struct str name, yyjson_mut_val *value)
{
        yyjson_mut_val *set = fields_of(doc, name, value);

        add_dots(doc, set);
        if (!str_empty(name) && yyjson_mut_obj_size(set) > 0)
                yyjson_mut_obj_add(set, yyjson_mut_str(doc, "."), yyjson_mut_obj(doc));
        return set;
}

void fields_add(yyjson_mut_doc *doc, yyjson_mut_val *to, yyjson_mut_val *from)
{
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(from);
        yyjson_mut_val *key;

        while ((key = yyjson_mut_obj_iter_next(&it))) {
                struct str name = key_str(key);
                yyjson_mut_val *sub = yyjson_mut_obj_iter_get_val(key);
                yyjson_mut_val *have = yyjson_mut_obj_getn(to, name.data, name.len);

                if (have)
                        fields_add(doc, have, sub);
                else
                        yyjson_mut_obj_add(to, yyjson_mut_strncpy(doc, name.data, name.len),
                                           yyjson_mut_val_mut_copy(doc, sub));
        }
}

/* Has the owner of SUB lost what stands under it? */
static bool is_lost(yyjson_mut_val *sub, yyjson_mut_val *before, yyjson_mut_val *after)
{
        bool dot = yyjson_mut_obj_get(sub, ".") != NULL;

        if (!after || (is_leaf(sub) && !dot && !yyjson_mut_equals(after, before)))
                return true;
        if (is_leaf(sub))
                return false;
        fields_prune(sub, before, after);
        return yyjson_mut_obj_size(sub) == 0;
}

void fields_prune(yyjson_mut_val *set, yyjson_mut_val *before, yyjson_mut_val *after)
{
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(set);
        struct str lost[LOST_MAX];
        yyjson_mut_val *key;
        size_t index, n = 0;

        while ((key = yyjson_mut_obj_iter_next(&it))) {
                struct str name = key_str(key);

                if (!is_dot(name) &&
                    is_lost(yyjson_mut_obj_iter_get_val(key), before ? lookup(before, name, &index) : NULL,
                            lookup(after, name, &index))) {
                        assert(n < LOST_MAX);
                        lost[n++] = name;
                }
        }
        while (n > 0) {
                n--;
                yyjson_mut_obj_remove_keyn(set, lost[n].data, lost[n].len);
        }
}

static yyjson_mut_val *changed_members(yyjson_mut_doc *doc, yyjson_mut_val *before, yyjson_mut_val *after)
{
        yyjson_mut_val *set = yyjson_mut_obj(doc), *key;
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(after);

        while ((key = yyjson_mut_obj_iter_next(&it))) {
                struct str name = key_str(key);
                yyjson_mut_val *sub =
                        fields_changed(doc, name, yyjson_mut_obj_getn(before, name.data, name.len),
                                       yyjson_mut_obj_iter_get_val(key));

                if (sub)
                        yyjson_mut_obj_add(set, field_key(doc, name), sub);
        }
        return set;
}

static yyjson_mut_val *changed_items(yyjson_mut_doc *doc, const struct list_map *m, yyjson_mut_val *before,
                                     yyjson_mut_val *after)
{
        yyjson_mut_val *set = yyjson_mut_obj(doc), *item;
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(after);
        size_t index;

        while ((item = yyjson_mut_arr_iter_next(&it))) {
                yyjson_mut_val *key = item_key(doc, m, item);
                yyjson_mut_val *was = lookup(before, key_str(key), &index), *sub;

                if (was && yyjson_mut_equals(was, item))
                        continue;
                sub = m->whole ? yyjson_mut_obj(doc) : changed_members(doc, was, item);
                if (!was && !m->whole)
                        yyjson_mut_obj_add(sub, yyjson_mut_str(doc, "."), yyjson_mut_obj(doc));
                yyjson_mut_obj_add(set, key, sub);
        }
        return set;
}

yyjson_mut_val *fields_changed(yyjson_mut_doc *doc, struct str name, yyjson_mut_val *before,
                               yyjson_mut_val *after)
{
        const struct list_map *m = list_map_of(name, after);
        yyjson_mut_val *set;

        if (before && yyjson_mut_equals(before, after))
                return NULL;
        if (m && yyjson_mut_is_arr(before))
                set = changed_items(doc, m, before, after);
        else if (is_container(name, after) && yyjson_mut_is_obj(before))
                set = changed_members(doc, before, after);
        else
                return fields_of_new(doc, name, after);
        return yyjson_mut_obj_size(set) ? set : NULL;
}

/* --- values ------------------------------------------------------------------------ */

static bool has_item(yyjson_mut_doc *doc, const struct list_map *m, yyjson_mut_val *list,
                     yyjson_mut_val *item)
{
        size_t index;

        return lookup(list, key_str(item_key(doc, m, item)), &index) != NULL;
}

/* As structured-merge-diff does it: the order is CONFIG's, and what only LIVE
 * has comes before the next that both have. */
static void merge_items(yyjson_mut_doc *doc, const struct list_map *m, yyjson_mut_val *live,
                        yyjson_mut_val *config, enum fields_mode mode)
{
        yyjson_mut_val *old = yyjson_mut_val_mut_copy(doc, live), *item, *have;
        size_t l = 0, r = 0, index;

        yyjson_mut_arr_clear(live);
        for (;;) {
                have = yyjson_mut_arr_get(old, l);
                item = yyjson_mut_arr_get(config, r);
                if (!have && !item)
                        return;
                if (have && has_item(doc, m, config, have)) {
                        l++; /* it comes with the other's */
                        if (item && has_item(doc, m, live, have))
                                continue;
                        if (!item)
                                continue;
                } else if (have) {
                        yyjson_mut_arr_append(live, yyjson_mut_val_mut_copy(doc, have));
                        l++;
                        continue;
                }
                r++;
                have = lookup(old, key_str(item_key(doc, m, item)), &index);
                have = yyjson_mut_val_mut_copy(doc, have && !m->whole ? have : item);
                fields_merge(doc, have, item, mode);
                yyjson_mut_arr_append(live, have);
        }
}

static void merge_set(yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *config)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(config);
        yyjson_mut_val *item;
        size_t index;

        while ((item = yyjson_mut_arr_iter_next(&it)))
                if (!lookup(live, key_str(set_key(doc, item)), &index))
                        yyjson_mut_arr_append(live, yyjson_mut_val_mut_copy(doc, item));
}

void fields_merge(yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *config, enum fields_mode mode)
{
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(config);
        yyjson_mut_val *key;

        while ((key = yyjson_mut_obj_iter_next(&it))) {
                struct str name = key_str(key);
                yyjson_mut_val *value = yyjson_mut_obj_iter_get_val(key);
                yyjson_mut_val *have = yyjson_mut_obj_getn(live, name.data, name.len);
                const struct list_map *m = list_map_of(name, value);

                if (mode != FIELDS_APPLY && yyjson_mut_is_null(value))
                        yyjson_mut_obj_remove_keyn(live, name.data, name.len);
                else if (m && yyjson_mut_is_arr(have) && mode != FIELDS_MERGE_PATCH)
                        merge_items(doc, m, have, value, mode);
                else if (is_set(name, value) && yyjson_mut_is_arr(have) && mode == FIELDS_APPLY)
                        merge_set(doc, have, value);
                else if (is_container(name, value) && yyjson_mut_is_obj(have))
                        fields_merge(doc, have, value, mode);
                else if (!have || !yyjson_mut_equals(have, value))
                        yyjson_mut_obj_put(live, yyjson_mut_strncpy(doc, name.data, name.len),
                                           yyjson_mut_val_mut_copy(doc, value));
        }
}

void fields_remove(yyjson_mut_val *live, yyjson_mut_val *old_set, yyjson_mut_val *const *kept, size_t n_kept)
{
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(old_set);
        yyjson_mut_val *key;

        while ((key = yyjson_mut_obj_iter_next(&it))) {
                yyjson_mut_val *below[KEPT_MAX] = { NULL }, *value;
                struct str name = key_str(key);
                bool wanted = false;
                size_t index = 0;

                if (is_dot(name))
                        continue;
                value = lookup(live, name, &index);
                for (size_t i = 0; i < n_kept && i < KEPT_MAX; i++) {
                        below[i] = yyjson_mut_obj_getn(kept[i], name.data, name.len);
                        wanted = wanted || below[i];
                }
                if (value && !wanted)
                        take_out(live, name, index);
                else if (value)
                        fields_remove(value, yyjson_mut_obj_iter_get_val(key), below, MIN(n_kept, KEPT_MAX));
        }
}
