/* SPDX-License-Identifier: Apache-2.0
 *
 * Built-in < Environment < App: each figure is taken from the last that has
 * one, and it is kept in mind who that was. Then what the schema cannot judge,
 * because it takes more than one object, or a comparison of quantities.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>

#include "controller/app/app.h"
#include "controller/app/figures.h"
#include "kube/quantity.h"

#define STOP_MAX USEC_HOUR             /* delay and timeout together */
#define SETTING_MAX_LEN ((size_t)253)  /* in status.effective */
#define RESOURCE_MAX_LEN ((size_t)317) /* example.com/gpu: 253 and 63 */
#define SHOWN_MAX_LEN ((size_t)64)     /* of what is wrong and may be of any length */

struct settling {
        const struct view *view;
        const struct app_spec *app;
        struct arena *a;
        struct app_settings *ret;
        struct app_problem *problem;
        struct app_figures f;
};

static int refuse(const struct settling *s, struct str path, const char *format, ...) _printf_(3, 4);

static int refuse(const struct settling *s, struct str path, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        *s->problem = (struct app_problem){ path, arena_vprintf(s->a, format, args) };
        va_end(args);
        return s->a->failed ? -ENOMEM : -EINVAL;
}

/* "spec.env[3].name" */
static struct str item(const struct settling *s, const char *list, size_t i, const char *field)
{
        return arena_printf(s->a, "spec.%s[%zu]%s", list, i, field);
}

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
        show(s, setting, arena_printf(s->a, "%lld", (long long)n->value), n->from);
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

