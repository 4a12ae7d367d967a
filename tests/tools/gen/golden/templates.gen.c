/* SPDX-License-Identifier: Apache-2.0
 *
 * Made by keelson-gen from manifests: change that, not this.
 */
#include "templates.gen.h"

#include <errno.h>

#include "json/write.h"

/* config-map.yaml */
int t_render_config_map(struct buf *out, const struct t_config_map_params *p)
{
        if (!p->name.data ||
            !p->namespace.data ||
            !p->key.data ||
            !p->value.data)
                return -EINVAL;

        buf_add_str(out, STR("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\""));
        json_escape(out, p->name);
        buf_add_str(out, STR("-config\",\"namespace\":\""));
        json_escape(out, p->namespace);
        buf_add_str(out, STR("\"},\"data\":{\"plain\":\"a \\\"quoted\\\" line\\nand another: {}, []\",\""));
        json_escape(out, p->key);
        buf_add_str(out, STR("\":\""));
        json_escape(out, p->value);
        buf_add_str(out, STR("\",\"joined\":\""));
        json_escape(out, p->name);
        buf_add_str(out, STR("."));
        json_escape(out, p->namespace);
        buf_add_str(out, STR(".svc\",\"dollars\":\"${name} costs $5 and $$, $(NAME) too\""));
        if (p->hint.data) {
                buf_add_str(out, STR(",\"optional\":\""));
                json_escape(out, p->hint);
                buf_add_str(out, STR("\""));
        }
        if (p->hint.data && p->other.data) {
                buf_add_str(out, STR(",\"both\":\""));
                json_escape(out, p->hint);
                buf_add_str(out, STR("/"));
                json_escape(out, p->other);
                buf_add_str(out, STR("\""));
        }
        buf_add_str(out, STR(",\"number\":\"8080\"}}"));
        return buf_error(out);
}

/* fixed.yaml */
int t_render_fixed(struct buf *out, const struct t_fixed_params *p _unused_)
{
        buf_add_str(out, STR("{\"kind\":\"Fixed\",\"a\":[1,2]}"));
        return buf_error(out);
}

/* pod.yaml */
int t_render_pod(struct buf *out, const struct t_pod_params *p)
{
        if (!p->labels.data ||
            (p->has_port && !p->paused && !p->live_path.data) ||
            (p->sidecar && !p->sidecar_name.data))
                return -EINVAL;

        buf_add_str(out, STR("{\"kind\":\"Pod\",\"ints\":[1,-2,1.5,true,null,null]"));
        if (p->has_replicas) {
                buf_add_str(out, STR(",\"replicas\":"));
                buf_add_int(out, p->replicas);
        }
        buf_add_str(out, STR(",\"paused\":"));
        buf_add_str(out, p->paused ? STR("true") : STR("false"));
        if (p->has_maybe) {
                buf_add_str(out, STR(",\"maybe\":"));
                buf_add_str(out, p->maybe ? STR("true") : STR("false"));
        }
        buf_add_str(out, STR(",\"labels\":"));
        buf_add_str(out, p->labels);
        if (p->ports.data) {
                buf_add_str(out, STR(",\"ports\":"));
                buf_add_str(out, p->ports);
        }
        buf_add_str(out, STR(",\"loose\":{"));
        if (p->has_replicas) {
                buf_add_str(out, STR("\"first\":"));
                buf_add_int(out, p->replicas);
                buf_add_str(out, STR(","));
        }
        if (p->hint.data) {
                buf_add_str(out, STR("\"second\":\""));
                json_escape(out, p->hint);
                buf_add_str(out, STR("\","));
        }
        if (p->ports.data) {
                buf_add_str(out, STR("\"third\":"));
                buf_add_str(out, p->ports);
                buf_add_str(out, STR(","));
        }
        json_trim_comma(out);
        buf_add_str(out, STR("},\"list\":["));
        if (p->hint.data) {
                buf_add_str(out, STR("\""));
                json_escape(out, p->hint);
                buf_add_str(out, STR("\","));
        }
        if (p->has_replicas) {
                buf_add_int(out, p->replicas);
                buf_add_str(out, STR(","));
        }
        json_trim_comma(out);
        buf_add_str(out, STR("],\"middle\":["));
        if (p->hint.data) {
                buf_add_str(out, STR("\""));
                json_escape(out, p->hint);
                buf_add_str(out, STR("\","));
        }
        buf_add_str(out, STR("\"sure\""));
        if (p->hint.data) {
                buf_add_str(out, STR(",\""));
                json_escape(out, p->hint);
                buf_add_str(out, STR("\""));
        }
        buf_add_str(out, STR("]"));
        if (p->has_port) {
                buf_add_str(out, STR(",\"lifecycle\":{"));
                if (!p->paused) {
                        buf_add_str(out, STR("\"preStop\":{\"path\":\""));
                        json_escape(out, p->live_path);
                        buf_add_str(out, STR("\"},"));
                }
                json_trim_comma(out);
                buf_add_str(out, STR("}"));
        }
        buf_add_str(out, STR(",\"only\":{"));
        if (p->has_port)
                buf_add_str(out, STR("\"inner\":{},"));
        json_trim_comma(out);
        buf_add_str(out, STR("},\"containers\":[{\"name\":\"app\"}"));
        if (p->sidecar) {
                buf_add_str(out, STR(",{\"name\":\""));
                json_escape(out, p->sidecar_name);
                buf_add_str(out, STR("\""));
                if (p->has_port) {
                        buf_add_str(out, STR(",\"port\":"));
                        buf_add_int(out, p->port);
                }
                buf_add_str(out, STR("}"));
        }
        buf_add_str(out, STR(",{\"name\":\"last\"}],\"empty\":{},\"none\":[]}"));
        return buf_error(out);
}
