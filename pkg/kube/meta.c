/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/meta.h"

#include <errno.h>

#include "json/read.h"

static void decode_owner(yyjson_val *references, struct kube_owner *ret)
{
        yyjson_arr_iter it = yyjson_arr_iter_with(references);
        yyjson_val *reference;

        while ((reference = yyjson_arr_iter_next(&it))) {
                if (!json_get_bool(reference, "controller", false))
                        continue;
                ret->kind = json_get_str(reference, "kind");
                ret->name = json_get_str(reference, "name");
                ret->uid = json_get_str(reference, "uid");
                return;
        }
}

int kube_meta_decode(yyjson_val *object, struct kube_meta *ret)
{
        yyjson_val *meta = yyjson_obj_get(object, "metadata");
        struct kube_meta m = { 0 };

        m.name = json_get_str(meta, "name");
        if (str_empty(m.name))
                return -EBADMSG;
        m.namespace = json_get_str(meta, "namespace");
        m.uid = json_get_str(meta, "uid");
        m.version = json_get_str(meta, "resourceVersion");
        m.created = json_get_str(meta, "creationTimestamp");
        m.generation = json_get_int(meta, "generation", 0);
        m.deleting = yyjson_is_str(yyjson_obj_get(meta, "deletionTimestamp"));
        m.labels = yyjson_obj_get(meta, "labels");
        m.finalizers = yyjson_obj_get(meta, "finalizers");
        decode_owner(yyjson_obj_get(meta, "ownerReferences"), &m.owner);
        *ret = m;
        return 0;
}

struct str kube_meta_label(const struct kube_meta *m, struct str key)
{
        return json_val_str(yyjson_obj_getn(m->labels, key.data, key.len));
}

bool kube_meta_has_finalizer(const struct kube_meta *m, struct str finalizer)
{
        yyjson_arr_iter it = yyjson_arr_iter_with(m->finalizers);
        yyjson_val *one;

        while ((one = yyjson_arr_iter_next(&it)))
                if (str_eq(json_val_str(one), finalizer))
                        return true;
        return false;
}
