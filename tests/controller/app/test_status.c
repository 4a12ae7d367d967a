/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

/* --- status -------------------------------------------------------------------------------- */

/* What a Deployment is in, and what the App says then. */
struct state {
        const char *what;
        enum { ABSENT, OTHERWISE, AS_APPLIED, DELETING } child;
        int64_t wanted;
        const char *status; /* JSON; NULL: none. The Deployment's generation is 4. */
        struct failure failure;
        const char *phase; /* the condition that is True: Ready, Reconciling or Stalled */
        const char *reason;
        const char *available; /* "True" or "False" */
};

#define COUNTS(generation, all, updated, ready, available)                                                   \
        "\"observedGeneration\":" generation ",\"replicas\":" all ",\"updatedReplicas\":" updated            \
        ",\"readyReplicas\":" ready ",\"availableReplicas\":" available
#define PROGRESS(why)                                                                                              \
        ",\"conditions\":[{\"type\":\"Available\",\"status\":\"False\",\"reason\":\"MinimumReplicasUnavailable\"," \
        "\"message\":\"not enough\"},{\"type\":\"Progressing\",\"status\":\"False\",\"reason\":\"" why             \
        "\",\"message\":\"timed out\"}]"

static const struct state states[] = {
        { "nothing is there", ABSENT, 2, NULL, .phase = "Reconciling", .reason = "Applying",
          .available = "False" },
        { "not as wanted", OTHERWISE, 2, "{" COUNTS("4", "2", "2", "2", "2") "}", .phase = "Reconciling",
          .reason = "Applying", .available = "True" },
        { "going away", DELETING, 2, "{" COUNTS("4", "2", "2", "2", "2") "}", .phase = "Reconciling",
          .reason = "Applying", .available = "True" },
        { "no status yet", AS_APPLIED, 2, NULL, .phase = "Reconciling", .reason = "RolloutInProgress",
          .available = "False" },
        { "an old status", AS_APPLIED, 2, "{" COUNTS("3", "2", "2", "2", "2") "}", .phase = "Reconciling",
          .reason = "RolloutInProgress", .available = "True" },
        { "some updated", AS_APPLIED, 2, "{" COUNTS("4", "3", "1", "2", "2") "}", .phase = "Reconciling",
          .reason = "RolloutInProgress", .available = "True" },
        { "an old pod left", AS_APPLIED, 2, "{" COUNTS("4", "3", "2", "3", "3") "}", .phase = "Reconciling",
          .reason = "RolloutInProgress", .available = "True" },
        { "some not ready", AS_APPLIED, 2, "{" COUNTS("4", "2", "2", "1", "1") "}", .phase = "Reconciling",
          .reason = "ReplicasNotReady", .available = "True" },
        { "none ready", AS_APPLIED, 2, "{" COUNTS("4", "2", "2", "0", "0") "}", .phase = "Reconciling",
          .reason = "ReplicasNotReady", .available = "False" },
        { "all ready", AS_APPLIED, 2, "{" COUNTS("4", "2", "2", "2", "2") "}", .phase = "Ready",
          .reason = "Ready", .available = "True" },
        { "stuck", AS_APPLIED, 2,
          "{" COUNTS("4", "3", "1", "2", "2") PROGRESS("ProgressDeadlineExceeded") "}", .phase = "Stalled",
          .reason = "ProgressDeadlineExceeded", .available = "True" },
        { "pods that cannot be made", AS_APPLIED, 2,
          "{" COUNTS("4", "1", "1", "1",
                     "1") ",\"conditions\":[{\"type\":\"ReplicaFailure\",\"status\":\"True\","
                          "\"reason\":\"FailedCreate\",\"message\":\"exceeded quota\"}]}",
          .phase = "Reconciling", .reason = "ReplicaFailure", .available = "True" },
        { "pods that cannot be made, for too long", AS_APPLIED, 2,
          "{" COUNTS("4", "1", "1", "1",
                     "1") ",\"conditions\":[{\"type\":\"Progressing\",\"status\":\"False\",\"reason\":"
                          "\"ProgressDeadlineExceeded\",\"message\":\"timed out\"},{\"type\":"
                          "\"ReplicaFailure\",\"status\":\"True\",\"reason\":\"FailedCreate\","
                          "\"message\":\"exceeded quota\"}]}",
          .phase = "Stalled", .reason = "ReplicaFailure", .available = "True" },
        { "was stuck, and is through", AS_APPLIED, 2,
          "{" COUNTS("4", "2", "2", "2", "2") PROGRESS("ProgressDeadlineExceeded") "}", .phase = "Ready",
          .reason = "Ready", .available = "True" },
        { "too many", AS_APPLIED, 1, "{" COUNTS("4", "3", "3", "3", "3") "}", .phase = "Reconciling",
          .reason = "ScalingDown", .available = "True" },
        { "scaled to nothing", AS_APPLIED, 0, "{" COUNTS("4", "0", "0", "0", "0") "}", .phase = "Ready",
          .reason = "Ready", .available = "False" },
        { "a failure for good",
          AS_APPLIED,
          2,
          "{" COUNTS("4", "2", "2", "2", "2") "}",
          { STR_INIT("Forbidden"), STR_INIT("no"), true },
          "Stalled",
          "Forbidden",
          "True" },
        { "a failure for now",
          AS_APPLIED,
          2,
          "{" COUNTS("4", "2", "2", "2", "2") "}",
          { STR_INIT("Retrying"), STR_INIT("later"), false },
          "Reconciling",
          "Retrying",
          "True" },
};

