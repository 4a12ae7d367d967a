/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "golden.h"

#include "controller/app/config.h"

#define BASE "\"image\":\"x:1\",\"replicas\":2,\"configReload\":\"Signal\""
#define FILES                                                                                                \
        ",\"configFiles\":[{\"configMapRef\":{\"name\":\"settings\"},\"mountPath\":\"/etc/x\"},"             \
        "{\"secretRef\":{\"name\":\"db\"},\"mountPath\":\"/etc/db\",\"items\":[{\"key\":\"PASSWORD\","       \
        "\"path\":\"private/password\"}]}]"
#define VARIABLES ",\"envFrom\":[{\"secretRef\":{\"name\":\"keys\"}}]"
#define SIGNAL BASE FILES
#define MIXED BASE FILES VARIABLES

#define SECRET(value) "\"type\":\"Opaque\",\"data\":{\"PASSWORD\":\"" value "\"}"
#define POD "/spec/template/spec"

static void begin_signal(struct cluster *c, const char *spec)
{
        begin_cluster(c, spec);
        c->f.view.image = STR("keelson:1");
        set_object(c, "configmaps", "settings", "\"data\":{\"color\":\"red\"}");
        set_object(c, "secrets", "db", SECRET("b25l"));
        set_object(c, "secrets", "keys", SECRET("dHdv"));
        settle(c);
        ck_condition(c, "Ready", "True", "Ready");
}

static void read_again(struct cluster *c)
{
        c->f.view.now += VIEW_READ_AGE;
        settle(c);
}

static void take_revision(struct cluster *c, char out[64])
{
        snprintf(out, 64, "%.*s", STR_FMT(status_at(c, "/revision")));
}

/* --- the pods ---------------------------------------------------------------------------- */

START_TEST(the_pods_have_the_originals_and_a_helper_beside_the_program)
{
        yyjson_doc *doc;
        struct cluster c;
        char *text;

        begin_signal(&c, SIGNAL);
        doc = yyjson_read(c.deployment, strlen(c.deployment), 0);
        text = yyjson_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
        check_golden(GOLDEN_DIR "/signal.txt", text);
        free(text);
        yyjson_doc_free(doc);
        ck_assert_uint_eq(c.n_copies, 0);
        end_cluster(&c);
}
END_TEST

/* What a cluster asks for at the pod security level "restricted". */
START_TEST(the_helper_has_no_more_rights_than_the_program)
{
        yyjson_val *pod, *helper, *program;
        struct cluster c;

        begin_signal(&c, SIGNAL);
        pod = json_get_path(parse_(&c, c.deployment), POD);
        helper = json_get_path(pod, "/initContainers/0");
        program = json_get_path(pod, "/containers/0");
        ck_assert_int_eq(int_at(pod, "/securityContext/runAsUser"), 1001);
        ck_assert(yyjson_equals(yyjson_obj_get(helper, "securityContext"),
                                yyjson_obj_get(program, "securityContext")));
        ck_assert_ptr_null(json_get_path(helper, "/securityContext/runAsUser"));
        ck_assert_ptr_null(json_get_path(helper, "/securityContext/capabilities/add"));
        ck_str_eq(str_at(helper, "/securityContext/capabilities/drop/0"), "ALL");
        ck_str_eq(str_at(helper, "/restartPolicy"), "Always");
        ck_assert(yyjson_is_true(yyjson_obj_get(json_get_path(helper, "/volumeMounts/0"), "readOnly")));
        end_cluster(&c);
}
END_TEST

static const struct {
        const char *what, *spec;
} plain[] = {
        { "Rollout", "\"image\":\"x:1\",\"replicas\":2,\"configReload\":\"Rollout\"" FILES },
        { "None", "\"image\":\"x:1\",\"replicas\":2,\"configReload\":\"None\"" FILES },
        { "without files there is nothing to tell", BASE },
};

START_TEST(other_apps_have_no_helper_and_need_no_image)
{
        for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
                struct cluster c;

                begin_cluster(&c, plain[i].spec);
                set_object(&c, "configmaps", "settings", "\"data\":{\"color\":\"red\"}");
                set_object(&c, "secrets", "db", SECRET("b25l"));
                settle(&c);
                ck_condition(&c, "Ready", "True", "Ready");
                ck_assert_ptr_null(json_get_path(parse_(&c, c.deployment), POD "/initContainers"));
                ck_assert_ptr_null(json_get_path(parse_(&c, c.deployment), POD "/shareProcessNamespace"));
                ck_assert_ptr_null(json_get_path(parse_(&c, c.status), "/reload"));
                end_cluster(&c);
        }
}
END_TEST

