/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets that somebody deleted: what can be known of them from the others is.
 */
#include "cluster.h"

static struct cluster c;

static void lose(const char *name)
{
        remove_from_cache(&c, &redis_secret_kind, name);
        settle(&c);
}

static void keep(const char *name, const char *key, char out[8192])
{
        struct str text = secret_at(&c, name, key);

        ck_assert_uint_lt(text.len, 8192);
        snprintf(out, 8192, "%.*s", STR_FMT(text));
}

/* Applications have it, so it is the one. */
START_TEST(the_password_outlives_what_the_agents_are_told)
{
        static char before[8192], now[8192];

        begin_whole(&c, "\"replicas\":3");
        keep("db-app", "password", before);
        lose("db-agent");
        keep("db-app", "password", now);
        ck_assert_str_eq(now, before);
        ck_str_eq(json_val_str(json_get_path(config(&c), "/redis/users/0/passwords/0")), before);
        end_cluster(&c);
}
END_TEST

START_TEST(what_applications_are_told_is_told_again)
{
        static const char *const names[] = { "db-app", "db-env", "db-tls" };
        static char before[8192], now[8192];

        begin_whole(&c, "\"replicas\":3");
        keep("db-app", "password", before);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                lose(names[i]);
                keep("db-app", "password", now);
                ck_assert_str_eq(now, before);
                keep("db-env", "PASSWORD", now);
                ck_assert_str_eq(now, before);
        }
        end_cluster(&c);
}
END_TEST

/* As the page of the kind tells. */
START_TEST(applications_are_told_the_same_in_two_languages)
{
        static const char *const names[][2] = {
                { "uri", "URL" },   { "host", "HOST" },         { "host-ro", "HOST_RO" },
                { "port", "PORT" }, { "username", "USERNAME" }, { "password", "PASSWORD" },
        };
        static char app[8192], ca[8192];

        begin_whole(&c, "\"replicas\":3");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                keep("db-app", names[i][0], app);
                ck_assert_str_ne(app, "");
                ck_str_eq(secret_at(&c, "db-env", names[i][1]), app);
        }
        ck_str_eq(secret_at(&c, "db-app", "host-ro"), "db-ro.shop.svc");
        ck_str_eq(secret_at(&c, "db-app", "port"), "6379");
        ck_str_eq(secret_at(&c, "db-env", "CA_FILE"), "/etc/keelson/redis/db/ca.crt");
        keep("db-tls", "ca.crt", ca);
        ck_str_eq(secret_at(&c, "db-app", "ca.crt"), ca);
        end_cluster(&c);
}
END_TEST

/* Each member hears of the new one when its node brings the file, a minute apart. */
START_TEST(a_ca_without_its_key_stays_trusted)
{
        static char ca[8192], crt[8192], now[8192];

        begin_whole(&c, "\"replicas\":3");
        keep("db-ca", "ca.crt", ca);
        keep("db-tls", "tls.crt", crt);
        lose("db-ca");
        keep("db-ca", "ca.crt", now);
        ck_assert_str_ne(now, ca);
        keep("db-ca", "previous.crt", now);
        ck_assert_str_eq(now, ca);
        keep("db-tls", "ca.crt", now);
        ck_assert_ptr_nonnull(strstr(now, ca));
        keep("db-tls", "tls.crt", now);
        ck_assert_str_eq(now, crt);
        /* The one before that is nobody's any more. */
        keep("db-ca", "ca.crt", crt);
        lose("db-ca");
        keep("db-tls", "ca.crt", now);
        ck_assert_ptr_nonnull(strstr(now, crt));
        ck_assert_ptr_null(strstr(now, ca));
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        the_password_outlives_what_the_agents_are_told,
        what_applications_are_told_is_told_again,
        applications_are_told_the_same_in_two_languages,
        a_ca_without_its_key_stays_trusted,
};
TEST_MAIN("redis/secrets", tests)
