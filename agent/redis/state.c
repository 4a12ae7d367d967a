/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/state.h"

#include <errno.h>

#include "json/read.h"
#include "json/write.h"

#define VERSION 1

static const char *const source_names[] = {
        [REDIS_NOTHING] = "nothing",
        [REDIS_RDB] = "rdb",
        [REDIS_AOF] = "aof",
};

const char *redis_source_name(enum redis_source source)
{
        return source_names[source];
}

static int take_text(yyjson_val *root, const char *key, char *to, size_t size, struct error *err)
{
        struct str text = json_get_str(root, key);

        if (!text.data || text.len >= size || memchr(text.data, '\0', text.len))
                return error_set_at(err, -EINVAL, str_c(key), "is no text of at most %zu bytes", size - 1);
        memcpy(to, text.data, text.len);
        to[text.len] = '\0';
        return 0;
}

static int take_number(yyjson_val *root, const char *key, uint64_t *ret, struct error *err)
{
        int64_t n = json_get_int(root, key, -1);

        if (n < 0)
                return error_set_at(err, -EINVAL, str_c(key), "is no number from 0 on");
        *ret = (uint64_t)n;
        return 0;
}

static int take_source(yyjson_val *root, enum redis_source *ret, struct error *err)
{
        struct str name = json_get_str(root, "source");

        for (size_t i = 0; i < ARRAY_SIZE(source_names); i++)
                if (str_eq_c(name, source_names[i])) {
                        *ret = (enum redis_source)i;
                        return 0;
                }
        return error_set_at(err, -EINVAL, STR("source"), "is not one of nothing, rdb, aof");
}

int redis_state_parse(struct str text, struct redis_state *ret, struct error *err)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct redis_state state = { 0 };
        yyjson_val *root;
        int r = json_parse(text, &doc, err);

        if (r < 0)
                return r;
        root = yyjson_doc_get_root(doc);
        if (json_get_int(root, "version", 0) != VERSION)
                return error_set_at(err, -EINVAL, STR("version"),
                                    "is not %d; it was written by another release", VERSION);
        r = take_source(root, &state.source, err);
        if (r == 0)
                r = take_text(root, "lineage", state.lineage, sizeof(state.lineage), err);
        if (r == 0)
                r = take_number(root, "timeline", &state.position.timeline, err);
        if (r == 0)
                r = take_number(root, "offset", &state.position.offset, err);
        if (r == 0)
                r = take_text(root, "replid", state.replid, sizeof(state.replid), err);
        if (r == 0)
                *ret = state;
        return r;
}

int redis_state_write(const struct redis_state *state, usec_t now, struct buf *out)
{
        char time[CLOCK_RFC3339_MAX];
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_int(&w, "version", VERSION);
        json_put_cstr(&w, "source", source_names[state->source]);
        json_put_cstr(&w, "lineage", state->lineage);
        json_put_int(&w, "timeline", (int64_t)MIN(state->position.timeline, (uint64_t)INT64_MAX));
        json_put_int(&w, "offset", (int64_t)MIN(state->position.offset, (uint64_t)INT64_MAX));
        json_put_cstr(&w, "replid", state->replid);
        json_put_str(&w, "time", str_n(time, clock_format(now, false, time)));
        json_end(&w);
        buf_add_char(out, '\n');
        return buf_error(out);
}
