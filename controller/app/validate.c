/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with an App, whatever else the cluster holds. Its schema has let
 * it through. All is told at once, so that it can be mended at once.
 *
 * Where a rule of the CRD (CEL) says the same, it does so for those who have no
 * webhook, and this does for those who have no API server.
 */
#include <arpa/inet.h>
#include <ctype.h>

#include "controller/app/app.h"
#include "controller/environment/rules.h"
#include "controller/redis/connect.h"
#include "kube/quantity.h"

#define HOST_NAME_MAX_LEN 63
#define STOP_MAX USEC_HOUR /* delay and timeout together */

/* "spec.env[3].name" */
static struct str item(const struct problems *p, const char *list, size_t i, const char *field)
{
        return arena_printf(p->arena, "spec.%s[%zu]%s", list, i, field);
}

/* --- how many ---------------------------------------------------------------------- */

static void check_size(const struct app_spec *spec, struct problems *p)
{
        const struct app_spec_autoscaling *scaling = spec->autoscaling;

        if (spec->has_replicas && scaling)
                problem_add(p, STR("spec.replicas"), "excludes spec.autoscaling; leave one of them out");
        if (scaling && scaling->has_min_replicas && scaling->has_max_replicas)
                check_replicas(STR("spec.autoscaling.minReplicas"), scaling->min_replicas,
                               scaling->max_replicas, p);
}

/* --- the image ----------------------------------------------------------------------- */

/* In front of a slash there may be a registry, whose name is in any case; from the tag or the digest on
 * likewise. What is between is the name (the reference grammar of the OCI distribution). */
static bool has_upper_case_name(struct str image)
{
        ptrdiff_t slash = str_index(image, '/');

        for (size_t i = (size_t)(slash + 1); i < image.len && image.data[i] != ':' && image.data[i] != '@';
             i++)
                if (image.data[i] >= 'A' && image.data[i] <= 'Z')
                        return true;
        return false;
}

static void check_image(const struct app_spec *spec, struct problems *p)
{
        if (has_upper_case_name(spec->image))
                problem_add(p, STR("spec.image"),
                            "must be in lower case but for the registry and the tag, or nothing can pull it; "
                            "write it so, such as registry.example/shop:1.8.2");
}

/* --- resources --------------------------------------------------------------------- */

void app_tell_no_request(struct str path, struct str resource, struct problems *p)
{
        problem_add(
                p, path,
                "is a part of what the pods request, and they request no %.*s; set spec.resources.requests.%.*s",
                STR_FMT(resource), STR_FMT(resource));
}

/* Does the App itself say that its pods request nothing of it? A limit of nothing lowers the
 * profile's request to it. */
static bool requests_nothing(const struct app_spec_resources *own, struct str resource)
{
        struct str request = schema_map_get(&own->requests, resource);
        struct quantity q;

        if (!request.data)
                request = schema_map_get(&own->limits, resource);
        return request.data && quantity_parse(request, &q) == 0 && q.nanos == 0;
}

static void check_target(struct str path, const struct app_spec_resources *own, struct str resource,
                         struct problems *p)
{
        if (requests_nothing(own, resource))
                app_tell_no_request(path, resource, p);
}

/* With the Environment's figures more can be said: see settle.c. */
static void check_targets(const struct app_spec *spec, struct problems *p)
{
        const struct app_spec_autoscaling *scaling = spec->autoscaling;

        if (!scaling || !spec->resources)
                return;
        if (scaling->has_target_cpu_utilization)
                check_target(STR("spec.autoscaling.targetCPUUtilization"), spec->resources, STR("cpu"), p);
        if (scaling->has_target_memory_utilization)
                check_target(STR("spec.autoscaling.targetMemoryUtilization"), spec->resources, STR("memory"),
                             p);
}

/* --- env and files --------------------------------------------------------------------- */

/* In the words of the decoder, which offline says so before us. */
static void tell_twice(struct str where, struct str key, struct problems *p)
{
        problem_add(p, where, "%.*s is in the list twice; take one of them out", STR_SHOWN(key));
}

