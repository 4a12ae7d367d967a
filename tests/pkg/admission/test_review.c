/* SPDX-License-Identifier: Apache-2.0
 *
 * With a judge of its own: what is wrong with a Widget is what its spec says.
 */
#include "admission/review.h"

#include <errno.h>
#include <stdio.h>

#include "harness.h"
#include "json/read.h"

/* --- a kind and its judge ------------------------------------------------------------ */

static const struct cache_kind widget_kind = {
        .api = { .group = STR_INIT("keelson.dev"),
                 .version = STR_INIT("v1alpha1"),
                 .plural = STR_INIT("widgets"),
                 .kind = STR_INIT("Widget"),
                 .namespaced = true },
};
static const struct admission_kind widget = { .kind = &widget_kind };
static const struct admission_kind *const kinds[] = { &widget };

static size_t n_judged;
static bool had_old;

static void tell(yyjson_val *list, struct problems *p)
{
        size_t i, n;
        yyjson_val *one;

        yyjson_arr_foreach (list, i, n, one)
                problem_add(p, arena_printf(p->arena, "spec.env[%zu].name", i), "%s", yyjson_get_str(one));
}

int admission_judge(const struct admission_kind *kind, yyjson_val *object, yyjson_val *old_object,
                    enum admission_flags flags, struct problems *problems, struct problems *warnings)
{
        yyjson_val *spec = yyjson_obj_get(object, "spec");
        int64_t eat = json_get_int(spec, "eat", 0);

        ck_assert_ptr_eq(kind, &widget);
        ck_assert_int_eq(flags, 0);
        n_judged++;
        had_old = old_object != NULL;
        if (eat && !arena_alloc(problems->arena, (size_t)eat))
                return -ENOMEM;
        tell(yyjson_obj_get(spec, "wrong"), problems);
        tell(yyjson_obj_get(spec, "unwise"), warnings);
        return problems_result(problems);
}

/* --- asking ---------------------------------------------------------------------------- */

static struct review review;
static struct review_outcome outcome;
static struct buf reply = BUF_INIT(REVIEW_REPLY_MAX);
static yyjson_doc *said;

static unsigned ask_bytes(enum review_call call, struct str text)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(REVIEW_BUF_MAX);
        struct error err = ERROR_INIT;
        unsigned status;

        ck_assert_int_eq(buf_add_str(&body, text), 0);
        review_init(&review, kinds, ARRAY_SIZE(kinds));
        n_judged = 0;
        had_old = false;
        status = review_answer(&review, call, &body, &reply, &outcome);
        review_release(&review);
        ck_assert_int_eq(buf_error(&reply), 0);
        json_docp_free(&said);
        ck_assert_msg(json_parse(buf_str(&reply), &said, &err) == 0, "%s: %s", reply.data, err.message);
        return status;
}

#define HEAD                                                                                                 \
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u-1\","
#define WIDGET                                                                                               \
        "\"kind\":{\"group\":\"keelson.dev\",\"version\":\"v1alpha1\",\"kind\":\"Widget\"},\"name\":\"shop\","

/* REST: the members of the request behind uid, kind and name. */
static unsigned ask(const char *rest)
{
        char text[4096];

        snprintf(text, sizeof(text), HEAD WIDGET "%s}}", rest);
        return ask_bytes(REVIEW_VALIDATE, str_c(text));
}

static yyjson_val *at(const char *pointer)
{
        return json_get_path(yyjson_doc_get_root(said), pointer);
}

static struct str text_at(const char *pointer)
{
        return json_val_str(at(pointer));
}

static void is_review(bool allowed)
{
        ck_str_eq(text_at("/apiVersion"), "admission.k8s.io/v1");
        ck_str_eq(text_at("/kind"), "AdmissionReview");
        ck_str_eq(text_at("/response/uid"), "u-1");
        ck_assert_msg(yyjson_get_bool(at("/response/allowed")) == allowed, "%s", reply.data);
        ck_assert_ptr_null(at("/response/patch"));
        ck_str_eq(outcome.verdict, allowed ? "allowed" : "denied");
}

