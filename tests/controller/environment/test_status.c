/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

/* --- what is observed --------------------------------------------------------- */

/* A child as it would be after our apply, with REST of it; DESIRED 0: as somebody else left it. */
static void put_child(struct fixture *f, const struct cache_kind *kind, const char *rest, uint64_t desired)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        char json[4096];

        snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-child\","
                "\"resourceVersion\":\"9\",\"ownerReferences\":[{\"kind\":\"Environment\",\"name\":\"default\","
                "\"uid\":\"u-env\",\"controller\":true}],\"managedFields\":[{\"manager\":\"keelson\","
                "\"operation\":\"Apply\",\"fieldsV1\":{\"f:spec\":{\"f:hard\":{}}}}]}%s}",
                rest);
        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        ck_assert_int_eq(cache_put_applied(&f->cache, kind, yyjson_doc_get_root(doc), desired), 0);
}

/* All children as they are wanted; the quota with that status (JSON, a comma in front; or ""). */
static void put_children(struct fixture *f, const char *quota_status)
{
        ck_assert_int_eq(reconcile(f), 0);
        list_for_each (link, &f->plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_APPLY)
                        put_child(f, e->kind, e->kind == &environment_quota_kind ? quota_status : "",
                                  e->whole);
        }
}

static void check_condition(struct fixture *f, const char *type, const char *status, const char *reason)
{
        yyjson_val *c = condition(f, type);

        ck_str_eq(json_get_str(c, "status"), status);
        if (reason)
                ck_str_eq(json_get_str(c, "reason"), reason);
        ck_assert_int_eq(json_get_int(c, "observedGeneration", 0), 3);
}

#define QUOTA                                                                                                \
        ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"pods\":40,\"limits.cpu\":\"99\"}}}")
#define USED(pods, cpu)                                                                                      \
        ",\"status\":{\"hard\":{\"pods\":\"40\",\"limits.cpu\":\"99\"},\"used\":{\"pods\":\"" pods           \
        "\",\"limits.cpu\":\"" cpu "\"}}"

/* --- the verdict ------------------------------------------------------------------ */

START_TEST(it_is_ready_when_its_children_are_as_wanted)
{
        struct fixture f;

        begin(&f, full);
        ck_assert_int_eq(reconcile(&f), 0);
        check_condition(&f, "Ready", "False", "Applying");
        check_condition(&f, "Reconciling", "True", "Applying");
        check_condition(&f, "Stalled", "False", NULL);
        put_children(&f, "");
        ck_assert_int_eq(reconcile(&f), 0);
        check_condition(&f, "Ready", "True", "Ready");
        check_condition(&f, "Reconciling", "False", NULL);
        check_condition(&f, "Stalled", "False", NULL);
        ck_assert_int_eq(json_get_int(status(&f), "observedGeneration", 0), 3);
        end(&f);
}
END_TEST

START_TEST(it_is_not_while_one_is_otherwise)
{
        struct fixture f;

        begin(&f, full);
        put_children(&f, "");
        put_child(&f, &environment_limits_kind, ",\"spec\":{}", 0);
        ck_assert_int_eq(reconcile(&f), 0);
        check_condition(&f, "Ready", "False", "Applying");
        ck_assert(str_starts(json_get_str(condition(&f, "Ready"), "message"), STR("the LimitRange")));
        end(&f);
}
END_TEST

START_TEST(a_profile_alone_is_ready_at_once)
{
        struct fixture f;

        begin(&f, ENVIRONMENT("{\"profile\":\"development\"}"));
        ck_assert_int_eq(reconcile(&f), 0);
        check_condition(&f, "Ready", "True", "Ready");
        check_condition(&f, "QuotaAvailable", "True", "NoQuota");
        ck_str_eq(json_get_str(condition(&f, "Ready"), "message"),
                  "Apps and Redis get the figures of development");
        ck_assert_ptr_null(yyjson_obj_get(status(&f), "quota"));
        end(&f);
}
END_TEST

