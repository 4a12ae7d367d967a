/* SPDX-License-Identifier: Apache-2.0
 *
 * What of an App works and is unwise, or is taken and can hardly work. It is told by
 * whoever admits it, and refused by nobody.
 */
#include <arpa/inet.h>

#include "controller/app/app.h"
#include "controller/environment/rules.h"

static struct str item(const struct problems *w, const char *list, size_t i, const char *field)
{
        return arena_printf(w->arena, "spec.%s[%zu].%s", list, i, field);
}

/* --- the program ----------------------------------------------------------------------- */

/* "registry:5000/shop", "shop:latest"; not "shop:1.8.2", "shop@sha256:…". */
static bool names_no_version(struct str image)
{
        size_t name = image.len;
        ptrdiff_t colon;

        if (str_index(image, '@') >= 0)
                return false;
        while (name > 0 && image.data[name - 1] != '/')
                name--;
        image = str_n(image.data + name, image.len - name);
        colon = str_index(image, ':');
        return colon < 0 || str_ends(image, STR(":latest"));
}

/* DB_PASSWORD, API_TOKEN; not TOKEN_LIFETIME. */
static bool is_secret_name(struct str name)
{
        static const struct str ends[] = { STR_INIT("PASSWORD"),    STR_INIT("PASSWD"),
                                           STR_INIT("TOKEN"),       STR_INIT("SECRET"),
                                           STR_INIT("SECRET_KEY"),  STR_INIT("API_KEY"),
                                           STR_INIT("PRIVATE_KEY"), STR_INIT("ACCESS_KEY") };

        for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
                if (str_ends(name, ends[i]))
                        return true;
        return false;
}

static void warn_program(const struct app_spec *spec, struct problems *w)
{
        if (names_no_version(spec->image))
                problem_add(w, STR("spec.image"),
                            "%.*s names no version: what runs may change by itself, and there is no way "
                            "back; name a tag or a digest",
                            STR_SHOWN(spec->image));
        for (size_t i = 0; i < spec->env.n; i++)
                if (is_secret_name(spec->env.items[i].name) && !str_empty(spec->env.items[i].value))
                        problem_add(w, item(w, "env", i, "value"),
                                    "looks like a secret, which all who may read the App see; put it into a "
                                    "Secret, and name that in spec.envFrom");
        if (str_eq(spec->config_reload, STR("Signal")) && spec->config_files.n == 0 && spec->env_from.n == 0)
                problem_add(
                        w, STR("spec.configReload"),
                        "Signal changes nothing without files; name some in spec.configFiles, or leave it "
                        "out");
        if (spec->resources) {
                warn_memory(STR("spec.resources.requests"), &spec->resources->requests, w);
                warn_memory(STR("spec.resources.limits"), &spec->resources->limits, w);
        }
}

/* --- health ------------------------------------------------------------------------------ */

/* The API server fills the defaults in, so those cannot be told from what somebody wrote. */
static bool is_default(const struct app_spec_health_check *check)
{
        return str_eq(check->live_path, STR("/health/live")) &&
               str_eq(check->ready_path, STR("/health/ready")) && str_eq(check->startup_timeout, STR("30s"));
}

static void warn_health(const struct app_spec *spec, struct problems *w)
{
        struct str startup = spec->health_check->startup_timeout,
                   deadline = spec->strategy->progress_deadline;

        if (!spec->has_port) {
                if (!is_default(spec->health_check))
                        problem_add(w, STR("spec.healthCheck"),
                                    "without a port nothing is checked; set spec.port to the one that the "
                                    "program listens on, or leave this out");
                return;
        }
        if (app_seconds(startup) > app_seconds(deadline))
                problem_add(w, STR("spec.healthCheck.startupTimeout"),
                            "%.*s is longer than spec.strategy.progressDeadline, which is %.*s: a rollout is "
                            "given up while its pods may still start; raise that, or lower this",
                            STR_SHOWN(startup), STR_SHOWN(deadline));
}

/* --- the network ------------------------------------------------------------------------- */

static void warn_host(struct str host, struct str where, struct problems *w)
{
        struct in6_addr ip;

        if (str_eq(host, STR("localhost")) || str_ends(host, STR(".localhost")))
                problem_add(w, where,
                            "%.*s is the pod itself, to which it may always connect; leave this out",
                            STR_SHOWN(host));
        else if (app_read_address(host, AF_INET, &ip))
                problem_add(w, where,
                            "%.*s is an address, and host lets public ones through, all of them; write cidr: "
                            "%.*s/32 instead",
                            STR_SHOWN(host), STR_SHOWN(host));
}

/* Sets all bits past the first N of IP, which has SIZE bytes, to 0; whether any was set. */
static bool clear_host_bits(uint8_t *ip, size_t size, size_t n)
{
        bool any = false;

        for (size_t i = 0; i < size; i++) {
                size_t kept = n > i * 8 ? MIN(n - i * 8, (size_t)8) : 0;
                uint8_t mask = (uint8_t)(0xff00U >> kept);

                any |= (ip[i] & ~mask & 0xff) != 0;
                ip[i] &= mask;
        }
        return any;
}

static void warn_cidr(struct str cidr, struct str where, struct problems *w)
{
        char text[INET6_ADDRSTRLEN];
        struct str address, prefix;
        struct in6_addr ip;
        int64_t n;
        int family = str_index(cidr, ':') >= 0 ? AF_INET6 : AF_INET;
        size_t size = family == AF_INET6 ? 16 : 4;

        if (!str_cut(cidr, '/', &address, &prefix) || !app_read_address(address, family, &ip) ||
            str_to_int64(prefix, &n) < 0 || n < 0 || !clear_host_bits((uint8_t *)&ip, size, (size_t)n) ||
            !inet_ntop(family, &ip, text, sizeof(text)))
                return;
        problem_add(
                w, where,
                "%.*s is inside the range %s/%lld, which is what it is taken for; write that, or /%zu for "
                "the one address",
                STR_SHOWN(cidr), text, (long long)n, size * 8);
}

static void warn_access(const struct app_spec *spec, struct problems *w)
{
        for (size_t i = 0; spec->access && i < spec->access->to.n; i++) {
                const struct app_spec_access_to *to = &spec->access->to.items[i];

                if (to->host.data)
                        warn_host(to->host, item(w, "access.to", i, "host"), w);
                if (to->cidr.data)
                        warn_cidr(to->cidr, item(w, "access.to", i, "cidr"), w);
                if (to->postgres.data)
                        problem_add(w, item(w, "access.to", i, "postgres"),
                                    "this version has no Postgres yet, so nothing is let through; name its "
                                    "host or cidr");
        }
}

void app_warn(const struct app_spec *spec, struct problems *warnings)
{
        warn_program(spec, warnings);
        warn_health(spec, warnings);
        warn_access(spec, warnings);
}
