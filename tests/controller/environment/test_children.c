/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"
#include "reconciled.h"

static void check_plan(const char *environment, const char *golden)
{
        struct fixture f;
        char *text;

        begin(&f, environment);
        ck_assert_int_eq(reconcile(&f), 0);
        text = plan_text(&f);
        check_golden(golden, text);
        free(text);
        end(&f);
}

START_TEST(environments_are_rendered_as_the_golden_files_say)
{
        check_plan(full, GOLDEN_DIR "/full.txt");
        check_plan(ENVIRONMENT("{\"profile\":\"development\"}"), GOLDEN_DIR "/plain.txt");
}
END_TEST

START_TEST(children_are_ours_and_belong_to_the_environment)
{
        static const struct cache_kind *const kinds[] = { &environment_quota_kind, &environment_limits_kind };
        struct fixture f;

        begin(&f, full);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_APPLY), 2);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                yyjson_val *c = child(&f, kinds[i]);

                ck_str_eq(str_at(c, "/metadata/name"), "default");
                ck_str_eq(str_at(c, "/metadata/namespace"), "shop");
                ck_assert(str_eq(str_at(c, "/kind"), kinds[i]->api.kind));
                ck_str_eq(str_at(c, "/metadata/labels/app.kubernetes.io~1managed-by"), "keelson");
                ck_str_eq(str_at(c, "/metadata/ownerReferences/0/uid"), "u-env");
                ck_str_eq(str_at(c, "/metadata/ownerReferences/0/kind"), "Environment");
                ck_assert(
                        json_get_bool(json_get_path(c, "/metadata/ownerReferences/0"), "controller", false));
        }
        end(&f);
}
END_TEST

START_TEST(quantities_are_written_as_the_server_writes_them)
{
        yyjson_val *hard;
        struct fixture f;

        begin(&f, full);
        ck_assert_int_eq(reconcile(&f), 0);
        hard = json_get_path(child(&f, &environment_quota_kind), "/spec/hard");
        ck_str_eq(json_get_str(hard, "requests.cpu"), "8");
        ck_str_eq(json_get_str(hard, "pods"), "40");
        ck_str_eq(str_at(child(&f, &environment_limits_kind), "/spec/limits/0/max/memory"), "4Gi");
        end(&f);
}
END_TEST

/* As the API server would do it, after us. */
START_TEST(what_a_limit_range_leaves_out_follows_from_the_rest)
{
        yyjson_val *item;
        struct fixture f;

        begin(&f, full);
        ck_assert_int_eq(reconcile(&f), 0);
        item = json_get_path(child(&f, &environment_limits_kind), "/spec/limits/0");
        ck_str_eq(str_at(item, "/default/cpu"), "500m");
        ck_str_eq(str_at(item, "/default/memory"), "4Gi"); /* of max */
        ck_str_eq(str_at(item, "/defaultRequest/cpu"), "50m");
        ck_str_eq(str_at(item, "/defaultRequest/memory"), "4Gi"); /* of default, as it is now */
        ck_str_eq(str_at(item, "/max/cpu"), "2");
        end(&f);
}
END_TEST

START_TEST(a_limit_range_of_requests_alone_has_nothing_else)
{
        yyjson_val *item;
        struct fixture f;

        begin(&f,
              ENVIRONMENT("{\"profile\":\"staging\",\"limitRange\":{\"defaultRequest\":{\"cpu\":\"10m\"}}}"));
        ck_assert_int_eq(reconcile(&f), 0);
        item = json_get_path(child(&f, &environment_limits_kind), "/spec/limits/0");
        ck_assert_uint_eq(yyjson_obj_size(item), 2);
        ck_str_eq(str_at(item, "/type"), "Container");
        ck_str_eq(str_at(item, "/defaultRequest/cpu"), "10m");
        end(&f);
}
END_TEST

static const char *const wanting_nothing[] = {
        ENVIRONMENT("{\"profile\":\"staging\"}"),
        ENVIRONMENT("{\"profile\":\"staging\",\"quota\":{\"hard\":{}},\"limitRange\":{}}"),
        ENVIRONMENT("{\"profile\":\"staging\",\"limitRange\":{\"default\":{},\"max\":{}}}"),
};