static bool is_earlier(const struct app_spec *spec, size_t i)
{
        for (size_t j = 0; j < i; j++)
                if (str_eq(spec->env.items[i].name, spec->env.items[j].name))
                        return true;
        return false;
}

static void check_env(const struct app_spec *spec, struct problems *p)
{
        for (size_t i = 0; i < spec->env.n; i++) {
                if (str_index(spec->env.items[i].value, '\0') >= 0)
                        problem_add(p, item(p, "env", i, ".value"),
                                    "has a NUL character, which no variable can hold; take it out");
                if (is_earlier(spec, i))
                        tell_twice(item(p, "env", i, ".name"), spec->env.items[i].name, p);
        }
}

static void check_env_from(const struct app_spec *spec, struct problems *p)
{
        for (size_t i = 0; i < spec->env_from.n; i++)
                if (!spec->env_from.items[i].secret_ref == !spec->env_from.items[i].config_map_ref)
                        problem_add(p, item(p, "envFrom", i, ""),
                                    "needs exactly one of secretRef and configMapRef");
}

/* Is PATH the folder DIR, or inside it? */
static bool is_inside(struct str path, struct str dir)
{
        return str_starts(path, dir) && (path.len == dir.len || path.data[dir.len] == '/');
}

/* Is PART one of those that PATH is made of? */
static bool has_part(struct str path, struct str part)
{
        struct str one, rest = path;

        while (str_cut(rest, '/', &one, &rest))
                if (str_eq(one, part))
                        return true;
        return str_eq(one, part);
}

static bool connects(const struct app_spec *spec)
{
        struct app_redis_use list[APP_REDIS_MAX];

        return app_redis_of(spec, list) > 0;
}

static void check_mount(const struct app_spec *spec, size_t i, struct problems *p)
{
        struct str path = spec->config_files.items[i].mount_path,
                   where = item(p, "configFiles", i, ".mountPath");

        if (path.len < 2 || path.data[0] != '/' || str_index(path, ':') >= 0)
                problem_add(p, where,
                            "must be the absolute path of a folder, of letters, digits, _, . and -, such as "
                            "/etc/shop (is \"%.*s\")",
                            STR_SHOWN(path));
        else if (is_inside(path, STR("/tmp")))
                problem_add(p, where, "must not be /tmp or inside it, which every App may write to");
        else if (has_part(path, STR(".")) || has_part(path, STR("..")))
                problem_add(p, where, "must not have . or .. in it; name the folder itself");
        else if (connects(spec) &&
                 (is_inside(path, STR("/etc/keelson")) || is_inside(STR(REDIS_FILES_DIR), path)))
                problem_add(p, where,
                            "has to leave " REDIS_FILES_DIR
                            " free, where access.to puts its files; name a folder "
                            "such as /etc/shop");
        for (size_t j = 0; j < spec->config_files.n; j++) {
                struct str other = spec->config_files.items[j].mount_path;

                if (j < i && str_eq(path, other))
                        tell_twice(where, path, p);
                else if (j != i && !str_eq(path, other) && is_inside(path, other))
                        problem_add(p, where,
                                    "%.*s is inside the mountPath of configFiles[%zu]; give each a folder of "
                                    "its own",
                                    STR_FMT(path), j);
        }
}

/* kubelet keeps names such as ..data for itself. */
static bool has_hidden_part(struct str path)
{
        for (size_t i = 0; i + 1 < path.len; i++)
                if (path.data[i] == '.' && path.data[i + 1] == '.' && (i == 0 || path.data[i - 1] == '/'))
                        return true;
        return false;
}

