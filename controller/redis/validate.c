/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with a Redis although its schema lets it through. One code for the
 * webhook, the operator and keelson validate.
 */
#include <ctype.h>

#include "controller/environment/rules.h"
#include "controller/redis/redis.h"
#include "kube/names.h"
#include "kube/quantity.h"

#define NAME_MAX_LEN 50
#define MEMORY_MIN "16Mi"
#define STORAGE_MIN "64Mi"
#define CLIENTS_MIN 64

/* --- sizes -------------------------------------------------------------------------------- */

static void check_memory(const struct redis_spec *spec, struct problems *p)
{
        struct quantity q;

        check_quantity(STR("spec.memory"), spec->memory, p);
        if (quantity_parse(spec->memory, &q) == 0 && quantity_exceeds(STR(MEMORY_MIN), spec->memory))
                problem_add(p, STR("spec.memory"),
                            "is %.*s, and a server needs " MEMORY_MIN
                            " at the least; raise it, such as 256Mi",
                            STR_SHOWN(spec->memory));
}

static void check_persistence(const struct redis_spec *spec, struct problems *p)
{
        const struct redis_spec_persistence *persistence = spec->persistence;
        static const struct str path = STR_INIT("spec.persistence.size");

        if (!persistence)
                return;
        check_quantity(path, persistence->size, p);
        if (quantity_exceeds(STR(STORAGE_MIN), persistence->size))
                problem_add(p, path, "is %.*s, in which no data has room; raise it, such as 10Gi",
                            STR_SHOWN(persistence->size));
}

static void check_failover(const struct redis_spec *spec, struct problems *p)
{
        const struct redis_spec_failover *f = spec->failover;

        check_duration(STR("spec.failover.leaseDuration"), f->lease_duration, 2 * USEC_SEC, USEC_MINUTE,
                       "2s and 60s", p);
        if (f->has_min_replicas_to_write && spec->has_replicas && f->min_replicas_to_write >= spec->replicas)
                problem_add(p, STR("spec.failover.minReplicasToWrite"),
                            "must be less than spec.replicas, for the primary does not count; lower it");
}

void redis_check_limit(struct str memory, struct str limit, struct problems *p)
{
        if (quantity_exceeds(memory, limit))
                problem_add(
                        p, STR("spec.resources.limits.memory"),
                        "is %.*s, less than the data may take (spec.memory, %.*s), so the members would be "
                        "killed; raise it, or lower spec.memory",
                        STR_SHOWN(limit), STR_SHOWN(memory));
}

static void check_resources(const struct redis_spec *spec, struct problems *p)
{
        if (!spec->resources)
                return;
        check_container_resources(STR("spec.resources"), &spec->resources->requests, &spec->resources->limits,
                                  p);
        redis_check_limit(spec->memory, schema_map_get(&spec->resources->limits, STR("memory")), p);
}

/* --- scheduling ---------------------------------------------------------------------------- */

/* What is no label is on no node, and the StatefulSet would be refused. */
static void check_scheduling(const struct redis_spec *spec, struct problems *p)
{
        static const struct str path = STR_INIT("spec.scheduling.nodeSelector");
        const struct schema_map *labels = &spec->scheduling->node_selector;

        for (size_t i = 0; i < labels->n; i++) {
                struct str key = labels->items[i].key, value = labels->items[i].value;

                if (!kube_is_key(key))
                        problem_add(p, path,
                                    "\"%.*s\" is no label's name; write such as disk or example.com/disk",
                                    STR_SHOWN(key));
                else if (value.len > 0 && !kube_is_word(value))
                        problem_add(p, arena_join(p->arena, STR("spec.scheduling.nodeSelector."), key),
                                    "\"%.*s\" is no label's value; write letters, digits, -, _ and ., "
                                    "beginning and ending with a letter or a digit",
                                    STR_SHOWN(value));
        }
}

/* --- config --------------------------------------------------------------------------------- */

static bool is_config_name(struct str name)
{
        for (size_t i = 0; i < name.len; i++)
                if (!islower((unsigned char)name.data[i]) && !isdigit((unsigned char)name.data[i]) &&
                    name.data[i] != '-')
                        return false;
        return name.len > 0 && islower((unsigned char)name.data[0]);
}