START_TEST(what_is_no_longer_wanted_is_deleted)
{
        for (size_t i = 0; i < ARRAY_SIZE(wanting_nothing); i++) {
                const struct effect *e;
                struct fixture f;

                begin(&f, wanting_nothing[i]);
                put(&f, &environment_quota_kind, OBJECT("default", "u-env", ""));
                put(&f, &environment_limits_kind, OBJECT("default", "u-env", ""));
                ck_assert_int_eq(reconcile(&f), 0);
                ck_assert_uint_eq(count_effects(&f, EFFECT_APPLY), 0);
                ck_assert_uint_eq(count_effects(&f, EFFECT_DELETE), 2);
                e = find_effect(&f, EFFECT_DELETE, &environment_quota_kind);
                ck_assert_ptr_nonnull(e);
                ck_str_eq(e->uid, "u-default");
                ck_str_eq(e->version, "12");
                ck_assert_ptr_nonnull(find_effect(&f, EFFECT_DELETE, &environment_limits_kind));
                end(&f);
        }
}
END_TEST

START_TEST(what_is_of_somebody_else_is_not)
{
        struct fixture f;

        begin(&f, wanting_nothing[0]);
        put(&f, &environment_quota_kind, OBJECT("default", "u-another", ""));
        put(&f, &environment_limits_kind, OBJECT("default", "u-another", ""));
        put(&f, &environment_quota_kind, OBJECT("other", "u-env", ""));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_DELETE), 0);
        end(&f);
}
END_TEST

START_TEST(an_environment_that_is_being_deleted_is_left_to_the_garbage_collector)
{
        struct fixture f;

        begin(&f, "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u\","
                  "\"resourceVersion\":\"7\",\"deletionTimestamp\":\"" EARLIER
                  "\"},\"spec\":{\"profile\":\"staging\"}}");
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(f.plan.n_effects, 0);
        end(&f);
}
END_TEST

START_TEST(the_largest_quota_is_rendered)
{
        _cleanup_(buf_release) struct buf env = BUF_INIT(256 * 1024);
        struct fixture f;
        yyjson_val *hard;

        buf_add_c(&env, "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-env\","
                        "\"resourceVersion\":\"7\"},\"spec\":{\"profile\":\"staging\",\"quota\":{\"hard\":{");
        for (int i = 0; i < 64; i++)
                buf_printf(&env, "%s\"a%0252d/%063d\":\"9007199254740Ki\"", i ? "," : "", i, i);
        buf_add_c(&env, "}}}}");
        ck_assert_int_eq(buf_error(&env), 0);
        begin(&f, env.data);
        ck_assert_int_eq(reconcile(&f), 0);
        hard = json_get_path(child(&f, &environment_quota_kind), "/spec/hard");
        ck_assert_uint_eq(yyjson_obj_size(hard), 64);
        end(&f);
}
END_TEST

START_TEST(equal_views_give_equal_plans)
{
        char *text[2];

        for (size_t i = 0; i < 2; i++) {
                struct fixture f;

                begin(&f, full);
                ck_assert_int_eq(reconcile(&f), 0);
                text[i] = plan_text(&f);
                end(&f);
        }
        ck_assert_int_eq(strcmp(text[0], text[1]), 0);
        free(text[0]);
        free(text[1]);
}
END_TEST

static const TTest *const tests[] = {
        environments_are_rendered_as_the_golden_files_say,
        children_are_ours_and_belong_to_the_environment,
        quantities_are_written_as_the_server_writes_them,
        what_a_limit_range_leaves_out_follows_from_the_rest,
        a_limit_range_of_requests_alone_has_nothing_else,
        what_is_no_longer_wanted_is_deleted,
        what_is_of_somebody_else_is_not,
        an_environment_that_is_being_deleted_is_left_to_the_garbage_collector,
        the_largest_quota_is_rendered,
        equal_views_give_equal_plans,
};
TEST_MAIN("environment/children", tests)