START_TEST(a_failure_is_told)
{
        static const struct failure failures[] = {
                { STR_INIT("Forbidden"), STR_INIT("the operator may not"), true },
                { STR_INIT("Retrying"), STR_INIT("no answer"), false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
                const struct failure *failure = &failures[i];
                struct fixture f;

                begin(&f, full);
                f.view.failure = *failure;
                ck_assert_int_eq(reconcile(&f), 0);
                check_condition(&f, "Ready", "False", failure->reason.data);
                check_condition(&f, "Stalled", failure->permanent ? "True" : "False", NULL);
                check_condition(&f, "Reconciling", failure->permanent ? "False" : "True", NULL);
                ck_assert(str_eq(json_get_str(condition(&f, "Ready"), "message"), failure->message));
                end(&f);
        }
}
END_TEST

/* It cannot be renamed, so the advice is another than for other kinds. */
START_TEST(a_conflict_names_the_object_and_a_way_out)
{
        struct fixture f;

        begin(&f, full);
        f.view.failure = (struct failure){ STR("NameConflict"), STR("rename this resource"), true };
        ck_assert_int_eq(reconcile(&f), 0);
        check_condition(&f, "Stalled", "True", "NameConflict");
        ck_str_eq(
                json_get_str(condition(&f, "Ready"), "message"),
                "ResourceQuota \"default\" exists already and is not this Environment's; it is left as it is: "
                "remove it, or take spec.quota out of the spec");
        put_children(&f, "");
        put_child(&f, &environment_limits_kind, ",\"spec\":{}", 0);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_str_eq(json_get_str(condition(&f, "Ready"), "message"),
                  "LimitRange \"default\" exists already and is not this Environment's; it is left as it is: "
                  "remove it, or take spec.limitRange out of the spec");
        end(&f);
}
END_TEST

/* What an API server with another CRD might let through: the field is named. */
START_TEST(bad_input_is_told_by_its_field)
{
        static const struct {
                const char *environment, *field;
        } bad[] = {
                { ENVIRONMENT("{}"), "spec.profile" },
                { ENVIRONMENT("{\"profile\":\"test\"}"), "spec.profile" },
                { ENVIRONMENT("{\"profile\":1}"), "spec.profile" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"quota\":{}}"), "spec.quota.hard" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"quota\":{\"hard\":{\"cpu\":true}}}"),
                  "spec.quota.hard" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"limitRange\":{\"max\":[]}}"),
                  "spec.limitRange.max" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"overrides\":[{}]}"), "spec.overrides[0].tier" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"overrides\":[{\"tier\":\"cache\"}]}"),
                  "spec.overrides[0].tier" },
                { ENVIRONMENT(
                          "{\"profile\":\"staging\",\"overrides\":[{\"tier\":\"worker\",\"replicas\":-1}]}"),
                  "spec.overrides[0].replicas" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"overrides\":[{\"tier\":\"worker\","
                              "\"autoscaling\":{\"minReplicas\":0}}]}"),
                  "spec.overrides[0].autoscaling.minReplicas" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"routing\":{\"gateway\":{}}}"),
                  "spec.routing.gateway.name" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"routing\":{\"certificateIssuer\":{\"name\":\"x\","
                              "\"kind\":\"Secret\"}}}"),
                  "spec.routing.certificateIssuer.kind" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"routing\":{\"redirectToHTTPS\":\"yes\"}}"),
                  "spec.routing.redirectToHTTPS" },
                { ENVIRONMENT(
                          "{\"profile\":\"staging\",\"overrides\":[{\"tier\":\"worker\"},{\"tier\":\"backend\","
                          "\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1e400\"}}}]}"),
                  "spec.overrides[1].resources.limits.memory: 1e400 is past all counting; write less" },
                { ENVIRONMENT("{\"profile\":\"staging\",\"overrides\":[{\"tier\":\"backend\",\"resources\":{"
                              "\"requests\":{\"cpu\":\"-1\"}}}]}"),
                  "spec.overrides[0].resources.requests.cpu: -1 is less than nothing" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct str message;
                struct fixture f;

                begin(&f, bad[i].environment);
                put(&f, &environment_quota_kind, OBJECT("default", "u-env", ""));
                ck_assert_int_eq(reconcile(&f), 0);
                check_condition(&f, "Stalled", "True", "InvalidSpec");
                message = json_get_str(condition(&f, "Ready"), "message");
                ck_assert_msg(str_starts(message, str_c(bad[i].field)), "%s: %.*s", bad[i].field,
                              STR_FMT(message));
                /* The quota that is there goes on to hold. */
                ck_assert_uint_eq(count_effects(&f, EFFECT_APPLY) + count_effects(&f, EFFECT_DELETE), 0);
                ck_assert_ptr_nonnull(find_event(&f, "InvalidSpec"));
                end(&f);
        }
}
END_TEST

