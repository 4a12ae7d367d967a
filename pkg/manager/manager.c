/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/manager.h"

#include <errno.h>

#include "base/log.h"
#include "manager/task.h"

#define FIELD_MANAGER STR_INIT(KEELSON_FIELD_MANAGER)

/* The resource that an object belongs to: itself, or the one that controls it. */
static bool key_of(const struct manager *m, const struct object *o, struct queue_key *ret)
{
        for (unsigned i = 0; i < m->n_controllers; i++) {
                const struct controller *c = m->controllers[i];

                if (o->kind == c->kind) {
                        *ret = (struct queue_key){ i, o->namespace, o->name };
                        return true;
                }
                /* By the owner's name, not its UID: what an older resource of
                 * that name left behind concerns the new one as well. */
                if (o->owner.name.data && str_eq(o->owner.kind, c->kind->api.kind)) {
                        *ret = (struct queue_key){ i, o->namespace, o->owner.name };
                        return true;
                }
        }
        return false;
}

static void enqueue(struct manager *m, const struct object *o)
{
        usec_t now = m->transport->now(m->transport);
        struct queue_key key;

        if (!key_of(m, o, &key))
                return;
        /* Which one was lost cannot be kept either. */
        if (queue_add(&m->queue, &key, now) < 0)
                m->missed = true;
}

/* The status of a resource is written by us and nobody else. Were a change of it
 * a reason to look again, a message that comes out differently each time (the
 * API server lists the causes of a refusal in any order) would keep a failing
 * resource awake. */
static bool only_status_changed(const struct manager *m, const struct object *old_object,
                                const struct object *new_object)
{
        if (!old_object || !str_eq(old_object->uid, new_object->uid) ||
            old_object->generation != new_object->generation || old_object->deleting != new_object->deleting)
                return false;
        for (size_t i = 0; i < m->n_controllers; i++)
                if (m->controllers[i]->kind == new_object->kind)
                        return true;
        return false;
}

static void on_change(enum cache_change change, const struct object *old_object,
                      const struct object *new_object, void *arg)
{
        struct manager *m = arg;

        (void)change;
        if (new_object && !only_status_changed(m, old_object, new_object))
                enqueue(m, new_object);
        /* Where the owner was changed or taken away, the old one has lost a child. */
        if (old_object && (!new_object || !str_eq(old_object->owner.uid, new_object->owner.uid)))
                enqueue(m, old_object);
}

void manager_init(struct manager *m, struct transport *transport, struct str instance, uint64_t seed)
{
        *m = (struct manager){ .transport = transport, .instance = instance, .rand.state = seed };
        cache_init(&m->cache, (struct str)FIELD_MANAGER, on_change, m);
        queue_init(&m->queue, seed);
        list_init(&m->tasks);
        list_init(&m->events);
}

void manager_release(struct manager *m)
{
        tasks_cancel(m);
        /* The queue goes first: a cache that is cleared would fill it. */
        m->cache.changed = NULL;
        queue_release(&m->queue);
        cache_release(&m->cache);
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

int manager_enqueue_all(struct manager *m)
{
        usec_t now = m->transport->now(m->transport);

        for (unsigned i = 0; i < m->n_controllers; i++) {
                const struct object *o = NULL;

                while ((o = cache_iterate(&m->cache, m->controllers[i]->kind, o))) {
                        struct queue_key key = { i, o->namespace, o->name };
                        int r = queue_add(&m->queue, &key, now);

                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

usec_t manager_pump(struct manager *m)
{
        usec_t now = m->transport->now(m->transport), next;
        struct queue_item *item;

        if (!m->allowed)
                return USEC_NEVER;
        if (m->missed)
                m->missed = manager_enqueue_all(m) < 0;
        while (m->queue.n_active < MANAGER_ACTIVE_MAX && (item = queue_get(&m->queue, now)))
                task_start(m, item);
        next = m->queue.n_active < MANAGER_ACTIVE_MAX ? queue_next(&m->queue, now) : USEC_NEVER;
        return m->missed ? MIN(next, now + MANAGER_MISSED_RETRY) : next;
}

bool manager_idle(const struct manager *m)
{
        return m->queue.n_active == 0 && m->queue.n_ready == 0;
}
