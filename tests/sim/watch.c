/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/apiserver.h"

void sim_version_write(const struct sim_api *api, uint64_t version, char out[SIM_VERSION_MAX])
{
        snprintf(out, SIM_VERSION_MAX, "%s%llu", api->version_prefix, (unsigned long long)version);
}

uint64_t sim_version_read(const struct sim_api *api, struct str version)
{
        struct str prefix = str_c(api->version_prefix);
        uint64_t n = 0;

        if (!str_starts(version, prefix))
                return 0;
        for (size_t i = prefix.len; i < version.len; i++) {
                if (version.data[i] < '0' || version.data[i] > '9')
                        return 0;
                n = n * 10 + (uint64_t)(version.data[i] - '0');
        }
        return n;
}

void sim_watch_init(struct sim_watch *w, struct sim_api *api, const struct kube_kind *kind,
                    struct str selector)
{
        *w = (struct sim_watch){ .api = api, .kind = kind, .selector = selector, .at = api->n_log };
}

void sim_watch_seek(struct sim_watch *w, uint64_t version)
{
        w->at = w->api->n_log;
        while (w->at > 0 && w->api->log[w->at - 1].version > version)
                w->at--;
}

static bool matches(const struct sim_watch *w, const char *labels)
{
        struct str term, rest = w->selector;
        char line[512];

        if (!labels)
                return false;
        while (rest.data) {
                (void)str_cut(rest, ',', &term, &rest);
                snprintf(line, sizeof(line), "\n%.*s\n", STR_FMT(term));
                if (!strstr(labels, line))
                        return false;
        }
        return true;
}

/* What a change is to this watch; false: nothing. */
static bool tell(const struct sim_watch *w, const struct sim_change *c, enum sim_change_type *ret_type,
                 const char **ret_object)
{
        bool before, now;

        if (!sim_same_kind(c->kind, w->kind))
                return false;
        before = matches(w, c->labels_before);
        now = matches(w, c->labels);
        if (!before && !now)
                return false;
        *ret_type = !now ? SIM_DELETED : before ? SIM_MODIFIED : SIM_ADDED;
        *ret_object = now ? c->object : c->before;
        return true;
}

bool sim_watch_pending(struct sim_watch *w)
{
        enum sim_change_type type;
        const char *object;

        while (w->at < w->api->n_log && !tell(w, &w->api->log[w->at], &type, &object))
                w->at++;
        return w->at < w->api->n_log;
}

bool sim_watch_next(struct sim_watch *w, enum sim_change_type *ret_type, const char **ret_object)
{
        return sim_watch_pending(w) && tell(w, &w->api->log[w->at++], ret_type, ret_object);
}

static int by_key(const void *a, const void *b)
{
        const struct sim_change *const *x = a, *const *y = b;

        return strcmp((*x)->key, (*y)->key);
}

/* The last change of each object up to the version counts. */
void sim_list_at(const struct sim_watch *w, uint64_t version,
                 void (*fn)(const char *object, bool matches, void *arg), void *arg)
{
        const struct sim_api *api = w->api;
        const struct sim_change **last = calloc(api->n_created + 1, sizeof(*last));
        size_t n = 0;

        assert(last);
        for (size_t i = 0; i < api->n_log && api->log[i].version <= version; i++)
                if (sim_same_kind(api->log[i].kind, w->kind))
                        last[api->log[i].number] = &api->log[i];
        for (size_t i = 1; i <= api->n_created; i++)
                if (last[i] && last[i]->object)
                        last[n++] = last[i];
        qsort(last, n, sizeof(*last), by_key);
        for (size_t i = 0; i < n; i++)
                fn(last[i]->object, matches(w, last[i]->labels), arg);
        free(last);
}
