/* SPDX-License-Identifier: Apache-2.0
 *
 * Any body as an AdmissionReview: the reply is JSON, has the request's uid, and says
 * yes only where it is a review.
 */
#include <stdlib.h>

#include "admission/review.h"
#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct admission_kind *const kinds[] = { &app_admission, &environment_admission,
                                                      &redis_admission };

static void require(bool what)
{
        if (!what)
                abort();
}

/* That of the request, or the absent string. */
static struct str uid_of(yyjson_doc *doc)
{
        return json_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "request"), "uid");
}

static void check_review(yyjson_val *reply, struct str uid, const struct review_outcome *o)
{
        yyjson_val *response = yyjson_obj_get(reply, "response");
        yyjson_val *status = yyjson_obj_get(response, "status"), *warning;
        bool allowed = yyjson_get_bool(yyjson_obj_get(response, "allowed"));
        size_t i, n;

        require(str_eq(json_get_str(response, "uid"), uid));
        require(yyjson_is_bool(yyjson_obj_get(response, "allowed")));
        require(str_eq(o->verdict, allowed ? STR("allowed") : STR("denied")));
        require(allowed == !status);
        require(allowed || json_get_str(status, "message").len > 0);
        require(allowed || json_get_int(status, "code", 0) >= 400);
        yyjson_arr_foreach (yyjson_obj_get(response, "warnings"), i, n, warning)
                require(json_val_str(warning).len <= REVIEW_WARNING_MAX);
}

static void ask(enum review_call call, const uint8_t *data, size_t size, struct str uid)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct buf body = BUF_INIT(REVIEW_BUF_MAX), reply = BUF_INIT(REVIEW_REPLY_MAX);
        struct review_outcome outcome;
        struct review review;
        unsigned status;

        review_init(&review, kinds, ARRAY_SIZE(kinds));
        require(buf_add(&body, data, size) == 0);
        status = review_answer(&review, call, &body, &reply, &outcome);
        require(buf_error(&reply) == 0);
        require(json_parse(buf_str(&reply), &doc, NULL) == 0);
        if (status == 200)
                check_review(yyjson_doc_get_root(doc), uid, &outcome);
        else
                require((status == 400 || status == 413) &&
                        !yyjson_obj_get(yyjson_doc_get_root(doc), "response"));
        review_release(&review);
        buf_release(&body);
        buf_release(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        if (size > REVIEW_BODY_MAX)
                return 0;
        if (json_parse(str_n((const char *)data, size), &doc, NULL) < 0)
                doc = NULL;
        ask(REVIEW_VALIDATE, data, size, uid_of(doc));
        ask(REVIEW_MUTATE, data, size, uid_of(doc));
        return 0;
}
