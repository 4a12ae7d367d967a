/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

#include "controller/environment/profile.h"

/* The spec that ENVIRONMENT has, in the fixture's cache. */
static const struct environment_spec *spec_of(struct fixture *f, const char *environment)
{
        const struct environment *env;

        begin(f, environment);
        env = cache_get(&f->cache, &environment_kind, STR("shop"), STR("default"))->state;
        ck_assert_ptr_nonnull(env->spec);
        return env->spec;
}

static struct profile_figures figures_of(struct fixture *f, const char *environment, enum profile_tier tier)
{
        struct profile_figures figures;

        ck_assert_int_eq(profile_figures(spec_of(f, environment), tier, &f->arena, &figures), 0);
        return figures;
}

static void check_map(const struct schema_map *map, const char *cpu, const char *memory)
{
        ck_assert_uint_eq(map->n, 2);
        ck_str_eq(schema_map_get(map, STR("cpu")), cpu);
        ck_str_eq(schema_map_get(map, STR("memory")), memory);
}

/* --- the table ------------------------------------------------------------------ */

static const struct row {
        const char *environment;
        const char *profile;
        enum profile_tier tier;
        const char *name, *cpu, *memory, *cpu_limit, *memory_limit;
        int64_t least, most;
} rows[] = {
        { ENVIRONMENT("{\"profile\":\"development\"}"), "development", PROFILE_BACKEND, "backend", "100m",
          "256Mi", "1", "2Gi", 1, 1 },
        { ENVIRONMENT("{\"profile\":\"development\"}"), "development", PROFILE_FRONTEND, "frontend", "50m",
          "128Mi", "500m", "1Gi", 1, 1 },
        { ENVIRONMENT("{\"profile\":\"development\"}"), "development", PROFILE_WORKER, "worker", "100m",
          "256Mi", "1", "2Gi", 1, 1 },
        { ENVIRONMENT("{\"profile\":\"staging\"}"), "staging", PROFILE_BACKEND, "backend", "200m", "512Mi",
          "1", "2Gi", 2, 4 },
        { ENVIRONMENT("{\"profile\":\"staging\"}"), "staging", PROFILE_FRONTEND, "frontend", "100m", "256Mi",
          "500m", "1Gi", 2, 3 },
        { ENVIRONMENT("{\"profile\":\"staging\"}"), "staging", PROFILE_WORKER, "worker", "200m", "512Mi", "1",
          "2Gi", 2, 4 },
        { ENVIRONMENT("{\"profile\":\"production\"}"), "production", PROFILE_BACKEND, "backend", "500m",
          "1Gi", "1", "2Gi", 2, 10 },
        { ENVIRONMENT("{\"profile\":\"production\"}"), "production", PROFILE_FRONTEND, "frontend", "200m",
          "512Mi", "500m", "1Gi", 2, 8 },
        { ENVIRONMENT("{\"profile\":\"production\"}"), "production", PROFILE_WORKER, "worker", "500m", "1Gi",
          "1", "2Gi", 2, 10 },
};

START_TEST(the_figures_are_those_of_the_table)
{
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const struct row *row = &rows[i];
                struct profile_figures got;
                struct fixture f;

                got = figures_of(&f, row->environment, row->tier);
                ck_str_eq(got.profile, row->profile);
                ck_str_eq(got.tier, row->name);
                check_map(&got.requests, row->cpu, row->memory);
                check_map(&got.limits, row->cpu_limit, row->memory_limit);
                ck_assert_int_eq(got.replicas, row->least);
                ck_assert_int_eq(got.min_replicas, row->least);
                ck_assert_int_eq(got.max_replicas, row->most);
                ck_assert_int_eq(got.scales, row->most > row->least);
                ck_assert_int_eq(got.target_cpu, 70);
                ck_assert_int_eq(got.target_memory, 0);
                ck_str_eq(got.cooldown, "5m");
                end(&f);
        }
}
END_TEST

