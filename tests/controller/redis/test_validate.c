/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

static struct arena a;
static struct problems problems, warnings;

static const struct redis *decoded(const char *spec)
{
        struct redis *redis = arena_new(&a, struct redis);
        char *text = print_("{%s}", spec);
        struct error err = ERROR_INIT;
        yyjson_doc *doc;
        void *half;

        ck_assert_int_eq(json_parse_arena(str_c(text), &a, &doc, &err), 0);
        ck_assert_msg(schema_decode(&redis_spec_schema, yyjson_doc_get_root(doc), STR("spec"), 0, &a, &half,
                                    &err) == 0,
                      "%s", err.message);
        redis->spec = half;
        free(text);
        return redis;
}

/* What is said of SPEC, which was OLD before (NULL: it is new). */
static struct str verdict(const char *old, const char *spec)
{
        arena_release(&a);
        arena_init(&a, 1024 * 1024);
        problems_init(&problems, &a);
        problems_init(&warnings, &a);
        redis_admission.validate(decoded(spec), old ? decoded(old) : NULL, &problems, &warnings);
        return problems.n ? problems_text(&problems) : STR("");
}

START_TEST(what_may_not_change_is_refused)
{
        static const struct {
                const char *old, *new, *said;
        } cases[] = {
                { "\"version\":\"7\"", "\"version\":\"8\"", "" },
                { "\"version\":\"7\"", "\"version\":\"valkey-8\"", "" },
                { "\"version\":\"8\"", "\"version\":\"8\"", "" },
                { "\"version\":\"8\"", "\"version\":\"7\"", "spec.version: cannot go back" },
                { "\"version\":\"8\"", "\"version\":\"valkey-8\"", "spec.version: cannot go back" },
                { "\"version\":\"valkey-8\"", "\"version\":\"8\"", "spec.version: cannot go back" },
                { "", "\"persistence\":{\"size\":\"1Gi\"}", "spec.persistence: cannot be added" },
                { "\"persistence\":{\"size\":\"1Gi\"}", "", "spec.persistence: cannot be taken away" },
                { "\"persistence\":{\"size\":\"1Gi\"}", "\"persistence\":{\"size\":\"1024Mi\"}", "" },
                { "\"persistence\":{\"size\":\"1Gi\"}", "\"persistence\":{\"size\":\"2Gi\"}", "" },
                { "\"persistence\":{\"size\":\"1Gi\"}", "\"persistence\":{\"size\":\"1000Mi\"}",
                  "spec.persistence.size: can only grow" },
                { "\"persistence\":{\"size\":\"1Gi\",\"className\":\"a\"}",
                  "\"persistence\":{\"size\":\"1Gi\"}", "spec.persistence.className: cannot change" },
                { "\"persistence\":{\"size\":\"1Gi\",\"className\":\"a\"}",
                  "\"persistence\":{\"size\":\"1Gi\",\"className\":\"b\"}",
                  "spec.persistence.className: cannot change" },
                { "", "\"tls\":{\"enabled\":false}", "spec.tls.enabled: cannot change" },
                { "\"replicas\":3", "\"replicas\":1,\"memory\":\"1Gi\"", "" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct str said = verdict(cases[i].old, cases[i].new);

                if (*cases[i].said)
                        ck_assert_msg(str_starts(said, str_c(cases[i].said)), "%zu: %.*s", i, STR_FMT(said));
                else
                        ck_str_eq(said, "");
                ck_str_eq(verdict(NULL, cases[i].new), "");
        }
        arena_release(&a);
}
END_TEST

/* Each of these would be a way around what the agent or another field decides. */
START_TEST(settings_of_keelson_are_refused)
{
        static const char *const names[] = { "maxmemory",
                                             "appendonly",
                                             "appendfsync",
                                             "dir",
                                             "tls-port",
                                             "requirepass",
                                             "user",
                                             "aclfile",
                                             "replicaof",
                                             "slaveof",
                                             "bind",
                                             "port",
                                             "unixsocket",
                                             "replica-announce-ip",
                                             "min-replicas-to-write",
                                             "include",
                                             "loadmodule",
                                             "rename-command",
                                             "save",
                                             "enable-debug-command",
                                             "cluster-enabled",
                                             "repl-diskless-sync-delay",
                                             "rdb-del-sync-files" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char *spec = print_("\"config\":{\"%s\":\"1\"}", names[i]);

                ck_assert_msg(verdict(NULL, spec).len > 0, "%s is let through", names[i]);
                free(spec);
        }
        ck_str_eq(verdict(NULL, "\"config\":{\"hz\":\"20\",\"maxmemory-samples\":\"5\",\"timeout\":\"300\"}"),
                  "");
        arena_release(&a);
}
END_TEST

START_TEST(members_have_room_among_the_clients)
{
        const char *said =
                "spec.config.maxclients: must be a number of 64 or more, for members are clients as well";

        ck_str_eq(verdict(NULL, "\"config\":{\"maxclients\":\"64\"}"), "");
        ck_str_eq(verdict(NULL, "\"config\":{\"maxclients\":\"3\"}"), said);
        ck_str_eq(verdict(NULL, "\"config\":{\"maxclients\":\"many\"}"), said);
        arena_release(&a);
}
END_TEST

START_TEST(nodes_are_selected_by_labels)
{
        static const struct {
                const char *labels, *said;
        } cases[] = {
                { "\"example.com/disk\":\"fast\",\"zone\":\"\"", "" },
                { "\"gpu\":\"1 Gi\"", "spec.scheduling.nodeSelector.gpu: \"1 Gi\" is no label's value" },
                { "\"gpu\":\"-\"", "spec.scheduling.nodeSelector.gpu: \"-\" is no label's value" },
                { "\"a/b/c\":\"1\"", "spec.scheduling.nodeSelector: \"a/b/c\" is no label's name" },
                { "\"\":\"1\"", "spec.scheduling.nodeSelector: \"\" is no label's name" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char *spec = print_("\"scheduling\":{\"nodeSelector\":{%s}}", cases[i].labels);
                struct str said = verdict(NULL, spec);

                ck_assert_msg(*cases[i].said ? str_starts(said, str_c(cases[i].said)) : said.len == 0,
                              "%s: %.*s", cases[i].labels, STR_FMT(said));
                free(spec);
        }
        arena_release(&a);
}
END_TEST

START_TEST(a_value_stays_in_its_line)
{
        static const char *const values[] = { "a\\nb", "a\\rb", "a\\u0000b", "\\\"", "'", "\\\\", "\\u007f" };

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                char *spec = print_("\"config\":{\"hz\":\"%s\"}", values[i]);

                ck_assert_msg(verdict(NULL, spec).len > 0, "%s is let through", values[i]);
                free(spec);
        }
        arena_release(&a);
}
END_TEST

START_TEST(what_is_unwise_is_told)
{
        static const struct {
                const char *spec, *path;
        } cases[] = {
                { "\"replicas\":2,\"failover\":{\"minReplicasToWrite\":1}",
                  "spec.failover.minReplicasToWrite" },
                { "\"tls\":{\"enabled\":false}", "spec.tls.enabled" },
                { "\"auth\":{\"enabled\":false}", "spec.auth.enabled" },
                { "\"persistence\":{\"size\":\"1Gi\",\"aof\":\"No\",\"rdb\":false}", "spec.persistence" },
                { "\"memory\":\"2Gi\",\"persistence\":{\"size\":\"1Gi\"}", "spec.persistence.size" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                ck_str_eq(verdict(NULL, cases[i].spec), "");
                ck_assert_uint_eq(warnings.n, 1);
                ck_str_eq(warnings.all[0].path, cases[i].path);
        }
        ck_str_eq(verdict(NULL, "\"replicas\":3"), "");
        ck_assert_uint_eq(warnings.n, 0);
        arena_release(&a);
}
END_TEST

/* The only member has the only copy. */
START_TEST(a_change_that_empties_is_told)
{
        static const struct {
                const char *old, *new;
                bool told;
        } cases[] = {
                { "\"version\":\"7\"", "\"version\":\"8\"", true },
                { "\"replicas\":1,\"image\":\"a\"", "\"replicas\":1,\"image\":\"b\"", true },
                { "\"memory\":\"1Gi\"", "\"memory\":\"2Gi\"", true },
                { "", "\"resources\":{\"limits\":{\"cpu\":\"1\"}}", true },
                { "", "\"failover\":{\"leaseDuration\":\"5s\"}", true },
                { "", "\"scheduling\":{\"spread\":\"Required\"}", true },
                { "", "\"scheduling\":{\"nodeSelector\":{\"disk\":\"ssd\"}}", true },
                { "", "\"config\":{\"databases\":\"4\"}", true },
                { "\"config\":{\"hz\":\"20\"}", "", true },
                { "", "\"config\":{\"hz\":\"20\"}", false },
                { "\"config\":{\"hz\":\"20\"}", "\"config\":{\"hz\":\"30\"}", false },
                { "", "\"evictionPolicy\":\"allkeys-lru\"", false },
                { "\"replicas\":2,\"version\":\"7\"", "\"replicas\":2,\"version\":\"8\"", false },
                { "\"version\":\"7\",\"persistence\":{\"size\":\"1Gi\"}",
                  "\"version\":\"8\",\"persistence\":{\"size\":\"1Gi\"}", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                ck_str_eq(verdict(cases[i].old, cases[i].new), "");
                ck_assert_msg(warnings.n == cases[i].told, "%s, %s: %zu", cases[i].old, cases[i].new,
                              warnings.n);
        }
        arena_release(&a);
}
END_TEST

static const TTest *const tests[] = {
        what_may_not_change_is_refused, settings_of_keelson_are_refused, members_have_room_among_the_clients,
        nodes_are_selected_by_labels,   a_value_stays_in_its_line,       what_is_unwise_is_told,
        a_change_that_empties_is_told,
};
TEST_MAIN("redis/validate", tests)