/* A child as it would be after our apply, with what REST says of it. */
static void put_child(struct fixture *f, const struct cache_kind *kind, const char *meta, const char *rest,
                      uint64_t desired)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        char json[4096];

        snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-child\",\"resourceVersion\":"
                "\"9\",\"generation\":4%s,\"ownerReferences\":[{\"kind\":\"App\",\"name\":\"web\",\"uid\":\"u-app\","
                "\"controller\":true}],\"managedFields\":[{\"manager\":\"keelson\",\"operation\":\"Apply\","
                "\"fieldsV1\":{\"f:spec\":{\"f:replicas\":{}}}}]}%s}",
                meta, rest);
        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        ck_assert_int_eq(cache_put_applied(&f->cache, kind, yyjson_doc_get_root(doc), desired), 0);
}

/* All children but the Deployment, as they are wanted. */
static void put_others(struct fixture *f)
{
        list_for_each (link, &f->plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_APPLY && e->kind != &app_deployment_kind)
                        put_child(f, e->kind, "", "", e->whole);
        }
}

/* The Deployment of STATE, as it would be after our apply, beside other children that are as wanted. */
static void put_deployment(struct fixture *f, const struct state *s)
{
        uint64_t desired = 0;
        char rest[2048];

        if (s->child == ABSENT)
                return;
        ck_assert_int_eq(reconcile(f), 0);
        if (s->child != OTHERWISE)
                desired = find_effect(f, EFFECT_APPLY, &app_deployment_kind)->whole;
        put_others(f);
        snprintf(rest, sizeof(rest), ",\"spec\":{\"replicas\":%lld}%s%s", (long long)s->wanted,
                 s->status ? ",\"status\":" : "", s->status ? s->status : "");
        put_child(f, &app_deployment_kind,
                  s->child == DELETING ? ",\"deletionTimestamp\":\"" EARLIER "\"" : "", rest, desired);
}

static void check_state(const struct state *s)
{
        static const char *const phases[] = { "Ready", "Reconciling", "Stalled" };
        char app[512];
        struct fixture f;
        yyjson_val *st;

        snprintf(app, sizeof(app), APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":%lld}"),
                 (long long)s->wanted);
        begin(&f, app);
        put_deployment(&f, s);
        f.view.failure = s->failure;
        ck_assert_int_eq(reconcile(&f), 0);
        st = status(&f);
        for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
                yyjson_val *c = condition(&f, phases[i]);
                bool so = strcmp(phases[i], s->phase) == 0;

                ck_assert_msg(str_eq_c(json_get_str(c, "status"), so ? "True" : "False"), "%s: %s is %.*s",
                              s->what, phases[i], STR_FMT(json_get_str(c, "status")));
                if (so || i == 0)
                        ck_assert_msg(str_eq_c(json_get_str(c, "reason"), s->reason),
                                      "%s: %s because of %.*s", s->what, phases[i],
                                      STR_FMT(json_get_str(c, "reason")));
                ck_assert_int_eq(json_get_int(c, "observedGeneration", 0), 3);
        }
        ck_assert_msg(str_eq_c(json_get_str(condition(&f, "Available"), "status"), s->available),
                      "%s: Available is not %s", s->what, s->available);
        ck_assert_int_eq(int_at(st, "/observedGeneration"), 3);
        end(&f);
}

