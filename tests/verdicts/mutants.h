/* SPDX-License-Identifier: Apache-2.0
 *
 * Resources that nobody would think of: one that is fine, or wrong in one way, changed
 * in a few places, mostly to values that its schema knows, and to their neighbours.
 *
 *      seed --> resource --mutate_1..3--> mutant
 *
 * The same number gives the same mutant everywhere.
 */
#pragma once

#include "verdicts.h"

#include "base/rand.h"
#include "schema/pattern.h"

#define MUTANT_LIST_MAX 3
#define MUTANT_LONG 600

struct mutation {
        struct rand rand;
        yyjson_mut_doc *doc;
};

static inline bool chance(struct mutation *m, unsigned percent)
{
        return rand_below(&m->rand, 100) < percent;
}

#define pick(m, list) ((list)[rand_below(&(m)->rand, ARRAY_SIZE(list))])

/* --- values ------------------------------------------------------------------------------ */

static const char *const strings[] = {
        "",
        "a",
        "shop",
        "Shop",
        "a.b",
        "a..b",
        "a b",
        " a",
        "-a",
        "a-",
        "1a",
        "A_B",
        "1A",
        "x:1",
        "registry.example:5000/a/b@sha256:0123",
        "/a",
        "/a/b",
        "/a/b/",
        "//a",
        "/",
        "/tmp",
        "/tmp/x",
        "/tmpx",
        "/a/../b",
        "/a/./b",
        "/..",
        "/a/...",
        "/a/..b",
        "..",
        ".",
        "p",
        "p/q",
        "p/.",
        "p/..",
        "..p",
        "p..",
        "a/../../x",
        "/a:b",
        "0s",
        "1s",
        "9s",
        "10s",
        "5m",
        "1h",
        "60m",
        "61m",
        "3601s",
        "24h",
        "25h",
        "1h30m",
        "30m30m",
        "999999h",
        "999999h999999h999999h",
        "-1s",
        "1.5s",
        "500ms",
        "1d",
        "0",
        "10.0.0.0/8",
        "10.1.2.3/8",
        "0.0.0.0/0",
        "::/0",
        "2001:db8::/32",
        "::ffff:10.0.0.0/104",
        "010.0.0.0/8",
        "10.0.0.0/08",
        "10.0.0.0/33",
        "10.0.0/8",
        "fe80::1%eth0/64",
        "*.example.com",
        "*.com",
        "a.*.com",
        "a.example.com",
        "192.0.2.1",
        "192.0.2.256",
        "1.2.3",
        "2001:db8::1",
        "\xc3\xa9",
        "a\nb",
        "a\tb",
        "a\x7f",
        "\xe2\x80\xa8",
        "${HOME}",
        "$(A)",
        "'; --",
        "null",
        "true",
};

static const char *const quantities[] = {
        "0",    "1",     "500m",   "1Gi", "64Mi", "1.5",  "0.5",   ".5",
        "5.",   "+5",    "-1",     "-0",  "1e3",  "1E3",  "1e-3",  "1e+3",
        "1e.5", "1e40",  "1e400",  "1n",  "1u",   "1Ei",  "9Ei",   "16Ei",
        "1 Gi", "lots",  "",       "1GB", "1ki",  "0x10", "1_000", "100000000000000000000000",
        "0.1m", "1000k", "1.500G",
};

static const char *const keys[] = {
        "cpu",
        "memory",
        "ephemeral-storage",
        "hugepages-2Mi",
        "hugepages-",
        "hugepages-2 Mi",
        "requests.hugepages-1Gi",
        "example.com/gpu",
        "example.com/",
        "/gpu",
        "example.com/a/b",
        "a_b.com/x",
        "A.com/x",
        "-a.com/x",
        "a.-b.com/x",
        "a..com/x",
        "example.com/-x",
        "kubernetes.io/x",
        "cpus",
        "a b",
        "",
        "storage",
        "pods",
        "services.nodeports",
        "requests.cpu",
        "limits.memory",
        "requests.storage",
        "count/deployments.apps",
        "count/pods",
        "gold.storageclass.storage.k8s.io/requests.storage",
        "requests.example.com/gpu",
        "limits.example.com/gpu",
};

