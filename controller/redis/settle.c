/* SPDX-License-Identifier: Apache-2.0
 *
 * Built-in < Environment < Redis: what the Redis does not say itself.
 */
#include <errno.h>

#include "controller/environment/environment.h"
#include "controller/environment/profile.h"
#include "controller/redis/redis.h"
#include "kube/quantity.h"

#define FROM_REDIS STR("Redis")
#define FROM_ENVIRONMENT STR("Environment")
#define FROM_BUILT_IN STR("BuiltIn")

#define MIB (INT64_C(1024) * 1024)
#define NANOS 1000000000
/* For the agent, the server's code and its connections. */
#define OVERHEAD_MIB 64
#define CLIENTS_MIB 32
#define REPLICA_MIB 16
#define CLIENT_BYTES (48 * 1024) /* of one that does nothing, and a little more */
#define CLIENTS_MAX 10000

/* docs/redis.md has the same table. */
struct row {
        struct str profile, memory, cpu, cpu_limit;
        int64_t replicas;
};

static const struct row rows[] = {
        { STR_INIT("development"), STR_INIT("256Mi"), STR_INIT("50m"), STR_INIT("500m"), 1 },
        { STR_INIT("staging"), STR_INIT("512Mi"), STR_INIT("100m"), STR_INIT("1"), 2 },
        { STR_INIT("production"), STR_INIT("1Gi"), STR_INIT("250m"), STR_INIT("2"), 3 },
};

struct version {
        struct str version, image;
};

/* Of Redis 7 the last whose data Valkey reads. */
static const struct version versions[] = {
        { STR_INIT("7"), STR_INIT("docker.io/library/redis:7.2") },
        { STR_INIT("8"), STR_INIT("docker.io/library/redis:8.2") },
        { STR_INIT("valkey-8"), STR_INIT("docker.io/valkey/valkey:8.1") },
};

/* *RET_FROM says who chose it. */
static const struct row *row_of(const struct view *view, struct str *ret_from)
{
        const struct object *o = view_lookup(view, &environment_kind, ENVIRONMENT_NAME);
        const struct environment_spec *spec = o ? ((const struct environment *)o->state)->spec : NULL;

        *ret_from = spec ? FROM_ENVIRONMENT : FROM_BUILT_IN;
        for (size_t i = 0; spec && i < ARRAY_SIZE(rows); i++)
                if (str_eq(spec->profile, rows[i].profile))
                        return &rows[i];
        return &rows[0];
}

static struct str image_of(const struct redis_spec *spec)
{
        for (size_t i = 0; !spec->image.data && i < ARRAY_SIZE(versions); i++)
                if (str_eq(spec->version, versions[i].version))
                        return versions[i].image;
        return spec->image;
}

static void show(struct redis_settings *s, const char *setting, struct str value, struct str from)
{
        if (s->n_effective < REDIS_EFFECTIVE_MAX)
                s->effective[s->n_effective++] = (struct redis_status_effective){ .setting = str_c(setting),
                                                                                  .value = value,
                                                                                  .from = from };
}

static struct str number(int64_t n, struct arena *a)
{
        char digits[STR_INT_MAX];

        return arena_str(a, str_int(n, digits));
}

static int64_t bytes_of(struct str text)
{
        struct quantity q;

        if (quantity_parse(text, &q) < 0 || q.nanos < 0 || q.nanos / NANOS > INT64_MAX / 4)
                return 0;
        return (int64_t)(q.nanos / NANOS);
}

static struct str mebibytes(int64_t bytes, int64_t more, struct arena *a)
{
        int64_t n = (bytes + MIB - 1) / MIB + more;

        return arena_printf(a, "%lldMi", (long long)n);
}

static int pair(struct str cpu, struct str memory, struct arena *a, struct schema_map *ret)
{
        struct schema_pair *items = arena_new_n(a, struct schema_pair, 2);

        if (!items || !memory.data)
                return -ENOMEM;
        items[0] = (struct schema_pair){ STR("cpu"), cpu };
        items[1] = (struct schema_pair){ STR("memory"), memory };
        *ret = (struct schema_map){ items, 2 };
        return 0;
}

/* What clients may take beside the data, which maxmemory does not count: as much again is left for
 * what a save and a copy need. */
static int64_t clients_memory_of(int64_t memory)
{
        return CLIENTS_MIB * MIB + memory / 4;
}

/* Writes that wait for a replica that fetches none, before it has to copy anew. With 1Gi it is what
 * Redis itself has. */