/* --- the quota ----------------------------------------------------------------------- */

static const struct {
        const char *used;                      /* the quota's status */
        const char *status, *reason, *message; /* what the message has in it; NULL: anything */
} usages[] = {
        { "", "Unknown", "NotCounted", NULL },
        { USED("39", "98999m"), "True", "WithinQuota", NULL },
        { USED("40", "1"), "False", "QuotaExhausted", "pods (40 of 40)" },
        { USED("1", "99000m"), "False", "QuotaExhausted", "limits.cpu (99000m of 99)" },
        { USED("41", "99"), "False", "QuotaExceeded", "pods (41 of 40)" },
        { ",\"status\":{\"hard\":{\"pods\":\"40\"}}", "True", "WithinQuota", NULL }, /* none is used */
        /* What is forbidden is not used up, unless there is some all the same. */
        { ",\"status\":{\"hard\":{\"pods\":\"0\"},\"used\":{\"pods\":\"0\"}}", "True", "WithinQuota", NULL },
        { ",\"status\":{\"hard\":{\"pods\":\"0\"},\"used\":{\"pods\":\"1\"}}", "False", "QuotaExceeded",
          "pods (1 of 0)" },
};

START_TEST(a_quota_that_is_used_up_is_told_with_the_resource)
{
        for (size_t i = 0; i < ARRAY_SIZE(usages); i++) {
                struct str message;
                struct fixture f;

                begin(&f, QUOTA);
                put_children(&f, usages[i].used);
                ck_assert_int_eq(reconcile(&f), 0);
                check_condition(&f, "QuotaAvailable", usages[i].status, usages[i].reason);
                check_condition(&f, "Ready", "True", "Ready"); /* it is as the spec says, all the same */
                message = json_get_str(condition(&f, "QuotaAvailable"), "message");
                if (usages[i].message)
                        ck_assert_msg(memmem(message.data, message.len, usages[i].message,
                                             strlen(usages[i].message)),
                                      "%s is not in %.*s", usages[i].message, STR_FMT(message));
                ck_assert_int_eq(find_event(&f, usages[i].reason) != NULL,
                                 strcmp(usages[i].status, "False") == 0);
                end(&f);
        }
}
END_TEST

START_TEST(the_usage_is_listed_by_name)
{
        yyjson_val *list;
        struct fixture f;

        begin(&f, QUOTA);
        put_children(&f, USED("3", "1500m"));
        ck_assert_int_eq(reconcile(&f), 0);
        list = yyjson_obj_get(status(&f), "quota");
        ck_assert_uint_eq(yyjson_arr_size(list), 2);
        ck_str_eq(str_at(list, "/0/resource"), "limits.cpu");
        ck_str_eq(str_at(list, "/0/used"), "1500m");
        ck_str_eq(str_at(list, "/0/hard"), "99");
        ck_str_eq(str_at(list, "/1/resource"), "pods");
        ck_str_eq(str_at(list, "/1/used"), "3");
        end(&f);
}
END_TEST

START_TEST(a_long_list_of_shortages_is_cut)
{
        _cleanup_(buf_release) struct buf used = BUF_INIT(4096), hard = BUF_INIT(4096), all = BUF_INIT(4096);
        struct str message;
        struct fixture f;

        for (int i = 0; i < 12; i++) {
                buf_printf(&hard, "%s\"count/%c.x\":\"1\"", i ? "," : "", 'a' + i);
                buf_printf(&used, "%s\"count/%c.x\":\"1\"", i ? "," : "", 'a' + i);
        }
        buf_printf(&all, ",\"status\":{\"hard\":{%s},\"used\":{%s}}", hard.data, used.data);
        begin(&f, QUOTA);
        put_children(&f, all.data);
        ck_assert_int_eq(reconcile(&f), 0);
        message = json_get_str(condition(&f, "QuotaAvailable"), "message");
        ck_assert_ptr_nonnull(memmem(message.data, message.len, "count/h.x (1 of 1) and 4 more", 29));
        end(&f);
}
END_TEST

