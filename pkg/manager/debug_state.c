/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/debug_state.h"

#include "json/write.h"
#include "manager/task.h"

static void put_count(struct json_writer *w, const char *key, size_t n)
{
        json_put_int(w, key, (int64_t)n);
}

static void put_age(struct json_writer *w, const char *key, usec_t age)
{
        json_put_int(w, key, age / USEC_MSEC);
}

static void write_queue(struct json_writer *w, const struct queue *q, usec_t now)
{
        usec_t next = queue_next(q, now);

        json_key(w, "queue");
        json_object(w);
        put_count(w, "ready", q->n_ready);
        put_count(w, "active", q->n_active);
        put_count(w, "waiting", q->waiting.n);
        put_count(w, "known", q->items.count);
        json_put_int(w, "adds", (int64_t)q->adds);
        json_put_int(w, "retries", (int64_t)q->retries);
        if (next != USEC_NEVER)
                put_age(w, "nextInMs", MAX(next - now, (usec_t)0));
        json_end(w);
}

static void write_tasks(struct json_writer *w, const struct manager *m, usec_t now)
{
        size_t n = 0;

        json_key(w, "active");
        json_array(w);
        list_for_each (link, &m->tasks) {
                const struct task *t = container_of(link, struct task, link);

                if (++n > DEBUG_STATE_ITEMS_MAX)
                        continue;
                json_object(w);
                json_put_cstr(w, "reconcileID", t->id);
                json_put_cstr(w, "controller", t->controller->name);
                json_put_str(w, "namespace", t->item->key.namespace);
                json_put_str(w, "name", t->item->key.name);
                json_put_int(w, "failures", t->item->failures);
                put_age(w, "forMs", now - t->started);
                json_end(w);
        }
        json_end(w);
}

static void put_gate(struct json_writer *w, const struct gate *gate)
{
        static const char *const states[] = {
                [GATE_OPEN] = "open", [GATE_CLOSED] = "waiting for its lists", [GATE_BLOCKED] = "blocked"
        };

        json_put_cstr(w, "gate", states[gate->state]);
        if (gate->state == GATE_BLOCKED)
                json_put_cstr(w, "why", gate->why.message);
}

static void put_own_gates(struct json_writer *w, const struct manager *m, size_t controller)
{
        json_key(w, "namespaces");
        json_object(w);
        for (size_t i = 0; i < m->n_namespaces; i++) {
                json_key_str(w, m->namespaces[i]);
                json_object(w);
                put_gate(w, manager_gate(m, controller, m->namespaces[i]));
                json_end(w);
        }
        json_end(w);
}

static void write_controllers(struct json_writer *w, const struct manager *m)
{
        json_key(w, "controllers");
        json_object(w);
        for (size_t i = 0; i < m->n_controllers; i++) {
                const struct cache_total *total = cache_total(&m->cache, m->controllers[i]->kind);

                json_key(w, m->controllers[i]->name);
                json_object(w);
                put_count(w, "resources", total ? total->objects : 0);
                if (m->n_namespaces > 0)
                        put_own_gates(w, m, i);
                else
                        put_gate(w, &m->gates[i]);
                json_end(w);
        }
        json_end(w);
}

/* The total of a kind, of which some objects may be watched and others read on demand. */
static void write_kind(struct json_writer *w, const struct cache *c, size_t first)
{
        struct str kind = c->totals[first].kind->api.kind;
        const char *version = NULL;
        size_t objects = 0, bytes = 0;

        for (size_t i = first; i < c->n_totals; i++) {
                const struct cache_total *total = &c->totals[i];

                if (!str_eq(total->kind->api.kind, kind))
                        continue;
                objects += total->objects;
                bytes += total->bytes;
                version = version ? version : total->version;
        }
        json_key_str(w, kind);
        json_object(w);
        put_count(w, "objects", objects);
        put_count(w, "bytes", bytes);
        json_put_str(w, "resourceVersion", str_c(version));
        json_end(w);
}

static bool was_written(const struct cache *c, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (str_eq(c->totals[i].kind->api.kind, c->totals[n].kind->api.kind))
                        return true;
        return false;
}

static void write_cache(struct json_writer *w, const struct cache *c)
{
        json_key(w, "cache");
        json_object(w);
        for (size_t i = 0; i < c->n_totals; i++)
                if (!was_written(c, i))
                        write_kind(w, c, i);
        json_end(w);
}

static void write_watches(struct json_writer *w, const struct watches *all)
{
        json_key(w, "watches");
        json_array(w);
        for (size_t i = 0; i < MIN(all->n, (size_t)DEBUG_STATE_ITEMS_MAX); i++) {
                const struct watch *one = &all->items[i];

                json_object(w);
                json_put_cstr(w, "name", one->name);
                json_put_bool(w, "synced", one->synced);
                json_put_bool(w, "failing", one->failing);
                if (one->failing)
                        json_put_cstr(w, "error", one->error.message);
                json_put_str(w, "resourceVersion", reflector_version(&one->reflector));
                json_put_int(w, "lists", (int64_t)one->lists);
                json_put_int(w, "events", (int64_t)one->events);
                json_end(w);
        }
        json_end(w);
}

void debug_state_write(const struct debug_state *s, struct buf *out)
{
        const struct manager *m = s->manager;
        usec_t now = m->transport->now(m->transport);
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_bool(&w, "leading", s->leading);
        json_put_str(&w, "leaseHolder", s->holder);
        json_put_bool(&w, "synced", watches_synced(s->watches));
        json_put_bool(&w, "reconciling", m->allowed);
        json_put_int(&w, "reconciles", (int64_t)m->n_reconciles);
        put_count(&w, "requests", kube_client_pending(s->client));
        put_count(&w, "eventsRemembered", m->events.n);
        write_controllers(&w, m);
        write_queue(&w, &m->queue, now);
        write_tasks(&w, m, now);
        write_cache(&w, &m->cache);
        write_watches(&w, s->watches);
        json_end(&w);
        buf_add_char(out, '\n');
}
