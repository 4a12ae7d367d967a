/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/owned.h"

#include "base/hash.h"
#include "json/read.h"

/* Where each kind of value starts, so that none equals another. */
#define OF_NULL UINT64_C(0x2f0b4c17d2a86e01)
#define OF_TRUE UINT64_C(0x61d8a3905ce4b702)
#define OF_FALSE UINT64_C(0x93b5e27f18a0c603)
#define OF_STRING UINT64_C(0xc4920d6eb35f7a04)
#define OF_INTEGER UINT64_C(0x1a7fd85c04b93e05)
#define OF_REAL UINT64_C(0x4e53b0c9f7682d06)
#define OF_OBJECT UINT64_C(0x78e61f2da5c4b907)
#define OF_LIST UINT64_C(0xad0994b8536ef108)
#define OF_ITEMS UINT64_C(0xd2c76ba10f38e509)
#define OF_MISSING UINT64_C(0xf6a1380e9b52cd0a)

/* A key of a list item, {"containerPort":8080,"protocol":"TCP"}, is parsed on
 * the stack; a longer one is taken for missing. */
#define ITEM_KEY_MEMORY 4096

/* --- values ------------------------------------------------------------- */

static uint64_t hash_value(yyjson_val *value);

static struct str key_of(yyjson_val *key)
{
        return str_n(unsafe_yyjson_get_str(key), unsafe_yyjson_get_len(key));
}

static uint64_t hash_integer(bool negative, uint64_t magnitude)
{
        return hash_local_add(OF_INTEGER + (negative && magnitude), magnitude);
}

/* A real number without a fraction is the integer that it equals. */
static uint64_t hash_real(double d)
{
        uint64_t bits;

        if (d > -9223372036854775808.0 && d < 0 && d == (double)(int64_t)d)
                return hash_integer(true, 0 - (uint64_t)(int64_t)d);
        if (d >= 0 && d < 18446744073709551616.0 && d == (double)(uint64_t)d)
                return hash_integer(false, (uint64_t)d);
        memcpy(&bits, &d, sizeof(bits));
        return hash_local_add(OF_REAL, bits);
}

static uint64_t hash_number(yyjson_val *value)
{
        int64_t n;

        if (yyjson_is_uint(value))
                return hash_integer(false, yyjson_get_uint(value));
        if (yyjson_is_real(value))
                return hash_real(yyjson_get_real(value));
        n = yyjson_get_sint(value);
        return n < 0 ? hash_integer(true, 0 - (uint64_t)n) : hash_integer(false, (uint64_t)n);
}

/* What one key adds to the sum of its object. */
static uint64_t hash_member(struct str key, uint64_t value)
{
        return hash_local_add(hash_local_str(OF_OBJECT, key), value);
}

/* And one item to that of its list. */
static uint64_t hash_item(uint64_t item)
{
        return hash_local_add(OF_ITEMS, item);
}

/* A path, "spec.replicas": is KEY where it begins? Its rest goes to *ret_rest,
 * absent at its end. */
static bool begins_at(struct str path, struct str key, struct str *ret_rest)
{
        if (!path.data || !str_starts(path, key))
                return false;
        if (path.len == key.len) {
                *ret_rest = STR_NULL;
                return true;
        }
        if (path.data[key.len] != '.')
                return false;
        *ret_rest = str_n(path.data + key.len + 1, path.len - key.len - 1);
        return true;
}

/* All but the field at the path WITHOUT, which may be absent. */
static uint64_t hash_object(yyjson_val *object, struct str without)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(object);
        uint64_t sum = OF_OBJECT;
        yyjson_val *key;
        struct str rest;

        while ((key = yyjson_obj_iter_next(&it))) {
                yyjson_val *value = yyjson_obj_iter_get_val(key);

                if (!begins_at(without, key_of(key), &rest))
                        sum += hash_member(key_of(key), hash_value(value));
                else if (rest.data)
                        sum += hash_member(key_of(key), hash_object(value, rest));
        }
        return sum;
}

/* Are the items of this list told apart by what they hold, not by their place? */
static bool is_unordered(yyjson_val *list)
{
        return yyjson_is_obj(yyjson_arr_get_first(list));
}

static uint64_t hash_list(yyjson_val *list)
{
        yyjson_arr_iter it = yyjson_arr_iter_with(list);
        bool unordered = is_unordered(list);
        uint64_t h = unordered ? OF_ITEMS : OF_LIST;
        yyjson_val *item;

        while ((item = yyjson_arr_iter_next(&it)))
                h = unordered ? h + hash_item(hash_value(item)) : hash_local_add(h, hash_value(item));
        return h;
}

