/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a file for keelson validate: documents, Lists of them, aliases. Each
 * resource of ours is judged, also as an update of the one before it. What is refused is
 * told in words that a terminal bears, and stands on a line of the file; what is let
 * through the webhook lets through as well.
 */
#include <errno.h>
#include <stdlib.h>

#include "admission/judge.h"
#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"
#include "json/read.h"
#include "yaml/yaml.h"

#define ARENA_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct admission_kind *const kinds[] = { &app_admission, &environment_admission,
                                                      &redis_admission };

struct file {
        unsigned n_lines;
        yyjson_doc *before[ARRAY_SIZE(kinds)]; /* of each kind, the last */
};

static void require(bool what)
{
        if (!what)
                abort();
}

static bool is_clean(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
                        return false;
        return true;
}

/* 0 or -EINVAL, with what is wrong. */
static int judge(const struct admission_kind *kind, yyjson_val *object, yyjson_val *old,
                 enum admission_flags flags, struct problems *problems, struct arena *a)
{
        struct problems warnings;
        int r;

        problems_init(problems, a);
        problems_init(&warnings, a);
        r = admission_judge(kind, object, old, flags, problems, &warnings);
        require(r == 0 || r == -EINVAL || (r == -ENOMEM && a->full));
        require((r == -EINVAL) == (problems->n > 0) || r == -ENOMEM);
        for (size_t i = 0; i < problems->n; i++)
                require(problems->all[i].message.len > 0 && is_clean(problems->all[i].message) &&
                        is_clean(problems->all[i].path));
        return r;
}

static void check_resource(struct file *f, const struct yaml_lines *lines, yyjson_val *root,
                           yyjson_val *object)
{
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                struct arena a = ARENA_INIT(ARENA_MAX);
                struct problems problems, others;
                yyjson_val *old = f->before[i] ? yyjson_doc_get_root(f->before[i]) : NULL;
                int r;

                if (!str_eq(json_get_str(object, "kind"), kinds[i]->kind->api.kind))
                        continue;
                r = judge(kinds[i], object, NULL, ADMISSION_OFFLINE, &problems, &a);
                for (size_t k = 0; k < problems.n; k++) {
                        unsigned line = yaml_line(lines, root, object, problems.all[k].path);

                        require(line >= lines->first && line <= f->n_lines);
                }
                if (r == 0)
                        require(judge(kinds[i], object, NULL, 0, &others, &a) != -EINVAL);
                if (r == 0 && old)
                        (void)judge(kinds[i], object, old, 0, &others, &a);
                arena_release(&a);
        }
}

static int take(yyjson_doc *doc, const struct yaml_lines *lines, void *arg, struct error *err _unused_)
{
        yyjson_val *root = yyjson_doc_get_root(doc), *item;
        struct file *f = arg;
        size_t i, n;

        require(lines->n == doc->val_read);
        check_resource(f, lines, root, root);
        yyjson_arr_foreach (yyjson_obj_get(root, "items"), i, n, item)
                check_resource(f, lines, root, item);
        for (i = 0; i < ARRAY_SIZE(kinds); i++) {
                if (!str_eq(json_get_str(root, "kind"), kinds[i]->kind->api.kind))
                        continue;
                yyjson_doc_free(f->before[i]);
                f->before[i] = doc;
                return 0;
        }
        yyjson_doc_free(doc);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct file f = { .n_lines = 1 };

        /* Also U+0085 and their like break lines, for libyaml. */
        for (size_t i = 0; i < size; i++)
                f.n_lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xa8 ||
                             data[i] == 0xa9;
        require(yaml_parse_all(str_n((const char *)data, size), take, &f, NULL) != -ENOMEM);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                yyjson_doc_free(f.before[i]);
        return 0;
}
