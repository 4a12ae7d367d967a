/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/config_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/mem.h"
#include "json/read.h"
#include "yaml/yaml.h"

#define PEM_BYTES_MAX ((size_t)1024 * 1024)

int config_out_of_memory(struct config_files *files)
{
        return error_set(files->err, -ENOMEM, "out of memory");
}

int config_fail(const struct config_at *at, const char *key, int code, const char *format, ...)
{
        char what[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        return error_set(at->files->err, code, "%.*s: %s%s%s: %s", STR_FMT(at->file->path), at->path,
                         at->path[0] && key ? "." : "", key ? key : "", what);
}

/* --- files ---------------------------------------------------------------- */

int config_files_add(struct config_files *files, struct str path, struct str text)
{
        struct config_file *file = &files->files[files->n];
        int r;

        if (files->n == KUBE_CONFIG_FILES_MAX)
                return error_set(files->err, -E2BIG, "KUBECONFIG names more than %d files",
                                 KUBE_CONFIG_FILES_MAX);
        file->path = arena_str(files->arena, path);
        if (!file->path.data)
                return config_out_of_memory(files);
        r = yaml_parse(text, &file->doc, files->err);
        if (r < 0) {
                error_prefix(files->err, "%.*s", STR_FMT(path));
                return r;
        }
        files->n++;
        if (!yyjson_is_obj(yyjson_doc_get_root(file->doc)) && !yyjson_is_null(yyjson_doc_get_root(file->doc)))
                return error_set(files->err, -EINVAL,
                                 "%.*s: not a kubeconfig: it must hold clusters, users and contexts",
                                 STR_FMT(path));
        return 0;
}

int config_files_read(struct config_files *files, struct str path, bool *ret_missing)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(KUBE_CONFIG_FILE_BYTES_MAX);
        struct str name = arena_str(files->arena, path);
        int r;

        *ret_missing = false;
        if (!name.data)
                return config_out_of_memory(files);
        r = file_read(name.data, &text);
        if (r == -ENOENT) {
                *ret_missing = true;
                return 0;
        }
        if (r == -ENOMEM)
                return config_out_of_memory(files);
        if (r < 0)
                return error_set(files->err, r, "%s: cannot read it: %s", name.data, strerror(-r));
        return config_files_add(files, path, buf_str(&text));
}

void config_files_release(struct config_files *files)
{
        for (size_t i = 0; i < files->n; i++)
                yyjson_doc_free(files->files[i].doc);
        files->n = 0;
}

/* --- entries ---------------------------------------------------------------- */

static struct config_at top_of(struct config_files *files, const struct config_file *file)
{
        return (struct config_at){ .files = files, .file = file, .value = yyjson_doc_get_root(file->doc) };
}

