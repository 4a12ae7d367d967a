/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gen/crd.h"

#include <errno.h>

#include "json/read.h"
#include "tools/gen/text.h"

static yyjson_val *stored_version(yyjson_val *root)
{
        yyjson_val *versions = json_get_path(root, "/spec/versions"), *v;
        size_t i, n;

        yyjson_arr_foreach (versions, i, n, v) {
                if (json_get_bool(v, "storage", false))
                        return v;
        }
        return NULL;
}

/* Of the object itself only this much may be said: its metadata is Kubernetes'
 * own, and rules go into the reference. */
static int check_root(yyjson_val *schema, struct error *err)
{
        static const char *const words[] = { "type", "description", "properties", "required",
                                             "x-kubernetes-validations" };
        static const char *const fields[] = { "apiVersion", "kind", "metadata", "spec", "status" };
        yyjson_val *key, *value;
        size_t i, n, k;

        yyjson_obj_foreach (schema, i, n, key, value) {
                for (k = 0; k < ARRAY_SIZE(words) && !str_eq_c(json_val_str(key), words[k]); k++)
                        continue;
                if (k == ARRAY_SIZE(words))
                        return error_set(err, -EINVAL, "openAPIV3Schema: \"%.*s\" is not understood here",
                                         STR_FMT(json_val_str(key)));
        }
        yyjson_obj_foreach (yyjson_obj_get(schema, "properties"), i, n, key, value) {
                for (k = 0; k < ARRAY_SIZE(fields) && !str_eq_c(json_val_str(key), fields[k]); k++)
                        continue;
                if (k == ARRAY_SIZE(fields))
                        return error_set_at(err, -EINVAL, json_val_str(key),
                                            "only spec and status may hold fields of our own");
        }
        return 0;
}

static int read_half(struct gen_crd *crd, yyjson_val *schema, const char *name, struct gen_object **ret,
                     struct error *err)
{
        yyjson_val *half = yyjson_obj_get(yyjson_obj_get(schema, "properties"), name);
        struct str kind = gen_snake(crd->model.arena, crd->kind);
        int r;

        if (!half)
                return 0;
        if (!str_eq(json_get_str(half, "type"), STR("object")))
                return error_set_at(err, -EINVAL, str_c(name), "must be an object");
        r = gen_model_add(&crd->model, half, arena_printf(crd->model.arena, "%.*s_%s", STR_FMT(kind), name),
                          str_c(name), ret, err);
        if (r == 0)
                (*ret)->is_root = true;
        return r;
}

int gen_crd_read(struct gen_crd *crd, yyjson_val *root, struct arena *a, struct error *err)
{
        yyjson_val *names = json_get_path(root, "/spec/names"), *version = stored_version(root), *schema;
        int r;

        if (!str_eq(json_get_str(root, "kind"), STR("CustomResourceDefinition")))
                return error_set(err, -EINVAL, "is not a CustomResourceDefinition");
        schema = json_get_path(version, "/schema/openAPIV3Schema");
        if (!schema)
                return error_set(err, -EINVAL, "has no stored version with a schema");
        *crd = (struct gen_crd){
                .group = json_get_str(json_get_path(root, "/spec"), "group"),
                .scope = json_get_str(json_get_path(root, "/spec"), "scope"),
                .version = json_get_str(version, "name"),
                .kind = json_get_str(names, "kind"),
                .plural = json_get_str(names, "plural"),
                .short_names = yyjson_obj_get(names, "shortNames"),
                .categories = yyjson_obj_get(names, "categories"),
                .columns = yyjson_obj_get(version, "additionalPrinterColumns"),
                .description = json_get_str(schema, "description"),
                .model = { .arena = a },
        };
        if (!crd->group.data || !crd->kind.data || !crd->plural.data || !crd->version.data ||
            !crd->scope.data)
                return error_set(err, -EINVAL, "lacks its group, scope, kind, plural or version");
        r = check_root(schema, err);
        if (r == 0)
                r = gen_model_read_rules(&crd->model, schema, STR(""), &crd->rules, err);
        if (r == 0)
                r = read_half(crd, schema, "spec", &crd->spec, err);
        if (r == 0)
                r = read_half(crd, schema, "status", &crd->status, err);
        return r;
}
