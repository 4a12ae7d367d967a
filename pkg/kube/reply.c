/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reply.h"

#include <errno.h>

#include "json/read.h"

struct reason {
        enum kube_reason reason;
        const char *name;
        int status; /* that stands for it where there is no Status; 0: none */
        int code;
        enum kube_prospect prospect;
};

static const struct reason reasons[] = {
        { KUBE_OK, "OK", 0, 0, KUBE_PASSES },
        { KUBE_UNREACHABLE, "Unreachable", 0, -EHOSTUNREACH, KUBE_PASSES },
        { KUBE_BAD_REQUEST, "BadRequest", 400, -EINVAL, KUBE_STAYS },
        { KUBE_UNAUTHORIZED, "Unauthorized", 401, -EACCES, KUBE_PASSES },
        { KUBE_FORBIDDEN, "Forbidden", 403, -EACCES, KUBE_STAYS },
        { KUBE_NOT_FOUND, "NotFound", 404, -ENOENT, KUBE_CHANGED },
        { KUBE_ALREADY_EXISTS, "AlreadyExists", 0, -EEXIST, KUBE_CHANGED },
        { KUBE_CONFLICT, "Conflict", 409, -ESTALE, KUBE_CHANGED },
        { KUBE_EXPIRED, "Expired", 410, -ESTALE, KUBE_CHANGED },
        { KUBE_EXPIRED, "Gone", 410, -ESTALE, KUBE_CHANGED },
        { KUBE_INVALID, "Invalid", 422, -EINVAL, KUBE_STAYS },
        { KUBE_TOO_MANY_REQUESTS, "TooManyRequests", 429, -EBUSY, KUBE_PASSES },
        { KUBE_TIMEOUT, "Timeout", 504, -ETIMEDOUT, KUBE_PASSES },
        { KUBE_SERVER_TIMEOUT, "ServerTimeout", 0, -ETIMEDOUT, KUBE_PASSES },
        { KUBE_INTERNAL_ERROR, "InternalError", 500, -EREMOTEIO, KUBE_PASSES },
        { KUBE_SERVICE_UNAVAILABLE, "ServiceUnavailable", 503, -EAGAIN, KUBE_PASSES },
        { KUBE_SERVICE_UNAVAILABLE, "BadGateway", 502, -EAGAIN, KUBE_PASSES },
        { KUBE_TOO_LARGE, "RequestEntityTooLarge", 413, -EMSGSIZE, KUBE_STAYS },
        { KUBE_OWNER_UNKNOWN, "OwnerUnknown", 0, -EAGAIN, KUBE_SOON },
        { KUBE_KIND_GOING, "KindGoing", 0, -EAGAIN, KUBE_SOON },
        { KUBE_OTHER, "Unknown", 0, -EREMOTEIO, KUBE_PASSES },
};

static const struct reason *find_reason(enum kube_reason reason)
{
        for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
                if (reasons[i].reason == reason)
                        return &reasons[i];
        return &reasons[ARRAY_SIZE(reasons) - 1];
}

enum kube_reason kube_reason_parse(struct str reason)
{
        for (size_t i = 2; i < ARRAY_SIZE(reasons); i++)
                if (str_eq_c(reason, reasons[i].name))
                        return reasons[i].reason;
        return KUBE_OTHER;
}

const char *kube_reason_name(enum kube_reason reason)
{
        return find_reason(reason)->name;
}

/* "FieldValueInvalid" at "metadata.uid"; FIELD NULL: any. */
static bool has_cause(yyjson_val *status, const char *reason, const char *field)
{
        yyjson_arr_iter it =
                yyjson_arr_iter_with(yyjson_obj_get(yyjson_obj_get(status, "details"), "causes"));
        yyjson_val *cause;

        while ((cause = yyjson_arr_iter_next(&it)))
                if (str_eq_c(json_get_str(cause, "reason"), reason) &&
                    (!field || str_eq_c(json_get_str(cause, "field"), field)))
                        return true;
        return false;
}

/* Causes that say more than the reason beside them. */
static const struct {
        const char *reason, *field;
} changed_causes[] = {
        /* A precondition on the UID, where the name is another object's by now. */
        { "FieldValueInvalid", "metadata.uid" },
        /* The resource goes as well; it was only seen later. */
        { "NamespaceTerminating", NULL },
};

enum kube_prospect kube_reply_prospect(const struct kube_reply *r)
{
        yyjson_val *status = yyjson_doc_get_root(r->doc);

        for (size_t i = 0; i < ARRAY_SIZE(changed_causes); i++)
                if (has_cause(status, changed_causes[i].reason, changed_causes[i].field))
                        return KUBE_CHANGED;
        return find_reason(r->reason)->prospect;
}

