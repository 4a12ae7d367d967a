/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include "base/clock.h"
#include "json/read.h"

#define IMAGE "\"image\":\"x:1\",\"replicas\":2"
#define JUST_NOW WALL_TEXT
#define HALF_A_MINUTE_AGO "2023-11-14T22:12:50Z"
#define A_MINUTE_AGO "2023-11-14T22:12:20Z"

#define CONTAINER(rest) "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"app\"," rest "}]"
#define WAITING(count, why, message)                                                                         \
        CONTAINER("\"ready\":false,\"restartCount\":" count ",\"state\":{\"waiting\":{\"reason\":\"" why     \
                  "\",\"message\":\"" message "\"}}")
#define CRASHED(count, code, why)                                                                            \
        CONTAINER("\"ready\":false,\"restartCount\":" count                                                  \
                  ",\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}},"     \
                  "\"lastState\":{\"terminated\":{\"exitCode\":" code ",\"reason\":\"" why "\"}}")
/* In its state NOW (JSON), after it ended for the COUNT-th time. */
#define ENDED(count, now, began, finished)                                                                    \
        CONTAINER(                                                                                            \
                "\"ready\":false,\"restartCount\":" count ",\"state\":{" now                                  \
                "},\"lastState\":{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\",\"startedAt\":\"" began \
                "\",\"finishedAt\":\"" finished "\"}}")
#define BACKING_OFF "\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}"
/* The node could not begin it, as kubelets tell it: in one look the attempt just failed,
 * in the next it waits, and the words are in another place each time. */
#define NO_EXEC "exec: \\\"/nope\\\": no such file"
#define NOT_BEGUN(why)                                                                                       \
        "\"terminated\":{\"exitCode\":128,\"reason\":\"" why "\",\"message\":\"" NO_EXEC                     \
        "\",\"startedAt\":\"1970-01-01T00:00:00Z\",\"finishedAt\":\"" JUST_NOW "\"}"
#define NOT_STARTED(count, now, last)                                                                        \
        CONTAINER("\"ready\":false,\"restartCount\":" count ",\"state\":{" now "},\"lastState\":{" last "}")
#define RUN_ERROR "\"waiting\":{\"reason\":\"RunContainerError\",\"message\":\"of attempt 3: no such file\"}"
#define CANNOT_EXEC "pod p: the container cannot start: exec: \"/nope\": no such file"
#define NO_SECRET "\"waiting\":{\"reason\":\"CreateContainerConfigError\",\"message\":\"no Secret\"}"
#define RUNNING(since) "\"running\":{\"startedAt\":\"" since "\"}"
#define A_MONTH_AGO "2023-10-14T22:13:20Z"
#define NINE_MINUTES_AGO "2023-11-14T22:04:20Z"
#define TEN_MINUTES_AGO "2023-11-14T22:03:20Z"
#define UNSCHEDULED                                                                                          \
        "\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":"  \
        "\"Unschedulable\",\"message\":\"0/3 nodes are available: 3 Insufficient cpu.\"}]"
#define BACK_OFF "Back-off pulling image x:1"

static void begin_app(struct cluster *c)
{
        begin_cluster(c, IMAGE);
        look(c);
}

static struct app_cause find_cause(struct cluster *c)
{
        return app_find_cause(&c->f.view, STR("r1"), &c->f.plan);
}

/* --- one pod ------------------------------------------------------------------------------ */

struct one {
        const char *what, *made, *status;
        const char *reason; /* NULL: none */
        bool decisive;
        const char *part; /* of the message */
};

