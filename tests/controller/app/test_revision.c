/* SPDX-License-Identifier: Apache-2.0 */
#include "revisions.h"

#include "golden.h"

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
        c.rollout = UNSEEN;
        step(&c);
        ck_str_eq(running(&c), "x:1");
        settle(&c);
        ck_condition(&c, "Reconciling", "True", "RollingBack");
        ck_has(condition_at(&c, "Reconciling", "message"),
               "timed out; waiting for the Deployment controller");
        ck_has(str_c(c.event), "RollingBack: "); /* still the last: no other rollout has started */
        set_rollout(&c, HALFWAY);
        settle(&c);
        ck_condition(&c, "Reconciling", "True", "RollingBack");
        ck_has(condition_at(&c, "Reconciling", "message"), "timed out; 1 of 2 replicas are updated");
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

/* Where a ReplicaSet of older days is used again, the Deployment says for a moment what
 * it said of the one before. */
START_TEST(the_deadline_that_another_has_missed_is_not_its_own)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        change_spec(&c, APP_OF("x:2"));
        settle(&c);
        roll_out_badly(&c, APP_OF("x:3") NO_ROLLBACK);
        settle(&c);
        check_stays(&c, "x:3");
        change_spec(&c, APP_OF("x:1"));
        c.rollout = PAST_THAT_OF_ANOTHER;
        settle(&c);
        ck_str_eq(running(&c), "x:1");
        ck_condition(&c, "Reconciling", "True", "RolloutInProgress");
        ck_assert(!has_failed_revision(&c));
        /* But its own is. */
        set_rollout(&c, PAST_ITS_DEADLINE);
        step(&c);
        ck_assert(has_failed_revision(&c));
        end_cluster(&c);
}
END_TEST

START_TEST(what_is_gone_back_to_may_fail_as_well)
{
        struct cluster c;

        begin_good(&c, APP_OF("x:1"));
        roll_out_badly(&c, APP_OF("x:2"));
        settle(&c);
        ck_str_eq(running(&c), "x:1");
        ck_condition(&c, "Reconciling", "True", "RollingBack"); /* x:2 was past its deadline */
        ck_assert_int_eq(c.f.plan.wake, c.f.view.now + 10 * USEC_MINUTE);
        c.f.view.wall += 10 * USEC_MINUTE;
        step(&c);
        check_stays(&c, "x:1"); /* it is past its own, too */
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
        the_deadline_that_another_has_missed_is_not_its_own,
        what_is_gone_back_to_may_fail_as_well,
        records_of_an_older_app_of_the_name_do_not_count,
        a_number_is_never_used_twice,
};
TEST_MAIN("app/revision", tests)