static int settle_bounds(struct settling *s, struct app_spec_autoscaling *to)
{
        const struct app_spec_autoscaling *asked = s->app->autoscaling;
        struct app_number least = s->f.min, most = s->f.max;

        if (asked) {
                say_number(&least, asked->has_min_replicas, asked->min_replicas);
                say_number(&most, asked->has_max_replicas, asked->max_replicas);
        }
        if (least.value > most.value)
                return refuse(s,
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
        return 0;
}

static int settle_autoscaling(struct settling *s)
{
        const struct app_spec_autoscaling *asked = s->app->autoscaling;
        struct app_spec_autoscaling *to = arena_new(s->a, struct app_spec_autoscaling);
        struct app_text cooldown = s->f.cooldown;
        int r;

        if (!to)
                return -ENOMEM;
        r = settle_bounds(s, to);
        if (r < 0)
                return r;
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
        if (s->app->has_replicas && s->app->autoscaling)
                return refuse(s, STR("spec.replicas"), "excludes spec.autoscaling; leave one of them out");
        if (s->app->autoscaling || (!s->app->has_replicas && s->f.scales))
                return settle_autoscaling(s);
        settle_replicas(s);
        return 0;
}

/* --- resources ------------------------------------------------------------------------ */

static const struct schema_pair *find(const struct schema_map *map, struct str key)
{
        for (size_t i = 0; i < map->n; i++)
                if (str_eq(map->items[i].key, key))
                        return &map->items[i];
        return NULL;
}

/* Is the quantity A more than B? What cannot be read is not. */
static bool exceeds(struct str a, struct str b)
{
        struct quantity qa, qb;

        return quantity_parse(a, &qa) == 0 && quantity_parse(b, &qb) == 0 && qa.nanos > qb.nanos;
}

/* Who said that figure, of those that were merged. */
static struct str origin(struct str key, struct str value, const struct schema_map *own,
                         const struct schema_map *here, const struct schema_map *built_in)
{
        /* Also where a figure of the profile gave way to one of the App's. */
        if (find(own, key) || !str_eq(value, profile_resource(here, key)))
                return APP_FROM_APP;
        return str_eq(value, profile_resource(built_in, key)) ? APP_FROM_BUILT_IN : APP_FROM_ENVIRONMENT;
}

static void show_resources(struct settling *s, const char *what, const struct schema_map *merged,
                           const struct schema_map *own, const struct schema_map *here,
                           const struct schema_map *built_in)
{
        for (size_t i = 0; i < merged->n; i++) {
                struct str key = merged->items[i].key, value = merged->items[i].value;
                struct str setting = arena_printf(s->a, "resources.%s.%.*s", what, STR_FMT(key));

                if (setting.data)
                        show(s, setting.data, value, origin(key, value, own, here, built_in));
        }
}

static bool is_all_of(struct str s, const char *others)
{
        for (size_t i = 0; i < s.len; i++)
                if (!isalnum((unsigned char)s.data[i]) && (!s.data[i] || !strchr(others, s.data[i])))
                        return false;
        return s.len > 0;
}

/* One that a container may have; the last word is the API server's. */
static bool is_resource(struct str name)
{
        struct str domain, rest;

        if (name.len > RESOURCE_MAX_LEN)
                return false;
        if (str_cut(name, '/', &domain, &rest))
                return is_all_of(domain, ".-") && is_all_of(rest, "._-");
        return str_eq(name, STR("cpu")) || str_eq(name, STR("memory")) ||
               str_eq(name, STR("ephemeral-storage")) ||
               (str_starts(name, STR("hugepages-")) && is_all_of(name, "-"));
}

static int check_quantity(const struct settling *s, struct str path, struct str text)
{
        struct str message = profile_quantity_problem(text, s->a);

        if (message.data)
                return refuse(s, path, "%.*s", STR_FMT(message));
        return s->a->failed ? -ENOMEM : 0;
}

static int check_quantities(const struct settling *s, const char *what, const struct schema_map *map)
{
        for (size_t i = 0; i < map->n; i++) {
                const struct schema_pair *p = &map->items[i];
                int r;

                if (!is_resource(p->key))
                        return refuse(s, arena_printf(s->a, "spec.resources.%s", what),
                                      "\"%.*s\" is no resource of a container; name cpu, memory, "
                                      "ephemeral-storage, hugepages-2Mi or one such as example.com/gpu",
                                      (int)MIN(p->key.len, SHOWN_MAX_LEN), p->key.data);
                r = check_quantity(s, arena_printf(s->a, "spec.resources.%s.%.*s", what, STR_FMT(p->key)),
                                   p->value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Of the Environment, as far as the App takes them from there. */
static int check_taken(const struct settling *s, const char *what, const struct schema_map *merged,
                       const struct schema_map *own)
{
        for (size_t i = 0; i < merged->n; i++) {
                const struct schema_pair *p = &merged->items[i];
                int r;

                if (find(own, p->key))
                        continue;
                r = check_quantity(s,
                                   arena_printf(s->a, "spec.overrides of the Environment, resources.%s.%.*s",
                                                what, STR_FMT(p->key)),
                                   p->value);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_limits(const struct settling *s, const struct app_spec_resources *merged)
{
        for (size_t i = 0; i < merged->requests.n; i++) {
                const struct schema_pair *request = &merged->requests.items[i];
                const struct schema_pair *limit = find(&merged->limits, request->key);

                if (limit && exceeds(request->value, limit->value))
                        return refuse(
                                s, arena_printf(s->a, "spec.resources.requests.%.*s", STR_FMT(request->key)),
                                "%.*s is more than the limit of %.*s; lower it, or raise "
                                "spec.resources.limits.%.*s",
                                STR_FMT(request->value), STR_FMT(limit->value), STR_FMT(request->key));
        }
        return 0;
}

static int settle_resources(struct settling *s)
{
        static const struct app_spec_resources none = { 0 };
        const struct app_spec_resources *own = s->app->resources ? s->app->resources : &none;
        struct profile_figures merged = s->f.here;
        struct app_spec_resources *to = arena_new(s->a, struct app_spec_resources);
        int r;

        if (!to)
                return -ENOMEM;
        r = check_quantities(s, "requests", &own->requests);
        if (r == 0)
                r = check_quantities(s, "limits", &own->limits);
        if (r == 0)
                r = profile_overlay(&merged, &own->requests, &own->limits, s->a);
        if (r == 0)
                r = check_taken(s, "requests", &merged.requests, &own->requests);
        if (r == 0)
                r = check_taken(s, "limits", &merged.limits, &own->limits);
        if (r < 0)
                return r;
        to->requests = merged.requests;
        to->limits = merged.limits;
        s->ret->spec.resources = to;
        show_resources(s, "requests", &to->requests, &own->requests, &s->f.here.requests,
                       &s->f.built_in.requests);
        show_resources(s, "limits", &to->limits, &own->limits, &s->f.here.limits, &s->f.built_in.limits);
        return check_limits(s, to);
}

/* --- what cannot work -------------------------------------------------------------------- */

static int check_target(const struct settling *s, bool wanted, const char *path, const char *key)
{
        const struct schema_pair *request = find(&s->ret->spec.resources->requests, str_c(key));
        struct quantity q;

        if (!wanted || (request && quantity_parse(request->value, &q) == 0 && q.nanos > 0))
                return 0;
        return refuse(s, str_c(path),
                      "is a part of what the pods request, and they request no %s; set "
                      "spec.resources.requests.%s",
                      key, key);
}

static int check_targets(const struct settling *s)
{
        const struct app_spec_autoscaling *scaling = s->ret->spec.autoscaling;
        int r;

        if (!scaling)
                return 0;
        r = check_target(s, scaling->has_target_cpu_utilization, "spec.autoscaling.targetCPUUtilization",
                         "cpu");
        if (r < 0)
                return r;
        return check_target(s, scaling->has_target_memory_utilization,
                            "spec.autoscaling.targetMemoryUtilization", "memory");
}

static int check_env(const struct settling *s)
{
        for (size_t i = 0; i < s->app->env.n; i++) {
                if (str_index(s->app->env.items[i].value, '\0') >= 0)
                        return refuse(s, item(s, "env", i, ".value"),
                                      "has a NUL character, which no variable can hold; take it out");
                for (size_t j = 0; j < i; j++)
                        if (str_eq(s->app->env.items[i].name, s->app->env.items[j].name))
                                return refuse(s, item(s, "env", i, ".name"),
                                              "%.*s is in the list twice; take one of them out",
                                              STR_FMT(s->app->env.items[i].name));
        }
        return 0;
}

static int check_env_from(const struct settling *s)
{
        for (size_t i = 0; i < s->app->env_from.n; i++) {
                const struct app_spec_env_from *from = &s->app->env_from.items[i];

                if (!from->secret_ref == !from->config_map_ref)
                        return refuse(s, item(s, "envFrom", i, ""),
                                      "needs exactly one of secretRef and configMapRef");
        }
        return 0;
}

/* Is PATH the folder DIR, or inside it? */
static bool is_inside(struct str path, struct str dir)
{
        return str_starts(path, dir) && (path.len == dir.len || path.data[dir.len] == '/');
}

static int check_mount(const struct settling *s, size_t i)
{
        const struct app_spec_config_files *one = &s->app->config_files.items[i];
        struct str path = one->mount_path;

        if (!one->secret_ref == !one->config_map_ref)
                return refuse(s, item(s, "configFiles", i, ""),
                              "needs exactly one of secretRef and configMapRef");
        if (path.len < 2 || path.data[0] != '/' || str_index(path, ':') >= 0)
                return refuse(s, item(s, "configFiles", i, ".mountPath"),
                              "must be the absolute path of a folder, such as /etc/shop");
        if (is_inside(path, STR("/tmp")))
                return refuse(s, item(s, "configFiles", i, ".mountPath"),
                              "must not be /tmp or inside it, which every App may write to");
        for (size_t j = 0; j < s->app->config_files.n; j++)
                if (j != i && is_inside(path, s->app->config_files.items[j].mount_path))
                        return refuse(s, item(s, "configFiles", i, ".mountPath"),
                                      "%.*s is the same as, or inside, the mountPath of configFiles[%zu]; "
                                      "give each a folder of its own",
                                      STR_FMT(path), j);
        return 0;
}

/* kubelet mounts none of the files where one has the place of another's folder. */
static int check_items(const struct settling *s, size_t i)
{
        const struct app_spec_config_files *one = &s->app->config_files.items[i];

        for (size_t j = 0; j < one->items.n; j++) {
                struct str path = one->items.items[j].path;
                struct str where = arena_printf(s->a, "spec.configFiles[%zu].items[%zu].path", i, j);

                if (str_eq(path, STR(".")) || str_ends(path, STR("/.")))
                        return refuse(s, where, "%.*s is a folder; name a file", STR_FMT(path));
                for (size_t k = 0; k < one->items.n; k++)
                        if (k != j && is_inside(path, one->items.items[k].path))
                                return refuse(s, where,
                                              "%.*s is the same as, or inside, the path of items[%zu], which "
                                              "is a file; give each a path of its own",
                                              STR_FMT(path), k);
        }
        return 0;
}

static int check_mounts(const struct settling *s)
{
        int r = 0;

        for (size_t i = 0; i < s->app->config_files.n && r == 0; i++) {
                r = check_mount(s, i);
                if (r == 0)
                        r = check_items(s, i);
        }
        return r;
}

static int check_reload(const struct settling *s)
{
        if (!str_eq(s->app->config_reload, STR("Signal")))
                return 0;
        if (s->app->config_files.n == 0 && s->app->env_from.n > 0)
                return refuse(s, STR("spec.configReload"),
                              "Signal reaches files only, and spec.envFrom makes variables, which never "
                              "change in a running program; use Rollout, or spec.configFiles");
        if (s->app->config_files.n > 0 && !s->view->image.data)
                return refuse(s, STR("spec.configReload"),
                              "Signal needs a helper in the pods, and the operator does not know its own "
                              "image to run it from; set KEELSON_IMAGE in the operator's Deployment, or use "
                              "Rollout or None");
        return 0;
}

static int check_duration(const struct settling *s, const char *path, struct str text, usec_t least,
                          usec_t most, const char *bounds)
{
        usec_t t;

        if (duration_parse(text, &t) < 0 || t < least || t > most)
                return refuse(s, str_c(path), "\"%.*s\" must be a duration between %s", STR_FMT(text),
                              bounds);
        return 0;
}

static int check_durations(const struct settling *s)
{
        const struct app_spec *spec = &s->ret->spec;
        const struct {
                const char *path;
                struct str text;
                usec_t least, most;
                const char *bounds;
        } all[] = {
                { "spec.healthCheck.startupTimeout", spec->health_check->startup_timeout, USEC_SEC, USEC_HOUR,
                  "1s and 1h" },
                { "spec.drain.delay", spec->drain->delay, 0, USEC_HOUR, "0s and 1h" },
                { "spec.drain.timeout", spec->drain->timeout, USEC_SEC, USEC_HOUR, "1s and 1h" },
                { "spec.strategy.progressDeadline", spec->strategy->progress_deadline, 10 * USEC_SEC,
                  24 * USEC_HOUR, "10s and 24h" },
                { "spec.autoscaling.scaleDownCooldown",
                  spec->autoscaling ? spec->autoscaling->scale_down_cooldown : STR("0s"), 0, USEC_HOUR,
                  "0s and 1h" },
        };
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                r = check_duration(s, all[i].path, all[i].text, all[i].least, all[i].most, all[i].bounds);
                if (r < 0)
                        return r;
        }
        if ((app_seconds(spec->drain->delay) + app_seconds(spec->drain->timeout)) * USEC_SEC > STOP_MAX)
                return refuse(s, STR("spec.drain"), "delay and timeout together must not be more than 1h");
        return 0;
}

static bool is_address(struct str host)
{
        char text[INET_ADDRSTRLEN] = "";
        struct in_addr ip;

        if (host.len >= sizeof(text))
                return false;
        memcpy(text, host.data, host.len);
        return inet_pton(AF_INET, text, &ip) == 1;
}

static int check_hosts(const struct settling *s)
{
        if (s->app->hosts.n == 0)
                return 0;
        for (size_t i = 0; i < s->app->hosts.n; i++)
                if (is_address(s->app->hosts.items[i]))
                        return refuse(s, item(s, "hosts", i, ""),
                                      "%.*s is an address; name the host, such as shop.example.com",
                                      STR_FMT(s->app->hosts.items[i]));
        if (!s->app->has_port)
                return refuse(s, STR("spec.hosts"),
                              "need a port; set spec.port to the one that the program listens on");
        if (str_eq(s->app->tier, STR("worker")))
                return refuse(s, STR("spec.hosts"),
                              "a worker has no hosts; leave them out, or choose another spec.tier");
        return 0;
}

static int check_access(const struct settling *s)
{
        const struct app_spec_access *access = s->app->access;

        for (size_t i = 0; access && i < access->to.n; i++) {
                const struct app_spec_access_to *to = &access->to.items[i];
                int named = (to->app.data != NULL) + (to->postgres.data != NULL) + (to->redis.data != NULL) +
                            (to->host.data != NULL) + (to->cidr.data != NULL);

                if (named != 1)
                        return refuse(s, item(s, "access.to", i, ""),
                                      "needs exactly one of app, postgres, redis, host and cidr");
                if (to->has_port && !to->host.data && !to->cidr.data)
                        return refuse(s, item(s, "access.to", i, ".port"),
                                      "goes with host or cidr only; leave it out");
        }
        return 0;
}

int app_settle(const struct view *view, struct arena *a, struct app_settings *ret,
               struct app_problem *problem)
{
        static int (*const steps[])(const struct settling *) = {
                check_targets, check_env,   check_env_from,  check_mounts,
                check_reload,  check_hosts, check_durations, check_access,
        };
        const struct app *app = view->self->state;
        struct settling s = { .view = view, .app = app->spec, .a = a, .ret = ret, .problem = problem };
        int r;

        *ret = (struct app_settings){ .spec = *app->spec };
        *problem = (struct app_problem){ 0 };
        r = app_figures_of(view, app->spec, a, &s.f);
        if (r < 0)
                return r;
        ret->spec.tier = s.f.here.tier;
        ret->profile = s.f.profile;
        ret->routing = s.f.routing;
        r = settle_size(&s);
        if (r == 0)
                r = settle_resources(&s);
        for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
                r = steps[i](&s);
        return r == 0 && a->failed ? -ENOMEM : r;
}
