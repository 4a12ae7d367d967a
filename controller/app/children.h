/* SPDX-License-Identifier: Apache-2.0
 *
 * What the renderers of an App's children share. Each writes one child's whole
 * JSON into a buffer; the templates are its shape, and the renderer fills their
 * blanks. They write what the API server would store, defaults inside lists
 * and other values that are owned as a whole included, so that what we apply
 * is what we read back (pkg/kube/owned.h).
 */
#pragma once

#include "app_templates.gen.h"
#include "controller/app/app.h"
#include "json/write.h"
#include "manager/child_meta.h"

/* What the API server takes at the most. etcd lets an App be half as large, and
 * its environment may be most of it. */
#define CHILD_BYTES_MAX ((size_t)3 * 1024 * 1024)

/* What all children of this App share. */
struct child_meta app_child_meta(const struct view *view, struct arena *a);

/* What the pods are, into pods->pod_spec. But for the helper in it, it is the whole
 * of a revision. */
int app_pod_spec(const struct child_meta *c, struct app_pods *pods, struct arena *a) _must_check_;

/* The name that the pods have for a ConfigMap or Secret: that of its copy, if there is one. */
struct str app_pods_name(const struct app_pods *pods, bool secret, struct str name);

/* Are there files to tell the program of? */
bool app_reload_wanted(const struct app_pods *pods);

/* The sidecar that does, in a JSON array. */
int app_reload_containers(const struct app_pods *pods, struct arena *a, struct str *ret) _must_check_;

int app_child_deployment(const struct child_meta *c, const struct app_settings *settings,
                         const struct app_pods *pods, int64_t replicas, struct arena *a, struct buf *out)
        _must_check_;
int app_child_networkpolicy(const struct child_meta *c, const struct app_settings *settings, struct arena *a,
                            struct buf *out) _must_check_;
int app_child_ingress(const struct child_meta *c, const struct app_settings *settings, struct arena *a,
                      struct buf *out) _must_check_;
int app_child_httproute(const struct child_meta *c, const struct app_settings *settings, struct arena *a,
                        struct buf *out) _must_check_;
