/* SPDX-License-Identifier: Apache-2.0 */
#include "conversion/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct str tree_str(yyjson_mut_val *value)
{
        return yyjson_mut_is_str(value) ? str_n(yyjson_mut_get_str(value), yyjson_mut_get_len(value))
                                        : STR_NULL;
}

bool tree_is_deeper(yyjson_mut_val *value, unsigned max)
{
        yyjson_mut_val *key, *below;
        size_t i, n;

        if (!yyjson_mut_is_ctn(value))
                return false;
        if (max == 0)
                return true;
        yyjson_mut_arr_foreach(value, i, n, below) if (tree_is_deeper(below, max - 1)) return true;
        yyjson_mut_obj_foreach(value, i, n, key, below) if (tree_is_deeper(below, max - 1)) return true;
        return false;
}

/* --- copies --------------------------------------------------------------------------- */

static yyjson_mut_val *copy_object(yyjson_mut_doc *doc, yyjson_mut_val *object)
{
        yyjson_mut_val *copy = yyjson_mut_obj(doc), *key, *value;
        size_t i, n;

        yyjson_mut_obj_foreach(object, i, n, key, value)
                yyjson_mut_obj_add(copy, tree_copy(doc, key), tree_copy(doc, value));
        return copy;
}

static yyjson_mut_val *copy_list(yyjson_mut_doc *doc, yyjson_mut_val *list)
{
        yyjson_mut_val *copy = yyjson_mut_arr(doc), *value;
        size_t i, n;

        yyjson_mut_arr_foreach(list, i, n, value) yyjson_mut_arr_append(copy, tree_copy(doc, value));
        return copy;
}

yyjson_mut_val *tree_copy(yyjson_mut_doc *doc, yyjson_mut_val *value)
{
        switch (yyjson_mut_get_type(value)) {
        case YYJSON_TYPE_OBJ:
                return copy_object(doc, value);
        case YYJSON_TYPE_ARR:
                return copy_list(doc, value);
        case YYJSON_TYPE_STR:
                return yyjson_mut_strn(doc, yyjson_mut_get_str(value), yyjson_mut_get_len(value));
        default:
                return yyjson_mut_val_mut_copy(doc, value); /* which has no text */
        }
}

static yyjson_mut_val *of_object(yyjson_mut_doc *doc, yyjson_val *object)
{
        yyjson_mut_val *copy = yyjson_mut_obj(doc);
        yyjson_val *key, *value;
        size_t i, n;

        yyjson_obj_foreach (object, i, n, key, value)
                yyjson_mut_obj_add(copy, tree_of(doc, key), tree_of(doc, value));
        return copy;
}

static yyjson_mut_val *of_list(yyjson_mut_doc *doc, yyjson_val *list)
{
        yyjson_mut_val *copy = yyjson_mut_arr(doc);
        yyjson_val *value;
        size_t i, n;

        yyjson_arr_foreach (list, i, n, value)
                yyjson_mut_arr_append(copy, tree_of(doc, value));
        return copy;
}

yyjson_mut_val *tree_of(yyjson_mut_doc *doc, yyjson_val *value)
{
        switch (yyjson_get_type(value)) {
        case YYJSON_TYPE_OBJ:
                return of_object(doc, value);
        case YYJSON_TYPE_ARR:
                return of_list(doc, value);
        case YYJSON_TYPE_STR:
                return yyjson_mut_strn(doc, yyjson_get_str(value), yyjson_get_len(value));
        default:
                return yyjson_val_mut_copy(doc, value);
        }
}

/* --- order ---------------------------------------------------------------------------- */

struct pair {
        yyjson_mut_val *key, *value;
};

static int by_key(const void *a, const void *b)
{
        return str_cmp(tree_str(((const struct pair *)a)->key), tree_str(((const struct pair *)b)->key));
}

/* Puts SEGMENT before the path in ERR, on the way back from where it is wrong. */
static void at_member(struct error *err, struct str segment)
{
        char path[2 * sizeof(err->path)];

        if (!err)
                return;
        snprintf(path, sizeof(path), "%.*s%s%s", (int)MIN(segment.len, sizeof(err->path)), segment.data,
                 err->path[0] && err->path[0] != '[' ? "." : "", err->path);
        memcpy(err->path, path, sizeof(err->path) - 1);
}

static void at_item(struct error *err, size_t i)
{
        char segment[32];

        snprintf(segment, sizeof(segment), "[%zu]", i);
        at_member(err, str_c(segment));
}

