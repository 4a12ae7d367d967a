/* SPDX-License-Identifier: Apache-2.0 */
#include "revisions.h"

/* --- what a revision that is kept needs ------------------------------------------- */

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

/* --- a rollout that never ends --------------------------------------------------- */

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
                        free_docs(c);
                }
                ck_assert(!has_part(condition_at(c, "Ready", "status"), "True"));
                most = MAX(most, count_held(c, &app_configmap_kind));
                most = MAX(most, yyjson_arr_size(yyjson_obj_get(parse_(c, c->status), "copies")));
                free(data);
                free(secret);
        }
        ck_assert_uint_le(most, APP_CONFIG_MAX + 24);
        ck_assert_uint_le(c->n_objects, 2 + 1 + 2 * (APP_CONFIG_MAX + 24));
}

START_TEST(copies_do_not_pile_up_while_an_app_is_never_ready)
{
        struct cluster c;

        begin_cluster(&c, WITH_CONFIG("x:1") NO_ROLLBACK);
        check_bounded(&c, PAST_ITS_DEADLINE);
        end_cluster(&c);
}
END_TEST

/* The oldest, of which pods may serve still, and the newest, of which pods come up. */
START_TEST(the_oldest_and_the_newest_stay)
{
        static char maps[100][300], secrets[100][300];
        struct cluster c;

        begin_cluster(&c, WITH_CONFIG("x:1") NO_ROLLBACK);
        c.rollout = HALFWAY;
        for (int day = 0; day < 100; day++) {
                char *data = print_("\"data\":{\"A\":\"day %d\"}", day);
                char *secret = print_("\"type\":\"Opaque\",\"data\":{\"P\":\"day %d\"}", day);

                set_object(&c, "configmaps", "settings", data);
                set_object(&c, "secrets", "db", secret);
                c.f.view.now += VIEW_READ_AGE;
                settle(&c);
                snprintf(maps[day], 300, "%.*s", STR_FMT(env_from_name(&c, 0, "configMapRef")));
                snprintf(secrets[day], 300, "%.*s", STR_FMT(env_from_name(&c, 1, "secretRef")));
                free_docs(&c);
                free(data);
                free(secret);
        }
        /* The last is in use; of the others, APP_CONFIG_MAX and 16. */
        for (int day = 0; day < 100; day++) {
                bool stays = day < APP_CONFIG_MAX || day >= 99 - 16;

                ck_assert_msg((find_object(&c, "configmaps", str_c(maps[day])) != NULL) == stays, "day %d",
                              day);
                ck_assert_msg((find_object(&c, "secrets", str_c(secrets[day])) != NULL) == stays, "day %d",
                              day);
                ck_assert_msg(has_part(str_c(c.status), secrets[day]) == stays, "day %d", day);
        }
        /* Once a rollout is complete they go. */
        set_rollout(&c, ROLLED_OUT);
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_uint_eq(count_held(&c, &app_configmap_kind), 1);
        ck_assert_uint_eq(c.n_objects, 2 + 1 + 2);
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
                free_docs(&c);
        }
        ck_assert_uint_le(most, 4);
        end_cluster(&c);
}
END_TEST

/* --- no room ---------------------------------------------------------------------------- */

/* A revision that was kept before the others, with so many copies of Secrets. */
static void put_large_revision(struct cluster *c, size_t n)
{
        _cleanup_(buf_release) struct buf config = BUF_INIT(1024 * 1024), copies = BUF_INIT(1024 * 1024);
        char *json, *status, *mark;

        for (size_t i = 0; i < n; i++) {
                buf_printf(&config, "%s{\"secret\":true,\"name\":\"s\",\"copy\":\"web-s-%zu\"}", i ? "," : "",
                           i);
                buf_printf(&copies, "\"web-s-%zu\",", i);
        }
        ck_assert_int_eq(buf_error(&config) | buf_error(&copies), 0);
        json = print_(
                "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-0\",\"uid\":\"u-web-0\","
                "\"resourceVersion\":\"50\",\"ownerReferences\":[{\"kind\":\"App\",\"name\":\"web\",\"uid\":"
                "\"u-app\",\"controller\":true}]},\"revision\":0,\"data\":{\"hash\":\"h0\",\"config\":[%s]}}",
                config.data);
        put(&c->f, &app_revision_kind, json);
        free(json);
        mark = strstr(c->status, "\"copies\":[") + strlen("\"copies\":[");
        status = print_("%.*s%s%s", (int)(mark - c->status), c->status, copies.data, mark);
        free(c->status);
        c->status = status;
        put_app(c);
}

START_TEST(where_there_is_no_room_for_more_it_says_so_and_goes_on_once_there_is)
{
        char before[64];
        struct cluster c;

        begin_good(&c, WITH_CONFIG("x:1") KEPT(3));
        put_large_revision(&c, APP_COPIES_MAX - 1);
        snprintf(before, sizeof(before), "%.*s", STR_FMT(status_at(&c, "/revision")));
        set_object(&c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"P\":\"Mg==\"}");
        c.f.view.now += VIEW_READ_AGE;
        settle(&c);
        ck_condition(&c, "Stalled", "True", "TooManyCopies");
        ck_has(condition_at(&c, "Stalled", "message"),
               "spec.revisionHistoryLimit: 1024 copies of Secrets are kept");
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(parse_(&c, c.status), "copies")), APP_COPIES_MAX);
        ck_str_eq(status_at(&c, "/revision"), before);
        ck_assert_uint_eq(count_kept(&c), 2);
        change_spec(&c, WITH_CONFIG("x:1") KEPT(1));
        for (int i = 0; i < 500; i++)
                step(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(parse_(&c, c.status), "copies")), 1);
        ck_assert_uint_eq(count_kept(&c), 1);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        no_more_are_kept_than_the_history_limit_says,
        a_foreign_secret_of_the_name_is_not_deleted,
        copies_do_not_pile_up_while_an_app_is_never_ready,
        the_oldest_and_the_newest_stay,
        copies_do_not_pile_up_while_a_rollout_never_ends,
        copies_do_not_pile_up_while_each_config_is_gone_back_from,
        where_there_is_no_room_for_more_it_says_so_and_goes_on_once_there_is,
};
TEST_MAIN("app/copies", tests)
