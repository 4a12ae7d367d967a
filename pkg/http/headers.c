/* SPDX-License-Identifier: Apache-2.0 */
#include "http/headers.h"

#include <errno.h>
#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"
#include "http/client.h"

#define RETRY_AFTER_MAX (24 * USEC_HOUR)

void header_cache_init(struct header_cache *cache)
{
        list_init(&cache->lists);
        cache->n = 0;
}

void header_list_unref(struct header_list *list)
{
        if (list && --list->refs == 0)
                mem_free(list);
}

static void drop(struct header_cache *cache, struct header_list *list)
{
        list_remove(&list->link);
        cache->n--;
        header_list_unref(list);
}

void header_cache_release(struct header_cache *cache)
{
        while (!list_empty(&cache->lists))
                drop(cache, container_of(cache->lists.next, struct header_list, link));
}

/* What libcurl wants for a header without a value: "Name:" would mean to leave
 * the header out. */
static const char *separator(const struct http_header *h)
{
        return h->value.len ? ": " : ";";
}

static bool line_is(const char *line, const struct http_header *h)
{
        struct str rest = str_n(line, strlen(line)), sep = str_c(separator(h));

        if (!str_starts(rest, h->name))
                return false;
        rest = str_n(rest.data + h->name.len, rest.len - h->name.len);
        if (!str_starts(rest, sep))
                return false;
        return str_eq(str_n(rest.data + sep.len, rest.len - sep.len), h->value);
}

static bool list_is(const struct header_list *list, const struct http_header *headers, size_t n)
{
        const struct curl_slist *line = list->lines;

        if (list->n != n)
                return false;
        for (size_t i = 0; i < n; i++, line = line->next)
                if (!line_is(line->data, &headers[i]))
                        return false;
        return true;
}

static uint64_t hash_of(const struct http_header *headers, size_t n)
{
        uint64_t h = HASH_INIT;

        for (size_t i = 0; i < n; i++)
                h = hash_str(hash_str(h, headers[i].name), headers[i].value);
        return h;
}

static bool is_token(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.data[i] <= ' ' || s.data[i] >= 127 || s.data[i] == ':')
                        return false;
        return s.len > 0;
}

static bool is_value(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.data[i] == '\r' || s.data[i] == '\n' || s.data[i] == '\0')
                        return false;
        return true;
}

static char *put(char *to, struct str s)
{
        if (s.len)
                memcpy(to, s.data, s.len);
        return to + s.len;
}

/* What only HTTP/1.1 has, and what we say ourselves. */
static bool is_field(struct str name)
{
        static const char *const others[] = { "connection",        "content-length",   "host",
                                              "keep-alive",        "proxy-connection", "te",
                                              "transfer-encoding", "upgrade" };

        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                if (name.len == strlen(others[i]) && strncasecmp(name.data, others[i], name.len) == 0)
                        return false;
        return true;
}

static char *put_lower(char *to, struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                to[i] = (char)(s.data[i] >= 'A' && s.data[i] <= 'Z' ? s.data[i] + ('a' - 'A') : s.data[i]);
        return to + s.len;
}

/* VALUE, with its white space at the ends, stands in a line already. */
static void add_field(struct header_list *list, struct str name, const char *value, size_t len, char **text)
{
        struct str trimmed = str_trim(str_n(value, len));

        list->fields[list->n_fields++] = (nghttp2_nv){
                .name = (uint8_t *)*text,
                .namelen = name.len,
                .value = (uint8_t *)(uintptr_t)trimmed.data,
                .valuelen = trimmed.len,
        };
        *text = put_lower(*text, name);
}

static int build(const struct http_header *headers, size_t n, struct header_list **ret)
{
        /* libcurl would announce a large body with Expect: 100-continue over
         * HTTP/1.1 and then wait a second for servers that do not know it. */
        const struct str no_expect = STR("Expect:");
        size_t bytes = no_expect.len + 1;
        struct header_list *list;
        struct curl_slist *line;
        char *text;

        if (n > HEADERS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (!is_token(headers[i].name) || !is_value(headers[i].value) ||
                    headers[i].name.len + headers[i].value.len > HEADERS_BYTES_MAX - 3)
                        return -EINVAL;
                bytes += 2 * headers[i].name.len + headers[i].value.len + 3;
                if (bytes > HEADERS_BYTES_MAX)
                        return -EINVAL;
        }
        list = mem_zalloc(sizeof(*list) + n * sizeof(*list->fields) + (n + 1) * sizeof(*line) + bytes);
        if (!list)
                return -ENOMEM;
        list->fields = (nghttp2_nv *)(void *)(list + 1);
        list->lines = line = (struct curl_slist *)(void *)(list->fields + n);
        text = (char *)(line + n + 1);
        for (size_t i = 0; i < n; i++, line++) {
                line->data = text;
                line->next = line + 1;
                text = put(text, headers[i].name);
                text = put(text, str_c(separator(&headers[i])));
                text = put(text, headers[i].value) + 1;
        }
        line->data = text;
        text = put(text, no_expect) + 1;
        line = list->lines;
        for (size_t i = 0; i < n; i++, line = line->next)
                if (is_field(headers[i].name))
                        add_field(list, headers[i].name,
                                  line->data + strlen(line->data) - headers[i].value.len,
                                  headers[i].value.len, &text);
        list->n = n;
        list->refs = 1;
        *ret = list;
        return 0;
}

int header_cache_get(struct header_cache *cache, const struct http_header *headers, size_t n,
                     struct header_list **ret)
{
        uint64_t hash = hash_of(headers, n);
        struct header_list *list;
        int r;

        list_for_each (link, &cache->lists) {
                list = container_of(link, struct header_list, link);
                if (list->hash != hash || !list_is(list, headers, n))
                        continue;
                list->refs++;
                *ret = list;
                return 0;
        }
        r = build(headers, n, &list);
        if (r < 0)
                return r;
        if (cache->n == HEADER_CACHE_MAX)
                drop(cache, container_of(cache->lists.prev, struct header_list, link));
        list->hash = hash;
        list->refs++; /* the cache's */
        list_add_head(&cache->lists, &list->link);
        cache->n++;
        *ret = list;
        return 0;
}

usec_t parse_retry_after(struct str value, usec_t wall)
{
        char text[64];
        int64_t seconds;
        usec_t wait;
        time_t date;

        value = str_trim(value);
        if (str_to_int64(value, &seconds) == 0) {
                if (seconds < 0)
                        return -1;
                return MIN(seconds, RETRY_AFTER_MAX / USEC_SEC) * USEC_SEC;
        }
        if (value.len == 0 || value.len >= sizeof(text))
                return -1;
        memcpy(text, value.data, value.len);
        text[value.len] = '\0';
        date = curl_getdate(text, NULL);
        if (date < 0)
                return -1;
        wait = (usec_t)MIN((int64_t)date, INT64_MAX / USEC_SEC) * USEC_SEC - wall;
        return MIN(MAX(wait, 0), RETRY_AFTER_MAX);
}
