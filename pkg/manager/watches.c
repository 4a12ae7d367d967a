/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/watches.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"

/* As after a restart, for this kind: its controllers wait for the list. */
static void start_over(struct watch *w)
{
        w->synced = false;
        watches_set_gates(w->all); /* before the cache is empty */
        cache_reset(&w->all->manager->cache, w->kind, w->namespace);
        w->all->changed(w->all->arg);
}

static void on_list_begin(struct reflector *r, void *arg)
{
        struct watch *w = arg;

        (void)r;
        /* What is held may be what fills the memory, and be gone from the server by now. */
        if (w->failing && w->error.code == -ENOMEM)
                start_over(w);
        cache_list_begin(&w->all->manager->cache, w->kind, w->namespace);
}

static int on_object(struct reflector *r, enum reflector_event event, yyjson_val *object, void *arg)
{
        struct watch *w = arg;
        struct cache *cache = &w->all->manager->cache;
        int result;

        (void)r;
        w->events += event != REFLECTOR_LISTED;
        if (w->kind->announced)
                result = manager_announce(w->all->manager, w->kind, object, event == REFLECTOR_DELETED);
        else if (event == REFLECTOR_DELETED)
                result = cache_delete(cache, w->kind, object);
        else
                result = cache_put(cache, w->kind, object, CACHE_FROM_WATCH);
        w->all->changed(w->all->arg);
        return result;
}

/* The API of an optional kind came or went: what can be made of it has changed
 * for every resource. */
static void set_absent(struct watch *w, bool absent)
{
        struct manager *m = w->all->manager;

        w->absent = absent;
        log_info(absent ? "an API is not installed; doing without it" : "an API is installed now",
                 LOG_CSTR("watch", w->name));
        if (cache_set_served(&m->cache, w->kind, !absent) < 0 || manager_enqueue_all(m) < 0)
                m->missed = true;
}

static void on_set_back(struct reflector *r, void *arg)
{
        struct watch *w = arg;

        (void)r;
        log_warn("the server was set back to an older state, as by a restore of etcd; listing anew",
                 LOG_CSTR("watch", w->name));
        start_over(w);
}

static int on_list_end(struct reflector *r, struct str version, void *arg)
{
        struct watch *w = arg;
        int result;

        (void)r;
        result = cache_list_end(&w->all->manager->cache, w->kind, w->namespace, version);
        if (result == 0) {
                w->synced = true;
                w->lists++;
        }
        if (w->absent && result == 0)
                set_absent(w, false);
        w->all->changed(w->all->arg);
        return result;
}