static uint64_t hash_value(yyjson_val *value)
{
        switch (yyjson_get_type(value)) {
        case YYJSON_TYPE_NULL:
                return OF_NULL;
        case YYJSON_TYPE_BOOL:
                return yyjson_get_bool(value) ? OF_TRUE : OF_FALSE;
        case YYJSON_TYPE_STR:
                return hash_local_str(OF_STRING, json_val_str(value));
        case YYJSON_TYPE_NUM:
                return hash_number(value);
        case YYJSON_TYPE_OBJ:
                return hash_object(value, STR_NULL);
        case YYJSON_TYPE_ARR:
                return hash_list(value);
        default:
                return OF_MISSING;
        }
}

/* --- a live object beside its fieldsV1 ------------------------------------ */

static uint64_t hash_owned(yyjson_val *fields, yyjson_val *value);

/* The kind of what FIELDS describes: 'f' an object, 'k', 'v' or 'i' a list,
 * 0 a whole value without finer ownership. */
static char kind_of(yyjson_val *fields)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(fields);
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&it))) {
                struct str name = key_of(key);

                if (name.len >= 2 && name.data[1] == ':')
                        return name.data[0];
        }
        return 0;
}

/* "f:name" -> "name", if KEY is of that kind. */
static bool strip(yyjson_val *key, char kind, struct str *ret)
{
        struct str name = key_of(key);

        if (name.len < 2 || name.data[0] != kind || name.data[1] != ':')
                return false;
        *ret = str_n(name.data + 2, name.len - 2);
        return true;
}

static uint64_t owned_object(yyjson_val *fields, yyjson_val *object, struct str without)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(fields);
        /* Both are mostly in the same order, and then this search is a step. */
        yyjson_obj_iter live = yyjson_obj_iter_with(object);
        uint64_t sum = OF_OBJECT;
        yyjson_val *key;
        struct str name, rest;

        while ((key = yyjson_obj_iter_next(&it))) {
                yyjson_val *entry = yyjson_obj_iter_get_val(key), *value;

                if (!strip(key, 'f', &name))
                        continue;
                value = yyjson_obj_iter_getn(&live, name.data, name.len);
                if (!begins_at(without, name, &rest))
                        sum += hash_member(name, hash_owned(entry, value));
                else if (rest.data)
                        sum += hash_member(name, owned_object(entry, value, rest));
        }
        return sum;
}

/* Has ITEM all the key fields with their values? */
static bool matches(yyjson_val *item, yyjson_val *wanted)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(wanted);
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&it))) {
                struct str name = key_of(key);
                yyjson_val *value = yyjson_obj_getn(item, name.data, name.len);

                if (!value || hash_value(value) != hash_value(yyjson_obj_iter_get_val(key)))
                        return false;
        }
        return true;
}

/* The item that KEY names. Starts at *HINT, where it stands if the list and
 * fieldsV1 are in the same order, and leaves its successor there. */
static yyjson_val *find_item(yyjson_val *list, struct str key, size_t *hint)
{
        _uninitialized_ char memory[ITEM_KEY_MEMORY];
        size_t n = yyjson_arr_size(list);
        yyjson_val *item = NULL, *wanted, *at;
        yyjson_doc *doc;
        yyjson_alc alc;

        yyjson_alc_pool_init(&alc, memory, sizeof(memory));
        doc = yyjson_read_opts((char *)(uintptr_t)key.data, key.len, 0, &alc, NULL);
        wanted = yyjson_doc_get_root(doc);
        at = yyjson_is_obj(wanted) ? yyjson_arr_get(list, *hint < n ? *hint : 0) : NULL;
        for (size_t i = 0, place = *hint < n ? *hint : 0; at && i < n; i++) {
                if (matches(at, wanted)) {
                        item = at;
                        *hint = place + 1;
                        break;
                }
                place = place + 1 < n ? place + 1 : 0;
                at = place ? unsafe_yyjson_get_next(at) : yyjson_arr_get_first(list);
        }
        yyjson_doc_free(doc);
        return item;
}

static uint64_t owned_items(yyjson_val *fields, yyjson_val *list)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(fields);
        uint64_t sum = OF_ITEMS;
        yyjson_val *key;
        struct str name;
        size_t hint = 0;

        while ((key = yyjson_obj_iter_next(&it)))
                if (strip(key, 'k', &name))
                        sum += hash_item(
                                hash_owned(yyjson_obj_iter_get_val(key), find_item(list, name, &hint)));
        return sum;
}

/* The fieldsV1 entry of one item of a set (v:"a") or of a list with places (i:3). */
static yyjson_val *find_entry(yyjson_val *fields, char kind, yyjson_val *item, size_t place)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(fields);
        uint64_t wanted = kind == 'v' ? hash_value(item) : 0;
        yyjson_val *key;
        struct str name;

        while ((key = yyjson_obj_iter_next(&it))) {
                _uninitialized_ char memory[ITEM_KEY_MEMORY];
                yyjson_doc *doc;
                yyjson_alc alc;
                int64_t index;
                bool hit;

                if (!strip(key, kind, &name))
                        continue;
                if (kind == 'i') {
                        if (str_to_int64(name, &index) == 0 && (uint64_t)index == place)
                                return yyjson_obj_iter_get_val(key);
                        continue;
                }
                yyjson_alc_pool_init(&alc, memory, sizeof(memory));
                doc = yyjson_read_opts((char *)(uintptr_t)name.data, name.len, 0, &alc, NULL);
                hit = doc && hash_value(yyjson_doc_get_root(doc)) == wanted;
                yyjson_doc_free(doc);
                if (hit)
                        return yyjson_obj_iter_get_val(key);
        }
        return NULL;
}

