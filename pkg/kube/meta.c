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

static void take_member(struct kube_meta *m, struct str key, yyjson_val *value)
{
        if (str_eq_c(key, "name"))
                m->name = json_val_str(value);
        else if (str_eq_c(key, "namespace"))
                m->namespace = json_val_str(value);
        else if (str_eq_c(key, "uid"))
                m->uid = json_val_str(value);
        else if (str_eq_c(key, "resourceVersion"))
                m->version = json_val_str(value);
        else if (str_eq_c(key, "creationTimestamp"))
                m->created = json_val_str(value);
        else if (str_eq_c(key, "generation"))
                m->generation = json_val_int(value, 0);
        else if (str_eq_c(key, "deletionTimestamp"))
                m->deleting = yyjson_is_str(value);
        else if (str_eq_c(key, "labels"))
                m->labels = value;
        else if (str_eq_c(key, "finalizers"))
                m->finalizers = value;
        else if (str_eq_c(key, "ownerReferences"))
                decode_owner(value, &m->owner);
}

/* Each of all that comes from the server goes through here once, so in one pass. */
int kube_meta_decode(yyjson_val *object, struct kube_meta *ret)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(yyjson_obj_get(object, "metadata"));
        struct kube_meta m = { 0 };
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&it)))
                take_member(&m, json_val_str(key), yyjson_obj_iter_get_val(key));
        if (str_empty(m.name))
                return -EBADMSG;
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
