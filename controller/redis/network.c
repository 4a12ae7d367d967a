/* SPDX-License-Identifier: Apache-2.0
 *
 * The NetworkPolicy: clients by spec.access, members among each other, probes and
 * metrics; and out of a member to the other ones, DNS and the API server, whose address
 * no policy can name.
 */
#include "controller/common/policy.h"
#include "controller/redis/redis.h"
#include "redis_templates.gen.h"

/* Health and figures, which are no secret: the kubelet and Prometheus, wherever they run. */
static void put_health(struct json_writer *w)
{
        json_object(w);
        policy_begin_list(w, "ports");
        policy_put_port(w, "TCP", REDIS_HEALTH_PORT);
        json_end(w);
        json_end(w);
}

/* KEY: "from" or "to". */
static void put_members(struct json_writer *w, const char *key, struct str name)
{
        json_object(w);
        policy_begin_list(w, key);
        policy_put_pods(w, "redis", name);
        json_end(w);
        policy_begin_list(w, "ports");
        policy_put_port(w, "TCP", REDIS_PORT);
        policy_put_port(w, "TCP", REDIS_PEER_PORT);
        json_end(w);
        json_end(w);
}

static void put_clients(struct json_writer *w, const struct redis_spec_access *access)
{
        if (!access || access->from.n == 0)
                return;
        json_object(w);
        policy_begin_list(w, "from");
        for (size_t i = 0; i < access->from.n; i++)
                policy_put_pods(w, "app", access->from.items[i].app);
        json_end(w);
        policy_begin_list(w, "ports");
        policy_put_port(w, "TCP", REDIS_PORT);
        json_end(w);
        json_end(w);
}

static struct str ingress_json(const struct child_meta *c, const struct redis_settings *s, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        put_clients(&w, s->spec->access);
        put_members(&w, "from", c->name);
        put_health(&w);
        json_end(&w);
        return arena_buf(a, &text);
}

static struct str egress_json(const struct child_meta *c, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        policy_put_dns(&w);
        put_members(&w, "to", c->name);
        json_object(&w);
        policy_begin_list(&w, "ports");
        policy_put_port(&w, "TCP", 443);
        policy_put_port(&w, "TCP", 6443);
        json_end(&w);
        json_end(&w);
        json_end(&w);
        return arena_buf(a, &text);
}

int redis_child_networkpolicy(const struct child_meta *c, const struct redis_settings *settings,
                              struct arena *a, struct buf *out)
{
        struct redis_networkpolicy_params params = {
                CHILD_META(c),
                .ingress = ingress_json(c, settings, a),
                .egress = egress_json(c, a),
        };

        return redis_render_networkpolicy(out, &params);
}
