/* SPDX-License-Identifier: Apache-2.0
 *
 * A host belongs to one App. Where several claim it, whoever is older has it, so that
 * traffic never moves to somebody who merely asks for it; and it is in no second route
 * before it is out of the first:
 *
 *      do I come first of all Apps that claim it? --no---> HOST_OF_ANOTHER  (Stalled)
 *       | yes
 *      is it out of all routes of others? --------no---> HOST_IN_ROUTE    (until it is)
 *       | yes
 *      it is mine
 *
 * "*.example.com" and "a.example.com" are two hosts: the closer one wins at any
 * Gateway and ingress controller, as the Gateway API wants it.
 */
#include <errno.h>

#include "controller/app/app.h"

size_t app_claims(const void *state, struct str list[CACHE_CLAIMS_MAX])
{
        const struct app *app = state;
        size_t n = app->spec ? MIN(app->spec->hosts.n, (size_t)CACHE_CLAIMS_MAX) : 0;

        for (size_t i = 0; i < n; i++)
                list[i] = app->spec->hosts.items[i];
        return n;
}

/* Of somebody else, whatever became of him. */
static const struct object *route_of_other(const struct view *view, struct str host)
{
        const struct object *o = view_claimed_by_other(view, &app_ingress_kind, host);

        return o ? o : view_claimed_by_other(view, &app_httproute_kind, host);
}

/* NULL: the host is this App's. */
static const struct object *holder_of(const struct view *view, struct str host, enum app_host_state *ret)
{
        const struct object *first = view_first_claimant(view, host), *route;

        if (first && first != view->self) {
                *ret = HOST_OF_ANOTHER;
                return first;
        }
        route = route_of_other(view, host);
        *ret = route && !route->owner->uid.data ? HOST_IN_STRAY_ROUTE : HOST_IN_ROUTE;
        return route;
}

static struct str why(const struct app_contested *c, struct arena *a)
{
        const struct object *by = c->by;

        switch (c->state) {
        case HOST_OF_ANOTHER:
                return arena_printf(a,
                                    "the host %.*s belongs to the App %.*s in the namespace %.*s, which "
                                    "claims it too and comes first: take it out of one of the two",
                                    STR_FMT(c->host), STR_FMT(by->name), STR_FMT(by->namespace));
        case HOST_IN_STRAY_ROUTE:
                return arena_printf(a,
                                    "the host %.*s is in the %.*s %.*s in the namespace %.*s, which no App "
                                    "controls any more: delete that",
                                    STR_FMT(c->host), STR_FMT(by->kind->api.kind), STR_FMT(by->name),
                                    STR_FMT(by->namespace));
        case HOST_IN_ROUTE:
                break;
        }
        return arena_printf(a,
                            "the host %.*s is still in the %.*s of the App %.*s in the namespace %.*s; it is "
                            "taken over once it is out of that",
                            STR_FMT(c->host), STR_FMT(by->kind->api.kind), STR_FMT(by->owner->name),
                            STR_FMT(by->namespace));
}

int app_settle_hosts(const struct view *view, struct arena *a, struct app_settings *settings)
{
        const struct app_spec *spec = &settings->spec;
        size_t n = spec->hosts.n, n_mine = 0;
        struct str *mine = n ? arena_new_n(a, struct str, n) : NULL;

        if (n == 0)
                return 0;
        settings->contested = arena_new_n(a, struct app_contested, n);
        if (!mine || !settings->contested)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                struct app_contested *c = &settings->contested[settings->n_contested];

                *c = (struct app_contested){ .host = spec->hosts.items[i], .index = i };
                c->by = holder_of(view, c->host, &c->state);
                if (!c->by) {
                        mine[n_mine++] = c->host;
                        continue;
                }
                c->why = why(c, a);
                settings->n_contested++;
        }
        settings->spec.hosts.items = mine;
        settings->spec.hosts.n = n_mine;
        return 0;
}

const struct app_contested *app_worst_contested(const struct app_settings *settings)
{
        for (size_t i = 0; i < settings->n_contested; i++)
                if (settings->contested[i].state != HOST_IN_ROUTE)
                        return &settings->contested[i];
        return settings->n_contested ? &settings->contested[0] : NULL;
}