START_TEST(the_status_says_what_the_deployment_is_in)
{
        for (size_t i = 0; i < ARRAY_SIZE(states); i++)
                check_state(&states[i]);
}
END_TEST

START_TEST(the_counts_are_those_of_the_deployment)
{
        static const struct state s = { "", AS_APPLIED, 5, "{" COUNTS("4", "6", "2", "4", "3") "}",
                                        .phase = "" };
        yyjson_val *st;
        struct fixture f;

        begin(&f, APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":5}"));
        put_deployment(&f, &s);
        ck_assert_int_eq(reconcile(&f), 0);
        st = status(&f);
        ck_assert_int_eq(int_at(st, "/replicas"), 6);
        ck_assert_int_eq(int_at(st, "/updatedReplicas"), 2);
        ck_assert_int_eq(int_at(st, "/readyReplicas"), 4);
        end(&f);
}
END_TEST

START_TEST(an_invalid_spec_is_told_and_touches_no_child)
{
        struct fixture f;

        begin(&f, APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":-1}"));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_APPLY), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_DELETE), 0);
        ck_str_eq(json_get_str(condition(&f, "Stalled"), "status"), "True");
        ck_str_eq(json_get_str(condition(&f, "Ready"), "reason"), "InvalidSpec");
        ck_assert(str_starts(json_get_str(condition(&f, "Ready"), "message"), STR("spec.replicas")));
        ck_assert_uint_eq(count_effects(&f, EFFECT_EVENT), 1);
        end(&f);
}
END_TEST

/* --- turns ----------------------------------------------------------------------------------- */

#define BEFORE(ready, why)                                                                                   \
        "\"status\":{\"image\":\"w\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"" ready                \
        "\",\"reason\":\"" why "\",\"message\":\"m\",\"lastTransitionTime\":\"" EARLIER "\"}]}"

static const struct state ready_state = { "", AS_APPLIED, 2, "{" COUNTS("4", "2", "2", "2", "2") "}",
                                          .phase = "" };
static const struct state rolling_state = { "", AS_APPLIED, 2, "{" COUNTS("4", "2", "1", "1", "1") "}",
                                            .phase = "" };
static const struct state stuck_state = { "", AS_APPLIED, 2,
                                          "{" COUNTS("4", "3", "1", "2", "2")
                                                  PROGRESS("ProgressDeadlineExceeded") "}",
                                          .phase = "" };

START_TEST(an_event_is_sent_where_the_verdict_turns)
{
        static const struct {
                const char *before; /* the status, with a comma in front; or "" */
                const struct state *now;
                const char *event; /* NULL: none */
                bool warning;
        } turns[] = {
                { "", &ready_state, "Ready", false },
                { "," BEFORE("False", "RolloutInProgress"), &ready_state, "Ready", false },
                { "," BEFORE("True", "Ready"), &ready_state, NULL, false },
                { "," BEFORE("True", "Ready"), &rolling_state, "RolloutStarted", false },
                { "," BEFORE("False", "RolloutInProgress"), &rolling_state, NULL, false },
                { "," BEFORE("False", "RolloutInProgress"), &stuck_state, "ProgressDeadlineExceeded", true },
                { "," BEFORE("False", "ProgressDeadlineExceeded"), &stuck_state, NULL, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
                const struct effect *e;
                struct fixture f;
                char app[1024];

                snprintf(app, sizeof(app), APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":2}%s"),
                         turns[i].before);
                begin(&f, app);
                put_deployment(&f, turns[i].now);
                ck_assert_int_eq(reconcile(&f), 0);
                e = find_effect(&f, EFFECT_EVENT, NULL);
                ck_assert_msg(count_effects(&f, EFFECT_EVENT) == (turns[i].event ? 1 : 0), "turn %zu", i);
                if (e) {
                        ck_str_eq(e->reason, turns[i].event);
                        ck_assert_int_eq(e->warning, turns[i].warning);
                        ck_assert_uint_gt(e->message.len, 0);
                }
                end(&f);
        }
}
END_TEST