/* Not a review at all, and nothing that could be taken for a yes. */
static void is_refusal(unsigned status, unsigned expected, const char *says)
{
        ck_assert_msg(status == expected, "%u: %s", status, reply.data);
        ck_str_eq(text_at("/kind"), "Status");
        ck_str_eq(text_at("/apiVersion"), "v1");
        ck_str_eq(text_at("/status"), "Failure");
        ck_assert_uint_eq(yyjson_get_uint(at("/code")), expected);
        ck_assert_msg(strstr(reply.data, says), "\"%s\" is not in %s", says, reply.data);
        ck_assert_ptr_null(strstr(reply.data, "\"allowed\":"));
        ck_str_eq(outcome.verdict, "error");
        ck_assert_uint_eq(n_judged, 0);
}

/* --- verdicts ---------------------------------------------------------------------------- */

START_TEST(what_is_fine_is_allowed)
{
        ck_assert_uint_eq(ask("\"operation\":\"CREATE\",\"object\":{\"spec\":{}},\"oldObject\":null"), 200);
        is_review(true);
        ck_assert_ptr_null(at("/response/status"));
        ck_assert_ptr_null(at("/response/warnings"));
        ck_assert_uint_eq(n_judged, 1);
        ck_assert(!had_old);
        ck_str_eq(outcome.kind, "Widget");
        ck_str_eq(outcome.operation, "CREATE");

        ck_assert_uint_eq(ask("\"operation\":\"UPDATE\",\"object\":{\"spec\":{\"a\":1}},\"oldObject\":{}"),
                          200);
        is_review(true);
        ck_assert(had_old);
}
END_TEST

START_TEST(all_that_is_wrong_is_told_with_its_field)
{
        ck_assert_uint_eq(
                ask("\"operation\":\"CREATE\",\"object\":{\"spec\":{\"wrong\":[\"is bad\",\"is \\\"worse\\\"\"]}}"),
                200);
        is_review(false);
        ck_str_eq(text_at("/response/status/message"),
                  "spec.env[0].name: is bad; spec.env[1].name: is \"worse\"");
        ck_str_eq(text_at("/response/status/reason"), "Invalid");
        ck_assert_uint_eq(yyjson_get_uint(at("/response/status/code")), 422);
        ck_str_eq(text_at("/response/status/details/name"), "shop");
        ck_str_eq(text_at("/response/status/details/group"), "keelson.dev");
        ck_str_eq(text_at("/response/status/details/kind"), "Widget");
        ck_assert_uint_eq(yyjson_arr_size(at("/response/status/details/causes")), 2);
        ck_str_eq(text_at("/response/status/details/causes/1/reason"), "FieldValueInvalid");
        ck_str_eq(text_at("/response/status/details/causes/1/field"), "spec.env[1].name");
        ck_str_eq(text_at("/response/status/details/causes/1/message"), "is \"worse\"");
}
END_TEST

START_TEST(a_reply_fits_however_much_is_wrong)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REVIEW_BODY_MAX);

        buf_add_c(&text,
                  HEAD "\"kind\":{\"group\":\"keelson.dev\",\"version\":\"v1alpha1\",\"kind\":\"Widget\"},"
                       "\"operation\":\"CREATE\",\"name\":\"");
        for (size_t i = 0; i < 100000; i++)
                buf_add_c(&text, "\\u0001");
        buf_add_c(&text, "\",\"object\":{\"spec\":{\"wrong\":[");
        for (size_t i = 0; i < PROBLEMS_MAX; i++) {
                buf_add_c(&text, i ? ",\"" : "\"");
                for (size_t j = 0; j < 20000; j++)
                        buf_add_c(&text, "\\u0001");
                buf_add_c(&text, "\"");
        }
        buf_add_c(&text, "]}}}}");
        ck_assert_int_eq(buf_error(&text), 0);
        ck_assert_uint_eq(ask_bytes(REVIEW_VALIDATE, buf_str(&text)), 200);
        is_review(false);
        ck_assert_uint_eq(yyjson_arr_size(at("/response/status/details/causes")), PROBLEMS_MAX);
}
END_TEST

START_TEST(what_is_unwise_is_a_warning_that_a_header_can_hold)
{
        char long_one[600], rest[1024];
        struct str warning;

        memset(long_one, 'x', sizeof(long_one));
        long_one[sizeof(long_one) - 1] = '\0';
        memcpy(long_one + 200,
               "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
               "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
               40);
        snprintf(rest, sizeof(rest),
                 "\"operation\":\"CREATE\",\"object\":{\"spec\":{\"unwise\":[\"two\\nlines\",\"%s\"]}}",
                 long_one);
        ck_assert_uint_eq(ask(rest), 200);
        is_review(true);
        ck_str_eq(text_at("/response/warnings/0"), "spec.env[0].name: two?lines");
        warning = text_at("/response/warnings/1");
        ck_assert_uint_le(warning.len, REVIEW_WARNING_MAX);
        ck_assert_uint_ge(warning.len, REVIEW_WARNING_MAX - 1);
        ck_assert(str_ends(warning, STR("...")));
        ck_assert_ptr_null(strstr(reply.data, "\xef\xbf\xbd")); /* no half character */
}
END_TEST