START_TEST(without_an_environment_they_are_those_of_development)
{
        struct arena a = ARENA_INIT(4096);
        struct profile_figures got;

        ck_assert_int_eq(profile_figures(NULL, PROFILE_FRONTEND, &a, &got), 0);
        ck_str_eq(got.profile, "development");
        check_map(&got.requests, "50m", "128Mi");
        check_map(&got.limits, "500m", "1Gi");
        ck_assert_int_eq(got.replicas, 1);
        ck_assert(!got.scales);
        arena_release(&a);
}
END_TEST

START_TEST(a_tier_has_its_name_or_follows_from_the_port)
{
        ck_assert_int_eq(profile_tier_of(STR("backend"), false), PROFILE_BACKEND);
        ck_assert_int_eq(profile_tier_of(STR("frontend"), false), PROFILE_FRONTEND);
        ck_assert_int_eq(profile_tier_of(STR("worker"), true), PROFILE_WORKER);
        ck_assert_int_eq(profile_tier_of(STR_NULL, true), PROFILE_BACKEND);
        ck_assert_int_eq(profile_tier_of(STR_NULL, false), PROFILE_WORKER);
}
END_TEST

/* --- overrides ---------------------------------------------------------------------- */

#define OVERRIDES(profile, list) ENVIRONMENT("{\"profile\":\"" profile "\",\"overrides\":[" list "]}")

START_TEST(an_override_is_for_its_tier_alone)
{
        static const char environment[] = OVERRIDES("production", "{\"tier\":\"backend\",\"replicas\":7},"
                                                                  "{\"tier\":\"worker\",\"replicas\":0}");
        struct profile_figures got;
        struct fixture f;

        got = figures_of(&f, environment, PROFILE_BACKEND);
        ck_assert(!got.scales);
        ck_assert_int_eq(got.replicas, 7);
        end(&f);
        got = figures_of(&f, environment, PROFILE_WORKER);
        ck_assert(!got.scales);
        ck_assert_int_eq(got.replicas, 0);
        end(&f);
        got = figures_of(&f, environment, PROFILE_FRONTEND);
        ck_assert(got.scales);
        ck_assert_int_eq(got.max_replicas, 8);
        end(&f);
}
END_TEST

START_TEST(resources_are_overridden_one_by_one)
{
        struct profile_figures got;
        struct fixture f;

        got = figures_of(&f,
                         OVERRIDES("production",
                                   "{\"tier\":\"backend\",\"resources\":{\"requests\":{\"cpu\":\"250m\","
                                   "\"ephemeral-storage\":\"1Gi\"},\"limits\":{\"memory\":\"3Gi\"}}}"),
                         PROFILE_BACKEND);
        ck_assert_uint_eq(got.requests.n, 3);
        ck_str_eq(schema_map_get(&got.requests, STR("cpu")), "250m");
        ck_str_eq(schema_map_get(&got.requests, STR("memory")), "1Gi");
        ck_str_eq(schema_map_get(&got.requests, STR("ephemeral-storage")), "1Gi");
        check_map(&got.limits, "1", "3Gi");
        ck_assert(got.scales);
        end(&f);
}
END_TEST

