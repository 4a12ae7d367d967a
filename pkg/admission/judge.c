/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/judge.h"

#include <errno.h>

#include "admission/metadata.h"
#include "json/read.h"

static const struct str head_members[] = { STR_INIT("apiVersion"), STR_INIT("kind"), STR_INIT("metadata") };

/* A field of the spec that stands a level too high. */
static bool is_of_spec(const struct admission_kind *kind, struct str name)
{
        const struct schema_field *spec = schema_find(kind->kind->schema, STR("spec"));

        return spec && schema_find(spec->object, name);
}

/* What is no member of an object: "specs", "replicas". */
static void check_members(const struct admission_kind *kind, yyjson_val *object, struct problems *p)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(object);
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&it))) {
                struct str name = json_val_str(key);

                if (str_is_one_of(name, head_members, ARRAY_SIZE(head_members)) ||
                    schema_find(kind->kind->schema, name))
                        continue;
                if (is_of_spec(kind, name))
                        problem_add(p, arena_str(p->arena, name), "belongs under spec; move it there");
                else
                        problem_add(p, arena_str(p->arena, name), "is not a known field; take it out");
        }
}

/* Decodes the half that people write. What is wrong with the status is not their doing. */
static int decode_half(const struct schema_field *f, yyjson_val *value, enum schema_flags flags, bool must,
                       void *state, struct problems *p)
{
        void *half;
        int r;

        if (!value || yyjson_is_null(value)) {
                if (must)
                        problem_add(p, f->name, "is required");
                return 0;
        }
        r = must ? schema_decode_all(f->object, value, f->name, flags, p->arena, &half, p)
                 : schema_decode(f->object, value, f->name, flags, p->arena, &half, NULL);
        if (r == 0)
                memcpy((char *)state + f->offset, &half, sizeof(half));
        return r == -EINVAL ? 0 : r;
}

static int decode(const struct admission_kind *kind, yyjson_val *object, enum schema_flags flags, bool judged,
                  struct problems *p, void **ret)
{
        void *state = arena_alloc(p->arena, kind->kind->schema->size);
        int r = state ? 0 : -ENOMEM;

        for (size_t i = 0; i < kind->kind->schema->n_fields && r == 0; i++) {
                const struct schema_field *f = &kind->kind->schema->fields[i];
                bool is_spec = str_eq(f->name, STR("spec"));

                r = decode_half(f, yyjson_obj_getn(object, f->name.data, f->name.len), is_spec ? flags : 0,
                                judged && is_spec, state, p);
        }
        *ret = state;
        return r;
}

static bool is_told(const struct problems *p, struct str path)
{
        for (size_t i = 0; i < p->n; i++)
                if (str_eq(p->all[i].path, path))
                        return true;
        return false;
}

/* To its schema 2.0 is an integer, but not to the scale subresource that some kinds have
 * (specReplicasPath). kubectl writes it without the fraction, other clients do not. */
static void check_scale(yyjson_val *object, struct problems *p)
{
        static const struct str path = STR_INIT("spec.replicas");

        if (yyjson_is_real(json_get_path(object, "/spec/replicas")) && !is_told(p, path))
                problem_add(p, path, "must be a whole number without a fraction, such as 2");
}

static void check_nulls(const struct admission_kind *kind, yyjson_val *object, struct problems *warnings)
{
        const struct schema_field *spec = schema_find(kind->kind->schema, STR("spec"));

        if (spec)
                schema_tell_nulls(spec->object, yyjson_obj_get(object, "spec"), spec->name, warnings);
}

/* The API server has seen to it by the time that the webhook is asked. */
static void check_metadata(const struct admission_kind *kind, yyjson_val *object, struct problems *p)
{
        yyjson_val *meta = yyjson_obj_get(object, "metadata");
        struct str name = json_get_str(meta, "name");

        metadata_check(object, p);
        if (yyjson_obj_get(meta, "name") && !name.data)
                return; /* it is no string */
        if (str_empty(name) && str_empty(json_get_str(meta, "generateName")))
                problem_add(p, STR("metadata.name"), "is required");
        else if (name.data && kind->validate_name)
                kind->validate_name(name, p);
}

int admission_judge(const struct admission_kind *kind, yyjson_val *object, yyjson_val *old_object,
                    enum admission_flags flags, struct problems *problems, struct problems *warnings)
{
        enum schema_flags strict = SCHEMA_BORROW | SCHEMA_STRICT;
        void *state, *old_state = NULL;
        int r;

        if (!yyjson_is_obj(object)) {
                problem_add(problems, STR_NULL, "must be an object");
                return problems_result(problems);
        }
        check_members(kind, object, problems);
        if (flags & ADMISSION_OFFLINE) {
                strict |= SCHEMA_OFFLINE;
                check_metadata(kind, object, problems);
        }
        r = decode(kind, object, strict, true, problems, &state);
        if (r == 0 && old_object)
                r = decode(kind, old_object, SCHEMA_BORROW, false, problems, &old_state);
        if (r < 0)
                return r;
        if (flags & ADMISSION_OFFLINE) {
                check_scale(object, problems);
                check_nulls(kind, object, warnings);
        }
        /* Of a spec that cannot be read there is nothing more to say. */
        if (problems->n == 0)
                kind->validate(state, old_state, problems, warnings);
        return problems_result(problems);
}