static enum kube_reason reason_of_status(int status)
{
        for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
                if (reasons[i].status == status)
                        return reasons[i].reason;
        return status >= 500 ? KUBE_INTERNAL_ERROR : KUBE_OTHER;
}

/* --- messages --------------------------------------------------------------- */

static const char *verb_name(enum kube_verb verb)
{
        static const char *const names[] = {
                [KUBE_GET] = "get",           [KUBE_LIST] = "list",        [KUBE_WATCH] = "watch",
                [KUBE_CREATE] = "create",     [KUBE_UPDATE] = "update",    [KUBE_APPLY] = "apply",
                [KUBE_MERGE_PATCH] = "patch", [KUBE_JSON_PATCH] = "patch", [KUBE_DELETE] = "delete",
        };

        return names[verb];
}

/* RBAC knows an apply as a patch. */
const char *kube_rbac_verb(enum kube_verb verb)
{
        return verb == KUBE_APPLY ? "patch" : verb_name(verb);
}

#define WHAT_MAX ((size_t)512)
#define PLAIN_WORDS_MAX ((size_t)200)

/* "deployments.apps/status shop/web", "deployments.apps in all namespaces". */
static void describe(struct buf *out, const struct kube_asked *a)
{
        kube_resource_name(out, a->kind);
        if (a->subresource.data)
                buf_printf(out, "/%.*s", STR_FMT(a->subresource));
        if (a->name.data && a->kind->namespaced)
                buf_printf(out, " %.*s/%.*s", STR_FMT(a->namespace), STR_FMT(a->name));
        else if (a->name.data)
                buf_printf(out, " %.*s", STR_FMT(a->name));
        else if (a->kind->namespaced && a->namespace.data)
                buf_printf(out, " in namespace %.*s", STR_FMT(a->namespace));
        else if (a->kind->namespaced)
                buf_add_c(out, " in all namespaces");
}

/* A 404 with a name is that object; without one the server does not know the
 * kind at all. */
static bool is_unknown_kind(const struct kube_asked *a)
{
        return !a->name.data && a->verb != KUBE_CREATE;
}

/* "https://host:6443/clusters/one", as of a gateway to several clusters. */
static bool has_path(struct str server)
{
        size_t slashes = 0;

        for (size_t i = 0; i < server.len; i++)
                slashes += server.data[i] == '/';
        return slashes > 2;
}

/* Quotas, pod security and policies answer 403 as well, and then a right that is
 * granted helps nobody. The authorizer's words are: User "x" cannot list resource
 * "pods" …; without any words it is the likeliest cause. */
static bool is_missing_right(struct str message)
{
        static const char mark[] = " cannot ";

        return !message.data || memmem(message.data, message.len, mark, sizeof(mark) - 1);
}

bool kube_reply_is_missing_right(const struct kube_reply *r)
{
        return r->reason == KUBE_FORBIDDEN && is_missing_right(r->message);
}

/* Whoever answers in plain words is no API server, or one that was not asked in its
 * language: HTTP where it speaks TLS, say. */
static struct str plain_words(struct str body)
{
        struct str text = str_trim(body);

        for (size_t i = 0; i < text.len; i++)
                if ((unsigned char)text.data[i] < ' ' || (unsigned char)text.data[i] > '~')
                        return STR_NULL;
        return text.len && text.len <= PLAIN_WORDS_MAX && !strchr("{[<", text.data[0]) ? text : STR_NULL;
}

static void explain(struct kube_reply *r, const struct kube_asked *a)
{
        _cleanup_(buf_release) struct buf what = BUF_INIT(WHAT_MAX);
        const char *verb = verb_name(a->verb);
        const char *says = r->message.data ? "; the API server says: " : "";
        int code = find_reason(r->reason)->code;
        struct str w, plain = plain_words(r->body);

        describe(&what, a);
        w = buf_str(&what);
        switch (r->reason) {
        case KUBE_FORBIDDEN:
                if (!kube_reply_is_missing_right(r))
                        break;
                error_set(
                        &r->error, code,
                        "may not %s %.*s: grant this service account or user the verb%s \"%s\"%s on it%s%.*s",
                        verb, STR_FMT(w), a->streamed_list ? "s" : "", kube_rbac_verb(a->verb),
                        a->streamed_list ? " and \"watch\"" : "", says, STR_FMT(r->message));
                return;
        case KUBE_UNAUTHORIZED:
                error_set(&r->error, code,
                          "the API server %.*s does not accept our credentials (from %.*s): check the token "
                          "or the "
                          "client certificate%s%.*s",
                          STR_FMT(a->server), STR_FMT(a->credentials), says, STR_FMT(r->message));
                return;
        case KUBE_NOT_FOUND:
                if (!is_unknown_kind(a))
                        break;
                error_set(&r->error, code,
                          "cannot %s %.*s: the API server does not have %.*s %.*s; is its CRD installed%s?",
                          verb, STR_FMT(w), STR_FMT(a->kind->kind), STR_FMT(a->kind->version),
                          has_path(a->server) ? ", and is the path in the server's URL right" : "");
                return;
        case KUBE_OWNER_UNKNOWN:
                error_set(&r->error, code,
                          "cannot %s %.*s: the API server has not yet taken in the definition of its owner, "
                          "which takes up to half a minute after it was installed; it says: %.*s",
                          verb, STR_FMT(w), STR_FMT(r->message));
                return;
        case KUBE_KIND_GOING:
                error_set(
                        &r->error, code,
                        "cannot %s %.*s: the definition of %.*s is being deleted, and all of them with it; it "
                        "is tried again until it is gone or back",
                        verb, STR_FMT(w), STR_FMT(a->kind->kind));
                return;
        default:
                break;
        }
        if (r->message.data)
                error_set(&r->error, code, "cannot %s %.*s: %.*s", verb, STR_FMT(w), STR_FMT(r->message));
        else
                error_set(&r->error, code, "cannot %s %.*s: the API server answered %d%s%.*s", verb,
                          STR_FMT(w), r->status, plain.data ? ": " : "", STR_FMT(plain));
}

