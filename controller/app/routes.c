/* SPDX-License-Identifier: Apache-2.0
 *
 * The way in from outside: an HTTPRoute where the cluster serves them and the
 * Environment names a Gateway, else an Ingress.
 */
#include "controller/app/children.h"

bool app_uses_httproute(const struct view *view, const struct app_settings *settings)
{
        return settings->routing.gateway_name.data && view_served(view, &app_httproute_kind);
}

static struct str hosts_json(const struct app_spec *spec, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        for (size_t i = 0; i < spec->hosts.n; i++)
                json_str(&w, spec->hosts.items[i]);
        json_end(&w);
        return arena_buf(a, &text);
}

/* --- Ingress ------------------------------------------------------------------------ */

static struct str rules_json(const struct child_meta *c, const struct app_spec *spec, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        for (size_t i = 0; i < spec->hosts.n; i++) {
                json_object(&w);
                json_put_str(&w, "host", spec->hosts.items[i]);
                json_put_raw(&w, "http",
                             arena_printf(a,
                                          "{\"paths\":[{\"path\":\"/\",\"pathType\":\"Prefix\",\"backend\":"
                                          "{\"service\":{\"name\":\"%.*s\",\"port\":{\"name\":\"http\"}}}}]}",
                                          STR_FMT(c->name)));
                json_end(&w);
        }
        json_end(&w);
        return arena_buf(a, &text);
}

/* cert-manager's Ingress shim makes the certificate from the annotation and
 * puts it into the Secret that "tls" names. */
static struct str issuer_json(const struct app_settings *settings, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        if (!settings->routing.issuer.data)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_object(&w);
        json_put_str(&w,
                     settings->routing.cluster_issuer ? "cert-manager.io/cluster-issuer"
                                                      : "cert-manager.io/issuer",
                     settings->routing.issuer);
        json_end(&w);
        return arena_buf(a, &text);
}

static struct str tls_json(const struct child_meta *c, const struct app_settings *settings, struct arena *a)
{
        if (!settings->routing.issuer.data)
                return STR_NULL;
        return arena_printf(a, "[{\"hosts\":%.*s,\"secretName\":\"%.*s\"}]",
                            STR_FMT(hosts_json(&settings->spec, a)),
                            STR_FMT(app_certificate_name(c->name, a)));
}

int app_child_ingress(const struct child_meta *c, const struct app_settings *settings, struct arena *a,
                      struct buf *out)
{
        struct app_ingress_params params = {
                CHILD_META(c),
                .annotations = issuer_json(settings, a),
                .class = settings->routing.ingress_class,
                .tls = tls_json(c, settings, a),
                .rules = rules_json(c, &settings->spec, a),
        };

        return app_render_ingress(out, &params);
}

/* --- HTTPRoute ---------------------------------------------------------------------- */

int app_child_httproute(const struct child_meta *c, const struct app_settings *settings, struct arena *a,
                        struct buf *out)
{
        struct app_httproute_params params = {
                CHILD_META(c),
                .gateway = settings->routing.gateway_name,
                .gateway_namespace = settings->routing.gateway_namespace,
                .gateway_section = settings->routing.gateway_section,
                .hosts = hosts_json(&settings->spec, a),
                .port = settings->spec.port,
        };

        return app_render_httproute(out, &params);
}
