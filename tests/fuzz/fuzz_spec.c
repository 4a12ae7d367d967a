/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes as choices: which field of a kind's schema, and what to put into it. So every
 * input is a spec, mostly of the right form, and the validators are met with what no
 * schema refuses. What is let through offline the webhook and the operator let through.
 */
#include <errno.h>
#include <stdlib.h>

#include "admission/judge.h"
#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"
#include "json/read.h"

#define ARENA_MAX ((size_t)16 * 1024 * 1024)
#define DEPTH_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct choices {
        const uint8_t *data;
        size_t left;
        yyjson_mut_doc *doc;
};

static void require(bool what)
{
        if (!what)
                abort();
}

static unsigned choose(struct choices *c)
{
        if (c->left == 0)
                return 0;
        c->left--;
        return *c->data++;
}

/* So many bytes as they are, made UTF-8. */
static yyjson_mut_val *free_text(struct choices *c)
{
        size_t n = choose(c);
        char text[256];

        n = n < c->left ? n : c->left;
        for (size_t i = 0; i < n; i++)
                text[i] = (char)(choose(c) & 0x7f);
        return yyjson_mut_strncpy(c->doc, text, n);
}

static yyjson_mut_val *text_of(struct choices *c, const struct schema_field *f)
{
        static const char *const texts[] = { "a",         "/a",   "/tmp/x", "a/..b",      "5m",    "1h",
                                             "0",         "500m", "1Gi",    "10.0.0.0/8", "*.a.b", "-1",
                                             "::/0",      "1e9",  "x:1",    "..",         "p/.",   "999999h",
                                             "192.0.2.1", "1.5",  "3Mi",    "fe80::/129", "a-",    "1n" };
        unsigned which = choose(c);

        if (f->n_values && which % 8)
                return yyjson_mut_strncpy(c->doc, f->values[which % f->n_values].data,
                                          f->values[which % f->n_values].len);
        return which < 128 ? yyjson_mut_str(c->doc, texts[which % ARRAY_SIZE(texts)]) : free_text(c);
}

static yyjson_mut_val *key_of(struct choices *c)
{
        static const char *const keys[] = { "cpu",  "memory", "hugepages-2Mi",          "example.com/gpu",
                                            "pods", "a b",    "count/deployments.apps", "requests.cpu" };
        unsigned which = choose(c);

        return which < 192 ? yyjson_mut_str(c->doc, keys[which % ARRAY_SIZE(keys)]) : free_text(c);
}

static yyjson_mut_val *value_of(struct choices *c, const struct schema_field *f, unsigned depth);

static yyjson_mut_val *object_of(struct choices *c, const struct schema *s, unsigned depth)
{
        yyjson_mut_val *object = yyjson_mut_obj(c->doc);

        for (size_t i = 0; i < s->n_fields; i++)
                if (choose(c) % 4 == 1 || s->fields[i].required)
                        yyjson_mut_obj_add(
                                object,
                                yyjson_mut_strn(c->doc, s->fields[i].name.data, s->fields[i].name.len),
                                value_of(c, &s->fields[i], depth + 1));
        return object;
}

static yyjson_mut_val *value_of(struct choices *c, const struct schema_field *f, unsigned depth)
{
        yyjson_mut_val *value;
        unsigned n;

        if (depth > DEPTH_MAX)
                return yyjson_mut_null(c->doc);
        switch (f->type) {
        case SCHEMA_INT:
                n = choose(c);
                return yyjson_mut_sint(c->doc, n < 250 ? (int64_t)n : f->maximum + 252 - (int64_t)n);
        case SCHEMA_BOOL:
                return yyjson_mut_bool(c->doc, choose(c) & 1);
        case SCHEMA_OBJECT:
                return object_of(c, f->object, depth);
        case SCHEMA_LIST:
                value = yyjson_mut_arr(c->doc);
                for (n = choose(c) % 5; n > 0; n--)
                        yyjson_mut_arr_append(value, value_of(c, f->element, depth + 1));
                return value;
        case SCHEMA_MAP:
                value = yyjson_mut_obj(c->doc);
                for (n = choose(c) % 5; n > 0; n--) {
                        yyjson_mut_val *key = key_of(c);

                        yyjson_mut_obj_add(value, key, text_of(c, f->element));
                }
                return value;
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
        case SCHEMA_RAW:
                break;
        }
        return text_of(c, f);
}

static int judge(const struct admission_kind *kind, yyjson_val *object, enum admission_flags flags)
{
        struct arena a = ARENA_INIT(ARENA_MAX);
        struct problems problems, warnings;
        int r;

        problems_init(&problems, &a);
        problems_init(&warnings, &a);
        r = admission_judge(kind, object, NULL, flags, &problems, &warnings);
        require(r == 0 || r == -EINVAL);
        for (size_t i = 0; i < problems.n; i++)
                require(problems.all[i].path.len > 0 && problems.all[i].message.len > 0);
        arena_release(&a);
        return r;
}

static void validate_app(const void *spec, struct problems *problems)
{
        app_validate(spec, problems);
}

static void validate_environment(const void *spec, struct problems *problems)
{
        environment_validate(spec, problems);
}

static void validate_redis(const void *spec, struct problems *problems)
{
        redis_validate(spec, problems);
}

static const struct judged {
        const char *name; /* of the resource */
        const struct admission_kind *kind;
        const struct schema *schema;
        void (*validate)(const void *spec, struct problems *problems);
} judged[] = {
        { "default", &environment_admission, &environment_spec_schema, validate_environment },
        { "shop", &app_admission, &app_spec_schema, validate_app },
        { "sessions", &redis_admission, &redis_spec_schema, validate_redis },
};

/* As the operator does, of what is stored already. */
static bool is_fine_when_read(const struct judged *j, yyjson_val *spec)
{
        struct arena a = ARENA_INIT(ARENA_MAX);
        struct problems problems;
        void *decoded;
        int r = schema_decode(j->schema, spec, STR("spec"), 0, &a, &decoded, NULL);

        problems_init(&problems, &a);
        if (r == 0) {
                j->validate(decoded, &problems);
                r = problems_result(&problems);
        }
        arena_release(&a);
        return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct choices c = { .data = data, .left = size, .doc = yyjson_mut_doc_new(NULL) };
        const struct judged *j = &judged[choose(&c) % ARRAY_SIZE(judged)];
        yyjson_mut_val *root = yyjson_mut_obj(c.doc), *meta = yyjson_mut_obj(c.doc);
        yyjson_doc *doc;

        yyjson_mut_obj_add_str(c.doc, meta, "name", j->name);
        yyjson_mut_obj_add_val(c.doc, root, "metadata", meta);
        yyjson_mut_obj_add_val(c.doc, root, "spec", object_of(&c, j->schema, 0));
        yyjson_mut_doc_set_root(c.doc, root);
        doc = yyjson_mut_doc_imut_copy(c.doc, NULL);
        yyjson_mut_doc_free(c.doc);
        require(doc != NULL);
        root = NULL;
        if (judge(j->kind, yyjson_doc_get_root(doc), ADMISSION_OFFLINE) == 0) {
                require(judge(j->kind, yyjson_doc_get_root(doc), 0) == 0);
                require(is_fine_when_read(j, yyjson_obj_get(yyjson_doc_get_root(doc), "spec")));
        }
        yyjson_doc_free(doc);
        return 0;
}
