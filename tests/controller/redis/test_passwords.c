/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

static struct cluster c;

static size_t n_passwords(void)
{
        return yyjson_arr_size(json_get_path(config(&c), "/redis/users/0/passwords"));
}

START_TEST(an_old_password_is_valid_until_all_know_the_new_one)
{
        char first[128];

        begin_whole(&c, "\"replicas\":3");
        snprintf(first, sizeof(first), "%.*s", STR_FMT(secret_at(&c, "db-app", "password")));
        ck_assert_uint_ge(strlen(first), 40);
        annotate(&c, "\"keelson.dev/rotate-password\":\"1\"");
        settle(&c);
        ck_assert_uint_eq(n_passwords(), 2);
        ck_str_eq(secret_at(&c, "db-app", "password"), first);
        put_member(&c, 1, false, revision_now(&c), "1");
        pass(&c, 11 * USEC_MINUTE);
        settle(&c);
        ck_str_eq(secret_at(&c, "db-app", "password"), first); /* one member may not know it */
        put_member(&c, 1, true, revision_now(&c), "1");
        settle(&c);
        ck_assert(!str_eq_c(secret_at(&c, "db-app", "password"), first));
        ck_assert_uint_eq(n_passwords(), 2);
        pass(&c, 11 * USEC_MINUTE);
        settle(&c);
        ck_assert_uint_eq(n_passwords(), 1);
        snprintf(first, sizeof(first), "%.*s", STR_FMT(secret_at(&c, "db-app", "password")));
        ck_str_eq(json_val_str(json_get_path(config(&c), "/redis/users/0/passwords/0")), first);
        pass(&c, USEC_HOUR);
        settle(&c);
        ck_assert_uint_eq(n_passwords(), 1); /* once for each value */
        end_cluster(&c);
}
END_TEST

/* What each of the three says that it has carried out; NULL: nothing. */
static void members_say(const char *a, const char *b, const char *d)
{
        static char text[512];

        snprintf(
                text, sizeof(text),
                "{\"member\":0,\"pod\":\"u-db-0-1\",\"config\":\"%s\"},{\"member\":1,\"pod\":\"u-db-1-1\",\"config\":\"%s\"},{\"member\":2,"
                "\"pod\":\"u-db-2-1\",\"config\":\"%s\"}",
                a, b, d);
        c.members = text;
        lead(&c, 0, 1, "[0,1,2]");
}

static const char *version_now(void)
{
        static char text[64];

        snprintf(text, sizeof(text), "%.*s", STR_FMT(json_get_str(config(&c), "version")));
        ck_assert_uint_eq(strlen(text), 16);
        return text;
}

START_TEST(a_new_password_is_told_when_all_say_that_they_have_it)
{
        char first[128], before[64];

        begin_whole(&c, "\"replicas\":3");
        snprintf(first, sizeof(first), "%.*s", STR_FMT(secret_at(&c, "db-app", "password")));
        snprintf(before, sizeof(before), "%s", version_now());
        members_say(before, before, before);
        annotate(&c, "\"keelson.dev/rotate-password\":\"1\"");
        settle(&c);
        ck_assert_str_ne(version_now(), before);
        members_say(version_now(), version_now(), before);
        settle(&c);
        ck_str_eq(secret_at(&c, "db-app", "password"), first);
        members_say(version_now(), version_now(), version_now());
        settle(&c);
        ck_assert(!str_eq_c(secret_at(&c, "db-app", "password"), first));
        ck_assert_uint_eq(n_passwords(), 2);
        end_cluster(&c);
}
END_TEST

/* Its server takes the newest when it starts. */
START_TEST(a_member_without_a_pod_is_not_waited_for)
{
        char first[128];

        begin_whole(&c, "\"replicas\":3");
        snprintf(first, sizeof(first), "%.*s", STR_FMT(secret_at(&c, "db-app", "password")));
        annotate(&c, "\"keelson.dev/rotate-password\":\"1\"");
        settle(&c);
        members_say(version_now(), version_now(), "");
        settle(&c);
        ck_str_eq(secret_at(&c, "db-app", "password"), first);
        remove_from_cache(&c, &redis_pod_kind, "db-2");
        settle(&c);
        ck_assert(!str_eq_c(secret_at(&c, "db-app", "password"), first));
        end_cluster(&c);
}
END_TEST

START_TEST(a_member_that_needs_another_start_is_replaced)
{
        char text[256];

        begin_whole(&c, "\"replicas\":3");
        snprintf(text, sizeof(text),
                 "{\"member\":1,\"pod\":\"u-db-1-1\",\"config\":\"%s\",\"needsRestart\":true}", "older");
        c.members = text;
        lead(&c, 0, 1, "[0,1,2]");
        must_wait(&c); /* it speaks of what it was told before */
        snprintf(text, sizeof(text),
                 "{\"member\":1,\"pod\":\"u-db-1-1\",\"config\":\"%s\",\"needsRestart\":true}",
                 version_now());
        lead(&c, 0, 1, "[0,1,2]");
        settle(&c);
        ck_assert_str_eq(c.deleted, "db-1");
        ck_assert_uint_eq(c.n_deletes, 1);
        /* The word was the old pod's: the new one, which is not ready yet, is left alone. */
        put_member(&c, 1, false, revision_now(&c), "2");
        settle(&c);
        ck_assert_uint_eq(c.n_deletes, 1);
        end_cluster(&c);
}
END_TEST

