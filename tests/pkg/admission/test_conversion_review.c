/* SPDX-License-Identifier: Apache-2.0
 *
 * With a kind of its own: a Widget of v2 has the name of its spec's colour from v1.
 */
#include "admission/conversion_review.h"

#include <errno.h>
#include <stdio.h>

#include "conversion/edit.h"
#include "harness.h"

static int to_hub(struct conversion *c, yyjson_mut_val *object)
{
        if (yyjson_mut_obj_get(edit_object(object, "spec"), "wrong"))
                return error_set_at(c->err, -EINVAL, STR("spec.wrong"), "cannot be in v1; take it out");
        edit_rename(c, edit_object(object, "spec"), "color", "colour");
        return 0;
}

static int from_hub(struct conversion *c, yyjson_mut_val *object)
{
        edit_rename(c, edit_object(object, "spec"), "colour", "color");
        return 0;
}

static const struct conversion_version versions[] = {
        { .name = STR_INIT("v1") },
        { .name = STR_INIT("v2"), .to_hub = to_hub, .from_hub = from_hub },
};
static const struct conversion_kind widget = { STR_INIT("keelson.dev"), STR_INIT("Widget"), versions, 2 };
static const struct conversion_kind gadget = { STR_INIT("keelson.dev"), STR_INIT("Gadget"), versions, 1 };
static const struct conversion_kind *const kinds[] = { &gadget, &widget };

/* --- asking ---------------------------------------------------------------------------- */

static struct conversion_review review;
static struct conversion_outcome outcome;
static struct buf reply = BUF_INIT(CONVERSION_REPLY_MAX);
static yyjson_doc *said;

static unsigned ask_bytes(struct str text)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(REVIEW_BUF_MAX);
        struct error err = ERROR_INIT;
        unsigned status;

        ck_assert_int_eq(buf_add_str(&body, text), 0);
        conversion_review_init(&review, kinds, ARRAY_SIZE(kinds));
        status = conversion_review_answer(&review, &body, &reply, &outcome);
        conversion_review_release(&review);
        ck_assert_int_eq(buf_error(&reply), 0);
        json_docp_free(&said);
        ck_assert_msg(json_parse(buf_str(&reply), &said, &err) == 0, "%s: %s", reply.data, err.message);
        return status;
}

#define HEAD                                                                                                 \
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"ConversionReview\",\"request\":{\"uid\":\"u-1\","
#define OBJECT(version, kind, rest)                                                                          \
        "{\"apiVersion\":\"keelson.dev/" version "\",\"kind\":\"" kind "\"," rest "}"
#define NAMED(name) "\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name "\"}"
#define WIDGET(version, name, rest) OBJECT(version, "Widget", NAMED(name) "," rest)

static unsigned ask(const char *desired, const char *objects)
{
        char text[8192];

        snprintf(text, sizeof(text), HEAD "\"desiredAPIVersion\":\"%s\",\"objects\":[%s]}}", desired,
                 objects);
        return ask_bytes(str_c(text));
}

static yyjson_val *at(const char *pointer)
{
        return json_get_path(yyjson_doc_get_root(said), pointer);
}

static void is_review(const char *status)
{
        ck_str_eq(json_val_str(at("/apiVersion")), "apiextensions.k8s.io/v1");
        ck_str_eq(json_val_str(at("/kind")), "ConversionReview");
        ck_str_eq(json_val_str(at("/response/uid")), "u-1");
        ck_assert_msg(str_eq_c(json_val_str(at("/response/result/status")), status), "%s", reply.data);
}

/* All of them, in one text. */
static void converted(const char *expected)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CONVERSION_REPLY_MAX);
        struct json_writer w;

        is_review("Success");
        ck_str_eq(outcome.result, "converted");
        json_writer_init(&w, &text);
        json_val(&w, at("/response/convertedObjects"));
        ck_str_eq(buf_str(&text), expected);
}

/* None of them, and said why. */
static void failed(const char *says)
{
        is_review("Failed");
        ck_str_eq(outcome.result, "failed");
        ck_assert_uint_eq(yyjson_arr_size(at("/response/convertedObjects")), 0);
        ck_assert(yyjson_is_arr(at("/response/convertedObjects")));
        ck_assert_msg(strstr(reply.data, says), "\"%s\" is not in %s", says, reply.data);
}

static void is_refusal(unsigned status, unsigned expected, const char *says)
{
        ck_assert_msg(status == expected, "%u: %s", status, reply.data);
        ck_str_eq(json_val_str(at("/kind")), "Status");
        ck_str_eq(json_val_str(at("/status")), "Failure");
        ck_assert_uint_eq(yyjson_get_uint(at("/code")), expected);
        ck_assert_msg(strstr(reply.data, says), "\"%s\" is not in %s", says, reply.data);
        ck_assert_ptr_null(at("/response"));
        ck_str_eq(outcome.result, "error");
}