/* Mostly they are sorted already, and nothing is done. */
static bool is_sorted(yyjson_mut_val *object)
{
        struct str last = STR_NULL;
        yyjson_mut_val *key, *value;
        size_t i, n;

        yyjson_mut_obj_foreach(object, i, n, key, value)
        {
                if (i > 0 && str_cmp(last, tree_str(key)) >= 0)
                        return false;
                last = tree_str(key);
        }
        return true;
}

static int sort_members(yyjson_mut_val *object, struct arena *a, struct error *err)
{
        size_t n_all = yyjson_mut_obj_size(object), i, n;
        struct pair *all = arena_new_n(a, struct pair, n_all);
        yyjson_mut_val *key, *value;

        if (!all)
                return -ENOMEM;
        yyjson_mut_obj_foreach(object, i, n, key, value) all[i] = (struct pair){ key, value };
        qsort(all, n_all, sizeof(*all), by_key);
        for (i = 1; i < n_all; i++)
                if (by_key(&all[i - 1], &all[i]) == 0)
                        return error_set_at(err, -EINVAL, tree_str(all[i].key),
                                            "is there twice; take one of them out");
        yyjson_mut_obj_clear(object);
        for (i = 0; i < n_all; i++)
                yyjson_mut_obj_add(object, all[i].key, all[i].value);
        return 0;
}

static int sort_object(yyjson_mut_val *object, struct arena *a, struct error *err)
{
        yyjson_mut_val *key, *value;
        size_t i, n;
        int r = is_sorted(object) ? 0 : sort_members(object, a, err);

        if (r < 0)
                return r;
        yyjson_mut_obj_foreach(object, i, n, key, value)
        {
                if (!yyjson_mut_is_ctn(value))
                        continue;
                r = tree_sort(value, a, err);
                if (r < 0) {
                        at_member(err, tree_str(key));
                        return r;
                }
        }
        return 0;
}

static int sort_list(yyjson_mut_val *list, struct arena *a, struct error *err)
{
        yyjson_mut_val *value;
        size_t i, n;

        yyjson_mut_arr_foreach(list, i, n, value)
        {
                int r = tree_sort(value, a, err);

                if (r < 0) {
                        at_item(err, i);
                        return r;
                }
        }
        return 0;
}

int tree_sort(yyjson_mut_val *value, struct arena *a, struct error *err)
{
        if (yyjson_mut_is_obj(value))
                return sort_object(value, a, err);
        if (yyjson_mut_is_arr(value))
                return sort_list(value, a, err);
        return 0;
}

/* --- equality ------------------------------------------------------------------------- */

static bool same_members(yyjson_mut_val *a, yyjson_mut_val *b)
{
        yyjson_mut_obj_iter other;
        yyjson_mut_val *key, *value, *other_key;
        size_t i, n;

        if (yyjson_mut_obj_size(a) != yyjson_mut_obj_size(b))
                return false;
        yyjson_mut_obj_iter_init(b, &other);
        yyjson_mut_obj_foreach(a, i, n, key, value)
        {
                other_key = yyjson_mut_obj_iter_next(&other);
                if (!str_eq(tree_str(key), tree_str(other_key)) ||
                    !tree_same(value, yyjson_mut_obj_iter_get_val(other_key)))
                        return false;
        }
        return true;
}

static bool same_items(yyjson_mut_val *a, yyjson_mut_val *b)
{
        yyjson_mut_arr_iter other;
        yyjson_mut_val *value;
        size_t i, n;

        if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b))
                return false;
        yyjson_mut_arr_iter_init(b, &other);
        yyjson_mut_arr_foreach(a, i, n,
                               value) if (!tree_same(value, yyjson_mut_arr_iter_next(&other))) return false;
        return true;
}

bool tree_same(yyjson_mut_val *a, yyjson_mut_val *b)
{
        if (!a || !b)
                return a == b;
        if (yyjson_mut_get_type(a) != yyjson_mut_get_type(b))
                return false;
        switch (yyjson_mut_get_type(a)) {
        case YYJSON_TYPE_OBJ:
                return same_members(a, b);
        case YYJSON_TYPE_ARR:
                return same_items(a, b);
        case YYJSON_TYPE_STR:
                return str_eq(tree_str(a), tree_str(b));
        case YYJSON_TYPE_NUM:
                return yyjson_mut_get_tag(a) == yyjson_mut_get_tag(b) && a->uni.u64 == b->uni.u64;
        default:
                return yyjson_mut_get_tag(a) == yyjson_mut_get_tag(b); /* null, true, false */
        }
}
