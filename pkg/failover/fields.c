/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/fields.h"

#include <errno.h>
#include <stdio.h>

#define WORD_DIGITS 16

int fields_wrong(const struct fields *f, const char *key, const char *expected)
{
        if (*f->failed)
                return *f->failed;
        *f->failed = -EINVAL;
        if (key)
                return error_set(f->err, -EINVAL, "%s.%s must be %s", f->path, key, expected);
        return error_set(f->err, -EINVAL, "%s must be %s", f->path, expected);
}

void fields_init(struct fields *f, yyjson_val *object, const char *path, struct error *err, int *failed)
{
        *f = (struct fields){ .object = object, .err = err, .failed = failed };
        snprintf(f->path, sizeof(f->path), "%s", path);
        if (!yyjson_is_obj(object))
                (void)fields_wrong(f, NULL, "an object");
}

void fields_open(struct fields *f, struct str json, size_t max, const char *what, yyjson_doc **doc,
                 struct error *err, int *failed)
{
        *f = (struct fields){ .err = err, .failed = failed };
        if (json.len > max)
                *failed = error_set(err, -EINVAL, "%s must not have more than %zu bytes", what, max);
        else
                *failed = json_parse(json, doc, err);
        if (*failed == 0)
                fields_init(f, yyjson_doc_get_root(*doc), what, err, failed);
        else if (json.len <= max)
                error_prefix(err, "%s", what);
}

void fields_enter(const struct fields *f, const char *key, struct fields *ret)
{
        char path[FIELDS_PATH_MAX];

        snprintf(path, sizeof(path), "%.60s.%.30s", f->path, key);
        fields_init(ret, yyjson_obj_get(f->object, key), path, f->err, f->failed);
}

bool fields_has(const struct fields *f, const char *key)
{
        return yyjson_obj_get(f->object, key) != NULL;
}

uint64_t fields_number(const struct fields *f, const char *key, uint64_t max)
{
        yyjson_val *v = yyjson_obj_get(f->object, key);

        if (yyjson_is_uint(v) && yyjson_get_uint(v) <= MIN(max, (uint64_t)INT64_MAX))
                return yyjson_get_uint(v);
        (void)fields_wrong(f, key, "a whole number that is not negative, nor too large");
        return 0;
}

static int digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint64_t fields_word(const struct fields *f, const char *key)
{
        struct str s = json_get_str(f->object, key);
        uint64_t word = 0;
        bool ok = s.len == WORD_DIGITS;

        for (size_t i = 0; ok && i < s.len; i++) {
                ok = digit(s.data[i]) >= 0;
                word = word << 4 | (uint64_t)(digit(s.data[i]) & 0xf);
        }
        if (ok)
                return word;
        (void)fields_wrong(f, key, "16 hexadecimal digits");
        return 0;
}

bool fields_bool(const struct fields *f, const char *key)
{
        yyjson_val *v = yyjson_obj_get(f->object, key);

        if (!yyjson_is_bool(v))
                (void)fields_wrong(f, key, "true or false");
        return yyjson_get_bool(v);
}

static bool is_member(yyjson_val *v)
{
        return yyjson_is_uint(v) && yyjson_get_uint(v) < FAILOVER_MEMBERS_MAX;
}

int fields_member(const struct fields *f, const char *key, int absent)
{
        yyjson_val *v = yyjson_obj_get(f->object, key);

        if (!v && absent != FIELDS_REQUIRED)
                return absent;
        if (is_member(v))
                return (int)yyjson_get_uint(v);
        (void)fields_wrong(f, key, "the number of a member, from 0 to 8");
        return 0;
}

failover_set fields_set(const struct fields *f, const char *key)
{
        yyjson_val *v = yyjson_obj_get(f->object, key), *item;
        failover_set set = 0;
        size_t i, n;

        if (!yyjson_is_arr(v))
                (void)fields_wrong(f, key, "a list of members' numbers");
        yyjson_arr_foreach (v, i, n, item) {
                if (is_member(item))
                        set |= failover_only((int)yyjson_get_uint(item));
                else
                        (void)fields_wrong(f, key, "a list of members' numbers, from 0 to 8");
        }
        return set;
}

void fields_text(const struct fields *f, const char *key, char *out, size_t size)
{
        yyjson_val *v = yyjson_obj_get(f->object, key);
        struct str s = json_val_str(v);
        bool ok = yyjson_is_str(v) && s.len < size;

        memset(out, 0, size);
        for (size_t i = 0; ok && i < s.len; i++)
                ok = s.data[i] > ' ' && s.data[i] < 0x7f;
        if (!ok)
                (void)fields_wrong(f, key, "a text without blanks that is not too long");
        else if (s.len)
                memcpy(out, s.data, s.len);
}

size_t fields_name(const struct fields *f, const char *key, const char *(*name)(size_t), size_t n)
{
        struct str s = json_get_str(f->object, key);

        for (size_t i = 0; i < n; i++)
                if (s.data && str_eq_c(s, name(i)))
                        return i;
        (void)fields_wrong(f, key, "one of the names that there are");
        return 0;
}

void fields_position(const struct fields *f, struct failover_position *ret)
{
        struct fields position;

        fields_enter(f, "position", &position);
        ret->timeline = fields_number(&position, "timeline", INT64_MAX);
        ret->offset = fields_number(&position, "offset", INT64_MAX);
}

void fields_put_word(struct json_writer *w, const char *key, uint64_t word)
{
        char text[WORD_DIGITS + 1];

        snprintf(text, sizeof(text), "%016llx", (unsigned long long)word);
        json_put_cstr(w, key, text);
}

void fields_put_set(struct json_writer *w, const char *key, failover_set set)
{
        json_key(w, key);
        json_array(w);
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (set & failover_only(m))
                        json_int(w, m);
        json_end(w);
}

void fields_put_position(struct json_writer *w, const struct failover_position *p)
{
        json_key(w, "position");
        json_object(w);
        json_put_int(w, "timeline", (int64_t)p->timeline);
        json_put_int(w, "offset", (int64_t)p->offset);
        json_end(w);
}
