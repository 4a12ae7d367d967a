/* SPDX-License-Identifier: Apache-2.0
 *
 * An OpenAPI schema as the generator understands it: what kind of value stands
 * where, and what its objects are called in C. Whatever a schema says that has
 * no place here is an error with its path; nothing is passed over in silence.
 *
 *      model: first -> app_spec_env -> app_spec_resources -> app_spec -> app_status
 *                      inner objects stand before those that hold them
 *
 * All of it lives in the model's arena; strings borrow from the YAML's tree.
 */
#pragma once

#include "schema/schema.h"

struct gen_rule {
        struct str field;   /* that it is about, from where it stands: ".minReplicas"; may be absent */
        struct str rule;    /* CEL */
        struct str message; /* for people */
        struct gen_rule *next;
};

struct gen_type {
        enum schema_type type;
        struct gen_object *object;
        struct gen_type *element;
        const struct str *values; /* of an enum */
        size_t n_values;
        int64_t minimum, maximum;
        struct str key; /* of a list: as of struct schema_field */
        size_t min_length, max_length;
        struct str pattern, format, list_keys; /* for the reference only */
        struct str description;
        struct str default_text;
        struct gen_rule *rules;
};

struct gen_field {
        struct str json_name, c_name;
        struct gen_type type;
        bool required;
        bool has_flag; /* a has_NAME stands beside it in C */
};

struct gen_object {
        struct str c_name; /* "app_spec_env" */
        struct str path;   /* "spec.env[]" */
        struct str description;
        struct gen_field *fields;
        size_t n_fields;
        struct gen_rule *rules;
        bool is_condition; /* metav1.Condition: schema/condition.h has it */
        bool is_root;      /* its table is for all to see */
        struct gen_object *next;
};

struct gen_model {
        struct arena *arena;
        struct gen_object *first, *last;
        bool has_conditions;
};

/* Adds the object that SCHEMA describes, called C_NAME in C and standing at
 * PATH in the document, and all objects within it. -EINVAL with the path in
 * *err, -ENOMEM. */
int gen_model_add(struct gen_model *m, yyjson_val *schema, struct str c_name, struct str path,
                  struct gen_object **ret, struct error *err) _must_check_;

/* The CEL rules of a schema, in their order. */
int gen_model_read_rules(struct gen_model *m, yyjson_val *schema, struct str path, struct gen_rule **ret,
                         struct error *err) _must_check_;