/* --- reading ------------------------------------------------------------------ */

/* etcd's words, which the API server passes on as an error of its own. */
static bool is_too_large_for_etcd(const struct kube_reply *r)
{
        static const char mark[] = "etcdserver: request is too large";

        return r->status == 500 && memmem(r->message.data, r->message.len, mark, sizeof(mark) - 1);
}

/* The admission plugin OwnerReferencesPermissionEnforcement looks up the owner's kind,
 * to see whether its finalizers may be set, in a list that it refreshes every 10 to
 * 30 s. Until then it says no to what blocks the deletion of a resource whose
 * definition is new. */
static bool is_unknown_owner(const struct kube_reply *r)
{
        static const char mark[] = "cannot find RESTMapping for ";

        return r->reason == KUBE_FORBIDDEN && memmem(r->message.data, r->message.len, mark, sizeof(mark) - 1);
}

/* Nothing is made of a kind whose definition is being deleted. Up to 1.33 that is said of a POST
 * alone, with another reason, and an apply is let through. */
static bool is_kind_going(const struct kube_reply *r)
{
        static const char mark[] = "create not allowed while custom resource definition is terminating";

        return (r->status == 403 || r->status == 405) &&
               memmem(r->message.data, r->message.len, mark, sizeof(mark) - 1);
}

/* metav1.Status: its reason, message, and details.retryAfterSeconds. */
static void read_status(struct kube_reply *r)
{
        yyjson_val *status;
        struct str reason;
        int64_t seconds;

        if (json_parse(r->body, &r->doc, NULL) < 0)
                return;
        status = yyjson_doc_get_root(r->doc);
        if (!str_eq_c(json_get_str(status, "kind"), "Status"))
                return;
        reason = json_get_str(status, "reason");
        if (kube_reason_parse(reason) != KUBE_OTHER)
                r->reason = kube_reason_parse(reason);
        r->message = json_get_str(status, "message");
        if (str_empty(r->message))
                r->message = STR_NULL;
        else if (is_too_large_for_etcd(r))
                r->reason = KUBE_TOO_LARGE;
        else if (is_unknown_owner(r))
                r->reason = KUBE_OWNER_UNKNOWN;
        else if (is_kind_going(r))
                r->reason = KUBE_KIND_GOING;
        seconds = json_get_int(yyjson_obj_get(status, "details"), "retryAfterSeconds", 0);
        if (r->retry_after < 0 && seconds > 0 && seconds <= 24 * 60 * 60)
                r->retry_after = seconds * USEC_SEC;
}

static void name_server(struct error *err, struct str server)
{
        if (err->code == -ENOKEY)
                return; /* we have no credentials: it was not asked */
        if (memmem(err->message, strlen(err->message), server.data, server.len))
                error_prefix(err, "API server");
        else
                error_prefix(err, "API server %.*s", STR_FMT(server));
}

void kube_reply_read(const struct http_result *result, const struct kube_asked *asked, struct kube_reply *ret)
{
        struct kube_reply r = { .status = result->status,
                                .body = result->body,
                                .retry_after = result->retry_after };

        if (result->error.code) {
                r.reason = KUBE_UNREACHABLE;
                r.error = result->error;
                name_server(&r.error, asked->server);
        } else if (result->status < 200 || result->status > 299) {
                r.reason = reason_of_status(result->status);
                read_status(&r);
                explain(&r, asked);
        }
        *ret = r;
}

void kube_reply_release(struct kube_reply *r)
{
        yyjson_doc_free(r->doc);
        r->doc = NULL;
        r->message = STR_NULL;
}
