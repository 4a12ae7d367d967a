/* SPDX-License-Identifier: Apache-2.0
 *
 * Any body as a ConversionReview: the reply is JSON, has the request's uid, and all of
 * the objects or none. And any App, made of the same bytes, between its versions:
 * nothing is lost.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admission/conversion_review.h"
#include "conversion/trips.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct conversion_kind *const kinds[] = { &app_two_versions };

static void require(bool what)
{
        if (!what)
                abort();
}

static void check_review(yyjson_val *reply, yyjson_val *request, const struct conversion_outcome *o)
{
        yyjson_val *response = yyjson_obj_get(reply, "response");
        yyjson_val *objects = yyjson_obj_get(response, "convertedObjects"), *object;
        bool done = str_eq(json_get_str(yyjson_obj_get(response, "result"), "status"), STR("Success"));
        struct str desired = json_get_str(request, "desiredAPIVersion");
        size_t i, n;

        require(str_eq(json_get_str(response, "uid"), json_get_str(request, "uid")));
        require(str_eq(o->result, done ? STR("converted") : STR("failed")));
        require(yyjson_is_arr(objects));
        require(yyjson_arr_size(objects) == (done ? yyjson_arr_size(yyjson_obj_get(request, "objects")) : 0));
        require(done || json_get_str(yyjson_obj_get(response, "result"), "message").len > 0);
        yyjson_arr_foreach (objects, i, n, object)
                require(str_eq(json_get_str(object, "apiVersion"), desired));
}

static void ask(const uint8_t *data, size_t size)
{
        _cleanup_(json_docp_free) yyjson_doc *asked = NULL, *said = NULL;
        struct buf body = BUF_INIT(REVIEW_BUF_MAX), reply = BUF_INIT(CONVERSION_REPLY_MAX);
        struct conversion_outcome outcome;
        struct conversion_review review;
        unsigned status;

        if (json_parse(str_n((const char *)data, size), &asked, NULL) < 0)
                asked = NULL;
        conversion_review_init(&review, kinds, ARRAY_SIZE(kinds));
        require(buf_add(&body, data, size) == 0);
        status = conversion_review_answer(&review, &body, &reply, &outcome);
        require(buf_error(&reply) == 0);
        require(json_parse(buf_str(&reply), &said, NULL) == 0);
        if (status == 200)
                check_review(yyjson_doc_get_root(said), yyjson_obj_get(yyjson_doc_get_root(asked), "request"),
                             &outcome);
        else
                require((status == 400 || status == 413) &&
                        !yyjson_obj_get(yyjson_doc_get_root(said), "response"));
        conversion_review_release(&review);
        buf_release(&body);
        buf_release(&reply);
}

static void travel(const uint8_t *data, size_t size)
{
        unsigned n_changes = size ? data[0] % 16 : 0;
        struct trips t;
        yyjson_mut_val *app;

        trips_init(&t, data, size, 0);
        app = trips_app(&t, n_changes);
        if (n_changes % 3 == 0)
                trips_forge(&t, app);
        if (!trips_go(&t, app)) {
                fprintf(stderr, "%.*s\n", STR_FMT(t.failure));
                abort();
        }
        trips_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size > REVIEW_BODY_MAX)
                return 0;
        ask(data, size);
        travel(data, size);
        return 0;
}
