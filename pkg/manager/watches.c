/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/watches.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"

static void on_list_begin(struct reflector *r, void *arg)
{
        struct watch *w = arg;

        (void)r;
        cache_list_begin(&w->all->manager->cache, w->kind, w->namespace);
}

static int on_object(struct reflector *r, enum reflector_event event, yyjson_val *object, void *arg)
{
        struct watch *w = arg;
        struct cache *cache = &w->all->manager->cache;
        int result;

        (void)r;
        if (event == REFLECTOR_DELETED)
                result = cache_delete(cache, w->kind, object);
        else
                result = cache_put(cache, w->kind, object, CACHE_FROM_WATCH);
        w->all->changed(w->all->arg);
        return result;
}

static int on_list_end(struct reflector *r, struct str version, void *arg)
{
        struct watch *w = arg;
        int result;

        (void)r;
        result = cache_list_end(&w->all->manager->cache, w->kind, w->namespace, version);
        if (result == 0)
                w->synced = true;
        w->all->changed(w->all->arg);
        return result;
}

static void on_state(struct reflector *r, enum reflector_state state, const struct error *err, void *arg)
{
        struct watch *w = arg;

        (void)r;
        w->failing = state == REFLECTOR_FAILING;
        if (w->failing) {
                w->error = *err;
                log_warn("a watch fails; it is tried again", LOG_CSTR("watch", w->name),
                         LOG_CSTR("error", err->message));
        } else {
                log_info("watching", LOG_CSTR("watch", w->name));
        }
        w->all->changed(w->all->arg);
}

static int check_watch(void *arg, struct error *why)
{
        const struct watch *w = arg;

        if (w->failing)
                return error_set(why, -EIO, "%s", w->error.message);
        if (!w->synced)
                return error_set(why, -EAGAIN, "not listed yet");
        return 0;
}

static bool has(const struct cache_kind *const *kinds, size_t n, const struct cache_kind *kind)
{
        for (size_t i = 0; i < n; i++)
                if (kinds[i] == kind)
                        return true;
        return false;
}

/* Each kind once, however many controllers read it. */
static size_t collect_kinds(const struct manager *m, const struct cache_kind **kinds)
{
        size_t n = 0;

        for (size_t i = 0; i < m->n_controllers; i++) {
                const struct controller *c = m->controllers[i];

                if (n < CACHE_KINDS_MAX && !has(kinds, n, c->kind))
                        kinds[n++] = c->kind;
                for (size_t j = 0; j < c->n_children; j++)
                        if (n < CACHE_KINDS_MAX && !has(kinds, n, c->children[j]))
                                kinds[n++] = c->children[j];
        }
        return n;
}

static void watch_init(struct watch *w, struct watches *all, struct kube_client *client,
                       const struct cache_kind *kind, struct str namespace, uint64_t seed)
{
        struct reflector_config config = {
                .kind = &kind->api,
                .namespace = namespace,
                .label_selector = kind->label_selector,
                .seed = seed,
        };
        struct reflector_handlers handlers = { on_list_begin, on_object, on_list_end, on_state, w };
        struct buf resource = BUF_INIT(64);

        w->all = all;
        w->kind = kind;
        w->namespace = namespace;
        kube_resource_name(&resource, &kind->api);
        snprintf(w->name, sizeof(w->name), "%.*s in %.*s", STR_FMT(buf_str(&resource)),
                 STR_FMT(namespace.data ? namespace : STR("all namespaces")));
        buf_release(&resource);
        reflector_init(&w->reflector, client, &config, &handlers);
}

int watches_init(struct watches *w, struct kube_client *client, struct manager *m,
                 const struct str *namespaces, size_t n_namespaces, uint64_t seed, void (*changed)(void *arg),
                 void *arg)
{
        static const struct str all_namespaces = { NULL, 0 };
        const struct cache_kind *kinds[CACHE_KINDS_MAX];
        size_t n_kinds = collect_kinds(m, kinds);
        size_t n;

        *w = (struct watches){ .manager = m, .changed = changed, .arg = arg };
        if (n_namespaces == 0) {
                namespaces = &all_namespaces;
                n_namespaces = 1;
        }
        n = n_kinds * n_namespaces;
        if (n > WATCHES_MAX)
                return -E2BIG;
        w->items = mem_zalloc(n * sizeof(*w->items));
        w->checks = mem_zalloc(n * sizeof(*w->checks));
        if (!w->items || !w->checks)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                struct watch *watch = &w->items[i];

                watch_init(watch, w, client, kinds[i / n_namespaces], namespaces[i % n_namespaces], seed + i);
                w->checks[i] = (struct health_check){ watch->name, check_watch, watch };
                w->n++;
        }
        return 0;
}

void watches_release(struct watches *w)
{
        for (size_t i = 0; i < w->n; i++)
                reflector_release(&w->items[i].reflector);
        mem_free(w->items);
        mem_free(w->checks);
        *w = (struct watches){ 0 };
}

int watches_start(struct watches *w)
{
        int r = 0;

        for (size_t i = 0; i < w->n && r == 0; i++)
                r = reflector_start(&w->items[i].reflector);
        return r;
}

void watches_stop(struct watches *w)
{
        for (size_t i = 0; i < w->n; i++)
                reflector_stop(&w->items[i].reflector);
}

bool watches_synced(const struct watches *w)
{
        for (size_t i = 0; i < w->n; i++)
                if (!w->items[i].synced)
                        return false;
        return true;
}

const struct watch *watches_first_failure(const struct watches *w)
{
        for (size_t i = 0; i < w->n; i++)
                if (w->items[i].failing && !w->items[i].synced)
                        return &w->items[i];
        return NULL;
}