/* It becomes a line of a file that the server reads: nothing in it may end the line or the word. */
static bool is_config_value(struct str value)
{
        for (size_t i = 0; i < value.len; i++)
                if ((unsigned char)value.data[i] < ' ' || value.data[i] == 0x7f || value.data[i] == '"' ||
                    value.data[i] == '\'' || value.data[i] == '\\')
                        return false;
        return true;
}

/* The members and their agents are clients as well. */
static bool has_room_for_members(struct str name, struct str value)
{
        int64_t n;

        return !str_eq(name, STR("maxclients")) || (str_to_int64(value, &n) == 0 && n >= CLIENTS_MIN);
}

static void check_config(const struct redis_spec *spec, struct problems *p)
{
        for (size_t i = 0; i < spec->config.n; i++) {
                struct str name = spec->config.items[i].key;
                struct str path =
                        arena_join(p->arena, STR("spec.config."), str_n(name.data, MIN(name.len, 64)));
                const char *instead;

                if (!is_config_name(name)) {
                        problem_add(
                                p, path,
                                "is no setting's name; write it as redis.conf does, in small letters, digits "
                                "and -");
                        continue;
                }
                instead = redis_config_owner(name);
                if (instead)
                        problem_add(p, path, "is not to be set here: %s", instead);
                else if (!is_config_value(spec->config.items[i].value))
                        problem_add(p, path,
                                    "must not have line breaks, control characters, quotes or backslashes");
                else if (!has_room_for_members(name, spec->config.items[i].value))
                        problem_add(p, path,
                                    "must be a number of %d or more, for members are clients as well",
                                    CLIENTS_MIN);
        }
}

void redis_validate(const struct redis_spec *spec, struct problems *p)
{
        if (spec->memory.data)
                check_memory(spec, p);
        check_persistence(spec, p);
        check_failover(spec, p);
        check_resources(spec, p);
        check_scheduling(spec, p);
        check_config(spec, p);
}

/* --- what may not change ----------------------------------------------------------------- */

static void check_volumes(const struct redis_spec_persistence *old, const struct redis_spec_persistence *new,
                          struct problems *p)
{
        if (old && !new)
                problem_add(p, STR("spec.persistence"),
                            "cannot be taken away, for the data is there; make another Redis without it");
        if (!old && new)
                problem_add(p, STR("spec.persistence"),
                            "cannot be added, for the members have no volumes; make another Redis with it");
        if (!old || !new)
                return;
        if (!old->class_name.data != !new->class_name.data || !str_eq(old->class_name, new->class_name))
                problem_add(p, STR("spec.persistence.className"),
                            "cannot change, for the volumes are made; make another Redis and copy the data");
        if (quantity_exceeds(old->size, new->size))
                problem_add(p, STR("spec.persistence.size"), "can only grow, for a volume cannot shrink");
}

void redis_validate_change(const struct redis_spec *old, const struct redis_spec *spec, struct problems *p)
{
        if (!str_eq(old->version, spec->version) && !str_eq(old->version, STR("7")))
                problem_add(
                        p, STR("spec.version"),
                        "cannot go back, nor from Redis 8 to Valkey or the other way, for the data is not "
                        "readable there");
        if (old->tls->enabled != spec->tls->enabled)
                problem_add(
                        p, STR("spec.tls.enabled"),
                        "cannot change, for members that do and members that do not could not follow each "
                        "other; make another Redis");
        check_volumes(old->persistence, spec->persistence, p);
}

/* --- what works and is unwise ------------------------------------------------------------ */

static void warn_of_volumes(const struct redis_spec *spec, struct problems *w)
{
        const struct redis_spec_persistence *p = spec->persistence;

        if (!p)
                return;
        if (str_eq(p->aof, STR("No")) && !p->rdb)
                problem_add(
                        w, STR("spec.persistence"),
                        "with aof: \"No\" and rdb: false nothing is written to the volumes, and data is in "
                        "memory alone; have one of them");
        if (quantity_exceeds(spec->memory, p->size))
                problem_add(
                        w, STR("spec.persistence.size"),
                        "is %.*s, less than the data may take (spec.memory, %.*s), and a member whose volume "
                        "is full takes no writes; have four times as much as memory",
                        STR_SHOWN(p->size), STR_SHOWN(spec->memory));
}

