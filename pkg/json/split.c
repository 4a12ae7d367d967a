/* SPDX-License-Identifier: Apache-2.0 */
#include "json/split.h"

#include <errno.h>

#include "json/block.h"

enum state {
        BETWEEN,     /* white space until an object begins */
        VALUE,       /* in an object of the stream, or in an item */
        ENVELOPE,    /* in the list's object, not in its items */
        ITEMS_FIRST, /* behind "items":[ an item or ] */
        ITEMS_AFTER, /* behind an item: , or ] */
        ITEMS_NEXT,  /* behind a comma: an item */
        DONE,        /* behind the list's object: white space */
};

/* What stood last in the envelope at depth 1. */
enum key_state {
        KEY_NONE,
        KEY_ITEMS, /* the string "items" */
        KEY_COLON, /* and a colon */
};

#define ITEMS_DEPTH 2 /* within { and [ */

void json_split_init(struct json_split *s, enum json_split_mode mode, size_t max_value)
{
        *s = (struct json_split){ .mode = mode };
        buf_init(&s->value, max_value);
        buf_init(&s->envelope, max_value);
}

void json_split_release(struct json_split *s)
{
        buf_release(&s->value);
        buf_release(&s->envelope);
}

void json_split_clear(struct json_split *s, enum json_split_mode mode)
{
        struct buf value = s->value, envelope = s->envelope;

        buf_clear(&value);
        buf_clear(&envelope);
        *s = (struct json_split){ .mode = mode, .value = value, .envelope = envelope };
}

