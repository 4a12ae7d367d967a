/* SPDX-License-Identifier: Apache-2.0
 *
 * The NetworkPolicy: spec.access, DNS, and the way in from outside. It knows
 * pods, namespaces and ranges of addresses, and no host names.
 */
#include "controller/app/children.h"

#define POSTGRES_PORT 5432
#define REDIS_PORT 6379
#define HTTPS_PORT 443

/* What is no public address: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291. */
#define PRIVATE_4                                                                                            \
        "[\"10.0.0.0/8\",\"100.64.0.0/10\",\"127.0.0.0/8\",\"169.254.0.0/16\",\"172.16.0.0/12\",\"192.168.0.0/16\"]"
#define PRIVATE_6 "[\"::1/128\",\"fc00::/7\",\"fe80::/10\"]"

static void begin_list(struct json_writer *w, const char *key)
{
        json_key(w, key);
        json_array(w);
}

/* {"podSelector": {"matchLabels": …}}: the pods of one of our resources in this namespace. */
static void put_pods(struct json_writer *w, const char *kind, struct str instance)
{
        json_object(w);
        json_key(w, "podSelector");
        json_object(w);
        json_key(w, "matchLabels");
        json_object(w);
        json_put_cstr(w, "app.kubernetes.io/name", kind);
        json_put_str(w, "app.kubernetes.io/instance", instance);
        json_end(w);
        json_end(w);
        json_end(w);
}

static void put_block(struct json_writer *w, struct str cidr, const char *except)
{
        json_object(w);
        json_key(w, "ipBlock");
        json_object(w);
        json_put_str(w, "cidr", cidr);
        if (except)
                json_put_raw(w, "except", str_c(except));
        json_end(w);
        json_end(w);
}

static void put_port(struct json_writer *w, const char *protocol, int64_t port)
{
        json_object(w);
        json_put_cstr(w, "protocol", protocol);
        json_put_int(w, "port", port);
        json_end(w);
}

/* Absent (0): every port. */
static void put_ports(struct json_writer *w, int64_t port)
{
        if (port == 0)
                return;
        begin_list(w, "ports");
        put_port(w, "TCP", port);
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
        begin_list(&w, "from");
        for (size_t i = 0; i < n_from; i++)
                put_pods(&w, "app", spec->access->from.items[i].app);
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

/* Any pod of the cluster, and what is no public address, since a cluster's DNS
 * may run on the nodes themselves. */
static void put_dns(struct json_writer *w)
{
        static const char *const ranges[] = { "10.0.0.0/8",    "100.64.0.0/10",  "169.254.0.0/16",
                                              "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
                                              "fe80::/10" };

        json_object(w);
        begin_list(w, "to");
        json_raw(w, STR("{\"namespaceSelector\":{}}"));
        for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
                put_block(w, str_c(ranges[i]), NULL);
        json_end(w);
        begin_list(w, "ports");
        put_port(w, "UDP", 53);
        put_port(w, "TCP", 53);
        json_end(w);
        json_end(w);
}

static void put_destination(struct json_writer *w, const struct app_spec_access_to *to)
{
        int64_t port = to->has_port ? to->port : 0;

        json_object(w);
        begin_list(w, "to");
        if (to->app.data)
                put_pods(w, "app", to->app);
        if (to->postgres.data)
                put_pods(w, "postgres", to->postgres);
        if (to->redis.data)
                put_pods(w, "redis", to->redis);
        if (to->host.data) {
                put_block(w, STR("0.0.0.0/0"), PRIVATE_4);
                put_block(w, STR("::/0"), PRIVATE_6);
        }
        if (to->cidr.data)
                put_block(w, to->cidr, NULL);
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
        put_dns(&w);
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