START_TEST(what_an_older_version_let_in_can_still_be_labelled)
{
        ck_assert_uint_eq(
                ask("\"operation\":\"UPDATE\","
                    "\"object\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"wrong\":[\"is bad\"],\"n\":1.5}},"
                    "\"oldObject\":{\"spec\":{\"wrong\":[\"is bad\"],\"n\":1.5}}"),
                200);
        is_review(true);
        ck_str_eq(text_at("/response/warnings/0"), "spec.env[0].name: is bad");

        ck_assert_uint_eq(
                ask("\"operation\":\"UPDATE\",\"object\":{\"spec\":{\"wrong\":[\"is bad\"],\"n\":1.5}},"
                    "\"oldObject\":{\"spec\":{\"wrong\":[\"is bad\"],\"n\":2.5}}"),
                200);
        is_review(false);
        ck_assert_uint_eq(
                ask("\"operation\":\"UPDATE\",\"object\":{\"spec\":{\"wrong\":[\"is bad\"]}},\"oldObject\":{}"),
                200);
        is_review(false);
        /* A new object has no old one, whatever is sent along. */
        ck_assert_uint_eq(ask("\"operation\":\"CREATE\",\"object\":{\"spec\":{\"wrong\":[\"is bad\"]}},"
                              "\"oldObject\":{\"spec\":{\"wrong\":[\"is bad\"]}}"),
                          200);
        is_review(false);
        ck_assert(!had_old);
}
END_TEST

START_TEST(what_needs_no_judge_is_let_through)
{
        static const char *const free_to_go[] = {
                "\"operation\":\"DELETE\",\"object\":null,\"oldObject\":{\"spec\":{\"wrong\":[\"is bad\"]}}",
                "\"operation\":\"UPDATE\",\"subResource\":\"status\",\"object\":{\"spec\":{\"wrong\":[\"is bad\"]}},"
                "\"oldObject\":{}",
                "\"operation\":\"UPDATE\",\"object\":{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},"
                "\"spec\":{\"wrong\":[\"is bad\"]}},\"oldObject\":{}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(free_to_go); i++) {
                ck_assert_uint_eq(ask(free_to_go[i]), 200);
                is_review(true);
                ck_assert_uint_eq(n_judged, 0);
        }
}
END_TEST

START_TEST(a_dry_run_is_like_any_other)
{
        _cleanup_(buf_release) struct buf wet = BUF_INIT(REVIEW_REPLY_MAX);

        ask("\"dryRun\":false,\"operation\":\"CREATE\",\"object\":{\"spec\":{\"wrong\":[\"is bad\"]}}");
        buf_add_str(&wet, buf_str(&reply));
        ask("\"dryRun\":true,\"operation\":\"CREATE\",\"object\":{\"spec\":{\"wrong\":[\"is bad\"]}}");
        ck_assert_str_eq(wet.data, reply.data);
}
END_TEST

START_TEST(mutating_changes_nothing_and_judges_nothing)
{
        ck_assert_uint_eq(
                ask_bytes(REVIEW_MUTATE,
                          STR(HEAD WIDGET
                              "\"operation\":\"CREATE\",\"object\":{\"spec\":{\"wrong\":[\"is bad\"]}}}}")),
                200);
        is_review(true);
        ck_assert_ptr_null(at("/response/patchType"));
        ck_assert_uint_eq(n_judged, 0);
}
END_TEST