static const struct one ones[] = {
        { "nothing is known yet", JUST_NOW, "\"phase\":\"Pending\"", NULL, false, NULL },
        { "it begins", JUST_NOW, WAITING("0", "ContainerCreating", ""), "NotReady", false,
          "pod p runs, but its health check" },
        { "it has begun, and is not ready", A_MINUTE_AGO, CONTAINER("\"ready\":false,\"restartCount\":0"),
          "NotReady", false, "health check" },
        { "it was ready until now", A_MINUTE_AGO, CONTAINER("\"ready\":true,\"restartCount\":0"), NULL, false,
          NULL },
        { "no node", A_MINUTE_AGO, UNSCHEDULED, "Unschedulable", false,
          "pod p finds no node: 0/3 nodes are available" },
        { "a registry stumbles", JUST_NOW, WAITING("0", "ErrImagePull", "timeout"), "ImagePullFailed", false,
          "pod p: the image cannot be pulled: timeout" },
        { "for half a minute", HALF_A_MINUTE_AGO, WAITING("0", "ImagePullBackOff", BACK_OFF),
          "ImagePullFailed", false, BACK_OFF },
        { "for a minute", A_MINUTE_AGO, WAITING("0", "ImagePullBackOff", BACK_OFF), "ImagePullFailed", true,
          BACK_OFF },
        { "the image may not be pulled", A_MINUTE_AGO, WAITING("0", "ErrImageNeverPull", ""),
          "ImagePullFailed", true, "cannot be pulled" },
        { "the registry is away", A_MINUTE_AGO, WAITING("0", "RegistryUnavailable", "503"), "ImagePullFailed",
          true, "503" },
        { "no name for an image", JUST_NOW, WAITING("0", "InvalidImageName", "invalid reference format"),
          "ImagePullFailed", true, "invalid reference format" },
        { "a Secret is missing", JUST_NOW,
          WAITING("0", "CreateContainerConfigError", "secret \\\"db\\\" not found"), "ContainerCannotStart",
          false, "the container cannot start: secret \"db\" not found" },
        { "for a minute", A_MINUTE_AGO, WAITING("0", "CreateContainerConfigError", "no"),
          "ContainerCannotStart", true, "no" },
        { "no such program", A_MINUTE_AGO, WAITING("0", "RunContainerError", "exec: not found"),
          "ContainerCannotStart", true, "exec: not found" },
        { "the runtime refuses", A_MINUTE_AGO, WAITING("0", "CreateContainerError", "no space"),
          "ContainerCannotStart", true, "no space" },
        { "it crashed once", A_MINUTE_AGO, CRASHED("1", "1", "Error"), "CrashLoop", false,
          "exit code 1 (Error) and was restarted 1 times; see kubectl logs --previous p" },
        { "twice", A_MINUTE_AGO, CRASHED("2", "137", "OOMKilled"), "CrashLoop", false,
          "exit code 137 (OOMKilled)" },
        { "three times", JUST_NOW, CRASHED("3", "1", "Error"), "CrashLoop", true, "restarted 3 times" },
        { "three times, of which two a month ago", A_MONTH_AGO,
          ENDED("3", RUNNING(JUST_NOW), A_MONTH_AGO, A_MINUTE_AGO), "CrashLoop", false, "exit code 1" },
        { "likewise, and it is not up again yet", A_MONTH_AGO,
          ENDED("3", BACKING_OFF, A_MONTH_AGO, A_MINUTE_AGO), "CrashLoop", false, "exit code 1" },
        { "it ends again and again", A_MONTH_AGO, ENDED("5", BACKING_OFF, A_MINUTE_AGO, HALF_A_MINUTE_AGO),
          "CrashLoop", true, "restarted 5 times" },
        { "and runs between", A_MONTH_AGO, ENDED("5", RUNNING(JUST_NOW), A_MINUTE_AGO, HALF_A_MINUTE_AGO),
          "CrashLoop", true, "restarted 5 times" },
        { "it could not even begin", A_MINUTE_AGO, ENDED("3", BACKING_OFF, "1970-01-01T00:00:00Z", JUST_NOW),
          "CrashLoop", true, "restarted 3 times" },
        { "the node could not begin it", JUST_NOW, NOT_STARTED("0", NOT_BEGUN("StartError"), ""),
          "ContainerCannotStart", false, CANNOT_EXEC },
        { "for a minute", A_MINUTE_AGO, NOT_STARTED("1", NOT_BEGUN("StartError"), NOT_BEGUN("StartError")),
          "ContainerCannotStart", true, CANNOT_EXEC },
        { "and says so", A_MINUTE_AGO, NOT_STARTED("2", RUN_ERROR, NOT_BEGUN("StartError")),
          "ContainerCannotStart", true, CANNOT_EXEC },
        { "and waits", A_MINUTE_AGO, NOT_STARTED("9", BACKING_OFF, NOT_BEGUN("StartError")),
          "ContainerCannotStart", true, CANNOT_EXEC },
        { "of another runtime", A_MINUTE_AGO, NOT_STARTED("9", BACKING_OFF, NOT_BEGUN("ContainerCannotRun")),
          "ContainerCannotStart", true, CANNOT_EXEC },
        { "and then there is something else", A_MINUTE_AGO,
          NOT_STARTED("2", NO_SECRET, NOT_BEGUN("StartError")), "ContainerCannotStart", true,
          "the container cannot start: no Secret" },
        { "and then it could", A_MINUTE_AGO, NOT_STARTED("2", RUNNING(JUST_NOW), NOT_BEGUN("StartError")),
          "NotReady", false, "health check" },
        { "it has run for nine minutes since", A_MONTH_AGO,
          ENDED("3", RUNNING(NINE_MINUTES_AGO), A_MONTH_AGO, NINE_MINUTES_AGO), "CrashLoop", false, NULL },
        { "for ten", A_MONTH_AGO, ENDED("9", RUNNING(TEN_MINUTES_AGO), TEN_MINUTES_AGO, TEN_MINUTES_AGO),
          "NotReady", false, "health check" },
        { "it was restarted, nobody knows why", A_MINUTE_AGO, CONTAINER("\"ready\":false,\"restartCount\":9"),
          "NotReady", false, NULL },
        { "the age is not known", "", WAITING("0", "ErrImagePull", "no"), "ImagePullFailed", false, "no" },
        { "the clocks differ", "2030-01-01T00:00:00Z", WAITING("0", "ErrImagePull", "no"), "ImagePullFailed",
          false, "no" },
        { "the second of two containers", A_MINUTE_AGO,
          "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"proxy\",\"ready\":true},{\"name\":\"app\","
          "\"ready\":false,\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"m\"}}}]",
          "ImagePullFailed", true, "m" },
};

