/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include "controller/app/config.h"
#include "golden.h"

#define APP_OF(image) "\"image\":\"" image "\",\"replicas\":2"
#define WITH_CONFIG(image)                                                                                   \
        APP_OF(image)                                                                                        \
        ",\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}},"                                          \
        "{\"secretRef\":{\"name\":\"db\"}}]"
#define KEPT(n) ",\"revisionHistoryLimit\":" #n
#define NO_ROLLBACK ",\"strategy\":{\"autoRollback\":false}"

static void begin_good(struct cluster *c, const char *spec)
{
        begin_cluster(c, spec);
        set_object(c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        set_object(c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"P\":\"MQ==\"}");
        settle(c);
        ck_condition(c, "Ready", "True", "Ready");
}

/* Another spec, whose pods do not become ready by the deadline. */
static void roll_out_badly(struct cluster *c, const char *spec)
{
        change_spec(c, spec);
        step(c);
        set_rollout(c, PAST_ITS_DEADLINE);
}

/* What fails is taken back, and what was there before runs again. */
static void fail_and_recover(struct cluster *c, const char *spec)
{
        roll_out_badly(c, spec);
        for (int i = 0; i < STEPS_MAX && !has_part(str_c(c->status), "failedRevision"); i++)
                step(c);
        c->rollout = ROLLED_OUT; /* what is applied next is well */
        settle(c);
}

static struct str running(struct cluster *c)
{
        return deployment_at(c, "/spec/template/spec/containers/0/image");
}

static bool has_failed_revision(struct cluster *c)
{
        return json_get_path(parse_(c, c->status), "/failedRevision") != NULL;
}

static bool is_kept(struct cluster *c, const char *name)
{
        return find_object(c, "controllerrevisions", str_c(name)) != NULL;
}

static size_t count_kept(struct cluster *c)
{
        return count_held(c, &app_revision_kind);
}

/* --- recording ------------------------------------------------------------------------------ */

START_TEST(what_has_proved_good_is_kept_and_not_before)
{
        struct cluster c;

        begin_cluster(&c, APP_OF("x:1"));
        c.rollout = HALFWAY;
        settle(&c);
        ck_assert_uint_eq(count_kept(&c), 0);
        set_rollout(&c, ROLLED_OUT);
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_uint_eq(count_kept(&c), 1);
        ck_assert(is_kept(&c, "web-1"));
        /* Once is enough. */
        for (int i = 0; i < 3; i++)
                settle(&c);
        ck_assert_uint_eq(count_kept(&c), 1);
        change_spec(&c, APP_OF("x:2"));
        settle(&c);
        ck_assert(is_kept(&c, "web-1") && is_kept(&c, "web-2"));
        end_cluster(&c);
}
END_TEST

START_TEST(a_record_is_what_the_golden_file_says)
{
        char *text;
        struct cluster c;

        begin_cluster(&c, WITH_CONFIG("x:1") ",\"hosts\":[\"shop.example\"],\"port\":8080,\"env\":[{\"name\":"
                                             "\"MODE\",\"value\":\"a\\\"b\"}]");
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        set_object(&c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"P\":\"MQ==\"}");
        for (int i = 0; i < STEPS_MAX && !is_kept(&c, "web-1"); i++)
                step(&c);
        text = yyjson_val_write(child(&c.f, &app_revision_kind), YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
        {
                char *line = print_("%s\n", text);

                check_golden(GOLDEN_DIR "/revision.txt", line);
                free(line);
        }
        free(text);
        end_cluster(&c);
}
END_TEST

START_TEST(more_pods_are_no_other_revision)
{
        char before[64];
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        snprintf(before, sizeof(before), "%.*s", STR_FMT(status_at(&c, "/revision")));
        change_spec(&c, "\"image\":\"x:1\",\"replicas\":5");
        step(&c);
        ck_assert_int_eq(int_at(parse_(&c, c.deployment), "/spec/replicas"), 5);
        ck_str_eq(deployment_at(&c, "/spec/template/metadata/labels/keelson.dev~1revision"), before);
        end_cluster(&c);
}
END_TEST

/* What is not of the pods may change without a rollout, and is no revision. */
START_TEST(only_what_the_pods_are_made_of_makes_a_revision)
{
        static const struct {
                const char *spec;
                bool another;
        } changes[] = {
                { APP_OF("x:1") ",\"configReload\":\"None\"", false },
                { APP_OF("x:1") ",\"hosts\":[\"shop.example\"],\"port\":8080", true }, /* the port is */
                { APP_OF("x:1") KEPT(3), false },
                { APP_OF("x:1") NO_ROLLBACK, false },
                { "\"image\":\"x:1\",\"tier\":\"worker\",\"replicas\":2", false },
                { APP_OF("x:1") ",\"strategy\":{\"progressDeadline\":\"5m\"}", false },
                { APP_OF("x:2"), true },
                { APP_OF("x:1") ",\"env\":[{\"name\":\"A\",\"value\":\"1\"}]", true },
                { APP_OF("x:1") ",\"resources\":{\"requests\":{\"cpu\":\"77m\"}}", true },
                { APP_OF("x:1") ",\"drain\":{\"timeout\":\"90s\"}", true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                struct cluster c;

                begin_good(&c, APP_OF("x:1"));
                change_spec(&c, changes[i].spec);
                settle(&c);
                ck_condition(&c, "Ready", "True", "Ready");
                ck_assert_msg(count_kept(&c) == (changes[i].another ? 2 : 1), "%s: %zu", changes[i].spec,
                              count_kept(&c));
                end_cluster(&c);
        }
}
END_TEST

START_TEST(what_was_good_before_is_another_revision_when_it_comes_again)
{
        char first[64];
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        snprintf(first, sizeof(first), "%.*s", STR_FMT(status_at(&c, "/revision")));
        change_spec(&c, APP_OF("x:2"));
        settle(&c);
        ck_assert(!str_eq_c(status_at(&c, "/revision"), first));
        change_spec(&c, APP_OF("x:1"));
        settle(&c);
        ck_str_eq(status_at(&c, "/revision"), first);
        ck_assert(is_kept(&c, "web-3")); /* so that the way back is to x:1, not x:2 */
        fail_and_recover(&c, APP_OF("x:4"));
        ck_str_eq(running(&c), "x:1");
        end_cluster(&c);
}
END_TEST

/* --- going back ----------------------------------------------------------------------------- */

START_TEST(a_failure_is_written_down_before_anything_is_done_about_it)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        roll_out_badly(&c, APP_OF("x:2"));
        ck_str_eq(running(&c), "x:2");
        ck_assert(!has_failed_revision(&c));
        step(&c);
        ck_condition(&c, "Reconciling", "True", "RollingBack");
        ck_str_eq(status_at(&c, "/failedRevision/reason"), "ProgressDeadlineExceeded");
        ck_str_eq(status_at(&c, "/failedRevision/time"), WALL_TEXT);
        ck_str_eq(running(&c), "x:2");
        ck_assert_int_le(c.f.plan.wake, c.f.view.now); /* nobody else wakes us after a status */
        ck_has(str_c(c.event), "RollingBack: ");
        step(&c); /* reads what there was */
        ck_assert_uint_eq(c.n_reads, 1);
        ck_str_eq(running(&c), "x:2");
        c.rollout = HALFWAY;
        step(&c);
        ck_str_eq(running(&c), "x:1");
        settle(&c);
        ck_condition(&c, "Reconciling", "True", "RollingBack");
        ck_str_eq(status_at(&c, "/image"), "x:1"); /* what all pods ran last */
        set_rollout(&c, ROLLED_OUT);
        settle(&c);
        ck_condition(&c, "Stalled", "True", "RolledBack");
        ck_condition(&c, "Ready", "False", "RolledBack");
        ck_condition(&c, "Available", "True", "MinimumReplicasAvailable");
        ck_has(condition_at(&c, "Stalled", "message"), "timed out");
        ck_has(condition_at(&c, "Stalled", "message"), "x:1 runs again");
        ck_str_eq(status_at(&c, "/image"), "x:1");
        ck_assert(is_kept(&c, "web-1") && !is_kept(&c, "web-2"));
        end_cluster(&c);
}
END_TEST

START_TEST(going_back_takes_the_config_along)
{
        char map[300], secret[300];
        struct cluster c;

        begin_good(&c, WITH_CONFIG("x:1"));
        snprintf(map, sizeof(map), "%.*s", STR_FMT(env_from_name(&c, 0, "configMapRef")));
        snprintf(secret, sizeof(secret), "%.*s", STR_FMT(env_from_name(&c, 1, "secretRef")));
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"2\"}");
        set_object(&c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"P\":\"Mg==\"}");
        c.f.view.now += VIEW_READ_AGE;
        fail_and_recover(&c, WITH_CONFIG("x:2"));
        ck_condition(&c, "Stalled", "True", "RolledBack");
        ck_str_eq(running(&c), "x:1");
        ck_str_eq(env_from_name(&c, 0, "configMapRef"), map);
        ck_str_eq(env_from_name(&c, 1, "secretRef"), secret);
        ck_assert_ptr_nonnull(find_object(&c, "configmaps", str_c(map)));
        ck_assert_ptr_nonnull(find_object(&c, "secrets", str_c(secret)));
        end_cluster(&c);
}
END_TEST

START_TEST(a_bad_config_alone_is_gone_back_from)
{
        struct cluster c;

        begin_good(&c, WITH_CONFIG("x:1"));
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"bad\"}");
        c.f.view.now += VIEW_READ_AGE;
        fail_and_recover(&c, WITH_CONFIG("x:1"));
        ck_condition(&c, "Stalled", "True", "RolledBack");
        /* Corrected, it is tried at once. */
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"3\"}");
        c.f.view.now += VIEW_READ_AGE;
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert(!has_failed_revision(&c));
        end_cluster(&c);
}
END_TEST