/* --- a quota for which the profile is too large ----------------------------------------- */

static const struct {
        const char *environment;
        const char *message; /* what it has in it; NULL: there is room */
} sizes[] = {
        { ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"requests.cpu\":\"1500m\"}}}"),
          NULL },
        { ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"requests.cpu\":\"1\"}}}"),
          "requests.cpu 1500m (it is 1) for 2 pods of a backend App and one more in a rollout" },
        { ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"cpu\":\"1\"}}}"),
          "cpu 1500m (it is 1)" },
        { ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"limits.memory\":\"6Gi\"}}}"),
          NULL },
        { ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"limits.memory\":\"5Gi\"}}}"),
          "limits.memory 6Gi (it is 5Gi)" },
        { ENVIRONMENT("{\"profile\":\"development\",\"quota\":{\"hard\":{\"pods\":2,\"memory\":\"512Mi\"}}}"),
          NULL },
        { ENVIRONMENT("{\"profile\":\"development\",\"quota\":{\"hard\":{\"pods\":1,\"memory\":\"300Mi\"}}}"),
          "pods 2 (it is 1), memory 512Mi (it is 300Mi) for 1 pod of a backend App and one more in a rollout; "
          "pods 2 (it is 1) for 1 pod of a frontend App and one more in a rollout" },
        /* What the profile says nothing of does not count, nor a tier that has no pods. */
        { ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"services\":0,\"secrets\":0,"
                      "\"requests.storage\":0}}}"),
          NULL },
        { ENVIRONMENT("{\"profile\":\"production\",\"quota\":{\"hard\":{\"pods\":0}},\"overrides\":["
                      "{\"tier\":\"backend\",\"replicas\":0},{\"tier\":\"frontend\",\"replicas\":0},"
                      "{\"tier\":\"worker\",\"replicas\":0}]}"),
          NULL },
        /* So much for two pods is past all that a quantity can be. */
        { ENVIRONMENT(
                  "{\"profile\":\"staging\",\"quota\":{\"hard\":{\"requests.memory\":\"64Gi\"}},"
                  "\"overrides\":[{\"tier\":\"backend\",\"resources\":{\"requests\":{\"memory\":\"1e29\"}}}]}"),
          "requests.memory 100e27 (it is 64Gi)" },
};

START_TEST(a_quota_that_holds_not_one_app_is_warned_of_and_stalls_nothing)
{
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                const struct effect *e;
                struct fixture f;

                begin(&f, sizes[i].environment);
                put_children(&f, "");
                ck_assert_int_eq(reconcile(&f), 0);
                check_condition(&f, "Ready", "True", "Ready");
                check_condition(&f, "Stalled", "False", NULL);
                e = find_event(&f, "QuotaTooSmall");
                ck_assert_msg(!e == !sizes[i].message, "%s: %.*s", sizes[i].environment,
                              STR_FMT(e ? e->message : STR("no event")));
                if (e) {
                        struct str told = json_get_str(condition(&f, "Ready"), "message");

                        ck_assert(e->warning);
                        ck_assert_msg(memmem(e->message.data, e->message.len, sizes[i].message,
                                             strlen(sizes[i].message)),
                                      "%s is not in %.*s", sizes[i].message, STR_FMT(e->message));
                        ck_assert_ptr_nonnull(
                                memmem(told.data, told.len, sizes[i].message, strlen(sizes[i].message)));
                }
                end(&f);
        }
}
END_TEST

/* --- turns ---------------------------------------------------------------------------------- */

#define BEFORE(generation, ready, why, quota, quota_why)                                                     \
        ",\"status\":{\"observedGeneration\":" generation ",\"conditions\":["                                \
        "{\"type\":\"Ready\",\"status\":\"" ready "\",\"reason\":\"" why                                     \
        "\",\"message\":\"m\",\"lastTransitionTime\":\"" EARLIER "\"},"                                      \
        "{\"type\":\"QuotaAvailable\",\"status\":\"" quota "\",\"reason\":\"" quota_why                      \
        "\",\"message\":\"m\",\"lastTransitionTime\":\"" EARLIER "\"}]}"