void redis_warn(const struct redis_spec *spec, struct problems *w)
{
        if (spec->has_replicas && spec->replicas == 2 && spec->failover->has_min_replicas_to_write &&
            spec->failover->min_replicas_to_write == 1)
                problem_add(w, STR("spec.failover.minReplicasToWrite"),
                            "with two members nothing can be written while one of them is away; have three "
                            "members");
        if (!spec->tls->enabled && spec->auth->enabled)
                problem_add(w, STR("spec.tls.enabled"),
                            "without TLS the password crosses the network in the clear");
        if (!spec->auth->enabled)
                problem_add(w, STR("spec.auth.enabled"),
                            "without it whoever the network lets through may read and change everything");
        warn_of_volumes(spec, w);
}

/* --- changes that cost something ---------------------------------------------------------- */

static bool maps_differ(const struct schema_map *a, const struct schema_map *b)
{
        for (size_t i = 0; a->n == b->n && i < a->n; i++)
                if (!str_eq(a->items[i].value, schema_map_get(b, a->items[i].key)))
                        return true;
        return a->n != b->n;
}

/* What no running server takes; and what one without a line would have nobody knows. */
static bool config_replaces(const struct schema_map *old, const struct schema_map *new)
{
        for (size_t i = 0; i < old->n; i++)
                if (!schema_map_find(new, old->items[i].key))
                        return true;
        for (size_t i = 0; i < new->n; i++)
                if (redis_config_needs_restart(new->items[i].key) &&
                    !str_eq(schema_map_get(old, new->items[i].key), new->items[i].value))
                        return true;
        return false;
}

static bool resources_replace(const struct redis_spec_resources *old, const struct redis_spec_resources *new)
{
        static const struct redis_spec_resources none = { 0 };

        old = old ? old : &none;
        new = new ? new : &none;
        return maps_differ(&old->requests, &new->requests) || maps_differ(&old->limits, &new->limits);
}

static bool replaces_members(const struct redis_spec *old, const struct redis_spec *new)
{
        return !str_eq(old->version, new->version) || !str_eq(old->image, new->image) ||
               !str_eq(old->memory, new->memory) || resources_replace(old->resources, new->resources) ||
               !str_eq(old->failover->lease_duration, new->failover->lease_duration) ||
               !str_eq(old->scheduling->spread, new->scheduling->spread) ||
               maps_differ(&old->scheduling->node_selector, &new->scheduling->node_selector) ||
               config_replaces(&old->config, &new->config);
}

/* Left out, replicas is 1 in development. */
static void warn_of_change(const struct redis_spec *old, const struct redis_spec *new, struct problems *w)
{
        bool alone = !new->has_replicas || new->replicas == 1;

        if (alone && !new->persistence && replaces_members(old, new))
                problem_add(w, STR("spec.replicas"),
                            "this change replaces the members, and where there is only one, without "
                            "spec.persistence, all data goes with it; have a second member first");
}

/* --- at admission ---------------------------------------------------------------------- */

static void validate_name(struct str name, struct problems *p)
{
        bool fine = name.len > 0 && name.len <= NAME_MAX_LEN && is_config_name(name) &&
                    name.data[name.len - 1] != '-';

        if (!fine)
                problem_add(
                        p, STR("metadata.name"),
                        "must be lower-case letters, digits and -, begin with a letter and not end with -, "
                        "and have 50 characters at most, for it becomes a host name");
}

static void validate(const void *object, const void *old_object, struct problems *problems,
                     struct problems *warnings)
{
        const struct redis *redis = object, *old = old_object;

        redis_validate(redis->spec, problems);
        if (old && old->spec)
                redis_validate_change(old->spec, redis->spec, problems);
        redis_warn(redis->spec, warnings);
        if (old && old->spec)
                warn_of_change(old->spec, redis->spec, warnings);
}

const struct admission_kind redis_admission = {
        .kind = &redis_kind,
        .validate = validate,
        .validate_name = validate_name,
};
