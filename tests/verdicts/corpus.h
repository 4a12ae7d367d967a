/* SPDX-License-Identifier: Apache-2.0
 *
 * The resources in a folder's files, such as tests/e2e/bad and examples/.
 */
#pragma once

#include <dirent.h>

#include "verdicts.h"

#include "base/file.h"
#include "yaml/yaml.h"

#define CORPUS_FILE_MAX ((size_t)256 * 1024)

static inline int is_yaml(const struct dirent *entry)
{
        return str_ends(str_c(entry->d_name), STR(".yaml"));
}

/* What is done with a document. */
typedef void document_fn(const char *file, struct str text, yyjson_val *resource);

struct reading {
        const char *file;
        struct str text;
        struct str group; /* the others are passed over */
        document_fn *fn;
        size_t n;
};

static inline int take_document(yyjson_doc *doc, const struct yaml_lines *lines _unused_, void *arg,
                                struct error *err _unused_)
{
        struct reading *r = arg;
        yyjson_val *resource = yyjson_doc_get_root(doc);

        if (str_starts(json_get_str(resource, "apiVersion"), r->group)) {
                r->fn(r->file, r->text, resource);
                r->n++;
        }
        yyjson_doc_free(doc);
        return 0;
}

/* Calls FN with each document of that GROUP in each file of FOLDER; how many those were. */
static inline size_t each(const char *folder, struct str group, document_fn *fn)
{
        struct dirent **entries;
        int n = scandir(folder, &entries, is_yaml, alphasort);
        size_t found = 0;

        ck_assert_int_gt(n, 0);
        for (int i = 0; i < n; i++) {
                struct buf text = BUF_INIT(CORPUS_FILE_MAX);
                struct reading r = { .file = entries[i]->d_name, .group = group, .fn = fn };
                struct error err = ERROR_INIT;
                char path[512];

                snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
                ck_assert_int_eq(file_read(path, &text), 0);
                r.text = buf_str(&text);
                ck_assert_msg(yaml_parse_all(r.text, take_document, &r, &err) == 0, "%s: %s", path,
                              err.message);
                found += r.n;
                buf_release(&text);
                free(entries[i]);
        }
        free(entries);
        return found;
}
