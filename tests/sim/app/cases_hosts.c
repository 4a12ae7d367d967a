/* SPDX-License-Identifier: Apache-2.0
 *
 * Apps that fight for a host.
 */
#include "app/cases.h"

#include <string.h>

#define HOST "a.example"
#define APPS 3
#define ROUNDS 40

static const char *const names[APPS] = { "web", "api", "job" };
static const char *const specs[] = {
        PLAIN,
        PLAIN ",\"hosts\":[\"" HOST "\"]",
        PLAIN ",\"hosts\":[\"b.example\",\"" HOST "\"]",
        PLAIN ",\"hosts\":[\"" HOST "\",\"*.a.example\"]",
        PLAIN ",\"hosts\":[\"b.example\"]",
};

/* Has it at POINTER a list with the host, or with objects that have it? */
static bool names_host(yyjson_mut_val *object, const char *pointer)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(yyjson_mut_ptr_get(object, pointer));
        yyjson_mut_val *one;

        while ((one = yyjson_mut_arr_iter_next(&it)))
                if (yyjson_mut_equals_str(one, HOST) ||
                    yyjson_mut_equals_str(yyjson_mut_obj_get(one, "host"), HOST))
                        return true;
        return false;
}

static bool serves(const struct run *r, const char *name)
{
        return names_host(sim_api_get(&r->w.api, &app_ingress_kind.api, NS, name), "/spec/rules");
}

/* The oldest of those that claim it, by name where two are as old; NULL: nobody does. */
static const char *rightful(const struct run *r)
{
        const char *first = NULL;
        char since[64] = "";

        for (size_t i = 0; i < APPS; i++) {
                yyjson_mut_val *app = sim_api_get(&r->w.api, &app_kind.api, NS, names[i]);
                const char *made = yyjson_mut_get_str(yyjson_mut_ptr_get(app, "/metadata/creationTimestamp"));
                int order;

                if (!app || !names_host(app, "/spec/hosts"))
                        continue;
                order = first ? strcmp(made, since) : -1;
                if (order < 0 || (order == 0 && strcmp(names[i], first) < 0)) {
                        first = names[i];
                        snprintf(since, sizeof(since), "%s", made);
                }
        }
        return first;
}

static void never_in_two(struct world *w)
{
        const struct run *r = w->user;
        const char *before = NULL;

        oracle_watch(w);
        for (size_t i = 0; i < APPS; i++) {
                if (!serves(r, names[i]))
                        continue;
                expect(!before, "the host is in the routes of %s and %s", before, names[i]);
                before = names[i];
        }
}

static void somebody_acts(struct run *r, struct rand *rand)
{
        const char *name = names[rand_below(rand, APPS)];

        if (rand_below(rand, 6) == 0)
                user_deletes(r, name);
        else
                user_applies(r, name, specs[rand_below(rand, ARRAY_SIZE(specs))]);
}

/* Either in one life of the operator, whatever the watches do and however slow the server
 * is: then the host is never in two routes. Or with deaths and lost requests, after which
 * nobody can know at once what stands where. */
static void begin_fight(struct run *r, uint64_t seed, struct rand *rand, bool one_life)
{
        run_init(r, seed);
        if (one_life)
                r->w.watcher = never_in_two;
        r->w.weather =
                (struct world_weather){ .delay = 50, .cut = 20, .gone = 20, .stale = 100, .repeat = 100 };
        r->w.watch_lag = (usec_t)rand_below(rand, 2 * USEC_SEC) + 1;
        run_start(r);
}

static void make_trouble(struct run *r, struct rand *rand)
{
        uint64_t *deaths[] = { &r->w.crash_before, &r->w.crash_after, &r->w.crash_replied };

        r->w.weather.lose_reply = r->w.weather.lose_request = (unsigned)rand_below(rand, 100);
        if (rand_below(rand, 3) == 0)
                *deaths[rand_below(rand, ARRAY_SIZE(deaths))] = 1 + rand_below(rand, 8);
}

void case_hosts(uint64_t seed)
{
        struct rand rand = { .state = seed ^ 0x686f7374 };
        bool one_life = seed % 2;
        static struct run r;
        const char *winner;

        begin_fight(&r, seed, &rand, one_life);
        for (int i = 0; i < ROUNDS; i++) {
                somebody_acts(&r, &rand);
                if (!one_life)
                        make_trouble(&r, &rand);
                run_for(&r,
                        (usec_t)rand_below(&rand, rand_below(&rand, 2) ? 100 * USEC_MSEC : 20 * USEC_SEC));
        }
        world_calm(&r.w);
        r.w.crash_before = r.w.crash_after = r.w.crash_replied = 0;
        run_for(&r, 20 * USEC_MINUTE);
        resync(&r);
        run_for(&r, 10 * USEC_MINUTE);
        winner = rightful(&r);
        for (size_t i = 0; i < APPS; i++) {
                yyjson_mut_val *app = sim_api_get(&r.w.api, &app_kind.api, NS, names[i]);
                bool claims = app && names_host(app, "/spec/hosts"), wins = winner && winner == names[i];

                expect(serves(&r, names[i]) == wins, "%s is to have the host, and %s %s it",
                       winner ? winner : "nobody", names[i], wins ? "has not" : "has");
                if (claims && !wins)
                        expect_condition(&r, names[i], "Stalled", "True", "HostConflict");
                else if (wins && !app_condition(&r, names[i], "Ready", "reason").data)
                        sim_fail("%s says nothing", names[i]);
        }
        run_end(&r);
}