static void on_state(struct reflector *r, enum reflector_state state, const struct error *err, void *arg)
{
        struct watch *w = arg;

        (void)r;
        if (state == REFLECTOR_FAILING && w->kind->optional && err->code == -ENOENT) {
                w->failing = false;
                w->synced = true;
                if (!w->absent)
                        set_absent(w, true);
                w->all->changed(w->all->arg);
                return;
        }
        w->failing = state == REFLECTOR_FAILING;
        if (w->failing) {
                w->failures++;
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

static bool reads(const struct controller *c, const struct cache_kind *kind)
{
        if (c->kind == kind || has(c->children, c->n_children, kind))
                return true;
        for (size_t i = 0; i < c->n_observed; i++)
                if (c->observed[i].kind == kind)
                        return true;
        return false;
}

static int add_kind(const struct cache_kind **kinds, size_t *n, const struct cache_kind *kind,
                    bool in_namespaces)
{
        if ((kind->on_demand && !kind->announced) || has(kinds, *n, kind) ||
            (in_namespaces && !kind->api.namespaced))
                return 0;
        if (*n == CACHE_KINDS_MAX)
                return -E2BIG;
        kinds[(*n)++] = kind;
        return 0;
}

/* Each kind once, however many controllers read it; those that are not watched
 * but asked for are left out, and so is what belongs to no namespace where single ones are
 * watched: there is no right to it then. 0 or -E2BIG. */
static int collect_kinds(const struct manager *m, bool in_namespaces, const struct cache_kind **kinds,
                         size_t *ret_n)
{
        int r = 0;

        *ret_n = 0;
        for (size_t i = 0; i < m->n_controllers && r == 0; i++) {
                const struct controller *c = m->controllers[i];

                r = add_kind(kinds, ret_n, c->kind, in_namespaces);
                for (size_t j = 0; j < c->n_children && r == 0; j++)
                        r = add_kind(kinds, ret_n, c->children[j], in_namespaces);
                for (size_t j = 0; j < c->n_observed && r == 0; j++)
                        r = add_kind(kinds, ret_n, c->observed[j].kind, in_namespaces);
        }
        return r;
}

static void watch_init(struct watch *w, struct watches *all, struct kube_client *client,
                       const struct cache_kind *kind, struct str namespace, uint64_t seed)
{
        struct reflector_config config = {
                .kind = &kind->api,
                .namespace = namespace,
                .label_selector = kind->label_selector,
                .metadata_only = kind->announced,
                .seed = seed,
        };
        struct reflector_handlers handlers = {
                on_list_begin, on_object, on_list_end, on_set_back, on_state, w
        };
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

/* For the manager. */
static const char *refusal_of(const struct cache_kind *kind, struct str namespace, void *arg)
{
        const struct watches *w = arg;

        for (size_t i = 0; i < w->n; i++) {
                const struct watch *one = &w->items[i];

                if (one->kind == kind && one->refused &&
                    (!one->namespace.data || str_eq(one->namespace, namespace)))
                        return one->error.message;
        }
        return NULL;
}

int watches_init(struct watches *w, struct kube_client *client, struct manager *m,
                 const struct str *namespaces, size_t n_namespaces, uint64_t seed, void (*changed)(void *arg),
                 void *arg)
{
        static const struct str all_namespaces = { NULL, 0 };
        const struct cache_kind *kinds[CACHE_KINDS_MAX];
        size_t n_kinds, n;
        int r = collect_kinds(m, n_namespaces > 0, kinds, &n_kinds);

        if (r < 0)
                return r;
        *w = (struct watches){ .manager = m, .changed = changed, .arg = arg };
        m->refused = refusal_of;
        m->refused_arg = w;
        if (n_namespaces * n_kinds > WATCHES_MAX)
                return -E2BIG;
        if (n_namespaces > 0)
                r = manager_set_namespaces(m, namespaces, n_namespaces);
        if (r < 0)
                return r;
        if (n_namespaces == 0) {
                namespaces = &all_namespaces;
                n_namespaces = 1;
        }
        w->namespaces = namespaces;
        w->n_namespaces = n_namespaces;
        n = n_kinds * n_namespaces;
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

/* What is announced can be read without. */
static bool is_needed(const struct watch *w)
{
        return !w->kind->announced;
}

bool watches_synced(const struct watches *w)
{
        for (size_t i = 0; i < w->n; i++)
                if (is_needed(&w->items[i]) && !w->items[i].synced)
                        return false;
        return true;
}

const struct watch *watches_first_failure(const struct watches *w)
{
        for (size_t i = 0; i < w->n; i++)
                if (is_needed(&w->items[i]) && w->items[i].failing && !w->items[i].synced)
                        return &w->items[i];
        return NULL;
}

/* No right to it, or no such API: waiting alone will not help. */
static bool is_refused(const struct watch *w)
{
        return w->failing && (w->error.code == -EACCES || w->error.code == -ENOENT);
}

static const struct observed *find_observed(const struct controller *c, const struct cache_kind *kind)
{
        for (size_t i = 0; i < c->n_observed; i++)
                if (c->observed[i].kind == kind)
                        return &c->observed[i];
        return NULL;
}

/* What a kind that was not listed means for a controller. A child that cannot be
 * seen is not touched (effect.c), and all else goes on; but nothing can follow
 * from settings that cannot be read. */
static enum gate_state gate_of(const struct controller *c, const struct watch *w)
{
        const struct observed *observed = find_observed(c, w->kind);

        if (w->synced || !is_needed(w))
                return GATE_OPEN;
        if (!is_refused(w) || w->kind == c->kind)
                return GATE_CLOSED;
        return observed && !observed->dispensable ? GATE_BLOCKED : GATE_OPEN;
}

/* What is claimed in one namespace counts in all: nothing is decided before all of it is
 * known, or is known not to be readable. */
static bool awaits_claims(const struct watches *w, const struct controller *c)
{
        for (size_t i = 0; i < w->n; i++) {
                const struct watch *one = &w->items[i];

                if (one->kind->claims && reads(c, one->kind) && !one->synced && !is_refused(one))
                        return true;
        }
        return false;
}

/* In the J-th namespace. The watches of a kind in all namespaces stand side by side. */
static void set_gate(struct watches *w, size_t controller, size_t j)
{
        const struct controller *c = w->manager->controllers[controller];
        enum gate_state state = awaits_claims(w, c) ? GATE_CLOSED : GATE_OPEN;
        const struct error *why = NULL;

        for (size_t i = j; i < w->n && state != GATE_CLOSED; i += w->n_namespaces) {
                const struct watch *one = &w->items[i];
                enum gate_state so = reads(c, one->kind) ? gate_of(c, one) : GATE_OPEN;

                if (so == GATE_OPEN)
                        continue;
                state = so;
                why = so == GATE_BLOCKED ? &one->error : NULL;
        }
        manager_set_gate(w->manager, controller, w->namespaces[j], state, why);
}

/* Whom a refusal concerns finds out at the next reconcile. */
static void note_refusals(struct watches *w)
{
        bool changed = false;

        for (size_t i = 0; i < w->n; i++) {
                struct watch *one = &w->items[i];
                bool refused = is_needed(one) && !one->synced && is_refused(one);

                changed |= refused != one->refused;
                one->refused = refused;
        }
        if (changed && manager_enqueue_all(w->manager) < 0)
                w->manager->missed = true;
}

void watches_set_gates(struct watches *w)
{
        note_refusals(w);
        for (size_t i = 0; i < w->manager->n_controllers; i++)
                for (size_t j = 0; j < w->n_namespaces; j++)
                        set_gate(w, i, j);
}
