/* SPDX-License-Identifier: Apache-2.0
 *
 * Header lists, shared between requests. An operator sends the
 * same three or four sets all day (authorisation, content type, accept), so
 * the last few stay here and are found again by their content.
 *
 *      cache: list (newest) <-> list <-> list <-> head      each counted by its users
 *
 * A list is one allocation: the fields for nghttp2, the curl_slist nodes for libcurl,
 * then the text that both point to:
 *
 *      fields | nodes | "Accept: a/b" 0 "Expect:" 0 | "accept"
 */
#pragma once

#include <curl/curl.h>
#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "http/http.h"

#define HEADER_CACHE_MAX 8
#define HEADERS_MAX ((size_t)64)
#define HEADERS_BYTES_MAX ((size_t)64 * 1024)

struct header_list {
        unsigned refs;
        struct list link; /* in the cache, or on no list */
        uint64_t hash;
        size_t n; /* the user's headers, without the one we add */
        struct curl_slist *lines;
        /* For HTTP/2: names in lower case, without those that are about a connection of
         * HTTP/1.1 or that we say ourselves (RFC 9113, 8.2.2). */
        nghttp2_nv *fields;
        size_t n_fields;
};

struct header_cache {
        struct list lists;
        size_t n;
};

void header_cache_init(struct header_cache *cache);
void header_cache_release(struct header_cache *cache);

/* The list for N headers, for header_list_unref; 0, -ENOMEM, or -EINVAL for a
 * header that would break out of its line, or too many. */
int header_cache_get(struct header_cache *cache, const struct http_header *headers, size_t n,
                     struct header_list **ret) _must_check_;

/* NULL is fine. */
void header_list_unref(struct header_list *list);