START_TEST(an_unknown_kind_is_refused_by_name)
{
        static const char *const kind[] = {
                "{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"Deployment\"}",
                "{\"group\":\"keelson.dev\",\"version\":\"v2\",\"kind\":\"Widget\"}",
                "{\"version\":\"v1alpha1\",\"kind\":\"Widget\"}",
                "{\"group\":7,\"version\":\"v1alpha1\",\"kind\":[]}",
        };
        char text[1024];

        for (size_t i = 0; i < ARRAY_SIZE(kind); i++) {
                snprintf(text, sizeof(text), HEAD "\"kind\":%s,\"operation\":\"DELETE\"}}", kind[i]);
                ck_assert_uint_eq(ask_bytes(REVIEW_VALIDATE, str_c(text)), 200);
                is_review(false);
                ck_str_eq(text_at("/response/status/reason"), "BadRequest");
                ck_assert(strstr(reply.data, "does not know the kind"));
                ck_assert(strstr(reply.data, "Widget of keelson.dev/v1alpha1"));
                ck_str_eq(outcome.kind, "other");
        }
        ck_assert_uint_eq(ask("\"operation\":\"CONNECT\""), 200);
        is_review(false);
        ck_assert_uint_eq(
                ask("\"operation\":\"UPDATE\",\"subResource\":\"scale\",\"object\":{},\"oldObject\":{}"),
                200);
        is_review(false);
}
END_TEST

/* --- what is no request ------------------------------------------------------------------ */

START_TEST(f25_what_is_no_review_is_never_allowed)
{
        static const struct {
                const char *body, *says;
        } bad[] = {
                { "", "empty" },
                { "apiVersion: admission.k8s.io/v1", "byte 1: not JSON" },
                { "[]", "the body must be an object" },
                { "{}", "apiVersion must be admission.k8s.io/v1" },
                { "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\"}",
                  "apiVersion must be" },
                { "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"Review\"}",
                  "kind must be AdmissionReview" },
                { "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\"}",
                  "request must be an object" },
                { "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{}}",
                  "request.uid" },
                { "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":7}}",
                  "request.uid" },
                { HEAD "\"operation\":\"CREATE\"}}", "request.kind must be an object" },
                { HEAD WIDGET "\"operation\":\"PATCH\"}}", "request.operation must be" },
                { HEAD WIDGET "\"operation\":\"CREATE\"}}", "request.object must be an object for CREATE" },
                { HEAD WIDGET "\"operation\":\"UPDATE\",\"object\":{}}}",
                  "request.oldObject must be an object" },
                { HEAD WIDGET "\"operation\":\"UPDATE\",\"object\":{},\"oldObject\":[]}}",
                  "request.oldObject" },
                { HEAD WIDGET "\"operation\":\"DELETE\",\"subResource\":1}}", "request.subResource" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                is_refusal(ask_bytes(REVIEW_VALIDATE, str_c(bad[i].body)), 400, bad[i].says);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                is_refusal(ask_bytes(REVIEW_MUTATE, str_c(bad[i].body)), 400, bad[i].says);
}
END_TEST

START_TEST(f22_repeated_members_are_refused)
{
        static const char *const bad[] = {
                "{\"kind\":\"AdmissionReview\",\"kind\":\"AdmissionReview\"}",
                HEAD "\"uid\":\"u-2\"}}",
                HEAD WIDGET "\"operation\":\"CREATE\",\"object\":{\"spec\":{}},\"object\":{}}}",
                HEAD WIDGET "\"operation\":\"DELETE\",\"oldObject\":null,\"oldObject\":{}}}",
                HEAD "\"kind\":{\"kind\":\"Widget\",\"kind\":\"Pod\"}}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                is_refusal(ask_bytes(REVIEW_VALIDATE, str_c(bad[i])), 400, " twice");
}
END_TEST

/* A request with the CREATE of an object whose spec is VALUE, N times HEAD and N times TAIL around it. */
static unsigned ask_around(const char *head, const char *value, const char *tail, size_t n)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REVIEW_BODY_MAX);

        buf_add_c(&text, HEAD WIDGET "\"operation\":\"CREATE\",\"object\":{\"spec\":");
        for (size_t i = 0; i < n; i++)
                buf_add_c(&text, head);
        buf_add_c(&text, value);
        for (size_t i = 0; i < n; i++)
                buf_add_c(&text, tail);
        buf_add_c(&text, "}}}");
        ck_assert_int_eq(buf_error(&text), 0);
        return ask_bytes(REVIEW_VALIDATE, buf_str(&text));
}

START_TEST(f22_depth_is_bounded)
{
        is_refusal(ask_around("[", "", "]", 100000), 400, "objects and arrays within each other");
        is_refusal(ask_around("{\"a\":", "1", "}", 100000), 400, "objects and arrays within each other");
        is_refusal(ask_around("[", "", "", 100000), 400, "not JSON");
}
END_TEST