int config_top_str(struct config_files *files, const char *key, struct str *ret)
{
        *ret = STR_NULL;
        for (size_t i = 0; i < files->n && !ret->data; i++) {
                struct config_at top = top_of(files, &files->files[i]);
                int r = config_str(&top, key, ret);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The entry of that name in one file; *ret_index is -1 if there is none. */
static int find_in(const struct config_at *top, const char *list, struct str name, yyjson_val **ret,
                   int *ret_index)
{
        yyjson_val *entries = yyjson_obj_get(top->value, list), *entry;
        yyjson_arr_iter it = yyjson_arr_iter_with(entries);
        int index = 0;

        *ret_index = -1;
        if (entries && !yyjson_is_null(entries) && !yyjson_is_arr(entries))
                return config_fail(top, list, -EINVAL, "must be a list");
        for (; (entry = yyjson_arr_iter_next(&it)); index++) {
                if (!str_eq(json_get_str(entry, "name"), name))
                        continue;
                *ret = entry;
                *ret_index = index;
                return 0;
        }
        return 0;
}

int config_find(struct config_files *files, const char *list, const char *key, struct str name,
                const char *who, struct config_at *ret)
{
        for (size_t i = 0; i < files->n; i++) {
                struct config_at top = top_of(files, &files->files[i]);
                yyjson_val *entry = NULL;
                int index, r;

                r = find_in(&top, list, name, &entry, &index);
                if (r < 0)
                        return r;
                if (index < 0)
                        continue;
                *ret = top;
                (void)snprintf(ret->path, sizeof(ret->path), "%s[%d].%s", list, index, key);
                ret->value = yyjson_obj_get(entry, key);
                if (ret->value && !yyjson_is_null(ret->value) && !yyjson_is_obj(ret->value))
                        return config_fail(ret, NULL, -EINVAL, "must be an object");
                return 0;
        }
        return error_set(files->err, -EINVAL, "%.*s: %s: there is no entry named \"%.*s\", which %s asks for",
                         STR_FMT(files->files[0].path), list, STR_FMT(name), who);
}

/* --- values ----------------------------------------------------------------- */

int config_str(const struct config_at *at, const char *key, struct str *ret)
{
        yyjson_val *v = yyjson_obj_get(at->value, key);
        struct str s = json_val_str(v);

        *ret = STR_NULL;
        if (v && !yyjson_is_null(v) && !yyjson_is_str(v))
                return config_fail(at, key, -EINVAL, "must be a string; put it in quotes");
        if (str_empty(s))
                return 0;
        if (memchr(s.data, '\0', s.len))
                return config_fail(at, key, -EINVAL, "must not have a NUL byte in it");
        *ret = arena_str(at->files->arena, s);
        return ret->data ? 0 : config_out_of_memory(at->files);
}

int config_bool(const struct config_at *at, const char *key, bool *ret)
{
        yyjson_val *v = yyjson_obj_get(at->value, key);

        if (v && !yyjson_is_null(v) && !yyjson_is_bool(v))
                return config_fail(at, key, -EINVAL, "must be true or false");
        *ret = yyjson_get_bool(v);
        return 0;
}

int config_path(const struct config_at *at, const char *key, struct str *ret)
{
        struct str file = at->file->path, path;
        size_t dir = file.len;
        int r = config_str(at, key, &path);

        if (r < 0)
                return r;
        while (dir > 0 && file.data[dir - 1] != '/')
                dir--;
        if (path.data && path.data[0] != '/' && dir > 0)
                path = arena_printf(at->files->arena, "%.*s%.*s", (int)dir, file.data, STR_FMT(path));
        if (at->files->arena->failed)
                return config_out_of_memory(at->files);
        *ret = path;
        return 0;
}

static bool is_pem(struct str s)
{
        return s.data && memmem(s.data, s.len, "-----BEGIN ", 11) != NULL;
}

int config_read_pem(struct arena *a, struct str path, struct str *ret, struct error *err)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(PEM_BYTES_MAX);
        int r = file_read(path.data, &text);

        if (r == -ENOMEM)
                return error_set(err, r, "out of memory");
        if (r < 0)
                return error_set(err, r, "cannot read %s: %s", path.data, strerror(-r));
        if (!is_pem(buf_str(&text)))
                return error_set(err, -EINVAL, "%s is not a PEM file (no BEGIN line)", path.data);
        *ret = arena_str(a, buf_str(&text));
        return ret->data ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int decode_pem(const struct config_at *at, const char *key, struct str coded, struct str *ret)
{
        char *pem = arena_alloc(at->files->arena, BASE64_DECODED_MAX(coded.len) + 1);
        size_t len;

        if (!pem)
                return config_out_of_memory(at->files);
        if (base64_decode(coded, pem, &len) < 0)
                return config_fail(at, key, -EINVAL,
                                   "not valid base64: put the output of \"base64 -w0\" on the PEM file here");
        *ret = str_n(pem, len);
        if (!is_pem(*ret))
                return config_fail(at, key, -EINVAL, "what the base64 holds is not PEM (no BEGIN line)");
        return 0;
}

int config_pem(const struct config_at *at, const char *key, struct str *ret_pem, struct str *ret_file)
{
        struct error why = ERROR_INIT;
        struct str coded, file;
        char data_key[64];
        int r;

        *ret_pem = *ret_file = STR_NULL;
        (void)snprintf(data_key, sizeof(data_key), "%s-data", key);
        r = config_str(at, data_key, &coded);
        if (r < 0)
                return r;
        if (coded.data)
                return decode_pem(at, data_key, coded, ret_pem);
        r = config_path(at, key, &file);
        if (r < 0 || !file.data)
                return r;
        r = config_read_pem(at->files->arena, file, ret_pem, &why);
        if (r < 0)
                return r == -ENOMEM ? config_out_of_memory(at->files)
                                    : config_fail(at, key, r, "%s", why.message);
        *ret_file = file;
        return 0;
}