START_TEST(each_cause_is_told_from_what_the_pod_says)
{
        for (size_t i = 0; i < ARRAY_SIZE(ones); i++) {
                const struct one *one = &ones[i];
                struct app_cause cause;
                struct cluster c;

                begin_app(&c);
                put_pod(&c, "p", "r1", one->made, one->status);
                cause = find_cause(&c);
                ck_assert_msg(one->reason ? str_eq_c(cause.reason, one->reason) : !cause.reason.data,
                              "%s: %.*s", one->what, STR_FMT(cause.reason));
                ck_assert_msg(cause.decisive == one->decisive, "%s: decisive %d", one->what, cause.decisive);
                if (one->part)
                        ck_has(cause.message, one->part);
                end_cluster(&c);
        }
}
END_TEST

/* Or a failure would wait for the deadline, although it is known in a minute. */
START_TEST(it_looks_again_when_patience_ends)
{
        struct cluster c;

        begin_app(&c);
        put_pod(&c, "p", "r1", HALF_A_MINUTE_AGO, WAITING("0", "ImagePullBackOff", "no"));
        plan_init(&c.f.plan, &c.f.arena);
        ck_assert(!find_cause(&c).decisive);
        ck_assert_int_eq(c.f.plan.wake, c.f.view.now + 30 * USEC_SEC);
        c.f.view.wall += 30 * USEC_SEC;
        plan_init(&c.f.plan, &c.f.arena);
        ck_assert(find_cause(&c).decisive);
        ck_assert_int_eq(c.f.plan.wake, USEC_NEVER);
        /* A clock that goes ahead of ours is no reason to wait for years. */
        put_pod(&c, "p", "r1", "2030-01-01T00:00:00Z", WAITING("0", "ImagePullBackOff", "no"));
        plan_init(&c.f.plan, &c.f.arena);
        ck_assert(!find_cause(&c).decisive);
        ck_assert_int_eq(c.f.plan.wake, c.f.view.now + USEC_MINUTE);
        end_cluster(&c);
}
END_TEST

START_TEST(it_looks_again_when_a_crash_is_past)
{
        struct cluster c;

        begin_app(&c);
        put_pod(&c, "p", "r1", A_MONTH_AGO,
                ENDED("3", RUNNING(NINE_MINUTES_AGO), NINE_MINUTES_AGO, NINE_MINUTES_AGO));
        plan_init(&c.f.plan, &c.f.arena);
        ck_assert(find_cause(&c).decisive);
        ck_assert_int_eq(c.f.plan.wake, c.f.view.now + USEC_MINUTE);
        c.f.view.wall += USEC_MINUTE;
        ck_str_eq(find_cause(&c).reason, "NotReady");
        end_cluster(&c);
}
END_TEST

