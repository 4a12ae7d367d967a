/* SPDX-License-Identifier: Apache-2.0 */
#include "json/read.h"
#include "schema/layout.h"

static struct str below(struct str path, struct str name, struct arena *a)
{
        return arena_printf(a, "%.*s%s%.*s", STR_FMT(path), path.len ? "." : "", STR_FMT(name));
}

static void tell(struct str path, struct problems *warnings)
{
        problem_add(warnings, path,
                    "is null: kubectl apply takes it as left out, kubectl apply --server-side refuses it; "
                    "leave it out");
}

static void look_at_value(const struct schema_field *f, yyjson_val *json, struct str path,
                          struct problems *warnings)
{
        yyjson_val *key, *one;
        size_t i, n;

        if (f->type == SCHEMA_OBJECT)
                schema_tell_nulls(f->object, json, path, warnings);
        if (f->type == SCHEMA_LIST && f->element->type == SCHEMA_OBJECT)
                yyjson_arr_foreach (json, i, n, one)
                        schema_tell_nulls(f->element->object, one,
                                          arena_printf(warnings->arena, "%.*s[%zu]", STR_FMT(path), i),
                                          warnings);
        if (f->type == SCHEMA_MAP)
                yyjson_obj_foreach (json, i, n, key, one)
                        if (yyjson_is_null(one))
                                tell(below(path, json_val_str(key), warnings->arena), warnings);
}

/* What has a default gets that, by whatever way it comes; what is required is an error. */
void schema_tell_nulls(const struct schema *s, yyjson_val *json, struct str path, struct problems *warnings)
{
        yyjson_val *key, *value;
        size_t i, n;

        yyjson_obj_foreach (json, i, n, key, value) {
                const struct schema_field *f = schema_find(s, json_val_str(key));
                struct str here;

                if (!f || !(yyjson_is_ctn(value) || yyjson_is_null(value)))
                        continue;
                here = below(path, f->name, warnings->arena);
                if (yyjson_is_ctn(value))
                        look_at_value(f, value, here, warnings);
                else if (!f->required && !f->default_text.data)
                        tell(here, warnings);
        }
}
