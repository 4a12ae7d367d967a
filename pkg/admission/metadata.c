/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/metadata.h"

#include <ctype.h>

#include "json/read.h"
#include "kube/names.h"

#define NAMESPACE_MAX ((size_t)63)           /* characters */
#define ANNOTATIONS_MAX ((size_t)256 * 1024) /* bytes of all keys and values */
#define A_KEY                                                                                                \
        "letters, digits, -, _ and ., 63 at most, beginning and ending with a letter or a digit, "           \
        "and in front of it maybe a domain and a /"

static struct str member(const char *field, struct str key, const struct problems *p)
{
        return arena_printf(p->arena, "metadata.%s.%.*s", field, STR_SHOWN(key));
}

static void check_members(yyjson_val *meta, struct problems *p)
{
        static const struct str known[] = {
                STR_INIT("name"),
                STR_INIT("generateName"),
                STR_INIT("namespace"),
                STR_INIT("labels"),
                STR_INIT("annotations"),
                STR_INIT("finalizers"),
                STR_INIT("ownerReferences"),
                STR_INIT("uid"),
                STR_INIT("resourceVersion"),
                STR_INIT("generation"),
                STR_INIT("creationTimestamp"),
                STR_INIT("deletionTimestamp"),
                STR_INIT("deletionGracePeriodSeconds"),
                STR_INIT("managedFields"),
                STR_INIT("selfLink"),
        };
        yyjson_obj_iter it = yyjson_obj_iter_with(meta);
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&it))) {
                struct str name = json_val_str(key);

                if (!str_is_one_of(name, known, ARRAY_SIZE(known)))
                        problem_add(p, arena_printf(p->arena, "metadata.%.*s", STR_SHOWN(name)),
                                    "is not a known field; take it out");
        }
}

static void check_string(yyjson_val *meta, const char *field, struct problems *p)
{
        yyjson_val *value = yyjson_obj_get(meta, field);

        if (value && !yyjson_is_null(value) && !yyjson_is_str(value))
                problem_add(p, arena_printf(p->arena, "metadata.%s", field),
                            "must be a string; put it in quotes");
}

static void check_namespace(yyjson_val *meta, struct problems *p)
{
        struct str namespace = json_get_str(meta, "namespace");

        if (namespace.len > NAMESPACE_MAX || (namespace.len > 0 && !kube_is_part(namespace)))
                problem_add(
                        p, STR("metadata.namespace"),
                        "must be lower-case letters, digits and -, begin and end with a letter or a digit, "
                        "and have 63 characters at most");
}

/* Those of annotations may have a domain in upper case. */
static bool is_key(struct str key, bool lower, struct arena *a)
{
        struct str copy = lower ? arena_str(a, key) : key;

        for (size_t i = 0; lower && copy.data && i < copy.len; i++)
                ((char *)(uintptr_t)copy.data)[i] = (char)tolower((unsigned char)copy.data[i]);
        return !copy.data || kube_is_key(copy);
}

/* Strings by keys; how many bytes they are. */
static size_t check_map(yyjson_val *meta, const char *field, bool are_labels, struct problems *p)
{
        yyjson_val *map = yyjson_obj_get(meta, field), *key, *value;
        struct str path = arena_printf(p->arena, "metadata.%s", field);
        size_t i, n, bytes = 0;

        if (!map || yyjson_is_null(map))
                return 0;
        if (!yyjson_is_obj(map)) {
                problem_add(p, path, "must be an object, with strings by their names");
                return 0;
        }
        yyjson_obj_foreach (map, i, n, key, value) {
                struct str name = json_val_str(key), text = json_val_str(value);

                bytes += name.len + text.len;
                if (!is_key(name, !are_labels, p->arena))
                        problem_add(p, path, "\"%.*s\" is no name for one; write " A_KEY, STR_SHOWN(name));
                else if (!text.data && !yyjson_is_null(value))
                        problem_add(p, member(field, name, p), "must be a string; put it in quotes");
                else if (are_labels && text.len > 0 && !kube_is_word(text))
                        problem_add(
                                p, member(field, name, p),
                                "\"%.*s\" is no value of a label; write letters, digits, -, _ and ., 63 at "
                                "most, beginning and ending with a letter or a digit",
                                STR_SHOWN(text));
        }
        return bytes;
}

static void check_finalizers(yyjson_val *meta, struct problems *p)
{
        yyjson_val *list = yyjson_obj_get(meta, "finalizers"), *one;
        size_t i, n;

        if (list && !yyjson_is_null(list) && !yyjson_is_arr(list))
                problem_add(p, STR("metadata.finalizers"), "must be a list");
        yyjson_arr_foreach (list, i, n, one)
                if (!yyjson_is_str(one) || !kube_is_key(json_val_str(one)))
                        problem_add(p, arena_printf(p->arena, "metadata.finalizers[%zu]", i),
                                    "is no name for one; write " A_KEY);
}

void metadata_check(yyjson_val *object, struct problems *problems)
{
        yyjson_val *meta = yyjson_obj_get(object, "metadata");

        if (!meta || yyjson_is_null(meta))
                return; /* then the name is missing */
        if (!yyjson_is_obj(meta)) {
                problem_add(problems, STR("metadata"), "must be an object");
                return;
        }
        check_members(meta, problems);
        check_string(meta, "name", problems);
        check_string(meta, "generateName", problems);
        check_string(meta, "namespace", problems);
        check_namespace(meta, problems);
        (void)check_map(meta, "labels", true, problems);
        if (check_map(meta, "annotations", false, problems) > ANNOTATIONS_MAX)
                problem_add(problems, STR("metadata.annotations"),
                            "are more than 262144 bytes; keep what is long in a ConfigMap");
        check_finalizers(meta, problems);
}