START_TEST(a_long_message_is_cut)
{
        char status[4096], message[2048];
        struct cluster c;

        memset(message, 'm', sizeof(message) - 1);
        message[sizeof(message) - 1] = '\0';
        snprintf(status, sizeof(status), WAITING("0", "ErrImagePull", "%s"), message);
        begin_app(&c);
        put_pod(&c, "p", "r1", JUST_NOW, status);
        ck_assert_uint_le(find_cause(&c).message.len, 600);
        ck_assert_uint_ge(find_cause(&c).message.len, 512);
        end_cluster(&c);
}
END_TEST

/* --- all of them --------------------------------------------------------------------------- */

START_TEST(only_pods_of_the_revision_and_of_the_app_count)
{
        struct cluster c;

        begin_app(&c);
        put_pod(&c, "other-revision", "r0", A_MINUTE_AGO, CRASHED("9", "1", "Error"));
        ck_assert_ptr_null(find_cause(&c).reason.data);
        put(&c.f, &app_pod_kind,
            "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"going\",\"uid\":\"u\",\"resourceVersion\":\"5\","
            "\"creationTimestamp\":\"" A_MINUTE_AGO "\",\"deletionTimestamp\":\"" WALL_TEXT "\",\"labels\":{"
            "\"app.kubernetes.io/instance\":\"web\",\"keelson.dev/revision\":\"r1\"}},\"status\":{" CRASHED(
                    "9", "1", "Error") "}}");
        put(&c.f, &app_pod_kind,
            "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"foreign\",\"uid\":\"u\",\"resourceVersion\":"
            "\"5\",\"creationTimestamp\":\"" A_MINUTE_AGO "\",\"labels\":{\"app.kubernetes.io/instance\":"
            "\"jobs\",\"keelson.dev/revision\":\"r1\"}},\"status\":{" CRASHED("9", "1", "Error") "}}");
        ck_assert_ptr_null(find_cause(&c).reason.data);
        put_pod(&c, "p", "r1", A_MINUTE_AGO, UNSCHEDULED);
        ck_str_eq(find_cause(&c).reason, "Unschedulable");
        end_cluster(&c);
}
END_TEST

