/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

#include "controller/environment/profile.h"

#define ENVIRONMENT(spec)                                                                                    \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-env\",\"resourceVersion\":"  \
        "\"3\"},\"spec\":{" spec "}}"

struct settled {
        struct fixture f;
        struct app_settings settings;
        struct problems problems;
};

/* SPEC beside the image; ENVIRONMENT may be NULL. */
static int settle(struct settled *s, const char *environment, const char *spec)
{
        char app[8192];

        snprintf(app, sizeof(app), APP("web", "1", "\"spec\":{\"image\":\"x\"%s%s}"), *spec ? "," : "", spec);
        begin(&s->f, app);
        if (environment)
                put(&s->f, &environment_kind, environment);
        s->f.view.self = cache_iterate(&s->f.cache, &app_kind, NULL);
        ck_assert_msg(((const struct app *)s->f.view.self->state)->spec, "%s",
                      object_invalid(s->f.view.self));
        s->f.view.cache = &s->f.cache;
        return app_settle(&s->f.view, &s->f.arena, &s->settings, &s->problems);
}

/* --- precedence ------------------------------------------------------------------------ */

static const struct app_status_effective *effective(const struct settled *s, const char *setting)
{
        for (size_t i = 0; i < s->settings.n_effective; i++)
                if (str_eq_c(s->settings.effective[i].setting, setting))
                        return &s->settings.effective[i];
        return NULL;
}

#define DEVELOPMENT ENVIRONMENT("\"profile\":\"development\"")
#define SCALING ENVIRONMENT("\"profile\":\"production\"")
#define OVERRIDDEN                                                                                           \
        ENVIRONMENT("\"profile\":\"production\",\"overrides\":[{\"tier\":\"backend\",\"autoscaling\":{"      \
                    "\"minReplicas\":3,\"targetCPUUtilization\":60},\"resources\":{\"requests\":{"           \
                    "\"memory\":\"700Mi\"}}},{\"tier\":\"frontend\",\"replicas\":4}]")

/* VALUE NULL: there is no such figure. */
struct precedence {
        const char *environment, *spec, *setting, *value, *from;
};