static bool is_space(char c)
{
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int push(struct json_split *s, bool array)
{
        uint64_t *word = &s->arrays[s->depth / 64], bit = UINT64_C(1) << s->depth % 64;

        if (s->depth == JSON_SPLIT_DEPTH_MAX - 1)
                return -EBADMSG;
        *word = array ? *word | bit : *word & ~bit;
        s->depth++;
        return 0;
}

static int pop(struct json_split *s, bool array)
{
        unsigned d = s->depth - 1;

        if (((s->arrays[d / 64] >> d % 64) & 1) != array)
                return -EBADMSG;
        s->depth = d;
        return 0;
}

/* The first quote or backslash, eight bytes at a time, or END. */
static const char *find_quote(const char *p, const char *end)
{
        while (end - p >= 8) {
                uint64_t word = word_load(p), found = word_find(word, '"') | word_find(word, '\\');

                if (found)
                        return p + word_first(found);
                p += 8;
        }
        while (p < end && *p != '"' && *p != '\\')
                p++;
        return p;
}

/* From inside a string to behind its end, or to END. */
static const char *skip_string(struct json_split *s, const char *p, const char *end)
{
        if (s->escaped && p < end) {
                s->escaped = false;
                p++;
        }
        for (;;) {
                p = find_quote(p, end);
                if (p == end)
                        return end;
                if (*p++ == '"') {
                        s->in_string = false;
                        return p;
                }
                if (p == end) {
                        s->escaped = true;
                        return end;
                }
                p++;
        }
}

/* A bracket outside of strings. In ASCII one bit tells { and [ from } and ], and another one
 * { and } from [ and ]. */
static inline int bracket(struct json_split *s, char c)
{
        bool array = !(c & 0x20);

        return c & 0x02 ? push(s, array) : pop(s, array);
}

/* skip_value, byte by byte where it is not in a string. */
static int skip_bytes(struct json_split *s, const char **p, const char *end, unsigned floor)
{
        const char *at = *p;
        int r = 0;

        while (at < end && r == 0) {
                char c;

                if (s->in_string) {
                        at = skip_string(s, at, end);
                        continue;
                }
                c = *at++;
                s->in_string = c == '"';
                if (c == '\\')
                        r = -EBADMSG;
                if ((c | 0x20) != '{' && (c | 0x20) != '}')
                        continue;
                r = bracket(s, c);
                if (s->depth == floor)
                        break;
        }
        *p = at;
        return r;
}

/* skip_value for one block. */
static int skip_block(struct json_split *s, const char **p, unsigned floor)
{
        struct block block = block_read(*p);
        uint64_t in_string, stray;

        block_unescape(&block, &s->escaped);
        in_string = block_in_string(block.quotes, s->in_string);
        stray = block.backslashes & ~in_string;
        for (uint64_t left = block.brackets & ~in_string; left; left &= left - 1) {
                const char *at = *p + __builtin_ctzll(left);
                int r = bracket(s, *at);

                if (r < 0)
                        return r;
                if (s->depth == floor) {
                        s->in_string = s->escaped = false;
                        *p = at + 1;
                        /* What stands behind the value is not looked at here. */
                        return stray & ((left & -left) - 1) ? -EBADMSG : 0;
                }
        }
        s->in_string = in_string >> (BLOCK_BYTES - 1);
        *p += BLOCK_BYTES;
        return stray ? -EBADMSG : 0;
}

/* From inside a value to behind the bracket that takes the depth back to FLOOR,
 * or to END. *P advances. All that comes from the server goes through here, so a
 * block at a time. A backslash outside of strings is an error: the parser would
 * say so later, and what it escapes would be a question. */
static int skip_value(struct json_split *s, const char **p, const char *end, unsigned floor)
{
        int r = 0;

        while (r == 0 && end - *p >= BLOCK_BYTES) {
                r = skip_block(s, p, floor);
                if (s->depth == floor)
                        return r;
        }
        return r < 0 ? r : skip_bytes(s, p, end, floor);
}

/* No more of the data than B may still take, so that a value past the cap fails
 * at the same byte however the stream is cut. NULL when it may take nothing. */
static const char *limit(const struct buf *b, const char *p, const char *end)
{
        size_t room = b->cap - b->len;

        if (room == 0)
                return NULL;
        return (size_t)(end - p) > room ? p + room : end;
}

static int in_value(struct json_split *s, const char **p, const char *end, json_split_fn *fn, void *arg)
{
        unsigned floor = s->mode == JSON_SPLIT_LIST ? ITEMS_DEPTH : 0;
        const char *from = *p;
        struct str value;
        int r;

        end = limit(&s->value, from, end);
        if (!end)
                return -EMSGSIZE;
        r = skip_value(s, p, end, floor);
        if (r < 0)
                return r;
        value = str_n(from, (size_t)(*p - from));
        if (s->depth > floor || s->value.len > 0) {
                r = buf_add_str(&s->value, value);
                if (r < 0)
                        return r;
                value = buf_str(&s->value);
        }
        if (s->depth > floor)
                return 0;
        s->state = s->mode == JSON_SPLIT_LIST ? ITEMS_AFTER : BETWEEN;
        r = fn(value, false, arg);
        buf_clear(&s->value);
        return MIN(r, 0);
}

/* One byte between the members of the envelope. */
static int envelope_byte(struct json_split *s, char c)
{
        enum key_state was = s->key_state;

        if (is_space(c))
                return 0;
        s->key_state = KEY_NONE;
        switch (c) {
        case '"':
                s->in_string = true;
                s->key_at = s->envelope.len;
                return 0;
        case ':':
                if (was == KEY_ITEMS)
                        s->key_state = KEY_COLON;
                return 0;
        case '[':
                if (was == KEY_COLON)
                        s->state = ITEMS_FIRST;
                return push(s, true);
        case '{':
                return push(s, false);
        case '}':
                return pop(s, false);
        case ']':
                return -EBADMSG;
        default:
                return 0;
        }
}

static int in_envelope(struct json_split *s, const char **p, const char *end, json_split_fn *fn, void *arg)
{
        const char *from = *p;
        int r = 0;

        end = limit(&s->envelope, from, end);
        if (!end)
                return -EMSGSIZE;
        if (s->depth > 1) {
                r = skip_value(s, p, end, 1);
        } else if (s->in_string) {
                *p = skip_string(s, from, end);
        } else {
                r = envelope_byte(s, **p);
                ++*p;
        }
        if (r == 0)
                r = buf_add(&s->envelope, from, (size_t)(*p - from));
        if (r < 0)
                return r;
        if (s->depth == 0) {
                s->state = DONE;
                r = fn(buf_str(&s->envelope), true, arg);
                return MIN(r, 0);
        }
        /* A string that ended just now at depth 1: is it the key? */
        if (s->depth == 1 && (*p)[-1] == '"' && !s->in_string) {
                struct str text = buf_str(&s->envelope);

                if (str_eq(str_n(text.data + s->key_at, text.len - s->key_at), STR("\"items\"")))
                        s->key_state = KEY_ITEMS;
        }
        return 0;
}

/* One byte between items; an item's first byte is left for in_value. */
static int between_items(struct json_split *s, const char **p)
{
        char c = **p;

        if (c == '{' && s->state != ITEMS_AFTER) {
                s->state = VALUE;
                return 0;
        }
        ++*p;
        if (is_space(c))
                return 0;
        if (c == ',' && s->state == ITEMS_AFTER) {
                s->state = ITEMS_NEXT;
                return 0;
        }
        if (c == ']' && s->state != ITEMS_NEXT) {
                s->state = ENVELOPE;
                buf_add_char(&s->envelope, c);
                return buf_error(&s->envelope) ? buf_error(&s->envelope) : pop(s, true);
        }
        return -EBADMSG;
}

/* One byte outside of any value; an object's first byte is left for its state. */
static int between_values(struct json_split *s, const char **p)
{
        if (**p == '{' && s->state == BETWEEN) {
                s->state = s->mode == JSON_SPLIT_LIST ? ENVELOPE : VALUE;
                return 0;
        }
        if (!is_space(**p))
                return -EBADMSG;
        ++*p;
        return 0;
}

int json_split_feed(struct json_split *s, struct str data, json_split_fn *fn, void *arg)
{
        const char *p = data.data, *end = data.len ? p + data.len : p;

        while (p < end && s->error == 0) {
                switch ((enum state)s->state) {
                case VALUE:
                        s->error = in_value(s, &p, end, fn, arg);
                        break;
                case ENVELOPE:
                        s->error = in_envelope(s, &p, end, fn, arg);
                        break;
                case ITEMS_FIRST:
                case ITEMS_AFTER:
                case ITEMS_NEXT:
                        s->error = between_items(s, &p);
                        break;
                case BETWEEN:
                case DONE:
                        s->error = between_values(s, &p);
                        break;
                }
        }
        return s->error;
}

int json_split_finish(struct json_split *s)
{
        if (s->error)
                return s->error;
        return s->state == (s->mode == JSON_SPLIT_LIST ? DONE : BETWEEN) ? 0 : -EBADMSG;
}
