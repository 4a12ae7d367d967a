/* SPDX-License-Identifier: Apache-2.0 */
#include "configs.h"

#define TO(list) ",\"access\":{\"to\":[" list "]}"
#define SESSIONS TO("{\"redis\":\"sessions\"}")
#define POD "/spec/template/spec"
#define CONTAINER POD "/containers/0"

static struct cluster c;

static void check_variables(size_t i, const char *prefix, const char *copy_of)
{
        char path[128];

        snprintf(path, sizeof(path), CONTAINER "/envFrom/%zu/prefix", i);
        if (prefix)
                ck_str_eq(deployment_at(&c, path), prefix);
        else
                ck_assert_ptr_null(deployment_at(&c, path).data);
        ck_has(env_from_name(&c, i, "secretRef"), copy_of);
}

START_TEST(pods_get_variables_and_the_ca_of_a_redis)
{
        begin_cluster(&c, IMAGE SESSIONS);
        make_redis(&c, "sessions", "\"access\":{\"from\":[{\"app\":\"web\"}]}");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        check_variables(0, "REDIS_", "-sessions-env-");
        ck_assert_ptr_null(deployment_at(&c, CONTAINER "/envFrom/1/prefix").data);
        ck_str_eq(deployment_at(&c, CONTAINER "/volumeMounts/1/mountPath"), "/etc/keelson/redis/sessions");
        ck_str_eq(deployment_at(&c, POD "/volumes/1/secret/items/0/path"), "ca.crt");
        ck_has(deployment_at(&c, POD "/volumes/1/secret/secretName"), "-sessions-app-");
        end_cluster(&c);
}
END_TEST

START_TEST(what_the_app_says_itself_comes_last_and_so_wins)
{
        begin_cluster(&c, FROM_SECRET ",\"configFiles\":[{\"configMapRef\":{\"name\":\"settings\"},"
                                      "\"mountPath\":\"/etc/x\"}]" SESSIONS);
        set_object(&c, "secrets", "db", DB);
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        make_redis(&c, "sessions", "");
        settle(&c);
        check_variables(0, "REDIS_", "-sessions-env-");
        check_variables(1, NULL, "-db-");
        ck_str_eq(deployment_at(&c, CONTAINER "/volumeMounts/1/mountPath"), "/etc/x");
        ck_str_eq(deployment_at(&c, CONTAINER "/volumeMounts/2/mountPath"), "/etc/keelson/redis/sessions");
        end_cluster(&c);
}
END_TEST

START_TEST(of_several_each_has_its_own_name_and_the_first_the_short_one)
{
        begin_cluster(&c, IMAGE TO("{\"app\":\"a\"},{\"redis\":\"session-store\"},{\"redis\":\"cache\"},"
                                   "{\"redis\":\"session-store\"}"));
        make_redis(&c, "session-store", "");
        make_redis(&c, "cache", "\"tls\":{\"enabled\":false}");
        settle(&c);
        check_variables(0, "REDIS_", "-session-store-env-");
        check_variables(1, "SESSION_STORE_", "-session-store-env-");
        check_variables(2, "CACHE_", "-cache-env-");
        ck_str_eq(deployment_at(&c, CONTAINER "/volumeMounts/1/mountPath"),
                  "/etc/keelson/redis/session-store");
        ck_assert_ptr_null(deployment_at(&c, CONTAINER "/volumeMounts/2/mountPath").data); /* no TLS */
        end_cluster(&c);
}
END_TEST

START_TEST(a_redis_that_is_not_there_stalls_until_it_is)
{
        static const char *const reloads[] = { "", ",\"configReload\":\"None\"" };

        for (size_t i = 0; i < ARRAY_SIZE(reloads); i++) {
                char *spec = print_("%s%s%s", IMAGE, SESSIONS, reloads[i]);

                begin_cluster(&c, spec);
                settle(&c);
                ck_condition(&c, "Stalled", "True", "RedisNotFound");
                ck_has(condition_at(&c, "Ready", "message"),
                       "spec.access.to[0].redis: there is no Redis \"sessions\"");
                ck_assert_ptr_null(c.deployment); /* no pods that wait without a word */
                make_redis(&c, "sessions", "");
                read_again(&c);
                ck_condition(&c, "Ready", "True", "Ready");
                end_cluster(&c);
                free(spec);
        }
}
END_TEST

START_TEST(its_secret_is_waited_for)
{
        begin_cluster(&c, IMAGE SESSIONS);
        make_redis(&c, "sessions", "");
        remove_object(&c, "secrets", "sessions-env");
        settle(&c);
        ck_condition(&c, "Stalled", "True", "ConfigNotFound");
        ck_has(condition_at(&c, "Ready", "message"),
               "spec.access.to: Secret \"sessions-env\" is not there yet");
        end_cluster(&c);
}
END_TEST

START_TEST(another_password_is_a_rollout)
{
        char before[300];

        begin_cluster(&c, IMAGE SESSIONS);
        make_redis(&c, "sessions", "");
        settle(&c);
        copy_str(before, env_from_name(&c, 0, "secretRef"));
        set_object(&c, "secrets", "sessions-env", "\"data\":{\"URL\":\"eQ==\"}");
        read_again(&c);
        ck_assert(!str_eq_c(env_from_name(&c, 0, "secretRef"), before));
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

START_TEST(a_redis_that_does_not_let_it_in_is_told)
{
        begin_cluster(&c, IMAGE SESSIONS);
        make_redis(&c, "sessions", "\"access\":{\"from\":[{\"app\":\"other\"}]}");
        settle(&c);
        ck_str_eq(status_at(&c, "/access/notEnforced/0/setting"), "access.to[0].redis");
        ck_has(status_at(&c, "/access/notEnforced/0/reason"), "does not let this App in");
        end_cluster(&c);
}
END_TEST

static int settle_once(void *arg)
{
        struct fixture *f = arg;
        struct arena arena = ARENA_INIT(16 * 1024 * 1024);
        struct app_settings settings;
        struct problems problems;
        int r = app_settle(&f->view, &arena, &settings, &problems);

        arena_release(&arena);
        return r;
}

START_TEST(it_runs_out_of_memory_anywhere)
{
        begin_cluster(&c, FROM_BOTH SESSIONS);
        make_redis(&c, "sessions", "");
        step(&c);
        torture(settle_once, &c.f, 0);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        pods_get_variables_and_the_ca_of_a_redis,
        what_the_app_says_itself_comes_last_and_so_wins,
        of_several_each_has_its_own_name_and_the_first_the_short_one,
        a_redis_that_is_not_there_stalls_until_it_is,
        its_secret_is_waited_for,
        another_password_is_a_rollout,
        a_redis_that_does_not_let_it_in_is_told,
        it_runs_out_of_memory_anywhere,
};
TEST_MAIN("app/connect", tests)