/* kubelet mounts none of the files where one has the place of another's folder. */
static void check_items(const struct app_spec_config_files *one, size_t i, struct problems *p)
{
        for (size_t j = 0; j < one->items.n; j++) {
                struct str path = one->items.items[j].path;
                struct str where = arena_printf(p->arena, "spec.configFiles[%zu].items[%zu].path", i, j);

                if (str_eq(path, STR(".")) || str_ends(path, STR("/.")))
                        problem_add(p, where, "%.*s is a folder; name a file", STR_FMT(path));
                if (has_hidden_part(path))
                        problem_add(p, where, "%.*s has a part that begins with ..; give it another name",
                                    STR_FMT(path));
                for (size_t k = 0; k < one->items.n; k++) {
                        struct str other = one->items.items[k].path;

                        if (k < j && str_eq(path, other))
                                tell_twice(where, path, p);
                        else if (k != j && !str_eq(path, other) && is_inside(path, other))
                                problem_add(
                                        p, where,
                                        "%.*s is inside the path of items[%zu], which is a file; give each "
                                        "a path of its own",
                                        STR_FMT(path), k);
                }
        }
}

static void check_files(const struct app_spec *spec, struct problems *p)
{
        for (size_t i = 0; i < spec->config_files.n; i++) {
                const struct app_spec_config_files *one = &spec->config_files.items[i];

                if (!one->secret_ref == !one->config_map_ref)
                        problem_add(p, item(p, "configFiles", i, ""),
                                    "needs exactly one of secretRef and configMapRef");
                check_mount(spec, i, p);
                check_items(one, i, p);
        }
        if (str_eq(spec->config_reload, STR("Signal")) && spec->config_files.n == 0 && spec->env_from.n > 0)
                problem_add(p, STR("spec.configReload"),
                            "Signal reaches files only, and spec.envFrom makes variables, which never "
                            "change in a running program; use Rollout, or spec.configFiles");
}

/* --- durations ------------------------------------------------------------------------- */

static void check_durations(const struct app_spec *spec, struct problems *p)
{
        const struct app_spec_drain *drain = spec->drain;

        check_duration(STR("spec.healthCheck.startupTimeout"), spec->health_check->startup_timeout, USEC_SEC,
                       USEC_HOUR, "1s and 1h", p);
        check_duration(STR("spec.drain.delay"), drain->delay, 0, USEC_HOUR, "0s and 1h", p);
        check_duration(STR("spec.drain.timeout"), drain->timeout, USEC_SEC, USEC_HOUR, "1s and 1h", p);
        check_duration(STR("spec.strategy.progressDeadline"), spec->strategy->progress_deadline,
                       10 * USEC_SEC, 24 * USEC_HOUR, "10s and 24h", p);
        if (spec->autoscaling)
                check_duration(STR("spec.autoscaling.scaleDownCooldown"),
                               spec->autoscaling->scale_down_cooldown, 0, USEC_HOUR, "0s and 1h", p);
        if ((app_seconds(drain->delay) + app_seconds(drain->timeout)) * USEC_SEC > STOP_MAX)
                problem_add(p, STR("spec.drain"), "delay and timeout together must not be more than 1h");
}

/* --- the network ----------------------------------------------------------------------- */

bool app_read_address(struct str text, int family, struct in6_addr *ret)
{
        char copy[INET6_ADDRSTRLEN] = "";
        struct in6_addr ip = { 0 };

        if (text.len >= sizeof(copy))
                return false;
        memcpy(copy, text.data, text.len);
        if (inet_pton(family, copy, &ip) != 1)
                return false;
        *ret = ip;
        return true;
}

static bool is_address(struct str host, int family)
{
        struct in6_addr ip;

        return app_read_address(host, family, &ip);
}

/* A prefix length of up to MOST. */
static bool is_prefix(struct str text, int64_t most)
{
        int64_t n;

        return str_to_int64(text, &n) == 0 && n >= 0 && n <= most && (text.len == 1 || text.data[0] != '0');
}

/* Stricter than the API server, which reads 010.0.0.0/08 as 10.0.0.0/8, while others
 * that are to act on it read 8.0.0.0. */
static bool is_cidr(struct str text)
{
        struct str address, prefix;

        if (!str_cut(text, '/', &address, &prefix))
                return false;
        return (is_address(address, AF_INET) && is_prefix(prefix, 32)) ||
               (is_address(address, AF_INET6) && is_prefix(prefix, 128));
}