START_TEST(the_failed_one_stays_failed_until_the_spec_asks_for_another)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        fail_and_recover(&c, APP_OF("x:2"));
        ck_condition(&c, "Stalled", "True", "RolledBack");
        /* More pods of it are no other revision. */
        change_spec(&c, "\"image\":\"x:2\",\"replicas\":2,\"revisionHistoryLimit\":3");
        settle(&c);
        ck_condition(&c, "Stalled", "True", "RolledBack");
        ck_str_eq(running(&c), "x:1");
        change_spec(&c, APP_OF("x:3"));
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_str_eq(running(&c), "x:3");
        ck_assert(!has_failed_revision(&c));
        /* What failed once may be asked for again. */
        change_spec(&c, APP_OF("x:2"));
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_str_eq(running(&c), "x:2");
        end_cluster(&c);
}
END_TEST

START_TEST(taking_the_change_back_is_the_end_of_it)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        fail_and_recover(&c, APP_OF("x:2"));
        change_spec(&c, APP_OF("x:1"));
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert(!has_failed_revision(&c));
        ck_assert_uint_eq(count_kept(&c), 1);
        end_cluster(&c);
}
END_TEST

START_TEST(a_restart_in_the_middle_goes_on_going_back)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        roll_out_badly(&c, APP_OF("x:2"));
        step(&c);
        ck_assert(has_failed_revision(&c));
        /* All that is known is what the server holds; the status says that it failed. */
        c.rollout = ROLLED_OUT;
        settle(&c);
        ck_str_eq(running(&c), "x:1");
        cache_forget(&c.f.cache, &app_revision_data_kind, STR("shop"), STR("web-1"));
        look(&c);
        ck_assert_ptr_null(find_effect(&c.f, EFFECT_APPLY, &app_deployment_kind));
        ck_assert_ptr_null(find_effect(&c.f, EFFECT_STATUS, NULL));
        settle(&c);
        ck_condition(&c, "Stalled", "True", "RolledBack");
        ck_str_eq(running(&c), "x:1");
        end_cluster(&c);
}
END_TEST

