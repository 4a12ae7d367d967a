/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/envelope.h"

#include <errno.h>
#include <stdio.h>

int envelope_open(const struct envelope *e, struct buf *body, struct arena *a, yyjson_val **ret,
                  struct error *err)
{
        static const char *const names[] = { "apiVersion", "kind", "request" };
        yyjson_val *found[ARRAY_SIZE(names)] = { NULL };
        yyjson_doc *doc;
        int r;

        if (!buf_reserve(body, JSON_READ_PADDING))
                return error_set(err, buf_error(body), "cannot be kept");
        r = json_parse_in_place(body->data, body->len, a, &doc, err);
        if (r < 0)
                return r;
        if (yyjson_doc_get_val_count(doc) > REVIEW_VALUES_MAX)
                return error_set(err, -EMSGSIZE, "has more than %zu values", REVIEW_VALUES_MAX);
        r = json_pick(yyjson_doc_get_root(doc), "the body", names, ARRAY_SIZE(names), found, err);
        if (r < 0)
                return r;
        if (!str_eq(json_val_str(found[0]), e->api_version))
                return error_set(err, -EINVAL, "apiVersion must be %.*s", STR_FMT(e->api_version));
        if (!str_eq(json_val_str(found[1]), e->kind))
                return error_set(err, -EINVAL, "kind must be %.*s", STR_FMT(e->kind));
        *ret = found[2];
        return 0;
}

int envelope_check_uid(struct str uid, struct error *err)
{
        if (!str_empty(uid) && uid.len <= REVIEW_UID_MAX)
                return 0;
        return error_set(err, -EINVAL, "request.uid must be a string of 1 to %zu bytes", REVIEW_UID_MAX);
}

void envelope_begin(const struct envelope *e, struct str uid, struct json_writer *w, struct buf *reply)
{
        json_writer_init(w, reply);
        json_object(w);
        json_put_str(w, "apiVersion", e->api_version);
        json_put_str(w, "kind", e->kind);
        json_key(w, "response");
        json_object(w);
        json_put_str(w, "uid", uid);
}

void envelope_status(struct json_writer *w, unsigned code, const char *reason, struct str message)
{
        json_object(w);
        json_put_cstr(w, "status", "Failure");
        json_put_str(w, "message", message);
        json_put_cstr(w, "reason", reason);
        json_put_int(w, "code", code);
}

unsigned envelope_fail(const struct envelope *e, int code, bool full, const struct error *err,
                       struct buf *reply)
{
        unsigned status = code == -EINVAL ? 400 : code == -EMSGSIZE || full ? 413 : 500;

        if (status == 400)
                review_refuse(reply, status, "no %.*s: %s", STR_FMT(e->kind), err->message);
        else if (status == 413)
                review_refuse(reply, status, "the %.*s is too large: it %s", STR_FMT(e->kind),
                              code == -EMSGSIZE ? err->message : "takes too much memory");
        else
                review_refuse(reply, status, "out of memory");
        return status;
}

static const char *reason_of(unsigned status)
{
        switch (status) {
        case 400:
                return "BadRequest";
        case 404:
                return "NotFound";
        case 413:
                return "RequestEntityTooLarge";
        case 415:
                return "UnsupportedMediaType";
        case 503:
                return "ServiceUnavailable";
        default:
                return "InternalError";
        }
}

void review_refuse(struct buf *reply, unsigned status, const char *format, ...)
{
        char message[1024];
        struct json_writer w;
        va_list args;

        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        buf_clear(reply);
        json_writer_init(&w, reply);
        envelope_status(&w, status, reason_of(status), str_c(message));
        json_put_cstr(&w, "kind", "Status");
        json_put_cstr(&w, "apiVersion", "v1");
        json_end(&w);
}

struct str review_cut(struct str s, size_t max, struct arena *a)
{
        return s.len <= max ? s : arena_printf(a, "%.*s...", STR_FMT(str_head(s, max - 3)));
}