static const struct precedence precedences[] = {
        /* Without an Environment all is small. */
        { NULL, "\"port\":80", "replicas", "1", "BuiltIn" },
        { NULL, "\"port\":80", "resources.requests.cpu", "100m", "BuiltIn" },
        { NULL, "\"port\":80", "resources.limits.memory", "2Gi", "BuiltIn" },
        { NULL, "\"port\":80", "autoscaling.maxReplicas", NULL, NULL },
        { NULL, "\"port\":80,\"replicas\":0", "replicas", "0", "App" },
        { NULL, "\"port\":80,\"autoscaling\":{\"maxReplicas\":5}", "replicas", NULL, NULL },
        { NULL, "\"port\":80,\"autoscaling\":{\"maxReplicas\":5}", "autoscaling.minReplicas", "1",
          "BuiltIn" },
        { NULL, "\"port\":80,\"autoscaling\":{\"maxReplicas\":5}", "autoscaling.maxReplicas", "5", "App" },
        /* The profile. */
        { DEVELOPMENT, "\"port\":80", "replicas", "1", "BuiltIn" },
        { SCALING, "\"port\":80", "replicas", NULL, NULL },
        { SCALING, "\"port\":80", "autoscaling.minReplicas", "2", "BuiltIn" },
        { SCALING, "\"port\":80", "autoscaling.maxReplicas", "10", "BuiltIn" },
        { SCALING, "\"port\":80", "autoscaling.targetCPUUtilization", "70", "BuiltIn" },
        { SCALING, "\"port\":80", "autoscaling.targetMemoryUtilization", NULL, NULL },
        { SCALING, "\"port\":80", "autoscaling.scaleDownCooldown", "5m", "BuiltIn" },
        { SCALING, "\"port\":80", "resources.requests.memory", "1Gi", "BuiltIn" },
        { SCALING, "\"port\":80,\"tier\":\"frontend\"", "autoscaling.maxReplicas", "8", "BuiltIn" },
        { SCALING, "\"port\":80,\"tier\":\"frontend\"", "resources.limits.cpu", "500m", "BuiltIn" },
        /* The Environment's own word over it. */
        { OVERRIDDEN, "\"port\":80", "autoscaling.minReplicas", "3", "Environment" },
        { OVERRIDDEN, "\"port\":80", "autoscaling.maxReplicas", "10", "BuiltIn" },
        { OVERRIDDEN, "\"port\":80", "autoscaling.targetCPUUtilization", "60", "Environment" },
        { OVERRIDDEN, "\"port\":80", "resources.requests.memory", "700Mi", "Environment" },
        { OVERRIDDEN, "\"port\":80", "resources.requests.cpu", "500m", "BuiltIn" },
        { OVERRIDDEN, "\"port\":80,\"tier\":\"frontend\"", "replicas", "4", "Environment" },
        /* The App's over both. */
        { SCALING, "\"port\":80,\"replicas\":7", "replicas", "7", "App" },
        { SCALING, "\"port\":80,\"replicas\":7", "autoscaling.minReplicas", NULL, NULL },
        { OVERRIDDEN, "\"port\":80,\"tier\":\"frontend\",\"replicas\":1", "replicas", "1", "App" },
        { OVERRIDDEN, "\"autoscaling\":{\"minReplicas\":4},\"port\":80", "autoscaling.minReplicas", "4",
          "App" },
        { OVERRIDDEN, "\"autoscaling\":{\"minReplicas\":4},\"port\":80", "autoscaling.targetCPUUtilization",
          "60", "Environment" },
        { OVERRIDDEN, "\"autoscaling\":{\"scaleDownCooldown\":\"90s\"},\"port\":80",
          "autoscaling.scaleDownCooldown", "90s", "App" },
        /* Whoever names one target has named all. */
        { OVERRIDDEN, "\"autoscaling\":{\"targetMemoryUtilization\":80},\"port\":80",
          "autoscaling.targetCPUUtilization", NULL, NULL },
        { OVERRIDDEN, "\"autoscaling\":{\"targetMemoryUtilization\":80},\"port\":80",
          "autoscaling.targetMemoryUtilization", "80", "App" },
        { OVERRIDDEN, "\"resources\":{\"requests\":{\"cpu\":\"250m\"}},\"port\":80", "resources.requests.cpu",
          "250m", "App" },
        { OVERRIDDEN, "\"resources\":{\"requests\":{\"cpu\":\"250m\"}},\"port\":80",
          "resources.requests.memory", "700Mi", "Environment" },
        /* A figure gives way to the App's, where the two would exclude each other. */
        { SCALING, "\"resources\":{\"requests\":{\"cpu\":\"3\"}},\"port\":80", "resources.limits.cpu", "3",
          "App" },
        { SCALING, "\"resources\":{\"limits\":{\"memory\":\"256Mi\"}},\"port\":80",
          "resources.requests.memory", "256Mi", "App" },
        { NULL, "\"resources\":{\"limits\":{\"example.com/gpu\":\"1\"}}", "resources.limits.example.com/gpu",
          "1", "App" },
};

START_TEST(each_figure_comes_from_the_last_who_says_it)
{
        for (size_t i = 0; i < ARRAY_SIZE(precedences); i++) {
                const struct precedence *p = &precedences[i];
                const struct app_status_effective *e;
                struct settled s;

                ck_assert_msg(settle(&s, p->environment, p->spec) == 0, "%s: %.*s", p->spec,
                              STR_FMT(s.problems.all[0].message));
                e = effective(&s, p->setting);
                ck_assert_msg(!e == !p->value, "%s: %s", p->spec, p->setting);
                if (e) {
                        ck_assert_msg(str_eq_c(e->value, p->value), "%s: %s is %.*s", p->spec, p->setting,
                                      STR_FMT(e->value));
                        ck_assert_msg(str_eq_c(e->from, p->from), "%s: %s is from %.*s", p->spec, p->setting,
                                      STR_FMT(e->from));
                }
                end(&s.f);
        }
}
END_TEST