START_TEST(f22_numbers_and_text_are_those_of_json)
{
        static const char *const bad[] = {
                "1e400", "-1e400",   "NaN",          "Infinity",         "01",          "1.",     "0x10",
                "'a'",   "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"\t\"", "/**/1",
                "[1,]"
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                is_refusal(ask_around("", bad[i], "", 1), 400, "not JSON");
        is_refusal(ask_bytes(REVIEW_VALIDATE, STR("{\"apiVersion\":\"admission.k8s.io/v1\"\0}")), 400,
                   "not JSON");
        is_refusal(ask_around("9", "", "9", 10000), 400, "not JSON");
        /* Odd, and one all the same. */
        ck_assert_uint_eq(ask_around("9", "", "9", 100), 200);
        is_review(true);
}
END_TEST

START_TEST(f22_values_are_counted)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REVIEW_BODY_MAX);

        buf_add_c(&text, "[1");
        for (size_t i = 0; i < REVIEW_VALUES_MAX; i++)
                buf_add_c(&text, ",1");
        buf_add_c(&text, "]");
        is_refusal(ask_bytes(REVIEW_VALIDATE, buf_str(&text)), 413, "has more than 1000000 values");
        buf_clear(&text);
        buf_add_c(&text, "[1");
        while (text.len < REVIEW_BODY_MAX - 8)
                buf_add_c(&text, ",1");
        buf_add_c(&text, "]");
        is_refusal(ask_bytes(REVIEW_VALIDATE, buf_str(&text)), 413, "too many values");
}
END_TEST

START_TEST(a_judge_that_needs_too_much_is_no_yes)
{
        char rest[128];

        snprintf(rest, sizeof(rest), "\"operation\":\"CREATE\",\"object\":{\"spec\":{\"eat\":%zu}}",
                 REVIEW_MEMORY_MAX);
        ck_assert_uint_eq(ask(rest), 413);
        ck_str_eq(text_at("/kind"), "Status");
        ck_assert_ptr_nonnull(strstr(reply.data, "takes too much memory"));
}
END_TEST

/* --- memory -------------------------------------------------------------------------------- */

static int ask_once(void *arg)
{
        struct buf body = BUF_INIT(REVIEW_BUF_MAX), out = BUF_INIT(REVIEW_REPLY_MAX);
        struct review_outcome o;
        struct review r;
        unsigned status;
        int ret = buf_add_c(&body, arg);

        review_init(&r, kinds, ARRAY_SIZE(kinds));
        if (ret == 0) {
                status = review_answer(&r, REVIEW_VALIDATE, &body, &out, &o);
                ret = buf_error(&out);
                if (ret == 0 && status == 500)
                        ret = -ENOMEM;
                else if (ret == 0)
                        ck_assert_uint_eq(status, 200);
                if (ret < 0 && out.len)
                        ck_assert_ptr_null(strstr(out.data, "\"allowed\":true"));
        }
        review_release(&r);
        buf_release(&body);
        buf_release(&out);
        return ret;
}

START_TEST(f13_without_memory_nothing_is_allowed)
{
        static char invalid[] = HEAD WIDGET
                "\"operation\":\"CREATE\",\"object\":{\"spec\":{\"wrong\":[\"a\",\"b\"],\"unwise\":[\"c\"]}}}}";
        static char unknown[] = HEAD "\"kind\":{},\"operation\":\"DELETE\"}}";

        torture(ask_once, invalid, 0);
        torture(ask_once, unknown, 0);
}
END_TEST

static const TTest *const tests[] = {
        what_is_fine_is_allowed,
        all_that_is_wrong_is_told_with_its_field,
        a_reply_fits_however_much_is_wrong,
        what_is_unwise_is_a_warning_that_a_header_can_hold,
        what_an_older_version_let_in_can_still_be_labelled,
        what_needs_no_judge_is_let_through,
        a_dry_run_is_like_any_other,
        mutating_changes_nothing_and_judges_nothing,
        an_unknown_kind_is_refused_by_name,
        f25_what_is_no_review_is_never_allowed,
        f22_repeated_members_are_refused,
        f22_depth_is_bounded,
        f22_numbers_and_text_are_those_of_json,
        f22_values_are_counted,
        a_judge_that_needs_too_much_is_no_yes,
        f13_without_memory_nothing_is_allowed,
};
TEST_MAIN("admission/review", tests)