/* --- objects --------------------------------------------------------------------------- */

START_TEST(objects_are_converted_in_their_order)
{
        ck_assert_uint_eq(ask("keelson.dev/v2", WIDGET("v1", "b", "\"spec\":{\"colour\":1}") "," WIDGET(
                                                        "v1", "a", "\"spec\":{\"colour\":2}")),
                          200);
        converted("[{\"apiVersion\":\"keelson.dev/v2\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"b\","
                  "\"namespace\":\"shop\"},\"spec\":{\"color\":1}},"
                  "{\"apiVersion\":\"keelson.dev/v2\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"a\","
                  "\"namespace\":\"shop\"},\"spec\":{\"color\":2}}]");
        ck_str_eq(outcome.kind, "Widget");
        ck_str_eq(outcome.from, "v1");
        ck_str_eq(outcome.to, "v2");
}
END_TEST

START_TEST(what_has_the_version_goes_back_as_it_came)
{
        ck_assert_uint_eq(ask("keelson.dev/v2",
                              "{\"z\":1.5,\"apiVersion\":\"keelson.dev/v2\",\"kind\":\"Widget\","
                              "\"spec\":{\"wrong\":[]}}"),
                          200);
        converted(
                "[{\"z\":1.5,\"apiVersion\":\"keelson.dev/v2\",\"kind\":\"Widget\",\"spec\":{\"wrong\":[]}}]");
        ck_assert_uint_eq(ask("keelson.dev/v1", OBJECT("v1", "Gadget", NAMED("g"))), 200);
        converted("[" OBJECT("v1", "Gadget", NAMED("g")) "]");
        ck_str_eq(outcome.kind, "Gadget");
        ck_str_eq(outcome.from, "v1");
        ck_str_eq(outcome.to, "v1");
}
END_TEST

START_TEST(versions_may_be_mixed)
{
        ck_assert_uint_eq(ask("keelson.dev/v1", OBJECT("v1", "Gadget", NAMED("g")) "," WIDGET(
                                                        "v2", "w", "\"spec\":{\"color\":1}")),
                          200);
        is_review("Success");
        ck_str_eq(json_val_str(at("/response/convertedObjects/0/metadata/name")), "g");
        ck_assert_uint_eq(yyjson_get_uint(at("/response/convertedObjects/1/spec/colour")), 1);
}
END_TEST

START_TEST(no_objects_are_no_problem)
{
        ck_assert_uint_eq(ask("keelson.dev/v2", ""), 200);
        converted("[]");
        ck_str_eq(outcome.kind, "none");
}
END_TEST

START_TEST(one_that_cannot_be_fails_them_all)
{
        ck_assert_uint_eq(
                ask("keelson.dev/v1",
                    WIDGET("v2", "a", "\"spec\":{}") "," WIDGET(
                            "v2", "b", "\"spec\":{\"wrong\":1}") "," WIDGET("v2", "c", "\"spec\":{}")),
                200);
        failed("\"Widget shop/b: spec.wrong: cannot be in v1; take it out\"");
        ck_assert_uint_eq(ask("keelson.dev/v1",
                              OBJECT("v2", "Widget", "\"metadata\":{\"name\":\"b\"},\"spec\":{\"wrong\":1}")),
                          200);
        failed("\"Widget b: spec.wrong: cannot be");
        ck_assert_uint_eq(
                ask("keelson.dev/v1", OBJECT("v2", "Widget", "\"metadata\":{},\"spec\":{\"wrong\":1}")), 200);
        failed("\"objects[0]: spec.wrong: cannot be");
        ck_assert_uint_eq(ask("keelson.dev/v1", WIDGET("v2", "b", "\"spec\":{\"a\":[{\"b\":1,\"b\":1}]}")),
                          200);
        failed("\"Widget shop/b: spec.a[0].b: is there twice");
}
END_TEST

