/* SPDX-License-Identifier: Apache-2.0
 *
 * Made by keelson-gen from manifests: change that, not this.
 */
#pragma once

#include "base/buf.h"

/* Each function appends its object as JSON. 0, the buffer's error, or -EINVAL if a
 * string is absent that is not optional. An absent optional parameter leaves out the
 * entry or the list item that it stands in. */

/* config-map.yaml: Text in all the places where text may stand, and the comment that goes with it. */
struct t_config_map_params {
        struct str name;
        struct str namespace;
        struct str key;
        struct str value;
        struct str hint; /* optional */
        struct str other; /* optional */
};

int t_render_config_map(struct buf *out, const struct t_config_map_params *p) _must_check_;

/* fixed.yaml */
struct t_fixed_params {
        bool nothing; /* C wants one member */
};

int t_render_fixed(struct buf *out, const struct t_fixed_params *p) _must_check_;

/* pod.yaml */
struct t_pod_params {
        int64_t replicas;
        struct str labels; /* JSON */
        struct str ports; /* JSON, optional */
        struct str hint; /* optional */
        struct str live_path;
        struct str sidecar_name;
        int64_t port;
        bool has_port;
        bool paused;
        bool maybe;
        bool sidecar;
        bool has_replicas;
        bool has_maybe;
};

int t_render_pod(struct buf *out, const struct t_pod_params *p) _must_check_;