static int64_t replica_memory_of(int64_t memory)
{
        return REPLICA_MIB * MIB + memory / 4;
}

/* Each connection takes some, TLS most of it. */
static int64_t clients_of(int64_t memory)
{
        return MIN(clients_memory_of(memory) / CLIENT_BYTES, CLIENTS_MAX);
}

/* What spec.config says of it, or what follows from the memory; FROM says who chose that. */
static void show_config(struct redis_settings *s, const char *name, int64_t follows, struct str from,
                        struct arena *a)
{
        struct str own = schema_map_get(&s->spec->config, str_c(name));

        if (own.data)
                show(s, name, own, FROM_REDIS);
        else
                show(s, name, number(follows, a), from);
}

/* While a server saves or copies its data, what changes meanwhile is there twice. */
static int settle_resources(const struct redis_spec *spec, const struct row *row, int64_t memory,
                            struct arena *a, struct redis_settings *s)
{
        static const struct redis_spec_resources none = { 0 };
        const struct redis_spec_resources *own = spec->resources ? spec->resources : &none;
        struct profile_figures figures = { 0 };

        if (pair(row->cpu, mebibytes(memory, OVERHEAD_MIB, a), a, &figures.requests) < 0 ||
            pair(row->cpu_limit, mebibytes(memory + memory / 2, OVERHEAD_MIB, a), a, &figures.limits) < 0 ||
            profile_overlay(&figures, &own->requests, &own->limits, a) < 0)
                return -ENOMEM;
        s->requests = figures.requests;
        s->limits = figures.limits;
        return 0;
}

static void check_together(const struct redis_settings *s, struct str memory, struct problems *p)
{
        if (s->min_replicas_to_write >= s->replicas)
                problem_add(p, STR("spec.failover.minReplicasToWrite"),
                            "is %lld, and there are %lld members with the primary, so nothing could ever be "
                            "written; lower it, or raise spec.replicas",
                            (long long)s->min_replicas_to_write, (long long)s->replicas);
        redis_check_limit(memory, schema_map_get(&s->limits, STR("memory")), p);
}

int redis_settle(const struct view *view, struct arena *a, struct redis_settings *ret,
                 struct problems *problems)
{
        const struct redis *redis = view->self->state;
        const struct redis_spec *spec = redis->spec;
        struct str from, memory;
        const struct row *row = row_of(view, &from);
        int r;

        problems_init(problems, a);
        redis_validate(spec, problems);
        r = problems_result(problems);
        if (r < 0)
                return r;
        memory = spec->memory.data ? spec->memory : row->memory;
        *ret = (struct redis_settings){
                .spec = spec,
                .profile = row->profile,
                .image = image_of(spec),
                .replicas = spec->has_replicas ? spec->replicas : row->replicas,
                .max_memory = bytes_of(memory) / 10 * 9,
                .max_clients = clients_of(bytes_of(memory)),
                .max_memory_clients = clients_memory_of(bytes_of(memory)),
                .max_memory_replica = replica_memory_of(bytes_of(memory)),
                .tls = spec->tls->enabled,
                .auth = spec->auth->enabled,
                .durable = spec->persistence &&
                           (spec->persistence->rdb || !str_eq(spec->persistence->aof, STR("No"))),
        };
        ret->min_replicas_to_write = spec->failover->has_min_replicas_to_write
                                             ? spec->failover->min_replicas_to_write
                                             : ret->replicas >= 3;
        if (duration_parse(spec->failover->lease_duration, &ret->lease) < 0)
                return -EINVAL;
        if (settle_resources(spec, row, bytes_of(memory), a, ret) < 0)
                return -ENOMEM;
        show(ret, "replicas", number(ret->replicas, a), spec->has_replicas ? FROM_REDIS : from);
        show(ret, "memory", memory, spec->memory.data ? FROM_REDIS : from);
        show(ret, "maxmemory", number(ret->max_memory, a), spec->memory.data ? FROM_REDIS : from);
        show_config(ret, "maxclients", ret->max_clients, spec->memory.data ? FROM_REDIS : from, a);
        show_config(ret, "maxmemory-clients", ret->max_memory_clients, spec->memory.data ? FROM_REDIS : from,
                    a);
        show(ret, "failover.minReplicasToWrite", number(ret->min_replicas_to_write, a),
             spec->failover->has_min_replicas_to_write ? FROM_REDIS : FROM_BUILT_IN);
        check_together(ret, memory, problems);
        return problems_result(problems);
}