/* --- changes ------------------------------------------------------------------------------ */

START_TEST(other_files_are_no_other_pods)
{
        char before[64], hash[64];
        struct cluster c;
        size_t applies;

        begin_signal(&c, SIGNAL);
        c.never_told = "Z3JlZW4="; /* the Secret's value */
        take_revision(&c, before);
        ck_str_eq(status_at(&c, "/config/0/reload"), "Signal");
        snprintf(hash, sizeof(hash), "%.*s", STR_FMT(status_at(&c, "/config/0/hash")));
        applies = c.n_applies;
        set_object(&c, "configmaps", "settings", "\"data\":{\"color\":\"green\"}");
        set_object(&c, "secrets", "db", SECRET("Z3JlZW4="));
        read_again(&c);
        ck_assert_uint_eq(c.n_applies, applies);
        ck_assert_uint_eq(c.n_copies, 0);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_str_eq(status_at(&c, "/revision"), before);
        ck_assert(!str_eq_c(status_at(&c, "/config/0/hash"), hash));
        end_cluster(&c);
}
END_TEST

START_TEST(a_change_of_files_is_told_once)
{
        size_t told = 0;
        struct cluster c;

        begin_signal(&c, SIGNAL);
        set_object(&c, "configmaps", "settings", "\"data\":{\"color\":\"green\"}");
        c.f.view.now += VIEW_READ_AGE;
        for (int i = 0; i < STEPS_MAX; i++) {
                step(&c);
                if (c.n_events == 0)
                        continue;
                told += c.n_events;
                ck_has(str_c(c.event), "ConfigChanged: ConfigMap settings changed from ");
                ck_has(str_c(c.event), "the program gets SIGHUP");
        }
        ck_assert_uint_eq(told, 1);
        end_cluster(&c);
}
END_TEST

START_TEST(variables_are_followed_by_a_rollout_all_the_same)
{
        char before[64];
        struct cluster c;

        begin_signal(&c, MIXED);
        take_revision(&c, before);
        ck_assert_uint_eq(c.n_copies, 1);
        ck_has(env_from_name(&c, 0, "secretRef"), "web-keys-");
        ck_str_eq(status_at(&c, "/config/0/name"), "keys");
        ck_str_eq(status_at(&c, "/config/0/reload"), "Rollout");
        ck_str_eq(status_at(&c, "/config/1/reload"), "Signal");
        ck_assert_uint_eq(yyjson_arr_size(json_get_path(parse_(&c, c.status), "/copies")), 1);
        set_object(&c, "secrets", "keys", SECRET("b3RoZXI="));
        read_again(&c);
        ck_assert_uint_eq(c.n_copies, 2);
        ck_assert(!str_eq_c(status_at(&c, "/revision"), before));
        end_cluster(&c);
}
END_TEST

/* A change of it brings other pods anyway, with files of the same age as their variables. */
START_TEST(what_is_both_is_copied_and_not_watched)
{
        yyjson_val *args;
        struct cluster c;

        begin_signal(&c, BASE FILES ",\"envFrom\":[{\"secretRef\":{\"name\":\"db\"}}]");
        ck_has(env_from_name(&c, 0, "secretRef"), "web-db-");
        ck_has(deployment_at(&c, POD "/volumes/2/secret/secretName"), "web-db-");
        args = json_get_path(parse_(&c, c.deployment), POD "/initContainers/0/args");
        ck_assert_uint_eq(yyjson_arr_size(args), 4);
        ck_str_eq(json_val_str(yyjson_arr_get(args, 3)), "settings=/config/0");
        ck_assert_uint_eq(yyjson_arr_size(json_get_path(parse_(&c, c.deployment),
                                                        POD "/initContainers/0/volumeMounts")),
                          1);
        end_cluster(&c);
}
END_TEST

