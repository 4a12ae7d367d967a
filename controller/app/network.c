/* SPDX-License-Identifier: Apache-2.0
 *
 * The NetworkPolicy: spec.access, DNS, and the way in from outside. It knows
 * pods, namespaces and ranges of addresses, and no host names.
 */
#include "controller/app/children.h"
#include "controller/common/policy.h"
#include "controller/redis/connect.h"

#define POSTGRES_PORT 5432
#define HTTPS_PORT 443

/* What is no public address: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291. */
#define PRIVATE_4                                                                                            \
        "[\"10.0.0.0/8\",\"100.64.0.0/10\",\"127.0.0.0/8\",\"169.254.0.0/16\",\"172.16.0.0/12\",\"192.168.0.0/16\"]"
#define PRIVATE_6 "[\"::1/128\",\"fc00::/7\",\"fe80::/10\"]"

/* Absent (0): every port. */
static void put_ports(struct json_writer *w, int64_t port)
{
        if (port == 0)
                return;
        policy_begin_list(w, "ports");
        policy_put_port(w, "TCP", port);
        json_end(w);
}

/* --- in --------------------------------------------------------------------------------- */

/* Where requests for the hosts come from, as far as is known. */
static void put_outside(struct json_writer *w, const struct app_settings *settings)
{
        struct str namespace = settings->routing.controller_namespace;

        json_object(w);
        json_key(w, "namespaceSelector");
        json_object(w);
        if (namespace.data) {
                json_key(w, "matchLabels");
                json_object(w);
                json_put_str(w, "kubernetes.io/metadata.name", namespace);
                json_end(w);
        }
        json_end(w);
        json_end(w);
}

/* Absent where nobody may connect: the API server does not keep an empty list. */
static struct str ingress_json(const struct app_settings *settings, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        const struct app_spec *spec = &settings->spec;
        size_t n_from = spec->access ? spec->access->from.n : 0;
        struct json_writer w;

        if (!spec->has_port || (n_from == 0 && spec->hosts.n == 0))
                return STR_NULL;
        json_writer_init(&w, &text);
        json_array(&w);
        json_object(&w);
        policy_begin_list(&w, "from");
        for (size_t i = 0; i < n_from; i++)
                policy_put_pods(&w, "app", spec->access->from.items[i].app);
        if (spec->hosts.n > 0)
                put_outside(&w, settings);
        json_end(&w);
        /* By name: while the port changes, each pod has its own. */
        json_put_raw(&w, "ports", STR("[{\"protocol\":\"TCP\",\"port\":\"http\"}]"));
        json_end(&w);
        json_end(&w);
        return arena_buf(a, &text);
}

/* --- out -------------------------------------------------------------------------------- */

static void put_destination(struct json_writer *w, const struct app_spec_access_to *to)
{
        int64_t port = to->has_port ? to->port : 0;

        json_object(w);
        policy_begin_list(w, "to");
        if (to->app.data)
                policy_put_pods(w, "app", to->app);
        if (to->postgres.data)
                policy_put_pods(w, "postgres", to->postgres);
        if (to->redis.data)
                policy_put_pods(w, "redis", to->redis);
        if (to->host.data) {
                policy_put_block(w, STR("0.0.0.0/0"), PRIVATE_4);
                policy_put_block(w, STR("::/0"), PRIVATE_6);
        }
        if (to->cidr.data)
                policy_put_block(w, to->cidr, NULL);
        json_end(w);
        if (to->postgres.data)
                port = POSTGRES_PORT;
        if (to->redis.data)
                port = REDIS_PORT;
        if (to->host.data && port == 0)
                port = HTTPS_PORT;
        put_ports(w, port);
        json_end(w);
}

static struct str egress_json(const struct app_settings *settings, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        const struct app_spec_access *access = settings->spec.access;
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        policy_put_dns(&w);
        for (size_t i = 0; access && i < access->to.n; i++)
                put_destination(&w, &access->to.items[i]);
        json_end(&w);
        return arena_buf(a, &text);
}

int app_child_networkpolicy(const struct child_meta *c, const struct app_settings *settings, struct arena *a,
                            struct buf *out)
{
        struct app_networkpolicy_params params = {
                CHILD_META(c),
                .ingress = ingress_json(settings, a),
                .egress = egress_json(settings, a),
        };

        return app_render_networkpolicy(out, &params);
}