START_TEST(an_unknown_kind_or_version_is_refused_by_name)
{
        ck_assert_uint_eq(ask("keelson.dev/v2", OBJECT("v1", "Thing", NAMED("a"))), 200);
        failed("\"Thing shop/a: this webhook does not know the kind Thing of keelson.dev, and converts Gadget of "
               "keelson.dev (v1), Widget of keelson.dev (v1, v2); take the conversion webhook out");
        ck_str_eq(outcome.kind, "other");
        ck_str_eq(outcome.from, "other");
        ck_str_eq(outcome.to, "v2");
        ck_assert_uint_eq(ask("keelson.dev/v2", OBJECT("v7", "Widget", NAMED("a"))), 200);
        failed("apiVersion: this webhook does not know the version v7 of Widget, but v1, v2; use a newer Keelson");
        ck_assert_uint_eq(ask("keelson.dev/v9", OBJECT("v1", "Widget", NAMED("a"))), 200);
        failed("desiredAPIVersion: this webhook does not know the version v9");
        ck_str_eq(outcome.to, "other");
        ck_assert_uint_eq(ask("keelson.dev/v2", OBJECT("v1", "Gadget", NAMED("a"))), 200);
        failed("does not know the version v2 of Gadget, but v1;");
        ck_assert_uint_eq(ask("example.dev/v2", OBJECT("v1", "Widget", NAMED("a"))), 200);
        failed("apiVersion: an object of keelson.dev cannot become one of example.dev");
        ck_assert_uint_eq(ask("keelson.dev/v2", "{\"apiVersion\":\"example.dev/v1\",\"kind\":\"Widget\"}"),
                          200);
        failed("does not know the kind Widget of example.dev");
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
        static const char *const bad[] = { "1",
                                           "null",
                                           "[]",
                                           "{}",
                                           "{\"apiVersion\":\"v1\",\"kind\":\"Widget\"}",
                                           "{\"apiVersion\":\"keelson.dev/\",\"kind\":\"Widget\"}",
                                           "{\"apiVersion\":\"/v1\",\"kind\":\"Widget\"}",
                                           "{\"apiVersion\":\"keelson.dev/v1/v2\",\"kind\":\"Widget\"}",
                                           "{\"apiVersion\":7,\"kind\":[]}",
                                           "{\"kind\":\"a\",\"kind\":\"b\"}" };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                ck_assert_uint_eq(ask("keelson.dev/v2", bad[i]), 200);
                failed("objects[0]: ");
        }
}
END_TEST

START_TEST(what_is_of_any_length_is_cut)
{
        static char text[400000];
        const int n = 100000;

        snprintf(
                text, sizeof(text),
                HEAD
                "\"desiredAPIVersion\":\"k%0*d/%0*d\",\"objects\":[{\"apiVersion\":\"k/v1\",\"kind\":\"\xc3\xa4%0*d\","
                "\"metadata\":{\"name\":\"w%0*d\"}}]}}",
                n / 2, 1, n / 2, 2, n, 3, n, 4);
        ck_assert_uint_eq(ask_bytes(str_c(text)), 200);
        failed("does not know the kind");
        ck_assert_uint_lt(reply.len, 2 * REVIEW_MESSAGE_MAX);
}
END_TEST

/* --- what is no review ------------------------------------------------------------------ */

START_TEST(f25_what_is_no_review_is_refused)
{
        static const struct {
                const char *text, *says;
        } bad[] = {
                { "{}", "apiVersion must be apiextensions.k8s.io/v1" },
                { "{\"apiVersion\":\"apiextensions.k8s.io/v1beta1\",\"kind\":\"ConversionReview\"}",
                  "apiVersion must" },
                { "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"AdmissionReview\"}",
                  "kind must be Conv" },
                { "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"ConversionReview\"}",
                  "request must be an" },
                { HEAD "\"objects\":[]}}", "request.desiredAPIVersion must be" },
                { HEAD "\"desiredAPIVersion\":\"v2\",\"objects\":[]}}", "request.desiredAPIVersion must be" },
                { HEAD "\"desiredAPIVersion\":\"a/v2\"}}", "request.objects must be a list" },
                { HEAD "\"desiredAPIVersion\":\"a/v2\",\"objects\":{}}}", "request.objects must be a list" },
                { HEAD "\"uid\":\"u-2\",\"desiredAPIVersion\":\"a/v2\",\"objects\":[]}}",
                  "has \\\"uid\\\" twice" },
                { "[]", "the body must be an object" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                is_refusal(ask_bytes(str_c(bad[i].text)), 400, bad[i].says);
        is_refusal(ask_bytes(STR("{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"ConversionReview\","
                                 "\"request\":{\"uid\":\"\"}}")),
                   400, "request.uid must be");
}
END_TEST

START_TEST(f22_what_is_no_json_is_refused)
{
        static char deep[200001];

        memset(deep, '[', sizeof(deep) - 1);
        is_refusal(ask_bytes(str_c(deep)), 400, "no ConversionReview: ");
        is_refusal(ask_bytes(STR("{\"a\":1e400}")), 400, "no ConversionReview: ");
        is_refusal(ask_bytes(STR("{\"a\":\"\xff\"}")), 400, "no ConversionReview: ");
        is_refusal(ask_bytes(str_n("{\"a\":1}\0", 8)), 400, "no ConversionReview: ");
        is_refusal(ask_bytes(STR("")), 400, "no ConversionReview: ");
}
END_TEST

/* As many values as a body may have, in one object: it fits, or it is said that it does not. */
START_TEST(f22_a_large_object_is_bounded)
{
        static const char head[] =
                HEAD "\"desiredAPIVersion\":\"keelson.dev/v2\",\"objects\":["
                     "{\"apiVersion\":\"keelson.dev/v1\",\"kind\":\"Widget\",\"metadata\":{},"
                     "\"spec\":{\"colour\":[1";
        _cleanup_(buf_release) struct buf text = BUF_INIT(REVIEW_BODY_MAX);

        buf_add_c(&text, head);
        for (int i = 0; i < 900000; i++)
                buf_add_c(&text, ",1");
        buf_add_c(&text, "]}}]}}");
        ck_assert_uint_eq(ask_bytes(buf_str(&text)), 200);
        failed("objects[0]: takes more memory than a conversion may");

        buf_clear(&text);
        buf_add_c(&text, head);
        for (int i = 0; i < 200000; i++)
                buf_add_c(&text, ",1");
        buf_add_c(&text, "]}}]}}");
        ck_assert_uint_eq(ask_bytes(buf_str(&text)), 200);
        is_review("Success");
        ck_assert_uint_eq(yyjson_arr_size(at("/response/convertedObjects/0/spec/color")), 200001);
}
END_TEST

/* Six bytes for each of a text's: the reply would be longer than it may be. */
START_TEST(f20_a_reply_is_bounded)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REVIEW_BODY_MAX);

        buf_add_c(&text, HEAD "\"desiredAPIVersion\":\"keelson.dev/v2\",\"objects\":[");
        for (int i = 0; i < 6; i++) {
                buf_add_c(&text, i ? "," : "");
                buf_add_c(
                        &text,
                        "{\"apiVersion\":\"keelson.dev/v1\",\"kind\":\"Widget\",\"metadata\":{},\"spec\":{\"colour\":\"");
                for (int k = 0; k < 1000000; k++)
                        buf_add_char(&text, 127);
                buf_add_c(&text, "\"}}");
        }
        buf_add_c(&text, "]}}");
        ck_assert_int_eq(buf_error(&text), 0);
        ck_assert_uint_eq(ask_bytes(buf_str(&text)), 200);
        is_review("Success");
        buf_release(&reply);
        reply.cap = 4000000;
        ck_assert_uint_eq(ask_bytes(buf_str(&text)), 200);
        failed("objects[3]: with it the reply has more than 4000000 bytes; ask for fewer objects at once");
        buf_release(&reply);
        reply.cap = CONVERSION_REPLY_MAX;
}
END_TEST

