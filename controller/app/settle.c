/* SPDX-License-Identifier: Apache-2.0
 *
 * Built-in < Environment < App: each figure is taken from the last that has
 * one, and it is kept in mind who that was. Then what the App alone does not
 * tell (validate.c): whether what was put together can work.
 */
#include <errno.h>

#include "controller/app/app.h"
#include "controller/app/figures.h"
#include "controller/environment/rules.h"
#include "kube/quantity.h"

#define SETTING_MAX_LEN ((size_t)253) /* in status.effective */

struct settling {
        const struct view *view;
        const struct app_spec *app;
        struct arena *a;
        struct app_settings *ret;
        struct problems *problems;
        struct app_figures f;
};

int64_t app_seconds(struct str duration)
{
        usec_t t;

        if (duration_parse(duration, &t) < 0 || t < 0)
                return 0;
        return (t + USEC_SEC - 1) / USEC_SEC;
}

/* --- figures ------------------------------------------------------------------------- */

static void show(struct settling *s, const char *setting, struct str value, struct str from)
{
        struct app_settings *ret = s->ret;

        if (ret->n_effective == APP_EFFECTIVE_MAX || strlen(setting) > SETTING_MAX_LEN)
                return;
        ret->effective[ret->n_effective++] =
                (struct app_status_effective){ .setting = str_c(setting), .value = value, .from = from };
}

static void show_number(struct settling *s, const char *setting, const struct app_number *n)
{
        char digits[STR_INT_MAX];

        show(s, setting, arena_str(s->a, str_int(n->value, digits)), n->from);
}

/* What the App itself says, over what the Environment says. */
static void say_number(struct app_number *n, bool has, int64_t value)
{
        if (has)
                *n = (struct app_number){ value, APP_FROM_APP };
}

static void settle_replicas(struct settling *s)
{
        struct app_number n = s->f.replicas;

        say_number(&n, s->app->has_replicas, s->app->replicas);
        s->ret->spec.autoscaling = NULL;
        s->ret->spec.replicas = n.value;
        s->ret->spec.has_replicas = true;
        show_number(s, "replicas", &n);
}

/* The targets go together: whoever names one has named all. */
static void settle_targets(struct settling *s, struct app_spec_autoscaling *to)
{
        const struct app_spec_autoscaling *asked = s->app->autoscaling;
        struct app_number cpu = s->f.cpu_target, memory = s->f.memory_target;

        if (asked && (asked->has_target_cpu_utilization || asked->has_target_memory_utilization)) {
                cpu = memory = (struct app_number){ 0 };
                say_number(&cpu, asked->has_target_cpu_utilization, asked->target_cpu_utilization);
                say_number(&memory, asked->has_target_memory_utilization, asked->target_memory_utilization);
        }
        to->target_cpu_utilization = cpu.value;
        to->target_memory_utilization = memory.value;
        to->has_target_cpu_utilization = cpu.from.data != NULL;
        to->has_target_memory_utilization = memory.from.data != NULL;
        if (cpu.from.data)
                show_number(s, "autoscaling.targetCPUUtilization", &cpu);
        if (memory.from.data)
                show_number(s, "autoscaling.targetMemoryUtilization", &memory);
}

/* For people. */
static const char *whose(const struct app_number *n)
{
        if (str_eq(n->from, APP_FROM_APP))
                return "App's";
        return str_eq(n->from, APP_FROM_ENVIRONMENT) ? "Environment's" : "profile's";
}

static void settle_bounds(struct settling *s, struct app_spec_autoscaling *to)
{
        const struct app_spec_autoscaling *asked = s->app->autoscaling;
        struct app_number least = s->f.min, most = s->f.max;

        if (asked) {
                say_number(&least, asked->has_min_replicas, asked->min_replicas);
                say_number(&most, asked->has_max_replicas, asked->max_replicas);
        }
        if (least.value > most.value)
                problem_add(s->problems,
                            asked && asked->has_min_replicas ? STR("spec.autoscaling.minReplicas")
                                                             : STR("spec.autoscaling.maxReplicas"),
                            "the %s minReplicas is %lld and the %s maxReplicas is %lld; "
                            "set both so that minReplicas is not the larger one",
                            whose(&least), (long long)least.value, whose(&most), (long long)most.value);
        to->min_replicas = least.value;
        to->max_replicas = most.value;
        to->has_min_replicas = to->has_max_replicas = true;
        show_number(s, "autoscaling.minReplicas", &least);
        show_number(s, "autoscaling.maxReplicas", &most);
}

static int settle_autoscaling(struct settling *s)
{
        const struct app_spec_autoscaling *asked = s->app->autoscaling;
        struct app_spec_autoscaling *to = arena_new(s->a, struct app_spec_autoscaling);
        struct app_text cooldown = s->f.cooldown;

        if (!to)
                return -ENOMEM;
        settle_bounds(s, to);
        settle_targets(s, to);
        if (asked && asked->scale_down_cooldown.data)
                cooldown = (struct app_text){ asked->scale_down_cooldown, APP_FROM_APP };
        to->scale_down_cooldown = cooldown.value;
        show(s, "autoscaling.scaleDownCooldown", cooldown.value, cooldown.from);
        s->ret->spec.autoscaling = to;
        s->ret->spec.replicas = 0;
        s->ret->spec.has_replicas = false;
        return 0;
}