START_TEST(files_that_cannot_be_used_stall_and_touch_nothing)
{
        struct cluster c;
        size_t applies;

        begin_signal(&c, SIGNAL);
        applies = c.n_applies;
        set_object(&c, "configmaps", "settings", "\"data\":{\"color.json\":\"{\"}");
        read_again(&c);
        ck_condition(&c, "Stalled", "True", "InvalidConfig");
        ck_has(condition_at(&c, "Stalled", "message"), "spec.configFiles[0].configMapRef.name: ");
        remove_object(&c, "configmaps", "settings");
        read_again(&c);
        ck_condition(&c, "Stalled", "True", "ConfigNotFound");
        ck_assert_uint_eq(c.n_applies, applies);
        set_object(&c, "configmaps", "settings", "\"data\":{\"color\":\"green\"}");
        read_again(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_uint_eq(c.n_applies, applies);
        end_cluster(&c);
}
END_TEST

/* --- the helper's image ------------------------------------------------------------------- */

START_TEST(another_operator_restarts_no_pod)
{
        char before[64];
        struct cluster c;
        size_t applies;

        begin_signal(&c, SIGNAL);
        take_revision(&c, before);
        applies = c.n_applies;
        c.f.view.image = STR("keelson:2");
        settle(&c);
        ck_assert_uint_eq(c.n_applies, applies);
        ck_str_eq(status_at(&c, "/reload/image"), "keelson:1");
        ck_str_eq(status_at(&c, "/reload/revision"), before);

        change_spec(&c, BASE FILES ",\"port\":80");
        settle(&c);
        ck_str_eq(deployment_at(&c, POD "/initContainers/0/image"), "keelson:2");
        ck_str_eq(status_at(&c, "/reload/image"), "keelson:2");
        ck_assert(!str_eq_c(status_at(&c, "/revision"), before));

        /* The old pods again are new ones, but no other revision. */
        change_spec(&c, SIGNAL);
        settle(&c);
        ck_str_eq(deployment_at(&c, POD "/initContainers/0/image"), "keelson:2");
        ck_str_eq(status_at(&c, "/revision"), before);
        end_cluster(&c);
}
END_TEST

START_TEST(in_the_middle_of_a_rollout_it_stays_as_well)
{
        struct cluster c;
        size_t applies;

        begin_signal(&c, SIGNAL);
        change_spec(&c, BASE FILES ",\"port\":80");
        c.rollout = HALFWAY;
        settle(&c);
        ck_condition(&c, "Ready", "False", "RolloutInProgress");
        applies = c.n_applies;
        c.f.view.image = STR("keelson:2");
        settle(&c);
        ck_assert_uint_eq(c.n_applies, applies);
        set_rollout(&c, ROLLED_OUT);
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_str_eq(deployment_at(&c, POD "/initContainers/0/image"), "keelson:1");
        end_cluster(&c);
}
END_TEST

START_TEST(a_failed_revision_is_gone_back_from_with_the_files_of_now)
{
        char before[64];
        struct cluster c;

        begin_signal(&c, SIGNAL);
        take_revision(&c, before);
        change_spec(&c, "\"image\":\"x:2\",\"replicas\":2,\"configReload\":\"Signal\"" FILES);
        c.rollout = PAST_ITS_DEADLINE;
        for (int i = 0; i < 3; i++)
                step(&c);
        set_rollout(&c, ROLLED_OUT);
        settle(&c);
        ck_condition(&c, "Stalled", "True", "RolledBack");
        ck_str_eq(status_at(&c, "/revision"), before);
        ck_str_eq(deployment_at(&c, POD "/containers/0/image"), "x:1");
        ck_str_eq(deployment_at(&c, POD "/volumes/1/configMap/name"), "settings");
        ck_str_eq(deployment_at(&c, POD "/initContainers/0/image"), "keelson:1");
        end_cluster(&c);
}
END_TEST

/* --- what is refused ------------------------------------------------------------------------ */

static const struct {
        const char *spec, *image, *message;
} refused[] = {
        { BASE VARIABLES, "keelson:1", "spec.configReload: Signal reaches files only, and spec.envFrom" },
        { SIGNAL, NULL, "set KEELSON_IMAGE in the operator's Deployment" },
};

START_TEST(a_signal_that_cannot_be_is_refused_by_field)
{
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                struct cluster c;

                begin_cluster(&c, refused[i].spec);
                c.f.view.image = str_c(refused[i].image);
                settle(&c);
                ck_condition(&c, "Stalled", "True", "InvalidSpec");
                ck_has(condition_at(&c, "Stalled", "message"), refused[i].message);
                ck_has(condition_at(&c, "Stalled", "message"), "spec.configReload: ");
                ck_assert_uint_eq(c.n_applies, 0);
                end_cluster(&c);
        }
}
END_TEST