static inline yyjson_mut_val *long_text(struct mutation *m, size_t n)
{
        char text[MUTANT_LONG];

        memset(text, 'a', sizeof(text));
        text[0] = chance(m, 50) ? '/' : 'a';
        return yyjson_mut_strncpy(m->doc, text, MIN(n, sizeof(text)));
}

/* Of no type in particular. */
static inline yyjson_mut_val *any_value(struct mutation *m)
{
        switch (rand_below(&m->rand, 8)) {
        case 0:
                return yyjson_mut_null(m->doc);
        case 1:
                return yyjson_mut_bool(m->doc, chance(m, 50));
        case 2:
                return yyjson_mut_int(m->doc, (int64_t)rand_below(&m->rand, 5) - 1);
        case 3:
                /* Not 2.0: that is an integer to all but the scale subresource, which refuses it. */
                return yyjson_mut_real(m->doc, 1.5);
        case 4:
                return yyjson_mut_arr(m->doc);
        case 5:
                return yyjson_mut_obj(m->doc);
        default:
                return yyjson_mut_str(m->doc, pick(m, strings));
        }
}

static inline yyjson_mut_val *any_int(struct mutation *m, const struct schema_field *f)
{
        const int64_t values[] = {
                f->minimum, f->minimum - 1, f->minimum + 1,  f->maximum, f->maximum + 1, 0, 1, 2, 3,
                -1,         INT32_MAX,      INT64_C(1) << 53
        };

        if (chance(m, 60))
                return yyjson_mut_sint(m->doc, f->minimum + (int64_t)rand_below(&m->rand, 20));
        return yyjson_mut_sint(m->doc, pick(m, values));
}

static inline yyjson_mut_val *any_string(struct mutation *m, const struct schema_field *f)
{
        if (f->n_values && chance(m, 85)) {
                struct str value = f->values[rand_below(&m->rand, f->n_values)];

                return yyjson_mut_strncpy(m->doc, value.data, value.len);
        }
        if (f->max_length && f->max_length < MUTANT_LONG && chance(m, 5))
                return long_text(m, f->max_length + rand_below(&m->rand, 2));
        /* Most strings do not fit most fields, so that many are tried. */
        for (int i = 0; i < 8; i++) {
                const char *text = pick(m, strings);

                if (!f->pattern.data || schema_match(f->pattern, str_c(text)) > 0)
                        return yyjson_mut_str(m->doc, text);
        }
        return yyjson_mut_str(m->doc, pick(m, strings));
}

static inline yyjson_mut_val *value_of(struct mutation *m, const struct schema_field *f, unsigned depth);

static inline yyjson_mut_val *any_object(struct mutation *m, const struct schema *s, unsigned depth)
{
        yyjson_mut_val *object = yyjson_mut_obj(m->doc);

        for (size_t i = 0; i < s->n_fields; i++) {
                const struct schema_field *f = &s->fields[i];

                if (chance(m, f->required ? 97 : 35))
                        yyjson_mut_obj_add(object, yyjson_mut_strncpy(m->doc, f->name.data, f->name.len),
                                           value_of(m, f, depth + 1));
        }
        return object;
}

static inline yyjson_mut_val *any_map(struct mutation *m)
{
        size_t n = chance(m, 2) ? 20 : rand_below(&m->rand, MUTANT_LIST_MAX + 1);
        yyjson_mut_val *map = yyjson_mut_obj(m->doc);

        for (size_t i = 0; i < n; i++) {
                const char *key = chance(m, 50) ? keys[rand_below(&m->rand, 2)] : pick(m, keys);

                if (!yyjson_mut_obj_get(map, key))
                        yyjson_mut_obj_add_val(m->doc, map, key,
                                               chance(m, 10) ? any_value(m)
                                                             : yyjson_mut_str(m->doc, pick(m, quantities)));
        }
        return map;
}

static inline yyjson_mut_val *any_list(struct mutation *m, const struct schema_field *f, unsigned depth)
{
        size_t n =
                chance(m, 2) && f->max_length ? f->max_length + 1 : rand_below(&m->rand, MUTANT_LIST_MAX + 1);
        yyjson_mut_val *list = yyjson_mut_arr(m->doc);

        for (size_t i = 0; i < n; i++)
                yyjson_mut_arr_append(list, value_of(m, f->element, depth + 1));
        return list;
}

