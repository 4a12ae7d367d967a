/* SPDX-License-Identifier: Apache-2.0 */
#include "configs.h"

/* --- what pods could not use --------------------------------------------------------------- */

static void check_invalid(const char *spec, const char *plural, const char *name, const char *contents,
                          const char *path, const char *message)
{
        struct cluster c;

        begin_cluster(&c, spec);
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        set_object(&c, plural, name, contents);
        settle(&c);
        ck_condition(&c, "Stalled", "True", "InvalidConfig");
        ck_has(condition_at(&c, "Stalled", "message"), path);
        ck_has(condition_at(&c, "Stalled", "message"), message);
        ck_assert_ptr_null(c.deployment);
        ck_assert_uint_eq(c.n_copies, 0);
        end_cluster(&c);
}

START_TEST(config_that_cannot_be_used_is_refused_by_name)
{
        check_invalid(FILES(""), "configmaps", "settings", "\"data\":{\"a.json\":\"{\\\"a\\\":}\"}",
                      "spec.configFiles[0].configMapRef.name",
                      "ConfigMap \"settings\": key \"a.json\" is not JSON: line 1, column ");
        check_invalid(FROM_MAP, "configmaps", "settings", "\"data\":{\"A\":\"1\",\"2B\":\"1\"}",
                      "spec.envFrom[0].configMapRef.name", "the key \"2B\", which begins with a digit");
        check_invalid(FROM_SECRET, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"9\":\"MQ==\"}",
                      "spec.envFrom[0].secretRef.name", "Secret \"db\" has the key \"9\"");
        check_invalid(FILES(",\"items\":[{\"key\":\"A\",\"path\":\"a\"},{\"key\":\"B\",\"path\":\"b\"}]"),
                      "configmaps", "settings", "\"data\":{\"A\":\"1\"}",
                      "spec.configFiles[0].configMapRef.name",
                      "ConfigMap \"settings\" has no key \"B\", which items names");
}
END_TEST

START_TEST(what_pods_can_use_is_let_through)
{
        static const char *const specs[][2] = {
                /* As a file a key may begin with a digit, and as a variable with a prefix. */
                { FILES(""), "\"data\":{\"2B\":\"1\"}" },
                { IMAGE ",\"envFrom\":[{\"prefix\":\"X\",\"configMapRef\":{\"name\":\"settings\"}}]",
                  "\"data\":{\"2B\":\"1\"}" },
                { FILES(""), "\"data\":{\"a.json\":\" [1, {\\\"b\\\": null}] \",\"b.yaml\":\"{\"}" },
                { FILES(""), "\"binaryData\":{\"a.json\":\"AAAA\"}" },
                { FILES(",\"items\":[{\"key\":\"B\",\"path\":\"b\"}]"), "\"binaryData\":{\"B\":\"AAAA\"}" },
                { FILES(""), "\"data\":{}" },
                { FILES(""), "\"immutable\":true" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
                struct cluster c;

                begin_cluster(&c, specs[i][0]);
                set_object(&c, "configmaps", "settings", specs[i][1]);
                settle(&c);
                ck_condition(&c, "Ready", "True", "Ready");
                end_cluster(&c);
        }
}
END_TEST

START_TEST(config_that_turns_bad_leaves_what_runs_alone)
{
        char before[300];
        struct cluster c;

        begin_cluster(&c, FILES(""));
        set_object(&c, "configmaps", "settings", "\"data\":{\"a.json\":\"{}\"}");
        settle(&c);
        copy_str(before, deployment_at(&c, "/spec/template/spec/volumes/1/configMap/name"));
        set_object(&c, "configmaps", "settings", "\"data\":{\"a.json\":\"{\"}");
        read_again(&c);
        ck_condition(&c, "Stalled", "True", "InvalidConfig");
        ck_condition(&c, "Available", "True", "MinimumReplicasAvailable");
        ck_has(condition_at(&c, "Ready", "message"), "what runs goes on as it was");
        ck_str_eq(deployment_at(&c, "/spec/template/spec/volumes/1/configMap/name"), before);
        set_object(&c, "configmaps", "settings", "\"data\":{\"a.json\":\"[]\"}");
        read_again(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

/* A message about it could tell what is in it. */
START_TEST(a_secret_is_not_looked_into)
{
        struct cluster c;

        begin_cluster(&c, FROM_SECRET);
        set_object(&c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"a.json\":\"bm90IGpzb24=\"}");
        c.never_told = "bm90IGpzb24=";
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

/* --- what is known of them ------------------------------------------------------- */

/* What the cache knows of a Secret. */
START_TEST(no_content_is_kept)
{
        struct cluster c;

        begin_settled(&c, FROM_BOTH);
        map_for_each (n, &c.f.cache.by_key) {
                const struct object *o = container_of(n, struct object, by_key);

                ck_assert_ptr_null(memmem(o, o->bytes, PASSWORD, strlen(PASSWORD)));
        }
        end_cluster(&c);
}
END_TEST

/* --- without memory -------------------------------------------------------------- */

/* What was read, under want of memory, is either right or not taken at all. */
static int read_map(void *arg)
{
        yyjson_doc *doc = arg; /* from malloc: only the cache's own memory is made to fail */
        const struct object *o;
        struct cache cache;
        int r;

        cache_init(&cache, STR("keelson"), NULL, NULL);
        r = cache_put(&cache, &app_configmap_source_kind, yyjson_doc_get_root(doc), CACHE_FROM_REPLY);
        o = cache_get(&cache, &app_configmap_source_kind, STR("shop"), STR("settings"));
        if (o) {
                const struct config_state *state = o->state;

                ck_assert_uint_eq(state->digest.len, 64);
                ck_assert_uint_eq(state->entries.n, 2);
                ck_assert_ptr_null(state->problem.data);
        }
        ck_assert_int_eq(r == 0, o != NULL);
        cache_release(&cache);
        return r;
}

START_TEST(a_lack_of_memory_is_not_taken_for_a_mistake_in_the_config)
{
        static const char text[] = "{\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"shop\",\"name\":"
                                   "\"settings\",\"uid\":\"u\",\"resourceVersion\":\"1\"},\"data\":{"
                                   "\"a.json\":\"{\\\"a\\\":[1,2,3]}\",\"b\":\"c\"}}";
        yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

        torture(read_map, doc, 0);
        yyjson_doc_free(doc);
}
END_TEST

static const TTest *const tests[] = {
        config_that_cannot_be_used_is_refused_by_name,
        what_pods_can_use_is_let_through,
        config_that_turns_bad_leaves_what_runs_alone,
        a_secret_is_not_looked_into,
        no_content_is_kept,
        a_lack_of_memory_is_not_taken_for_a_mistake_in_the_config,
};
TEST_MAIN("app/config_kinds", tests)