/* --- where there is no way back ------------------------------------------------------------------ */

static void check_stays(struct cluster *c, const char *image)
{
        ck_condition(c, "Stalled", "True", "ProgressDeadlineExceeded");
        ck_str_eq(running(c), image);
        ck_assert_int_gt(c->f.plan.wake, c->f.view.now);
}

START_TEST(the_first_of_all_has_no_way_back)
{
        struct cluster c;

        begin_cluster(&c, APP_OF("x:1"));
        c.rollout = PAST_ITS_DEADLINE;
        settle(&c);
        check_stays(&c, "x:1");
        ck_assert(!has_failed_revision(&c));
        end_cluster(&c);
}
END_TEST

START_TEST(who_does_not_want_it_is_not_taken_back)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        roll_out_badly(&c, APP_OF("x:2") NO_ROLLBACK);
        settle(&c);
        check_stays(&c, "x:2");
        ck_assert_uint_eq(c.n_reads, 0);
        end_cluster(&c);
}
END_TEST

/* A record that is not what we wrote, or is gone: the one that failed stays, and says so. */
START_TEST(a_record_that_cannot_be_read_is_no_way_back)
{
        static const char *const records[] = {
                NULL,
                "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-1\",\"uid\":\"u\",\"resourceVersion\":"
                "\"9\"}}",
                "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-1\",\"uid\":\"u\",\"resourceVersion\":"
                "\"9\"},\"data\":{\"spec\":{\"image\":7}}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
                struct cluster c;

                begin_good(&c, APP_OF("x:1"));
                remove_object(&c, "controllerrevisions", "web-1");
                if (records[i])
                        add_object_(&c, "controllerrevisions", "web-1", strdup(records[i]), "");
                roll_out_badly(&c, APP_OF("x:2"));
                settle(&c);
                check_stays(&c, "x:2");
                /* And as long as it does not pass it is quiet. */
                c.f.view.wall += USEC_MINUTE;
                step(&c);
                ck_assert_uint_eq(c.n_changes, 0);
                end_cluster(&c);
        }
}
END_TEST