START_TEST(a_decisive_one_outweighs_and_else_the_first_by_name)
{
        static const char *const orders[][3] = {
                { "a", "b", "c" }, { "a", "c", "b" }, { "b", "a", "c" },
                { "b", "c", "a" }, { "c", "a", "b" }, { "c", "b", "a" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
                struct cluster c;

                begin_app(&c);
                for (size_t j = 0; j < 3; j++)
                        put_pod(&c, orders[i][j], "r1", JUST_NOW, CRASHED("1", "1", "Error"));
                ck_has(find_cause(&c).message, "pod a: ");
                put_pod(&c, "0", "r1", JUST_NOW, "\"phase\":\"Pending\""); /* says nothing */
                ck_has(find_cause(&c).message, "pod a: ");
                put_pod(&c, "z", "r1", JUST_NOW, CRASHED("3", "1", "Error"));
                ck_has(find_cause(&c).message, "pod z: ");
                put_pod(&c, "y", "r1", A_MINUTE_AGO, WAITING("0", "ErrImagePull", "no"));
                ck_has(find_cause(&c).message, "pod y: ");
                end_cluster(&c);
        }
}
END_TEST

/* Ready pods are most of all, and of no interest. */
START_TEST(a_pod_that_is_ready_is_not_kept)
{
        struct cluster c;

        begin_app(&c);
        put_pod(&c, "p", "r1", A_MINUTE_AGO, CRASHED("9", "1", "Error"));
        ck_assert_uint_eq(count_held(&c, &app_pod_kind), 1);
        put_pod(&c, "p", "r1", A_MINUTE_AGO,
                CONTAINER("\"ready\":true") ",\"conditions\":[{\"type\":\"Initialized\",\"status\":\"True\"},"
                                            "{\"type\":\"Ready\",\"status\":\"True\"}]");
        ck_assert_uint_eq(count_held(&c, &app_pod_kind), 0);
        ck_assert_ptr_null(find_cause(&c).reason.data);
        put_pod(&c, "p", "r1", A_MINUTE_AGO,
                CONTAINER("\"ready\":false") ",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]");
        ck_assert_uint_eq(count_held(&c, &app_pod_kind), 1);
        end_cluster(&c);
}
END_TEST

/* --- what becomes of them ------------------------------------------------------------------- */

static void begin_rollout(struct cluster *c, const char *status)
{
        char revision[64];

        begin_cluster(c, IMAGE);
        settle(c);
        change_spec(c, "\"image\":\"x:2\",\"replicas\":2");
        c->rollout = HALFWAY;
        settle(c);
        ck_condition(c, "Reconciling", "True", "RolloutInProgress");
        snprintf(revision, sizeof(revision), "%.*s",
                 STR_FMT(deployment_at(c, "/spec/template/metadata/labels/keelson.dev~1revision")));
        put_pod(c, "p", revision, HALF_A_MINUTE_AGO, status);
}

START_TEST(a_cause_is_told_while_the_rollout_goes_on)
{
        struct cluster c;

        begin_rollout(&c, WAITING("0", "ErrImagePull", "no such image"));
        settle(&c);
        ck_condition(&c, "Reconciling", "True", "RolloutInProgress");
        ck_has(condition_at(&c, "Ready", "message"),
               "1 of 2 replicas are updated, 2 are available; pod p: the image cannot be pulled: no such "
               "image");
        ck_assert_int_eq(c.f.plan.wake, c.f.view.now + 30 * USEC_SEC);
        end_cluster(&c);
}
END_TEST

START_TEST(a_decisive_cause_ends_the_rollout_before_its_deadline)
{
        struct cluster c;

        begin_rollout(&c, CRASHED("3", "2", "Error"));
        step(&c);
        ck_condition(&c, "Reconciling", "True", "RollingBack");
        ck_str_eq(status_at(&c, "/failedRevision/reason"), "CrashLoop");
        ck_has(status_at(&c, "/failedRevision/message"), "exit code 2 (Error)");
        c.rollout = ROLLED_OUT;
        settle(&c);
        ck_condition(&c, "Stalled", "True", "RolledBack");
        ck_has(condition_at(&c, "Stalled", "message"), "exit code 2 (Error)");
        ck_str_eq(deployment_at(&c, "/spec/template/spec/containers/0/image"), "x:1");
        end_cluster(&c);
}
END_TEST

/* The deadline says that it failed; the pod says why. */
START_TEST(past_the_deadline_the_cause_is_told)
{
        struct cluster c;

        begin_rollout(&c, CONTAINER("\"ready\":false,\"restartCount\":0"));
        set_rollout(&c, PAST_ITS_DEADLINE);
        step(&c);
        ck_str_eq(status_at(&c, "/failedRevision/reason"), "ProgressDeadlineExceeded");
        ck_has(status_at(&c, "/failedRevision/message"), "health check does not say that it is ready");
        end_cluster(&c);
}
END_TEST

/* --- without memory ------------------------------------------------------------------------ */

static int find_it(void *arg)
{
        const struct cluster *c = arg;
        struct arena arena = ARENA_INIT(1024 * 1024);
        struct plan plan;
        int r;

        plan_init(&plan, &arena);
        (void)app_find_cause(&c->f.view, STR("r1"), &plan);
        r = arena.failed ? -ENOMEM : plan.error;
        arena_release(&arena);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct cluster c;

        begin_app(&c);
        put_pod(&c, "a", "r1", A_MINUTE_AGO, CRASHED("9", "1", "Error"));
        put_pod(&c, "b", "r1", A_MINUTE_AGO, WAITING("0", "ErrImagePull", "no"));
        put_pod(&c, "c", "r1", A_MINUTE_AGO, UNSCHEDULED);
        torture(find_it, &c, 0);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        each_cause_is_told_from_what_the_pod_says,
        it_looks_again_when_patience_ends,
        it_looks_again_when_a_crash_is_past,
        a_long_message_is_cut,
        only_pods_of_the_revision_and_of_the_app_count,
        a_decisive_one_outweighs_and_else_the_first_by_name,
        a_pod_that_is_ready_is_not_kept,
        a_cause_is_told_while_the_rollout_goes_on,
        a_decisive_cause_ends_the_rollout_before_its_deadline,
        past_the_deadline_the_cause_is_told,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("app/causes", tests)