/* --- why pods are not ready ------------------------------------------------------------------- */

#define WAITS(reason, message)                                                                               \
        "\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"reload\",\"restartCount\":0,"          \
        "\"state\":{\"waiting\":{\"reason\":\"" reason "\",\"message\":\"" message "\"}}}],"                 \
        "\"containerStatuses\":[{\"ready\":false,\"restartCount\":0,\"state\":{\"waiting\":{\"reason\":"     \
        "\"PodInitializing\"}}}]"
#define ENDS                                                                                                 \
        "\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"reload\",\"restartCount\":1,"          \
        "\"state\":{\"running\":{}},\"lastState\":{\"terminated\":{\"exitCode\":2,\"reason\":\"Error\"}}}]"

static const struct {
        const char *status, *message;
} causes[] = {
        { WAITS("ImagePullBackOff", "Back-off pulling image keelson:1"), "Back-off pulling image keelson:1" },
        { WAITS("CreateContainerError", "no such user"), "the container cannot start: no such user" },
        { ENDS, "the helper ended with exit code 2 (Error) and was restarted 1 times; see kubectl logs "
                "--previous web-1 -c reload" },
};

START_TEST(a_helper_that_does_not_start_is_told)
{
        for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
                struct cluster c;

                begin_cluster(&c, SIGNAL);
                c.f.view.image = STR("keelson:1");
                set_object(&c, "configmaps", "settings", "\"data\":{\"color\":\"red\"}");
                set_object(&c, "secrets", "db", SECRET("b25l"));
                c.rollout = HALFWAY;
                settle(&c);
                put_pod(&c, "web-1",
                        deployment_at(&c, "/spec/template/metadata/labels/keelson.dev~1revision").data,
                        WALL_TEXT, causes[i].status);
                settle(&c);
                ck_condition(&c, "Ready", "False", "RolloutInProgress");
                ck_has(condition_at(&c, "Ready", "message"), causes[i].message);
                end_cluster(&c);
        }
}
END_TEST

/* --- without memory ------------------------------------------------------------------------------ */

/* As large as etcd lets an App be, and a new revision of it by a new operator. */
START_TEST(a_very_large_app_fits_into_a_tasks_memory)
{
        _cleanup_(buf_release) struct buf spec = BUF_INIT(4 * 1024 * 1024);
        static char value[32 * 1024];
        struct cluster c;

        memset(value, 'x', sizeof(value));
        buf_add_c(&spec, SIGNAL ",\"env\":[");
        for (int i = 0; i < 45; i++)
                buf_printf(&spec, "%s{\"name\":\"V%d\",\"value\":\"%.*s\"}", i ? "," : "", i,
                           (int)sizeof(value), value);
        buf_add_c(&spec, "]");
        ck_assert_int_eq(buf_error(&spec), 0);
        begin_signal(&c, SIGNAL);
        c.f.view.image = STR("keelson:2");
        change_spec(&c, spec.data);
        look(&c);
        ck_assert_ptr_nonnull(find_effect(&c.f, EFFECT_APPLY, &app_deployment_kind));
        ck_assert_uint_le(c.f.arena.taken, 8 * 1024 * 1024);
        buf_release(&spec);
        end_cluster(&c);
}
END_TEST

START_TEST(it_survives_the_lack_of_memory)
{
        struct cluster c;

        begin_signal(&c, MIXED);
        look(&c);
        torture(reconcile_once, &c.f, 0);
        c.f.view.image = STR("keelson:2");
        change_spec(&c, MIXED ",\"port\":80");
        look(&c);
        torture(reconcile_once, &c.f, 0);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        the_pods_have_the_originals_and_a_helper_beside_the_program,
        the_helper_has_no_more_rights_than_the_program,
        other_apps_have_no_helper_and_need_no_image,
        other_files_are_no_other_pods,
        a_change_of_files_is_told_once,
        variables_are_followed_by_a_rollout_all_the_same,
        what_is_both_is_copied_and_not_watched,
        files_that_cannot_be_used_stall_and_touch_nothing,
        another_operator_restarts_no_pod,
        in_the_middle_of_a_rollout_it_stays_as_well,
        a_failed_revision_is_gone_back_from_with_the_files_of_now,
        a_signal_that_cannot_be_is_refused_by_field,
        a_helper_that_does_not_start_is_told,
        a_very_large_app_fits_into_a_tasks_memory,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("app/reload", tests)