static void check_hosts(const struct app_spec *spec, struct problems *p)
{
        for (size_t i = 0; i < spec->hosts.n; i++)
                if (is_address(spec->hosts.items[i], AF_INET))
                        problem_add(p, item(p, "hosts", i, ""),
                                    "%.*s is an address; name the host, such as shop.example.com",
                                    STR_FMT(spec->hosts.items[i]));
        if (spec->hosts.n > 0 && !spec->has_port)
                problem_add(p, STR("spec.hosts"),
                            "need a port; set spec.port to the one that the program listens on");
        if (spec->hosts.n > 0 && str_eq(spec->tier, STR("worker")))
                problem_add(p, STR("spec.hosts"),
                            "a worker has no hosts; leave them out, or choose another spec.tier");
}

static void check_redis(const struct app_spec *spec, struct problems *p)
{
        size_t n = 0;

        for (size_t i = 0; spec->access && i < spec->access->to.n; i++)
                n += spec->access->to.items[i].redis.data != NULL;
        if (n > APP_REDIS_MAX)
                problem_add(p, STR("spec.access.to"),
                            "names %zu Redis, and an App may have %d; take some out", n, APP_REDIS_MAX);
}

static void check_access(const struct app_spec *spec, struct problems *p)
{
        for (size_t i = 0; spec->access && i < spec->access->to.n; i++) {
                const struct app_spec_access_to *to = &spec->access->to.items[i];
                int named = (to->app.data != NULL) + (to->postgres.data != NULL) + (to->redis.data != NULL) +
                            (to->host.data != NULL) + (to->cidr.data != NULL);

                if (named != 1)
                        problem_add(p, item(p, "access.to", i, ""),
                                    "needs exactly one of app, postgres, redis, host and cidr");
                else if (to->has_port && !to->host.data && !to->cidr.data)
                        problem_add(p, item(p, "access.to", i, ".port"),
                                    "goes with host or cidr only; leave it out");
                if (to->cidr.data && !is_cidr(to->cidr))
                        problem_add(p, item(p, "access.to", i, ".cidr"),
                                    "must be a range of addresses such as 10.20.0.0/16 or 2001:db8::/32 "
                                    "(is \"%.*s\")",
                                    STR_SHOWN(to->cidr));
        }
}

void app_validate(const struct app_spec *spec, struct problems *p)
{
        check_image(spec, p);
        check_size(spec, p);
        /* Both are the App's own: neither gives way. */
        if (spec->resources)
                check_container_resources(STR("spec.resources"), &spec->resources->requests,
                                          &spec->resources->limits, p);
        check_targets(spec, p);
        check_env(spec, p);
        check_env_from(spec, p);
        check_files(spec, p);
        check_durations(spec, p);
        check_hosts(spec, p);
        check_access(spec, p);
        check_redis(spec, p);
}

/* --- at admission ---------------------------------------------------------------------- */

static bool is_host_name(struct str name)
{
        if (name.len == 0 || name.len > HOST_NAME_MAX_LEN)
                return false;
        for (size_t i = 0; i < name.len; i++)
                if (!islower((unsigned char)name.data[i]) && !isdigit((unsigned char)name.data[i]) &&
                    name.data[i] != '-')
                        return false;
        return islower((unsigned char)name.data[0]) && name.data[name.len - 1] != '-';
}

static void validate_name(struct str name, struct problems *p)
{
        if (!is_host_name(name))
                problem_add(
                        p, STR("metadata.name"),
                        "must be lower-case letters, digits and -, begin with a letter and not end with -, "
                        "and have 63 characters at most, for it becomes a host name");
}

static void validate(const void *object, const void *old_object _unused_, struct problems *problems,
                     struct problems *warnings)
{
        const struct app *app = object;

        app_validate(app->spec, problems);
        app_warn(app->spec, warnings);
}

const struct admission_kind app_admission = {
        .kind = &app_kind,
        .validate = validate,
        .validate_name = validate_name,
};
