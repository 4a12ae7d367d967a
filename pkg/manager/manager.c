/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/manager.h"

#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/errand.h"

static_assert(CACHE_KINDS_MAX <= 32, "a bit for each kind of children in queue_item.lost");

#define FIELD_MANAGER STR_INIT(KEELSON_FIELD_MANAGER)

static void enqueue(struct manager *m, const struct queue_key *key)
{
        /* Which one was lost cannot be kept either. */
        if (queue_add(&m->queue, key, m->transport->now(m->transport)) < 0)
                m->missed = true;
}

static void enqueue_referring(const struct queue_key *key, void *arg)
{
        enqueue(arg, key);
}

/* The resource that controls it or, by a label, is said to. By the owner's
 * name, not its UID: what an older resource of that name left behind concerns
 * the new one as well. */
static void enqueue_owner(struct manager *m, unsigned i, const struct object *o)
{
        struct queue_key key = { i, o->namespace, o->owner->name };

        if (o->owner->name.data && str_eq(o->owner->kind, m->controllers[i]->kind->api.kind))
                enqueue(m, &key);
}

static int enqueue_kind(struct manager *m, unsigned i, struct str namespace)
{
        usec_t now = m->transport->now(m->transport);
        const struct object *o = NULL;

        while ((o = cache_iterate(&m->cache, m->controllers[i]->kind, o))) {
                struct queue_key key = { i, o->namespace, o->name };
                int r;

                if (namespace.data && !str_eq(namespace, o->namespace))
                        continue;
                r = queue_add(&m->queue, &key, now);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* There need be none: then nothing is to be done. */
static void enqueue_named(struct manager *m, unsigned i, struct str namespace, struct str name)
{
        struct queue_key key = { i, namespace, name };

        if (cache_get(&m->cache, m->controllers[i]->kind, namespace, name))
                enqueue(m, &key);
}

static void enqueue_observers(struct manager *m, unsigned i, const struct object *o)
{
        const struct controller *c = m->controllers[i];

        for (size_t j = 0; j < c->n_observed; j++) {
                if (c->observed[j].kind != o->kind)
                        continue;
                switch (c->observed[j].by) {
                case OBSERVED_BY_NAMESPACE:
                        m->missed |= enqueue_kind(m, i, o->namespace) < 0;
                        break;
                case OBSERVED_BY_OWNER:
                        enqueue_owner(m, i, o);
                        break;
                case OBSERVED_BY_NAME:
                        enqueue_named(m, i, o->namespace, c->observed[j].name);
                        break;
                case OBSERVED_BY_REFERENCE:
                        references_each(&m->references, o->kind, o->namespace, o->name, enqueue_referring, m);
                        break;
                }
        }
}

static bool is_child_kind(const struct controller *c, const struct cache_kind *kind)
{
        for (size_t i = 0; i < c->n_children; i++)
                if (c->children[i] == kind)
                        return true;
        return false;
}

/* The resource itself, or the one whose child it is. */
static void enqueue_resource(struct manager *m, unsigned i, const struct object *o)
{
        const struct controller *c = m->controllers[i];

        if (o->kind == c->kind)
                enqueue(m, &(struct queue_key){ i, o->namespace, o->name });
        if (is_child_kind(c, o->kind))
                enqueue_owner(m, i, o);
}

/* All whom an object concerns: itself, its owner, and those who read it. */
static void enqueue_concerned(struct manager *m, const struct object *o)
{
        for (unsigned i = 0; i < m->n_controllers; i++) {
                enqueue_resource(m, i, o);
                enqueue_observers(m, i, o);
        }
}

/* Those who claim what O claims, or did just now: who comes first may have changed. */
static void enqueue_rivals(struct manager *m, const struct object *o)
{
        struct str words[CACHE_CLAIMS_MAX];
        size_t n = o ? object_claims(o, words) : 0;

        for (size_t i = 0; i < n; i++) {
                const struct object *rival = NULL;

                while ((rival = cache_claiming(&m->cache, NULL, words[i], rival)))
                        for (unsigned j = 0; j < m->n_controllers; j++)
                                enqueue_resource(m, j, rival);
        }
}

/* A child that we made for the resource of KEY, and which is gone: by whose hand? */
static bool is_lost(const struct manager *m, const struct queue_key *key, const struct object *child)
{
        const struct object *self =
                cache_get(&m->cache, m->controllers[key->controller]->kind, key->namespace, key->name);

        return self && !self->deleting && object_has_uid(self, child->owner->uid) && child->owned != 0 &&
               !child->dropped;
}

/* Lest it be said to be made when it is made again. */
static void note_lost(struct manager *m, const struct object *child)
{
        for (unsigned i = 0; i < m->n_controllers; i++) {
                const struct controller *c = m->controllers[i];
                struct queue_key key = { i, child->namespace, child->owner->name };
                struct queue_item *item = queue_find(&m->queue, &key);

                if (!item || !is_lost(m, &key, child))
                        continue;
                for (size_t j = 0; j < c->n_children; j++)
                        if (c->children[j] == child->kind)
                                item->lost |= UINT32_C(1) << j;
        }
}

/* What stands in its metadata as far as the kind keeps it: annotations, which are no part
 * of the generation. */
static bool same_metadata(const struct object *a, const struct object *b)
{
        const struct schema *root = a->kind->schema;

        for (size_t i = 0; i < root->n_fields; i++) {
                const struct schema_field *f = &root->fields[i];
                const void *x, *y;

                if (!str_eq(f->name, STR("metadata")))
                        continue;
                memcpy(&x, (const char *)a->state + f->offset, sizeof(x));
                memcpy(&y, (const char *)b->state + f->offset, sizeof(y));
                return x && y ? schema_equal(f->object, x, y) : x == y;
        }
        return true;
}

/* The status of a resource is written by us and nobody else. Were a change of it
 * a reason to look again, a message that comes out differently each time (the
 * API server lists the causes of a refusal in any order) would keep a failing
 * resource awake. */
static bool only_status_changed(const struct manager *m, const struct object *old_object,
                                const struct object *new_object)
{
        if (!old_object || !object_same_uid(old_object, new_object) ||
            old_object->generation != new_object->generation ||
            old_object->deleting != new_object->deleting || old_object->finalized != new_object->finalized ||
            !same_metadata(old_object, new_object))
                return false;
        for (size_t i = 0; i < m->n_controllers; i++)
                if (m->controllers[i]->kind == new_object->kind)
                        return true;
        return false;
}

/* Of a kind that is written all the time: does this write say anything? */
static bool is_news(const struct object *old_object, const struct object *new_object)
{
        return !new_object->kind->steady || !old_object || !object_same_uid(old_object, new_object) ||
               old_object->deleting != new_object->deleting || old_object->owned != new_object->owned ||
               !schema_equal(new_object->kind->schema, old_object->state, new_object->state);
}

static void on_change(enum cache_change change, const struct object *old_object,
                      const struct object *new_object, void *arg)
{
        struct manager *m = arg;

        (void)change;
        if (m->hooks.changed)
                m->hooks.changed(old_object, new_object, m->hooks.arg);
        if (new_object && !only_status_changed(m, old_object, new_object) && is_news(old_object, new_object))
                enqueue_concerned(m, new_object);
        /* Where the owner was changed or taken away, the old one has lost a child. */
        if (old_object && (!new_object || !str_eq(old_object->owner->uid, new_object->owner->uid)))
                enqueue_concerned(m, old_object);
        if (!object_claims_equal(old_object, new_object)) {
                enqueue_rivals(m, old_object);
                enqueue_rivals(m, new_object);
        }
        if (!new_object)
                note_lost(m, old_object);
}

int manager_announce(struct manager *m, const struct cache_kind *kind, yyjson_val *json, bool gone)
{
        const struct object *held;
        struct kube_meta meta;
        bool news;
        int r = kube_meta_decode(json, &meta);

        if (r == 0)
                r = cache_announce(&m->cache, kind, &meta, gone, &news);
        if (r < 0 || !news)
                return r;
        held = cache_get(&m->cache, kind, meta.namespace, meta.name);
        if (held)
                enqueue_concerned(m, held);
        else
                references_each(&m->references, kind, meta.namespace, meta.name, enqueue_referring, m);
        return 0;
}

static void on_unreferenced(const struct cache_kind *kind, struct str namespace, struct str name, void *arg)
{
        struct manager *m = arg;

        if (kind->on_demand)
                cache_forget(&m->cache, kind, namespace, name);
}

void manager_init(struct manager *m, struct transport *transport, struct str instance, uint64_t seed)
{
        *m = (struct manager){ .transport = transport, .instance = instance, .rand.state = seed };
        cache_init(&m->cache, (struct str)FIELD_MANAGER, on_change, m);
        queue_init(&m->queue, seed);
        references_init(&m->references, on_unreferenced, m);
        list_init(&m->tasks);
        list_init(&m->bulky);
        events_init(&m->events);
}

void manager_release(struct manager *m)
{
        tasks_cancel(m);
        /* The queue goes first: a cache that is cleared would fill it. */
        m->cache.changed = NULL;
        queue_release(&m->queue);
        references_release(&m->references);
        cache_release(&m->cache);
        mem_freep(&m->own_gates);
}

int manager_add(struct manager *m, const struct controller *controller)
{
        if (m->n_controllers == MANAGER_CONTROLLERS_MAX)
                return -E2BIG;
        m->controllers[m->n_controllers++] = controller;
        return 0;
}

void manager_allow(struct manager *m, bool allowed)
{
        m->allowed = allowed;
}

int manager_set_namespaces(struct manager *m, const struct str *namespaces, size_t n)
{
        struct gate *gates = mem_new_n(struct gate, n * m->n_controllers);

        if (!gates)
                return -ENOMEM;
        mem_free(m->own_gates);
        m->own_gates = gates;
        m->namespaces = namespaces;
        m->n_namespaces = n;
        return 0;
}

static size_t gate_at(const struct manager *m, size_t controller, struct str namespace)
{
        size_t i = 0;

        while (i < m->n_namespaces && !str_eq(m->namespaces[i], namespace))
                i++;
        return i * m->n_controllers + controller;
}

static bool has_own_gate(const struct manager *m, size_t at)
{
        return at < m->n_namespaces * m->n_controllers;
}

const struct gate *manager_gate(const struct manager *m, size_t controller, struct str namespace)
{
        size_t at = gate_at(m, controller, namespace);

        return has_own_gate(m, at) ? &m->own_gates[at] : &m->gates[controller];
}

void manager_set_gate(struct manager *m, size_t controller, struct str namespace, enum gate_state state,
                      const struct error *why)
{
        size_t at = gate_at(m, controller, namespace);
        struct gate *gate = has_own_gate(m, at) ? &m->own_gates[at] : &m->gates[controller];
        bool same = gate->state == state && (!why || strcmp(gate->why.message, why->message) == 0);

        if (same)
                return;
        gate->state = state;
        gate->why = why ? *why : (struct error)ERROR_INIT;
        if (state != GATE_CLOSED)
                m->missed |= enqueue_kind(m, (unsigned)controller, namespace) < 0;
}

int manager_enqueue_all(struct manager *m)
{
        int r = 0;

        for (unsigned i = 0; i < m->n_controllers && r == 0; i++)
                r = enqueue_kind(m, i, STR_NULL);
        return r;
}

/* One that is under way brings a reply, and with it the next look. */
static bool may_start(const struct manager *m)
{
        return m->n_errands < MANAGER_REQUESTS_MAX && m->queue.n_active < MANAGER_ACTIVE_MAX &&
               tasks_bytes(m) < MANAGER_ACTIVE_BYTES;
}

usec_t manager_pump(struct manager *m)
{
        usec_t now = m->transport->now(m->transport), next;
        struct queue_item *item;

        errands_begin(m);
        if (!m->allowed)
                return USEC_NEVER;
        cache_expire(&m->cache, now);
        if (m->missed)
                m->missed = manager_enqueue_all(m) < 0;
        while (may_start(m) && (item = queue_get(&m->queue, now))) {
                if (m->hooks.taken)
                        m->hooks.taken(now - item->ready_since, m->hooks.arg);
                task_start(m, item);
        }
        next = may_start(m) ? queue_next(&m->queue, now) : USEC_NEVER;
        return m->missed ? MIN(next, now + MANAGER_MISSED_RETRY) : next;
}

bool manager_idle(const struct manager *m)
{
        return m->queue.n_active == 0 && m->queue.n_ready == 0;
}
