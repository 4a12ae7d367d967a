/* SPDX-License-Identifier: Apache-2.0 */
#include "conversion/edit.h"

yyjson_mut_val *edit_object(yyjson_mut_val *parent, const char *name)
{
        yyjson_mut_val *found = yyjson_mut_obj_get(parent, name);

        return yyjson_mut_is_obj(found) ? found : NULL;
}

yyjson_mut_val *edit_make_object(struct conversion *c, yyjson_mut_val *parent, const char *name)
{
        if (yyjson_mut_obj_get(parent, name))
                return edit_object(parent, name);
        return yyjson_mut_obj_add_obj(c->doc, parent, name);
}

void edit_drop_empty(yyjson_mut_val *parent, const char *name)
{
        yyjson_mut_val *object = edit_object(parent, name);

        if (object && yyjson_mut_obj_size(object) == 0)
                yyjson_mut_obj_remove_key(parent, name);
}

void edit_rename(struct conversion *c, yyjson_mut_val *object, const char *from, const char *to)
{
        edit_move(c, object, from, object, to);
}

void edit_move(struct conversion *c, yyjson_mut_val *object, const char *from, yyjson_mut_val *to_object,
               const char *to)
{
        yyjson_mut_val *value;

        if (!yyjson_mut_is_obj(to_object) || yyjson_mut_obj_get(to_object, to))
                return;
        value = yyjson_mut_obj_remove_key(object, from);
        if (value)
                yyjson_mut_obj_add_val(c->doc, to_object, to, value);
}

void edit_default(struct conversion *c, yyjson_mut_val *object, const char *name, const char *text)
{
        if (yyjson_mut_is_obj(object) && !yyjson_mut_obj_get(object, name))
                yyjson_mut_obj_add_str(c->doc, object, name, text);
}

/* Does each item have a key that no other has? LIST is not sorted by it. */
static bool fits_map(struct conversion *c, yyjson_mut_val *list, const char *key)
{
        yyjson_mut_val *names = yyjson_mut_obj(c->doc), *value;
        size_t i, n;

        yyjson_mut_arr_foreach(list, i, n, value)
        {
                struct str name = tree_str(yyjson_mut_obj_get(value, key));

                if (!name.data)
                        return false;
                yyjson_mut_obj_add(names, yyjson_mut_strn(c->doc, name.data, name.len),
                                   yyjson_mut_null(c->doc));
        }
        return tree_sort(names, c->arena, NULL) == 0;
}

void edit_list_to_map(struct conversion *c, yyjson_mut_val *object, const char *name, const char *key)
{
        yyjson_mut_val *list = yyjson_mut_obj_get(object, name), *map, *value;

        if (!yyjson_mut_is_arr(list) || !fits_map(c, list, key))
                return;
        yyjson_mut_obj_remove_key(object, name);
        map = yyjson_mut_obj_add_obj(c->doc, object, name);
        while ((value = yyjson_mut_arr_remove_first(list)))
                yyjson_mut_obj_add(map, yyjson_mut_obj_remove_key(value, key), value);
}

static bool fits_list(yyjson_mut_val *map, const char *key)
{
        yyjson_mut_val *name, *value;
        size_t i, n;

        yyjson_mut_obj_foreach(map, i, n, name, value) if (!yyjson_mut_is_obj(value) ||
                                                           yyjson_mut_obj_get(value, key)) return false;
        return true;
}

void edit_map_to_list(struct conversion *c, yyjson_mut_val *object, const char *name, const char *key)
{
        yyjson_mut_val *map = yyjson_mut_obj_get(object, name), *list, *item, *value;
        yyjson_mut_obj_iter members;

        if (!yyjson_mut_is_obj(map) || !fits_list(map, key))
                return;
        yyjson_mut_obj_remove_key(object, name);
        list = yyjson_mut_obj_add_arr(c->doc, object, name);
        yyjson_mut_obj_iter_init(map, &members);
        while ((item = yyjson_mut_obj_iter_next(&members))) {
                struct str text = tree_str(item);

                value = yyjson_mut_obj_iter_remove(&members);
                yyjson_mut_obj_add_strn(c->doc, value, key, text.data, text.len);
                yyjson_mut_arr_append(list, value);
        }
}