#define SMALL "\"spec\":{\"profile\":\"production\",\"quota\":{\"hard\":{\"pods\":\"1\"}}}"
#define FULL_OF_ONE ",\"status\":{\"hard\":{\"pods\":\"1\"},\"used\":{\"pods\":\"1\"}}"

static const struct {
        const char *before;
        size_t ready, exhausted, small; /* events */
        const char *since;              /* of Ready */
} turns[] = {
        { "", 1, 1, 1, WALL_TEXT },
        { BEFORE("2", "True", "Ready", "True", "NoQuota"), 0, 1, 1, EARLIER },
        { BEFORE("3", "False", "Applying", "Unknown", "NotCounted"), 1, 1, 0, WALL_TEXT },
        { BEFORE("3", "True", "Ready", "False", "QuotaExceeded"), 0, 1, 0, EARLIER },
        { BEFORE("3", "True", "Ready", "False", "QuotaExhausted"), 0, 0, 0, EARLIER },
};

START_TEST(events_are_sent_where_something_turns)
{
        for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
                char environment[2048];
                struct fixture f;

                snprintf(environment, sizeof(environment), ENVIRONMENT_AT("3", SMALL "%s"), turns[i].before);
                begin(&f, environment);
                put_children(&f, FULL_OF_ONE);
                ck_assert_int_eq(reconcile(&f), 0);
                ck_assert_uint_eq(find_event(&f, "Ready") != NULL, turns[i].ready);
                ck_assert_uint_eq(find_event(&f, "QuotaExhausted") != NULL, turns[i].exhausted);
                ck_assert_uint_eq(find_event(&f, "QuotaTooSmall") != NULL, turns[i].small);
                ck_assert_uint_eq(count_effects(&f, EFFECT_EVENT),
                                  turns[i].ready + turns[i].exhausted + turns[i].small);
                ck_str_eq(json_get_str(condition(&f, "Ready"), "lastTransitionTime"), turns[i].since);
                end(&f);
        }
}
END_TEST

/* --- Apps ------------------------------------------------------------------------------------- */

#define APP(namespace, name)                                                                                 \
        "{\"metadata\":{\"namespace\":\"" namespace "\",\"name\":\"" name "\",\"uid\":\"u-" name             \
                                                    "\",\"resourceVersion\":\"3\"},\"spec\":{\"image\":\"i\"}}"

START_TEST(the_apps_of_the_namespace_are_counted)
{
        struct fixture f;

        begin(&f, full);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_int_eq(json_get_int(status(&f), "apps", -1), 0);
        put(&f, &app_kind, APP("shop", "web"));
        put(&f, &app_kind, APP("shop", "api"));
        put(&f, &app_kind, APP("other", "web"));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_int_eq(json_get_int(status(&f), "apps", -1), 2);
        end(&f);
}
END_TEST

/* --- without memory ---------------------------------------------------------------------------- */

START_TEST(it_survives_the_lack_of_memory)
{
        struct fixture f;

        begin(&f, ENVIRONMENT_AT("3", SMALL ",\"x\":1"));
        put_children(&f, FULL_OF_ONE);
        ck_assert_int_eq(reconcile(&f), 0);
        torture(reconcile_once, &f, 0);
        end(&f);
        begin(&f, full);
        ck_assert_int_eq(reconcile(&f), 0);
        torture(reconcile_once, &f, 0);
        end(&f);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

static const TTest *const tests[] = {
        it_is_ready_when_its_children_are_as_wanted,
        it_is_not_while_one_is_otherwise,
        a_profile_alone_is_ready_at_once,
        a_failure_is_told,
        a_conflict_names_the_object_and_a_way_out,
        bad_input_is_told_by_its_field,
        a_quota_that_is_used_up_is_told_with_the_resource,
        the_usage_is_listed_by_name,
        a_long_list_of_shortages_is_cut,
        a_quota_that_holds_not_one_app_is_warned_of_and_stalls_nothing,
        events_are_sent_where_something_turns,
        the_apps_of_the_namespace_are_counted,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("environment/status", tests)
