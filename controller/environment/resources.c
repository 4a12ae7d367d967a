/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/resources.h"

#include "kube/names.h"
#include "kube/quantity.h"

#define NANO ((__int128)1000 * 1000 * 1000)

static const struct str pages = STR_INIT("hugepages-"), requests = STR_INIT("requests.");

static struct str behind(struct str s, struct str prefix)
{
        return str_n(s.data + prefix.len, s.len - prefix.len);
}

/* 2Mi of hugepages-2Mi; 0 if it is none. */
static __int128 page_size(struct str name)
{
        struct quantity q;

        if (!str_starts(name, pages) || quantity_parse(behind(name, pages), &q) < 0 || q.nanos < NANO ||
            q.nanos % NANO != 0)
                return 0;
        return q.nanos / NANO;
}

static bool is_native(struct str name)
{
        static const char native[] = "kubernetes.io/";

        return memmem(name.data, name.len, native, sizeof(native) - 1) != NULL;
}

static bool is_extended(struct str name)
{
        return kube_is_qualified(name) && !is_native(name) && !str_starts(name, requests);
}

bool resource_is_container(struct str name)
{
        static const struct str own[] = { STR_INIT("cpu"), STR_INIT("memory"),
                                          STR_INIT("ephemeral-storage") };

        return str_is_one_of(name, own, ARRAY_SIZE(own)) || page_size(name) > 0 || is_extended(name) ||
               (kube_is_qualified(name) && is_native(name));
}

static bool is_counted(struct str name)
{
        static const struct str counted[] = {
                STR_INIT("pods"),
                STR_INIT("services"),
                STR_INIT("services.nodeports"),
                STR_INIT("services.loadbalancers"),
                STR_INIT("persistentvolumeclaims"),
                STR_INIT("configmaps"),
                STR_INIT("secrets"),
                STR_INIT("replicationcontrollers"),
                STR_INIT("resourcequotas"),
        };

        return str_is_one_of(name, counted, ARRAY_SIZE(counted));
}

bool resource_is_quota(struct str name)
{
        static const struct str measured[] = {
                STR_INIT("cpu"),
                STR_INIT("memory"),
                STR_INIT("ephemeral-storage"),
                STR_INIT("requests.cpu"),
                STR_INIT("requests.memory"),
                STR_INIT("requests.storage"),
                STR_INIT("requests.ephemeral-storage"),
                STR_INIT("limits.cpu"),
                STR_INIT("limits.memory"),
                STR_INIT("limits.ephemeral-storage"),
        };

        return is_counted(name) || str_is_one_of(name, measured, ARRAY_SIZE(measured)) ||
               page_size(str_starts(name, requests) ? behind(name, requests) : name) > 0 ||
               kube_is_qualified(name);
}

bool resource_is_whole(struct str name)
{
        return is_counted(name) || is_extended(name);
}

bool resource_is_overcommitted(struct str name)
{
        return !is_extended(name) && !str_starts(name, pages);
}

bool resource_is_pages(struct str name, struct str amount)
{
        __int128 size = page_size(name);
        struct quantity q;

        return size == 0 || quantity_parse(amount, &q) < 0 || q.nanos % (size * NANO) == 0;
}