/* --- without memory --------------------------------------------------------------------- */

static int ask_once(void *arg)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(REVIEW_BUF_MAX),
                                          said_once = BUF_INIT(CONVERSION_REPLY_MAX);
        unsigned status;
        int r = -ENOMEM;

        conversion_review_init(&review, kinds, ARRAY_SIZE(kinds));
        if (buf_add_c(&body, arg) == 0) {
                status = conversion_review_answer(&review, &body, &said_once, &outcome);
                if (buf_error(&said_once) == 0) {
                        r = status == 200 ? 0 : -ENOMEM;
                        ck_assert(status == 200 || status == 500);
                        ck_assert(status == 200 || !strstr(said_once.data, "convertedObjects"));
                }
        }
        conversion_review_release(&review);
        return r;
}

START_TEST(f13_without_memory_nothing_is_converted)
{
        static char good[] = HEAD "\"desiredAPIVersion\":\"keelson.dev/v2\",\"objects\":[" WIDGET(
                "v1", "a",
                "\"spec\":{\"colour\":1}") "," WIDGET("v1", "a",
                                                      "\"spec\":{\"color\":1,\"colour\":2}") "," WIDGET("v2",
                                                                                                        "b",
                                                                                                        "\"spec\":{}") "]}}";
        static char bad[] = HEAD "\"desiredAPIVersion\":\"keelson.dev/v1\",\"objects\":[" WIDGET(
                "v2", "a", "\"spec\":{\"wrong\":1}") "]}}";
        static char unknown[] =
                HEAD "\"desiredAPIVersion\":\"keelson.dev/v1\",\"objects\":[{\"apiVersion\":\"a/b\"}]}}";

        torture(ask_once, good, 0);
        torture(ask_once, bad, 0);
        torture(ask_once, unknown, 0);
}
END_TEST

static const TTest *const tests[] = {
        objects_are_converted_in_their_order,
        what_has_the_version_goes_back_as_it_came,
        versions_may_be_mixed,
        no_objects_are_no_problem,
        one_that_cannot_be_fails_them_all,
        an_unknown_kind_or_version_is_refused_by_name,
        what_is_no_object_is_refused,
        what_is_of_any_length_is_cut,
        f25_what_is_no_review_is_refused,
        f22_what_is_no_json_is_refused,
        f22_a_large_object_is_bounded,
        f20_a_reply_is_bounded,
        f13_without_memory_nothing_is_converted,
};
TEST_MAIN("admission/conversion_review", tests)
