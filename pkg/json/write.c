/* SPDX-License-Identifier: Apache-2.0 */
#include "json/write.h"

#include <errno.h>

#include "json/read.h"

#include "json/word.h"

void json_writer_init(struct json_writer *w, struct buf *out)
{
        *w = (struct json_writer){ .out = out };
}

static void begin_value(struct json_writer *w)
{
        if (w->comma)
                buf_add_char(w->out, ',');
        w->comma = true;
}

static void open_container(struct json_writer *w, bool array)
{
        begin_value(w);
        w->comma = false;
        if (w->depth < JSON_DEPTH_MAX) {
                uint64_t bit = UINT64_C(1) << w->depth;

                w->arrays = array ? w->arrays | bit : w->arrays & ~bit;
                buf_add_char(w->out, array ? '[' : '{');
        } else if (!w->out->error) {
                w->out->error = -EMSGSIZE;
        }
        w->depth++;
}

void json_object(struct json_writer *w)
{
        open_container(w, false);
}

void json_array(struct json_writer *w)
{
        open_container(w, true);
}

void json_end(struct json_writer *w)
{
        if (w->depth == 0)
                return;
        w->depth--;
        w->comma = true;
        if (w->depth < JSON_DEPTH_MAX)
                buf_add_char(w->out, (w->arrays >> w->depth) & 1 ? ']' : '}');
}

void json_key_str(struct json_writer *w, struct str key)
{
        begin_value(w);
        json_quote(w->out, key);
        buf_add_char(w->out, ':');
        w->comma = false;
}

void json_key(struct json_writer *w, const char *key)
{
        json_key_str(w, str_c(key));
}

void json_str(struct json_writer *w, struct str s)
{
        if (!s.data) {
                json_null(w);
                return;
        }
        begin_value(w);
        json_quote(w->out, s);
}

void json_cstr(struct json_writer *w, const char *s)
{
        json_str(w, str_c(s));
}

void json_int(struct json_writer *w, int64_t n)
{
        begin_value(w);
        buf_add_int(w->out, n);
}

void json_bool(struct json_writer *w, bool b)
{
        json_raw(w, b ? STR("true") : STR("false"));
}

void json_null(struct json_writer *w)
{
        json_raw(w, STR("null"));
}

void json_raw(struct json_writer *w, struct str json)
{
        begin_value(w);
        buf_add_str(w->out, json);
}

void json_val(struct json_writer *w, yyjson_val *value)
{
        size_t len;
        char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &json_alc, &len, NULL);

        if (text)
                json_raw(w, str_n(text, len));
        else if (!w->out->error)
                w->out->error = -ENOMEM;
        json_alc.free(json_alc.ctx, text);
}

void json_put_str(struct json_writer *w, const char *key, struct str s)
{
        json_key(w, key);
        json_str(w, s);
}

void json_put_cstr(struct json_writer *w, const char *key, const char *s)
{
        json_put_str(w, key, str_c(s));
}

void json_put_int(struct json_writer *w, const char *key, int64_t n)
{
        json_key(w, key);
        json_int(w, n);
}

void json_put_bool(struct json_writer *w, const char *key, bool b)
{
        json_key(w, key);
        json_bool(w, b);
}

void json_put_raw(struct json_writer *w, const char *key, struct str json)
{
        json_key(w, key);
        json_raw(w, json);
}

static void escape_byte(struct buf *out, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";

        switch (c) {
        case '"':
                buf_add(out, "\\\"", 2);
                break;
        case '\\':
                buf_add(out, "\\\\", 2);
                break;
        case '\n':
                buf_add(out, "\\n", 2);
                break;
        case '\r':
                buf_add(out, "\\r", 2);
                break;
        case '\t':
                buf_add(out, "\\t", 2);
                break;
        default:
                buf_add(out, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
        }
}

static bool is_plain(unsigned char c)
{
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* How many bytes may stand as they are, from AT on. */
static size_t plain_run(const unsigned char *bytes, size_t at, size_t len)
{
        size_t from = at;

        for (; len - at >= 8; at += 8) {
                uint64_t word = word_load(bytes + at);
                uint64_t found = word_find(word, '"') | word_find(word, '\\') | word_below(word, 0x20) |
                                 (word & WORD_HIGH);

                if (found)
                        return at + word_first(found) - from;
        }
        while (at < len && is_plain(bytes[at]))
                at++;
        return at - from;
}

void json_escape(struct buf *out, struct str s)
{
        const unsigned char *bytes = (const unsigned char *)s.data;
        size_t from = 0, at = 0, n;

        /* Whatever may stand as it is goes out in one piece, [from, at). */
        while (at < s.len) {
                if (is_plain(bytes[at])) {
                        at += plain_run(bytes, at, s.len);
                        continue;
                }
                n = bytes[at] < 0x80 ? 0 : str_utf8(str_n(s.data + at, s.len - at));
                if (n) {
                        at += n;
                        continue;
                }
                buf_add(out, s.data + from, at - from);
                if (bytes[at] < 0x80)
                        escape_byte(out, bytes[at]);
                else
                        buf_add(out, "\xef\xbf\xbd", 3); /* U+FFFD */
                from = ++at;
        }
        if (at > from)
                buf_add(out, s.data + from, at - from);
}

/* Nearly all strings and every key are plain. */
static bool quote_plain(struct buf *out, struct str s)
{
        char *to;

        if (s.len == 0 || plain_run((const unsigned char *)s.data, 0, s.len) < s.len)
                return false;
        to = buf_reserve(out, s.len + 2);
        if (!to)
                return true; /* and the buffer says so */
        *to++ = '"';
        memcpy(to, s.data, s.len);
        to[s.len] = '"';
        buf_commit(out, s.len + 2);
        return true;
}

void json_quote(struct buf *out, struct str s)
{
        if (quote_plain(out, s))
                return;
        buf_add_char(out, '"');
        json_escape(out, s);
        buf_add_char(out, '"');
}

void json_trim_comma(struct buf *out)
{
        if (!buf_error(out) && out->len > 0 && out->data[out->len - 1] == ',')
                out->data[--out->len] = '\0';
}