START_TEST(what_is_shown_is_what_counts)
{
        const struct app_spec_autoscaling *scaling;
        struct settled s;

        ck_assert_int_eq(settle(&s, OVERRIDDEN, "\"port\":80"), 0);
        scaling = s.settings.spec.autoscaling;
        ck_assert_ptr_nonnull(scaling);
        ck_assert(!s.settings.spec.has_replicas);
        ck_assert_int_eq(scaling->min_replicas, 3);
        ck_assert_int_eq(scaling->max_replicas, 10);
        ck_assert_int_eq(scaling->target_cpu_utilization, 60);
        ck_assert(!scaling->has_target_memory_utilization);
        ck_str_eq(scaling->scale_down_cooldown, "5m");
        ck_str_eq(schema_map_get(&s.settings.spec.resources->requests, STR("memory")), "700Mi");
        ck_str_eq(schema_map_get(&s.settings.spec.resources->limits, STR("memory")), "2Gi");
        ck_str_eq(s.settings.profile, "production/backend");
        end(&s.f);
        ck_assert_int_eq(settle(&s, NULL, ""), 0);
        ck_assert(s.settings.spec.has_replicas);
        ck_assert_ptr_null(s.settings.spec.autoscaling);
        ck_str_eq(s.settings.profile, "development/worker");
        end(&s.f);
}
END_TEST

/* --- problems --------------------------------------------------------------------------- */

struct trouble {
        const char *spec, *path, *message;
};

static const struct trouble troubles[] = {
        { "\"autoscaling\":{\"minReplicas\":4}", "spec.autoscaling.minReplicas",
          "the profile's maxReplicas is 1" },
        { "\"autoscaling\":{\"maxReplicas\":3},\"resources\":{\"requests\":{\"cpu\":\"0\"}}",
          "spec.autoscaling.targetCPUUtilization", "set spec.resources.requests.cpu" },
        { "\"autoscaling\":{\"maxReplicas\":3,\"targetMemoryUtilization\":80},\"resources\":{\"requests\":{"
          "\"memory\":\"0\"}}",
          "spec.autoscaling.targetMemoryUtilization", "set spec.resources.requests.memory" },
};

START_TEST(what_cannot_work_is_named)
{
        for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
                const struct trouble *t = &troubles[i];
                struct settled s;

                ck_assert_msg(settle(&s, NULL, t->spec) == -EINVAL, "%s: is let through", t->spec);
                ck_assert_msg(str_eq_c(s.problems.all[0].path, t->path), "%s: it is %.*s", t->spec,
                              STR_FMT(s.problems.all[0].path));
                ck_assert_msg(memmem(s.problems.all[0].message.data, s.problems.all[0].message.len,
                                     t->message, strlen(t->message)),
                              "%s: %.*s", t->spec, STR_FMT(s.problems.all[0].message));
                end(&s.f);
        }
}
END_TEST

/* Also where it is the Environment that says it, unless the App says it itself. */
START_TEST(a_figure_of_the_environment_that_cannot_work_is_named)
{
        static const char environment[] =
                ENVIRONMENT("\"profile\":\"staging\",\"overrides\":[{\"tier\":\"worker\",\"resources\":{"
                            "\"limits\":{\"memory\":\"1e400\"}}}]");
        struct settled s;

        ck_assert_int_eq(settle(&s, environment, ""), -EINVAL);
        ck_str_eq(s.problems.all[0].path, "spec.overrides of the Environment, resources.limits.memory");
        ck_str_eq(s.problems.all[0].message, "1e400 is past all counting; write less");
        end(&s.f);
        ck_assert_int_eq(settle(&s, environment, "\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}"), 0);
        end(&s.f);
        ck_assert_int_eq(settle(&s, environment, "\"tier\":\"backend\",\"port\":80"), 0);
        end(&s.f);
}
END_TEST