START_TEST(lags_and_the_length_of_a_failover_are_told)
{
        yyjson_val *status;

        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 2, "1", 5, "[1,2]", MORE("LeaseExpired", "0", "0"));
        settle(&c);
        status = parse_(&c, c.status);
        ck_assert_ptr_null(json_get_path(status, "/lastFailover/durationMillis"));
        c.members = "{\"member\":1,\"pod\":\"u-db-1-1\",\"config\":\"a\",\"lag\":2097152}";
        c.outage = "\"outageMillis\":3700,";
        put_record(&c, "Held", 2, "1", 5, "[1,2]", MORE("LeaseExpired", "0", "0"));
        settle(&c);
        status = parse_(&c, c.status);
        ck_assert_int_eq(int_at(status, "/lastFailover/durationMillis"), 3700);
        ck_str_eq(str_at(status, "/lastFailover/cause"), "LeaseExpired");
        ck_assert_int_eq(int_at(status, "/members/1/lag"), 2097152);
        ck_assert_ptr_null(json_get_path(status, "/members/0/lag"));
        end_cluster(&c);
}
END_TEST

/* CODED: base64. A look comes every few minutes. */
static void write_password(const char *coded)
{
        struct held *h = find_held(&c, &redis_secret_kind, STR("db-app"));
        char *json = print_(
                "{\"kind\":\"Secret\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"db-app\",\"uid\":"
                "\"u-secrets-db-app\",\"resourceVersion\":\"%lld\",\"ownerReferences\":[{\"kind\":"
                "\"Redis\",\"name\":\"db\",\"uid\":\"u-redis\",\"controller\":true}]},\"data\":{"
                "\"password\":\"%s\"}}",
                ++c.version, coded);

        free(h->json);
        h->json = json;
        put(&c.f, &redis_secret_kind, json);
}

START_TEST(a_password_that_somebody_wrote_is_the_one)
{
        begin_whole(&c, "\"replicas\":3");
        write_password("bXkgb3du");
        settle(&c);
        ck_assert_uint_eq(n_passwords(), 2);
        ck_str_eq(json_val_str(json_get_path(config(&c), "/redis/users/0/passwords/0")), "my own");
        ck_str_eq(secret_at(&c, "db-app", "password"), "my own");
        ck_str_eq(secret_at(&c, "db-app", "uri"), "rediss://default:my%20own@db.shop.svc:6379/0");
        end_cluster(&c);
}
END_TEST

/* Members would have been told another one, and nobody could have logged in with either. */
START_TEST(a_password_that_is_no_text_is_set_back)
{
        static const char *const bad[] = { "//4AYmFk", "bGluZQo=" }; /* bytes; "line", and a line break */
        char first[128];

        begin_whole(&c, "\"replicas\":3");
        snprintf(first, sizeof(first), "%.*s", STR_FMT(secret_at(&c, "db-app", "password")));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                write_password(bad[i]);
                step(&c);
                ck_assert_ptr_nonnull(find_event(&c.f, "PasswordRefused"));
                settle(&c);
                ck_assert_ptr_null(find_event(&c.f, "PasswordRefused"));
                ck_assert_uint_eq(n_passwords(), 1);
                ck_str_eq(json_val_str(json_get_path(config(&c), "/redis/users/0/passwords/0")), first);
                ck_str_eq(secret_at(&c, "db-app", "password"), first);
        }
        end_cluster(&c);
}
END_TEST

START_TEST(without_auth_there_is_no_password)
{
        begin_cluster(&c, "\"replicas\":1,\"auth\":{\"enabled\":false},\"tls\":{\"enabled\":false}");
        settle(&c);
        ck_assert_uint_eq(n_passwords(), 0);
        ck_assert(yyjson_get_bool(json_get_path(config(&c), "/redis/users/0/noPassword")));
        ck_str_eq(secret_at(&c, "db-app", "uri"), "redis://db.shop.svc:6379/0");
        ck_assert_ptr_null(secret_at(&c, "db-app", "password").data);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        an_old_password_is_valid_until_all_know_the_new_one,
        a_new_password_is_told_when_all_say_that_they_have_it,
        a_member_without_a_pod_is_not_waited_for,
        a_member_that_needs_another_start_is_replaced,
        lags_and_the_length_of_a_failover_are_told,
        a_password_that_somebody_wrote_is_the_one,
        a_password_that_is_no_text_is_set_back,
        without_auth_there_is_no_password,
};
TEST_MAIN("redis/passwords", tests)
