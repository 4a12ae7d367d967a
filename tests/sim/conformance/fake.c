/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/conformance/backend.h"

#include <stdio.h>
#include <stdlib.h>

static struct sim_api api;

static void begin(void)
{
        sim_api_init(&api);
}

static void end(void)
{
        sim_api_release(&api);
}

static struct sim_reply serve(const struct kube_call *call)
{
        struct sim_reply reply;

        sim_api_serve(&api, call, &reply);
        return reply;
}

static char *events(const struct kube_kind *kind, const char *version, const char *selector)
{
        static const char *const types[] = {
                [SIM_ADDED] = "ADDED", [SIM_MODIFIED] = "MODIFIED", [SIM_DELETED] = "DELETED"
        };
        enum sim_change_type type;
        const char *object;
        struct sim_watch w;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                abort();
        sim_watch_init(&w, &api, kind, selector ? str_c(selector) : STR_NULL);
        sim_watch_seek(&w, sim_version_read(&api, str_c(version)));
        while (sim_watch_next(&w, &type, &object))
                fprintf(out, "{\"type\":\"%s\",\"object\":%s}\n", types[type], object);
        fclose(out);
        return text;
}

static bool collect(const struct kube_kind *kind, const char *name)
{
        sim_api_collect(&api);
        return !sim_api_get(&api, kind, conformance_namespace, name);
}

const struct backend fake_backend = {
        .begin = begin, .end = end, .serve = serve, .events = events, .collect = collect
};
