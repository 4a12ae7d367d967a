/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/rivals.h"

#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cmd/explain.h"
#include "json/read.h"

/* Behind it, its strings. */
struct claimant {
        struct map_node node;
        struct str host, namespace, name, file;
        unsigned line;
};

void rivals_init(struct rivals *r)
{
        map_init(&r->hosts);
}

void rivals_release(struct rivals *r)
{
        map_for_each (n, &r->hosts)
                mem_free(container_of(n, struct claimant, node));
        map_release(&r->hosts);
}

static const struct claimant *find(const struct rivals *r, struct str host)
{
        for (struct map_node *n = map_first(&r->hosts, hash_str(HASH_INIT, host)); n; n = map_next(n)) {
                const struct claimant *c = container_of(n, struct claimant, node);

                if (str_eq(c->host, host))
                        return c;
        }
        return NULL;
}

static int add(struct rivals *r, const struct claimant *claimant)
{
        struct claimant *c;
        char *at;

        if (r->hosts.count == RIVALS_MAX)
                return 0;
        c = mem_alloc(sizeof(*c) + claimant->host.len + claimant->namespace.len + claimant->name.len +
                      claimant->file.len);
        if (!c)
                return -ENOMEM;
        at = (char *)(c + 1);
        *c = (struct claimant){ .line = claimant->line };
        c->host = str_store(&at, claimant->host);
        c->namespace = str_store(&at, claimant->namespace);
        c->name = str_store(&at, claimant->name);
        c->file = str_store(&at, claimant->file);
        if (map_insert(&r->hosts, &c->node, hash_str(HASH_INIT, c->host)) < 0) {
                mem_free(c);
                return -ENOMEM;
        }
        return 0;
}

/* An App may well be there twice: in a base and in what is made of it. */
static bool is_same(const struct claimant *a, const struct claimant *b)
{
        return str_eq(a->name, b->name) && str_eq(a->namespace, b->namespace);
}

static void warn(struct problems *warnings, size_t i, const struct claimant *c)
{
        char path[64];
        int n = snprintf(path, sizeof(path), "spec.hosts[%zu]", i);

        problem_add(warnings, arena_str(warnings->arena, str_n(path, (size_t)n)),
                    "%.*s is claimed by the App %.*s in the namespace %.*s too (%.*s:%u), and only the older "
                    "of the two will have it; take it out of one of them",
                    STR_FMT(c->host), STR_FMT(c->name), STR_FMT(c->namespace), STR_FMT(c->file), c->line);
}

int rivals_note(struct rivals *r, yyjson_val *app, const char *file, unsigned line, struct problems *warnings)
{
        yyjson_val *hosts = json_get_path(app, "/spec/hosts"), *host;
        struct claimant self = {
                .namespace = explain_namespace(app),
                .name = json_get_str(yyjson_obj_get(app, "metadata"), "name"),
                .file = str_c(file),
                .line = line,
        };
        size_t i, n;
        int result = 0;

        yyjson_arr_foreach (hosts, i, n, host) {
                const struct claimant *other = find(r, json_val_str(host));

                if (other && !is_same(other, &self))
                        warn(warnings, i, other);
                self.host = json_val_str(host);
                if (!other && result == 0)
                        result = add(r, &self);
        }
        return result;
}
