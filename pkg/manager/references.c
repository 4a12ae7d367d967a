/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/references.h"

#include <errno.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"

/* Behind each, its strings. */
struct resource {
        struct map_node node;
        struct queue_key key;
        struct list links;
};

struct target {
        struct map_node node;
        const struct cache_kind *kind;
        struct str namespace, name;
        struct list links;
};

struct link {
        struct list of_resource, of_target;
        struct resource *resource;
        struct target *target;
};

void references_init(struct references *r,
                     void (*dropped)(const struct cache_kind *kind, struct str namespace, struct str name,
                                     void *arg),
                     void *arg)
{
        *r = (struct references){ .dropped = dropped, .arg = arg };
        map_init(&r->resources);
        map_init(&r->targets);
}

/* --- resources and targets ------------------------------------------------------- */

static uint64_t hash_resource(const struct queue_key *key)
{
        return hash_local_str(hash_local_str(hash_local_add(HASH_INIT, key->controller), key->namespace),
                              key->name);
}

static struct resource *find_resource(const struct references *r, const struct queue_key *key)
{
        for (struct map_node *n = map_first(&r->resources, hash_resource(key)); n; n = map_next(n)) {
                struct resource *one = container_of(n, struct resource, node);

                if (one->key.controller == key->controller && str_eq(one->key.name, key->name) &&
                    str_eq(one->key.namespace, key->namespace))
                        return one;
        }
        return NULL;
}

static struct resource *add_resource(struct references *r, const struct queue_key *key)
{
        struct resource *one = mem_zalloc(sizeof(*one) + key->namespace.len + key->name.len);
        char *at = (char *)(one + 1);

        if (!one)
                return NULL;
        one->key = (struct queue_key){ key->controller, str_store(&at, key->namespace),
                                       str_store(&at, key->name) };
        list_init(&one->links);
        if (map_insert(&r->resources, &one->node, hash_resource(key)) < 0)
                mem_freep(&one);
        return one;
}

static uint64_t hash_target(const struct cache_kind *kind, struct str namespace, struct str name)
{
        return hash_local_str(hash_local_str(hash_local_str(HASH_INIT, kind->api.plural), namespace), name);
}

static struct target *find_target(const struct references *r, const struct cache_kind *kind,
                                  struct str namespace, struct str name)
{
        uint64_t hash = hash_target(kind, namespace, name);

        for (struct map_node *n = map_first(&r->targets, hash); n; n = map_next(n)) {
                struct target *one = container_of(n, struct target, node);

                if (one->kind == kind && str_eq(one->name, name) && str_eq(one->namespace, namespace))
                        return one;
        }
        return NULL;
}

static struct target *add_target(struct references *r, const struct cache_kind *kind, struct str namespace,
                                 struct str name)
{
        struct target *one = mem_zalloc(sizeof(*one) + namespace.len + name.len);
        char *at = (char *)(one + 1);

        if (!one)
                return NULL;
        one->kind = kind;
        one->namespace = str_store(&at, namespace);
        one->name = str_store(&at, name);
        list_init(&one->links);
        if (map_insert(&r->targets, &one->node, hash_target(kind, namespace, name)) < 0)
                mem_freep(&one);
        return one;
}

static void drop_if_unused(struct references *r, struct target *target)
{
        if (!list_empty(&target->links))
                return;
        map_remove(&r->targets, &target->node);
        if (r->dropped)
                r->dropped(target->kind, target->namespace, target->name, r->arg);
        mem_free(target);
}

/* --- links -------------------------------------------------------------------------- */

static void unlink_all(struct references *r, struct list *links)
{
        list_for_each_safe (at, links) {
                struct link *link = container_of(at, struct link, of_resource);

                list_remove(&link->of_resource);
                list_remove(&link->of_target);
                drop_if_unused(r, link->target);
                mem_free(link);
        }
}

static int add_link(struct references *r, struct resource *resource, const struct reference *reference)
{
        struct str namespace = resource->key.namespace;
        struct target *target = find_target(r, reference->kind, namespace, reference->name);
        struct link *link;

        if (!target)
                target = add_target(r, reference->kind, namespace, reference->name);
        if (!target)
                return -ENOMEM;
        link = mem_new(struct link);
        if (!link) {
                drop_if_unused(r, target);
                return -ENOMEM;
        }
        link->resource = resource;
        link->target = target;
        list_add_tail(&resource->links, &link->of_resource);
        list_add_tail(&target->links, &link->of_target);
        return 0;
}

static void free_resource(struct references *r, struct resource *resource)
{
        unlink_all(r, &resource->links);
        map_remove(&r->resources, &resource->node);
        mem_free(resource);
}

static bool is_same(const struct resource *resource, const struct reference *list, size_t n)
{
        size_t i = 0;

        list_for_each (at, &resource->links) {
                const struct target *target = container_of(at, struct link, of_resource)->target;

                if (i == n || target->kind != list[i].kind || !str_eq(target->name, list[i].name))
                        return false;
                i++;
        }
        return i == n && n > 0;
}

int references_set(struct references *r, const struct queue_key *key, const struct reference *list, size_t n)
{
        struct resource *resource = find_resource(r, key);
        struct list old;
        int result = 0;

        if (!resource && n == 0)
                return 0;
        if (!resource)
                resource = add_resource(r, key);
        if (!resource)
                return -ENOMEM;
        if (is_same(resource, list, n))
                return 0;
        /* The new links come before the old ones go, lest a target that stays be dropped. */
        list_init(&old);
        list_for_each_safe (at, &resource->links) {
                list_remove(at);
                list_add_tail(&old, at);
        }
        for (size_t i = 0; i < n && result == 0; i++)
                result = add_link(r, resource, &list[i]);
        unlink_all(r, &old);
        if (result < 0 || n == 0)
                free_resource(r, resource);
        return result;
}

void references_each(const struct references *r, const struct cache_kind *kind, struct str namespace,
                     struct str name, void (*fn)(const struct queue_key *resource, void *arg), void *arg)
{
        struct target *target = find_target(r, kind, namespace, name);

        if (!target)
                return;
        list_for_each (at, &target->links)
                fn(&container_of(at, struct link, of_target)->resource->key, arg);
}

void references_release(struct references *r)
{
        r->dropped = NULL;
        map_for_each (n, &r->resources)
                free_resource(r, container_of(n, struct resource, node));
        map_release(&r->resources);
        map_release(&r->targets);
}