START_TEST(what_is_gone_back_to_may_fail_as_well)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        roll_out_badly(&c, APP_OF("x:2"));
        settle(&c);
        ck_str_eq(running(&c), "x:1");
        check_stays(&c, "x:1"); /* it is past its deadline, too */
        ck_str_eq(status_at(&c, "/failedRevision/reason"), "ProgressDeadlineExceeded");
        end_cluster(&c);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

/* Those of an App that was called so before are not ours to go back to. */
START_TEST(records_of_an_older_app_of_the_name_do_not_count)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        c.uid = "u-app-2";
        put_app(&c);
        free(c.status);
        c.status = NULL;
        roll_out_badly(&c, APP_OF("x:2"));
        step(&c);
        step(&c);
        ck_assert_uint_eq(c.n_reads, 0);
        ck_assert(!has_failed_revision(&c));
        end_cluster(&c);
}
END_TEST

/* The numbers go on from the highest, whatever is missing in between. */
START_TEST(a_number_is_never_used_twice)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1") KEPT(1));
        for (int i = 2; i < 6; i++) {
                char *spec = print_("\"image\":\"x:%d\",\"replicas\":2" KEPT(1), i);
                char name[32];

                change_spec(&c, spec);
                settle(&c);
                snprintf(name, sizeof(name), "web-%d", i);
                ck_assert(is_kept(&c, name));
                ck_assert_uint_eq(count_kept(&c), 1);
                c.spec = ""; /* it goes away */
                free(spec);
        }
        end_cluster(&c);
}
END_TEST

/* --- what is dropped ------------------------------------------------------------------------------ */

START_TEST(no_more_are_kept_than_the_history_limit_says)
{
        struct cluster c;

        begin_good(&c, WITH_CONFIG("x:1") KEPT(3));
        for (int i = 2; i < 9; i++) {
                char *data = print_("\"data\":{\"A\":\"%d\"}", i);
                char *secret = print_("\"type\":\"Opaque\",\"data\":{\"P\":\"%d\"}", i);

                set_object(&c, "configmaps", "settings", data);
                set_object(&c, "secrets", "db", secret);
                c.f.view.now += VIEW_READ_AGE;
                settle(&c);
                ck_condition(&c, "Ready", "True", "Ready");
                ck_assert_uint_eq(count_kept(&c), (size_t)MIN(i, 3));
                ck_assert_uint_eq(count_held(&c, &app_configmap_kind), (size_t)MIN(i, 3));
                ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(parse_(&c, c.status), "copies")),
                                  (size_t)MIN(i, 3));
                free(data);
                free(secret);
        }
        ck_assert(is_kept(&c, "web-6") && is_kept(&c, "web-7") && is_kept(&c, "web-8"));
        /* Fewer are wanted. */
        change_spec(&c, WITH_CONFIG("x:1") KEPT(1));
        settle(&c);
        ck_assert_uint_eq(count_kept(&c), 1);
        ck_assert(is_kept(&c, "web-8"));
        ck_assert_uint_eq(count_held(&c, &app_configmap_kind), 1);
        ck_assert_uint_eq(c.n_objects, 2 + 1 + 2); /* the sources, the record, the copies */
        end_cluster(&c);
}
END_TEST

/* A Secret under the name of a copy that is not ours is let be, and not asked for again. */
START_TEST(a_foreign_secret_of_the_name_is_not_deleted)
{
        char name[300];
        struct cluster c;

        begin_good(&c, WITH_CONFIG("x:1") KEPT(1));
        snprintf(name, sizeof(name), "%.*s", STR_FMT(env_from_name(&c, 1, "secretRef")));
        set_object(&c, "secrets", name, "\"type\":\"Opaque\",\"data\":{}");
        cache_forget(&c.f.cache, &app_secret_kind, STR("shop"), str_c(name));
        set_object(&c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"P\":\"Mg==\"}");
        c.f.view.now += VIEW_READ_AGE;
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_ptr_nonnull(find_object(&c, "secrets", str_c(name)));
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(parse_(&c, c.status), "copies")), 1);
        end_cluster(&c);
}
END_TEST