/* Equal words would be counted as one event that happened twice. */
START_TEST(the_event_of_each_revision_has_words_of_its_own)
{
        static const char *const images[] = { "x:1", "x:2" };
        char told[2][256];

        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
                struct fixture f;
                char app[1024];

                snprintf(app, sizeof(app), APP("web", "3", "\"spec\":{\"image\":\"%s\",\"replicas\":2}"),
                         images[i]);
                begin(&f, app);
                put_deployment(&f, &ready_state);
                ck_assert_int_eq(reconcile(&f), 0);
                ck_assert_ptr_nonnull(find_event(&f, "Ready"));
                snprintf(told[i], sizeof(told[i]), "%.*s", STR_FMT(find_event(&f, "Ready")->message));
                ck_assert_msg(strncmp(told[i], "2 of 2 replicas are ready: revision ", 36) == 0, "%s",
                              told[i]);
                ck_assert_msg(strstr(told[i], images[i]), "%s", told[i]);
                end(&f);
        }
        ck_assert_str_ne(told[0], told[1]);
}
END_TEST

static void check_transition(const char *app, const struct state *s, const char *expected)
{
        struct fixture f;

        begin(&f, app);
        put_deployment(&f, s);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_str_eq(json_get_str(condition(&f, "Ready"), "lastTransitionTime"), expected);
        end(&f);
}

START_TEST(the_time_of_a_transition_is_kept_until_the_next)
{
        check_transition(
                APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":2}," BEFORE("True", "Ready")),
                &ready_state, EARLIER);
        check_transition(
                APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":2}," BEFORE("True", "Ready")),
                &rolling_state, WALL_TEXT);
        /* Another reason for the same status is no transition. */
        check_transition(
                APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":2}," BEFORE("False", "Applying")),
                &rolling_state, EARLIER);
        check_transition(APP("web", "3", "\"spec\":{\"image\":\"x\",\"replicas\":2}"), &ready_state,
                         WALL_TEXT);
}
END_TEST

/* --- without memory --------------------------------------------------------------------------- */

/* What nobody reads would make each Deployment's conditions its own. */
START_TEST(of_a_deployment_the_messages_of_trouble_are_kept)
{
#define CONDITION(type, status)                                                                              \
        "{\"type\":\"" type "\",\"status\":\"" status "\",\"reason\":\"R\",\"message\":\"of " type "\"}"
        static const char json[] =
                "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-1\",\"resourceVersion\":\"9\"},"
                "\"spec\":{\"replicas\":3},\"status\":{\"replicas\":2,\"conditions\":[" CONDITION(
                        "Available", "False") "," CONDITION("Progressing",
                                                            "True") "," CONDITION("ReplicaFailure",
                                                                                  "True") "]}}";
        const struct deployment_state *state;
        struct fixture f;

        begin(&f, APP("web", "1", "\"spec\":{\"image\":\"x\"}"));
        put(&f, &app_deployment_kind, json);
        state = cache_get(&f.cache, &app_deployment_kind, STR("shop"), STR("web"))->state;
        ck_assert_int_eq(state->spec->replicas, 3);
        ck_assert_int_eq(state->status->replicas, 2);
        ck_assert_uint_eq(state->status->conditions.n, 3);
        ck_str_eq(state->status->conditions.items[0].message, "of Available");
        ck_assert_ptr_null(state->status->conditions.items[1].message.data);
        ck_str_eq(state->status->conditions.items[1].reason, "R");
        ck_str_eq(state->status->conditions.items[2].message, "of ReplicaFailure");
        end(&f);
}
END_TEST

START_TEST(it_survives_the_lack_of_memory)
{
        struct fixture f;

        begin(&f, full_app);
        put_deployment(&f, &ready_state);
        ck_assert_int_eq(reconcile(&f), 0);
        torture(reconcile_once, &f, 0);
        end(&f);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

static const TTest *const tests[] = {
        the_status_says_what_the_deployment_is_in,       the_counts_are_those_of_the_deployment,
        an_invalid_spec_is_told_and_touches_no_child,    an_event_is_sent_where_the_verdict_turns,
        the_event_of_each_revision_has_words_of_its_own, of_a_deployment_the_messages_of_trouble_are_kept,
        the_time_of_a_transition_is_kept_until_the_next, it_survives_the_lack_of_memory,
};
TEST_MAIN("app/status", tests)