/* Sets keep the order in which they were applied, among others' values. */
static uint64_t owned_in_order(yyjson_val *fields, char kind, yyjson_val *list)
{
        yyjson_arr_iter it = yyjson_arr_iter_with(list);
        bool unordered = is_unordered(list);
        uint64_t h = unordered ? OF_ITEMS : OF_LIST;
        size_t found = 0, owned = 0;
        yyjson_val *item, *key;
        yyjson_obj_iter entries;
        struct str name;

        for (size_t place = 0; (item = yyjson_arr_iter_next(&it)); place++) {
                yyjson_val *entry = find_entry(fields, kind, item, place);
                uint64_t value;

                if (!entry)
                        continue;
                value = hash_owned(entry, item);
                h = unordered ? h + hash_item(value) : hash_local_add(h, value);
                found++;
        }
        entries = yyjson_obj_iter_with(fields);
        while ((key = yyjson_obj_iter_next(&entries)))
                owned += strip(key, kind, &name);
        return found == owned ? h : hash_local_add(h, OF_MISSING);
}

static uint64_t hash_owned(yyjson_val *fields, yyjson_val *value)
{
        char kind = kind_of(fields);

        if (!value)
                return OF_MISSING;
        if (kind == 0) {
                /* {".": {}} is a container that we made and left empty to us;
                 * {} is a value that is ours as a whole. */
                if (yyjson_obj_get(fields, ".") && yyjson_is_obj(value))
                        return OF_OBJECT;
                if (yyjson_obj_get(fields, ".") && yyjson_is_arr(value))
                        return OF_LIST;
                return hash_value(value);
        }
        if (kind == 'f')
                return yyjson_is_obj(value) ? owned_object(fields, value, STR_NULL) : OF_MISSING;
        if (!yyjson_is_arr(value))
                return OF_MISSING;
        return kind == 'k' ? owned_items(fields, value) : owned_in_order(fields, kind, value);
}

static yyjson_val *find_fields(yyjson_val *object, struct str manager)
{
        yyjson_arr_iter it =
                yyjson_arr_iter_with(yyjson_obj_get(yyjson_obj_get(object, "metadata"), "managedFields"));
        yyjson_val *entry;

        while ((entry = yyjson_arr_iter_next(&it)))
                if (str_eq(json_get_str(entry, "manager"), manager) &&
                    str_eq_c(json_get_str(entry, "operation"), "Apply") &&
                    str_empty(json_get_str(entry, "subresource")))
                        return yyjson_obj_get(entry, "fieldsV1");
        return NULL;
}

uint64_t kube_owned_hash(yyjson_val *object, struct str manager, struct str without, bool *ret_found)
{
        yyjson_val *fields = find_fields(object, manager);

        *ret_found = fields != NULL;
        return owned_object(fields, object, without);
}

/* --- a desired object ----------------------------------------------------- */

static bool is_identity(struct str key)
{
        return str_eq_c(key, "name") || str_eq_c(key, "namespace") || str_eq_c(key, "uid") ||
               str_eq_c(key, "resourceVersion");
}

/* Of metadata without the identity; *ret_any is false if nothing is left. */
static uint64_t hash_desired_meta(yyjson_val *meta, bool *ret_any)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(meta);
        uint64_t sum = OF_OBJECT;
        yyjson_val *key;

        *ret_any = false;
        while ((key = yyjson_obj_iter_next(&it))) {
                if (is_identity(key_of(key)))
                        continue;
                sum += hash_member(key_of(key), hash_value(yyjson_obj_iter_get_val(key)));
                *ret_any = true;
        }
        return sum;
}

uint64_t kube_desired_hash(yyjson_val *desired, struct str without)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(desired);
        uint64_t sum = OF_OBJECT;
        yyjson_val *key;
        struct str rest;

        while ((key = yyjson_obj_iter_next(&it))) {
                yyjson_val *value = yyjson_obj_iter_get_val(key);
                struct str name = key_of(key);
                bool any = true;
                uint64_t h;

                if (str_eq_c(name, "apiVersion") || str_eq_c(name, "kind"))
                        continue;
                if (str_eq_c(name, "metadata"))
                        h = hash_desired_meta(value, &any);
                else if (begins_at(without, name, &rest))
                        h = hash_object(value, rest);
                else
                        h = hash_value(value);
                if (any)
                        sum += hash_member(name, h);
        }
        return sum;
}
