/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/path.h"

#include <errno.h>

/* RFC 3986, "unreserved": what needs no encoding anywhere. */
static bool is_plain(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct buf *out, struct str s)
{
        static const char hex[] = "0123456789ABCDEF";
        size_t from = 0;

        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.data[i];
                char coded[3] = { '%', hex[c >> 4], hex[c & 15] };

                if (is_plain(s.data[i]))
                        continue;
                buf_add(out, s.data + from, i - from);
                buf_add(out, coded, sizeof(coded));
                from = i + 1;
        }
        if (s.len > from)
                buf_add(out, s.data + from, s.len - from);
}

/* "." and ".." would climb through the path instead of naming something. */
static bool is_segment(struct str s)
{
        return s.len > 0 && !str_eq_c(s, ".") && !str_eq_c(s, "..");
}

static int add_segment(struct buf *url, struct str s)
{
        if (!is_segment(s))
                return -EINVAL;
        buf_add_char(url, '/');
        add_encoded(url, s);
        return 0;
}

int kube_path(struct buf *url, const struct kube_kind *kind, struct str namespace, struct str name,
              struct str subresource)
{
        int r = 0;

        if (str_empty(kind->group)) {
                buf_add_str(url, STR("/api"));
        } else {
                buf_add_str(url, STR("/apis"));
                r = add_segment(url, kind->group);
        }
        if (r == 0)
                r = add_segment(url, kind->version);
        if (r == 0 && kind->namespaced && namespace.data) {
                buf_add_str(url, STR("/namespaces"));
                r = add_segment(url, namespace);
        } else if (kind->namespaced && name.data) {
                return -EINVAL;
        }
        if (r == 0)
                r = add_segment(url, kind->plural);
        if (r == 0 && name.data)
                r = add_segment(url, name);
        if (r == 0 && subresource.data)
                r = add_segment(url, subresource);
        return r < 0 ? r : buf_error(url);
}

static void begin_query(struct buf *url, const char *key)
{
        bool first = url->len == 0 || !memchr(url->data, '?', url->len);

        buf_add_char(url, first ? '?' : '&');
        buf_add_c(url, key);
        buf_add_char(url, '=');
}

void kube_query(struct buf *url, const char *key, struct str value)
{
        if (!value.data)
                return;
        begin_query(url, key);
        add_encoded(url, value);
}

void kube_query_int(struct buf *url, const char *key, int64_t value)
{
        begin_query(url, key);
        buf_add_int(url, value);
}

void kube_resource_name(struct buf *out, const struct kube_kind *kind)
{
        buf_add_str(out, kind->plural);
        if (str_empty(kind->group))
                return;
        buf_add_char(out, '.');
        buf_add_str(out, kind->group);
}