START_TEST(one_bound_moves_the_other_out_of_its_way)
{
        static const struct {
                const char *autoscaling;
                int64_t least, most;
        } cases[] = {
                { "{}", 2, 10 },
                { "{\"minReplicas\":3}", 3, 10 },
                { "{\"minReplicas\":12}", 12, 12 },
                { "{\"maxReplicas\":5}", 2, 5 },
                { "{\"maxReplicas\":1}", 1, 1 },
                { "{\"minReplicas\":4,\"maxReplicas\":40}", 4, 40 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct profile_figures got;
                struct fixture f;
                char environment[512];

                snprintf(environment, sizeof(environment),
                         OVERRIDES("production", "{\"tier\":\"backend\",\"autoscaling\":%s}"),
                         cases[i].autoscaling);
                got = figures_of(&f, environment, PROFILE_BACKEND);
                ck_assert(got.scales);
                ck_assert_int_eq(got.min_replicas, cases[i].least);
                ck_assert_int_eq(got.max_replicas, cases[i].most);
                end(&f);
        }
}
END_TEST

START_TEST(autoscaling_may_be_turned_on_in_development)
{
        struct profile_figures got;
        struct fixture f;

        got = figures_of(&f,
                         OVERRIDES("development",
                                   "{\"tier\":\"backend\",\"autoscaling\":{\"maxReplicas\":3,"
                                   "\"targetMemoryUtilization\":80,\"scaleDownCooldown\":\"1m\"}}"),
                         PROFILE_BACKEND);
        ck_assert(got.scales);
        ck_assert_int_eq(got.min_replicas, 1);
        ck_assert_int_eq(got.max_replicas, 3);
        ck_assert_int_eq(got.target_cpu, 0); /* whoever names a target names all */
        ck_assert_int_eq(got.target_memory, 80);
        ck_str_eq(got.cooldown, "1m");
        end(&f);
        got = figures_of(&f,
                         OVERRIDES("development",
                                   "{\"tier\":\"backend\",\"autoscaling\":{\"maxReplicas\":3,"
                                   "\"targetMemoryUtilization\":80,\"targetCPUUtilization\":60}}"),
                         PROFILE_BACKEND);
        ck_assert_int_eq(got.target_cpu, 60);
        ck_assert_int_eq(got.target_memory, 80);
        end(&f);
}
END_TEST

/* --- laying over ---------------------------------------------------------------------- */

static const struct {
        const char *what, *request, *limit; /* of cpu, over 500m and 1; NULL: not said */
        const char *want_request, *want_limit;
} overlays[] = {
        { "nothing", NULL, NULL, "500m", "1" },
        { "a request within the limit", "700m", NULL, "700m", "1" },
        { "a request above it", "3", NULL, "3", "3" },
        { "a limit above the request", NULL, "4", "500m", "4" },
        { "a limit below it", NULL, "200m", "200m", "200m" },
        { "both", "100m", "300m", "100m", "300m" },
        { "both, the wrong way round", "2", "100m", "2", "100m" }, /* for the API server to refuse */
        { "what is no quantity", "much", NULL, "much", "1" },
};

START_TEST(a_request_never_ends_above_its_limit_by_accident)
{
        for (size_t i = 0; i < ARRAY_SIZE(overlays); i++) {
                struct schema_pair request = { STR("cpu"), str_c(overlays[i].request) };
                struct schema_pair limit = { STR("cpu"), str_c(overlays[i].limit) };
                struct schema_map requests = { &request, overlays[i].request ? 1 : 0 };
                struct schema_map limits = { &limit, overlays[i].limit ? 1 : 0 };
                struct profile_figures got;
                struct fixture f;

                got = figures_of(&f, ENVIRONMENT("{\"profile\":\"production\"}"), PROFILE_BACKEND);
                ck_assert_int_eq(profile_overlay(&got, &requests, &limits, &f.arena), 0);
                check_map(&got.requests, overlays[i].want_request, "1Gi");
                check_map(&got.limits, overlays[i].want_limit, "2Gi");
                end(&f);
        }
}
END_TEST

static int figure_once(void *arg)
{
        struct schema_pair gpu = { STR("example.com/gpu"), STR("1") };
        struct schema_map map = { &gpu, 1 };
        struct arena a = ARENA_INIT(64 * 1024);
        struct profile_figures figures;
        int r = profile_figures(arg, PROFILE_BACKEND, &a, &figures);

        if (r == 0)
                r = profile_overlay(&figures, &map, &map, &a);
        arena_release(&a);
        return r;
}

START_TEST(it_survives_without_memory)
{
        struct fixture f;

        torture(figure_once,
                (void *)spec_of(&f, OVERRIDES("staging", "{\"tier\":\"backend\",\"resources\":{\"requests\":{"
                                                         "\"cpu\":\"2\"}}}")),
                -ENOMEM);
        end(&f);
}
END_TEST

static const TTest *const tests[] = {
        the_figures_are_those_of_the_table,
        without_an_environment_they_are_those_of_development,
        a_tier_has_its_name_or_follows_from_the_port,
        an_override_is_for_its_tier_alone,
        resources_are_overridden_one_by_one,
        one_bound_moves_the_other_out_of_its_way,
        autoscaling_may_be_turned_on_in_development,
        a_request_never_ends_above_its_limit_by_accident,
        it_survives_without_memory,
};
TEST_MAIN("environment/profile", tests)