static inline yyjson_mut_val *value_of(struct mutation *m, const struct schema_field *f, unsigned depth)
{
        if (depth > 12 || chance(m, 3))
                return any_value(m);
        switch (f->type) {
        case SCHEMA_INT:
                return any_int(m, f);
        case SCHEMA_BOOL:
                return yyjson_mut_bool(m->doc, chance(m, 50));
        case SCHEMA_OBJECT:
                return any_object(m, f->object, depth);
        case SCHEMA_LIST:
                return any_list(m, f, depth);
        case SCHEMA_MAP:
                return any_map(m);
        case SCHEMA_QUANTITY:
        case SCHEMA_INT_OR_STRING:
                return yyjson_mut_str(m->doc, pick(m, quantities));
        case SCHEMA_STRING:
        case SCHEMA_RAW:
                break;
        }
        return any_string(m, f);
}

/* --- changes ------------------------------------------------------------------------------- */

static inline void mutate_object(struct mutation *m, const struct schema *s, yyjson_mut_val *object);

static inline void mutate_list(struct mutation *m, const struct schema_field *f, yyjson_mut_val *list)
{
        size_t n = yyjson_mut_arr_size(list), i = n ? rand_below(&m->rand, n) : 0;
        yyjson_mut_val *one = yyjson_mut_arr_get(list, i);

        if (n && f->element->type == SCHEMA_OBJECT && yyjson_mut_is_obj(one) && chance(m, 60))
                mutate_object(m, f->element->object, one);
        else if (n && chance(m, 30))
                yyjson_mut_arr_append(list, yyjson_mut_val_mut_copy(m->doc, one));
        else if (n && chance(m, 30))
                yyjson_mut_arr_remove(list, i);
        else
                yyjson_mut_arr_append(list, value_of(m, f->element, 0));
}

static inline void mutate_object(struct mutation *m, const struct schema *s, yyjson_mut_val *object)
{
        const struct schema_field *f = &s->fields[rand_below(&m->rand, s->n_fields)];
        yyjson_mut_val *key = yyjson_mut_strncpy(m->doc, f->name.data, f->name.len);
        yyjson_mut_val *is = yyjson_mut_obj_get(object, yyjson_mut_get_str(key));

        if (chance(m, 2)) {
                yyjson_mut_obj_add_val(m->doc, object, chance(m, 50) ? "namespace" : "x", any_value(m));
        } else if (f->type == SCHEMA_OBJECT && yyjson_mut_is_obj(is) && chance(m, 80)) {
                mutate_object(m, f->object, is);
        } else if (f->type == SCHEMA_LIST && yyjson_mut_is_arr(is) && chance(m, 80)) {
                mutate_list(m, f, is);
        } else if (is && chance(m, 15)) {
                yyjson_mut_obj_remove_key(object, yyjson_mut_get_str(key));
        } else {
                yyjson_mut_obj_remove_key(object, yyjson_mut_get_str(key));
                yyjson_mut_obj_add(object, key, value_of(m, f, 0));
        }
}

/* The mutant of that number; its spec is an object. Whoever asks frees it. */
static inline yyjson_doc *make_mutant(uint64_t number, const struct schema *spec_schema, yyjson_val *seed)
{
        struct mutation m = { .rand = { number * 7919 + 1 }, .doc = yyjson_mut_doc_new(NULL) };
        yyjson_mut_val *root = yyjson_val_mut_copy(m.doc, seed), *spec;
        yyjson_doc *mutant;

        yyjson_mut_doc_set_root(m.doc, root);
        spec = yyjson_mut_obj_get(root, "spec");
        for (uint64_t i = 0; yyjson_mut_is_obj(spec) && i <= rand_below(&m.rand, 3); i++)
                mutate_object(&m, spec_schema, spec);
        mutant = yyjson_mut_doc_imut_copy(m.doc, NULL);
        yyjson_mut_doc_free(m.doc);
        ck_assert_ptr_nonnull(mutant);
        return mutant;
}