/* Its config changes each day, and it is never well: what was copied must not pile up. */
static void check_bounded(struct cluster *c, enum rollout rollout)
{
        size_t most = 0;

        c->rollout = rollout;
        for (int day = 0; day < 200; day++) {
                char *data = print_("\"data\":{\"A\":\"day %d\"}", day);
                char *secret = print_("\"type\":\"Opaque\",\"data\":{\"P\":\"day %d\"}", day);

                set_object(c, "configmaps", "settings", data);
                set_object(c, "secrets", "db", secret);
                c->f.view.now += VIEW_READ_AGE;
                for (int i = 0; i < STEPS_MAX; i++) {
                        step(c);
                        /* What runs, and what is to run, is always there. */
                        if (c->deployment) {
                                ck_assert_ptr_nonnull(
                                        find_object(c, "configmaps", env_from_name(c, 0, "configMapRef")));
                                ck_assert_ptr_nonnull(
                                        find_object(c, "secrets", env_from_name(c, 1, "secretRef")));
                        }
                        for (size_t j = 0; j < c->f.n_docs; j++)
                                yyjson_doc_free(c->f.docs[j]);
                        c->f.n_docs = 0;
                }
                ck_assert(!has_part(condition_at(c, "Ready", "status"), "True"));
                most = MAX(most, count_held(c, &app_configmap_kind));
                most = MAX(most, yyjson_arr_size(yyjson_obj_get(parse_(c, c->status), "copies")));
                free(data);
                free(secret);
        }
        ck_assert_uint_le(most, 72);
        ck_assert_uint_le(c->n_objects, 2 + 1 + 2 * 72);
}

START_TEST(copies_do_not_pile_up_while_an_app_is_never_ready)
{
        struct cluster c;

        begin_cluster(&c, WITH_CONFIG("x:1") NO_ROLLBACK);
        check_bounded(&c, PAST_ITS_DEADLINE);
        end_cluster(&c);
}
END_TEST

START_TEST(copies_do_not_pile_up_while_a_rollout_never_ends)
{
        struct cluster c;

        begin_good(&c, WITH_CONFIG("x:1"));
        check_bounded(&c, HALFWAY);
        end_cluster(&c);
}
END_TEST

START_TEST(copies_do_not_pile_up_while_each_config_is_gone_back_from)
{
        struct cluster c;
        size_t most = 0;

        begin_good(&c, WITH_CONFIG("x:1"));
        for (int day = 0; day < 50; day++) {
                char *data = print_("\"data\":{\"A\":\"day %d\"}", day);

                set_object(&c, "configmaps", "settings", data);
                c.f.view.now += VIEW_READ_AGE;
                /* The status of another failure takes the place of the last. */
                set_rollout(&c, PAST_ITS_DEADLINE);
                for (int i = 0; i < 5; i++)
                        step(&c);
                set_rollout(&c, ROLLED_OUT);
                settle(&c);
                ck_condition(&c, "Stalled", "True", "RolledBack");
                most = MAX(most, count_held(&c, &app_configmap_kind));
                free(data);
                for (size_t j = 0; j < c.f.n_docs; j++)
                        yyjson_doc_free(c.f.docs[j]);
                c.f.n_docs = 0;
        }
        ck_assert_uint_le(most, 4);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        what_has_proved_good_is_kept_and_not_before,
        a_record_is_what_the_golden_file_says,
        more_pods_are_no_other_revision,
        only_what_the_pods_are_made_of_makes_a_revision,
        what_was_good_before_is_another_revision_when_it_comes_again,
        a_failure_is_written_down_before_anything_is_done_about_it,
        going_back_takes_the_config_along,
        a_bad_config_alone_is_gone_back_from,
        the_failed_one_stays_failed_until_the_spec_asks_for_another,
        taking_the_change_back_is_the_end_of_it,
        a_restart_in_the_middle_goes_on_going_back,
        the_first_of_all_has_no_way_back,
        who_does_not_want_it_is_not_taken_back,
        a_record_that_cannot_be_read_is_no_way_back,
        what_is_gone_back_to_may_fail_as_well,
        records_of_an_older_app_of_the_name_do_not_count,
        a_number_is_never_used_twice,
        no_more_are_kept_than_the_history_limit_says,
        a_foreign_secret_of_the_name_is_not_deleted,
        copies_do_not_pile_up_while_an_app_is_never_ready,
        copies_do_not_pile_up_while_a_rollout_never_ends,
        copies_do_not_pile_up_while_each_config_is_gone_back_from,
};
TEST_MAIN("app/revision", tests)