/* Which of the two: the App's word, else the Environment's. */
static int settle_size(struct settling *s)
{
        if (s->app->autoscaling || (!s->app->has_replicas && s->f.scales))
                return settle_autoscaling(s);
        settle_replicas(s);
        return 0;
}

/* --- resources ------------------------------------------------------------------------ */

/* Who said that figure, of those that were merged. */
static struct str origin(struct str key, struct str value, const struct schema_map *own,
                         const struct schema_map *here, const struct schema_map *built_in)
{
        /* Also where a figure of the profile gave way to one of the App's. */
        if (schema_map_find(own, key) || !str_eq(value, schema_map_get(here, key)))
                return APP_FROM_APP;
        return str_eq(value, schema_map_get(built_in, key)) ? APP_FROM_BUILT_IN : APP_FROM_ENVIRONMENT;
}

static void show_resources(struct settling *s, const char *what, const struct schema_map *merged,
                           const struct schema_map *own, const struct schema_map *here,
                           const struct schema_map *built_in)
{
        for (size_t i = 0; i < merged->n; i++) {
                struct str key = merged->items[i].key, value = merged->items[i].value;
                struct str setting = arena_join(s->a, STR("resources."), str_c(what), STR("."), key);

                if (setting.data)
                        show(s, setting.data, value, origin(key, value, own, here, built_in));
        }
}

/* Of the Environment, as far as the App takes them from there. */
static void check_taken(const struct settling *s, const char *what, const struct schema_map *merged,
                        const struct schema_map *own)
{
        for (size_t i = 0; i < merged->n; i++) {
                const struct schema_pair *p = &merged->items[i];

                if (!schema_map_find(own, p->key))
                        check_quantity(arena_join(s->a, STR("spec.overrides of the Environment, resources."),
                                                  str_c(what), STR("."), p->key),
                                       p->value, s->problems);
        }
}

static int settle_resources(struct settling *s)
{
        static const struct app_spec_resources none = { 0 };
        const struct app_spec_resources *own = s->app->resources ? s->app->resources : &none;
        struct profile_figures merged = s->f.here;
        struct app_spec_resources *to = arena_new(s->a, struct app_spec_resources);

        if (!to || profile_overlay(&merged, &own->requests, &own->limits, s->a) < 0)
                return -ENOMEM;
        check_taken(s, "requests", &merged.requests, &own->requests);
        check_taken(s, "limits", &merged.limits, &own->limits);
        to->requests = merged.requests;
        to->limits = merged.limits;
        s->ret->spec.resources = to;
        show_resources(s, "requests", &to->requests, &own->requests, &s->f.here.requests,
                       &s->f.built_in.requests);
        show_resources(s, "limits", &to->limits, &own->limits, &s->f.here.limits, &s->f.built_in.limits);
        return 0;
}

/* --- what cannot work -------------------------------------------------------------------- */

static void check_target(const struct settling *s, bool wanted, struct str path, struct str resource)
{
        struct str request = schema_map_get(&s->ret->spec.resources->requests, resource);
        struct quantity q;

        if (wanted && (quantity_parse(request, &q) < 0 || q.nanos <= 0))
                app_tell_no_request(path, resource, s->problems);
}

static void check_targets(const struct settling *s)
{
        const struct app_spec_autoscaling *scaling = s->ret->spec.autoscaling;

        if (!scaling)
                return;
        check_target(s, scaling->has_target_cpu_utilization, STR("spec.autoscaling.targetCPUUtilization"),
                     STR("cpu"));
        check_target(s, scaling->has_target_memory_utilization,
                     STR("spec.autoscaling.targetMemoryUtilization"), STR("memory"));
}

static void check_helper(const struct settling *s)
{
        if (str_eq(s->app->config_reload, STR("Signal")) && s->app->config_files.n > 0 &&
            !s->view->image.data)
                problem_add(s->problems, STR("spec.configReload"),
                            "Signal needs a helper in the pods, and the operator does not know its own "
                            "image to run it from; set KEELSON_IMAGE in the operator's Deployment, or use "
                            "Rollout or None");
}

int app_settle(const struct view *view, struct arena *a, struct app_settings *ret, struct problems *problems)
{
        const struct app *app = view->self->state;
        struct settling s = { .view = view, .app = app->spec, .a = a, .ret = ret, .problems = problems };
        int r;

        *ret = (struct app_settings){ .spec = *app->spec, .n_own_files = app->spec->config_files.n };
        problems_init(problems, a);
        app_validate(app->spec, problems);
        r = problems_result(problems);
        if (r < 0)
                return r;
        r = app_figures_of(view, app->spec, a, &s.f);
        if (r < 0)
                return r;
        ret->spec.tier = s.f.here.tier;
        ret->profile = s.f.profile;
        ret->routing = s.f.routing;
        if (settle_size(&s) < 0 || settle_resources(&s) < 0 || app_connect(view, a, ret) < 0)
                return -ENOMEM;
        check_targets(&s);
        check_helper(&s);
        return problems_result(problems);
}