/* What is of any length does not make the status larger than the API server takes it. */
START_TEST(names_of_any_length_are_not_shown)
{
        char spec[1024], name[301];
        struct settled s;

        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        snprintf(spec, sizeof(spec), "\"resources\":{\"limits\":{\"%.250s/b\":\"1\"}}", name);
        ck_assert_int_eq(settle(&s, NULL, spec), 0);
        for (size_t i = 0; i < s.settings.n_effective; i++)
                ck_assert_uint_le(s.settings.effective[i].setting.len, 253);
        end(&s.f);
        snprintf(spec, sizeof(spec), "\"resources\":{\"limits\":{\"%s/%s\":\"1\"}}", name, name);
        ck_assert_int_eq(settle(&s, NULL, spec), -EINVAL);
        ck_str_eq(s.problems.all[0].path, "spec.resources.limits");
        ck_assert_uint_lt(s.problems.all[0].message.len, 256);
        end(&s.f);
}
END_TEST

/* The problem is shown, told once, and nothing is touched: what runs goes on. */
START_TEST(a_problem_stalls_the_app_and_leaves_its_children)
{
        const struct effect *event;
        yyjson_val *ready;
        struct fixture f;

        begin(&f,
              APP("web", "4",
                  "\"spec\":{\"image\":\"x\",\"hosts\":[\"a.example\"]},\"status\":{\"url\":\"http://before\","
                  "\"desiredReplicas\":3,\"profile\":\"staging/backend\"}"));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_APPLY) + count_effects(&f, EFFECT_DELETE), 0);
        ready = json_get_path(status(&f), "/conditions/0");
        ck_str_eq(json_get_str(ready, "reason"), "InvalidSpec");
        ck_str_eq(json_get_str(ready, "message"),
                  "spec.hosts: need a port; set spec.port to the one that the program listens on");
        ck_str_eq(str_at(status(&f), "/conditions/3/type"), "Stalled");
        ck_str_eq(str_at(status(&f), "/conditions/3/status"), "True");
        ck_str_eq(str_at(status(&f), "/url"), "http://before");
        ck_str_eq(str_at(status(&f), "/profile"), "staging/backend");
        ck_assert_int_eq(int_at(status(&f), "/desiredReplicas"), 3);
        ck_assert_uint_eq(count_effects(&f, EFFECT_EVENT), 1);
        event = find_effect(&f, EFFECT_EVENT, NULL);
        ck_assert(event->warning);
        ck_str_eq(event->reason, "InvalidSpec");
        ck_assert_int_eq(f.plan.wake, USEC_NEVER);
        end(&f);
}
END_TEST

/* --- the rest ----------------------------------------------------------------------------- */

START_TEST(seconds_are_rounded_up)
{
        ck_assert_int_eq(app_seconds(STR("30s")), 30);
        ck_assert_int_eq(app_seconds(STR("1h1m1s")), 3661);
        ck_assert_int_eq(app_seconds(STR("1500ms")), 2);
        ck_assert_int_eq(app_seconds(STR("0s")), 0);
        ck_assert_int_eq(app_seconds(STR("-1s")), 0);
        ck_assert_int_eq(app_seconds(STR("soon")), 0);
        ck_assert_int_eq(app_seconds(STR_NULL), 0);
}
END_TEST

static int settle_in_new_arena(void *arg)
{
        struct settled *s = arg;
        struct arena a;
        int r;

        arena_init(&a, 1024 * 1024);
        r = app_settle(&s->f.view, &a, &s->settings, &s->problems);
        arena_release(&a);
        return r;
}

START_TEST(any_allocation_may_fail)
{
        struct settled s;

        ck_assert_int_eq(settle(&s, OVERRIDDEN, "\"port\":80"), 0);
        torture(settle_in_new_arena, &s, 0);
        end(&s.f);
        ck_assert_int_eq(settle(&s, NULL, "\"hosts\":[\"a.example\"]"), -EINVAL);
        ck_assert_int_eq(settle_in_new_arena(&s), -EINVAL);
        end(&s.f);
}
END_TEST

static const TTest *const tests[] = {
        each_figure_comes_from_the_last_who_says_it,
        what_is_shown_is_what_counts,
        what_cannot_work_is_named,
        a_figure_of_the_environment_that_cannot_work_is_named,
        names_of_any_length_are_not_shown,
        a_problem_stalls_the_app_and_leaves_its_children,
        seconds_are_rounded_up,
        any_allocation_may_fail,
};
TEST_MAIN("app/settle", tests)
