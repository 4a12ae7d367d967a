/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases about who may write. That nobody does whom the Lease does not name is
 * checked at each write that the server carries out (oracle.c).
 */
#include "app/cases.h"

#include <stdlib.h>

#include "kube/kinds.h"
#include "manager/leader.h"

#define TRIES 20

static void begin(struct run *r, uint64_t seed)
{
        run_init(r, seed);
        r->w.elects = true;
        user_applies(r, "web", PLAIN);
        run_start(r);
        run_for(r, USEC_MINUTE);
        expect(replica_start(&r->w.op[1]), "no memory");
        run_for(r, USEC_MINUTE);
        expect(r->w.op[0].leading && !r->w.op[1].leading, "op0 does not lead");
        expect_ready(r, "web");
}

static void expect_end(struct run *r, const char *image)
{
        run_for(r, 10 * USEC_MINUTE);
        expect(str_eq_c(child_str(r, &app_deployment_kind, "web", "/spec/template/spec/containers/0/image"),
                        image),
               "the Deployment is not of %s", image);
        expect_ready(r, "web");
        run_end(r);
}

/* op0 does not get at its Lease any more, while there is always something to do. */
static void lose_lease(uint64_t seed, uint64_t n)
{
        static struct run r;
        bool taken_over = false;
        char spec[128];

        begin(&r, seed);
        r.w.weather.delay = 200;
        world_rule(&r.w, (struct world_rule){ .fate = WORLD_LOSE_REQUEST,
                                              .any_type = true,
                                              .kind = &kube_lease_kind,
                                              .only = &r.w.op[0],
                                              .times = -1 });
        for (int i = 0; i < 40; i++) {
                snprintf(spec, sizeof(spec), "\"image\":\"registry.example/web:%llu-%d\",\"port\":8080",
                         (unsigned long long)n, i);
                user_applies(&r, "web", spec);
                run_for(&r, 500 * USEC_MSEC + (usec_t)rand_below(&r.w.rand, USEC_SEC));
                taken_over |= r.w.op[1].leading;
        }
        expect(taken_over && !r.w.op[0].leading, "op1 has not taken over");
        world_calm(&r.w);
        snprintf(spec, sizeof(spec), "registry.example/web:%llu-39", (unsigned long long)n);
        expect_end(&r, spec);
}

void case_lease_lost(uint64_t seed)
{
        for (uint64_t n = 0; n < TRIES; n++)
                lose_lease(seed + n * 1000003, n);
}

/* op0 is stopped in the middle of a reconcile. When it goes on, another one
 * leads, the App is another one of the same name, and op0 does not care. */
static void lead_twice(uint64_t seed)
{
        static struct run r;

        begin(&r, seed);
        user_applies(&r, "web", "\"image\":\"registry.example/web:2\",\"port\":8080");
        run_for(&r, (usec_t)rand_below(&r.w.rand, 60 * USEC_MSEC));
        r.w.op[0].paused_until = r.w.now + USEC_MINUTE;
        r.w.op[0].stubborn = true;
        run_for(&r, 30 * USEC_SEC);
        expect(r.w.op[1].leading, "op1 does not lead");
        user_deletes(&r, "web");
        user_applies(&r, "web", "\"image\":\"registry.example/web:3\",\"replicas\":1");
        run_for(&r, 5 * USEC_MINUTE);
        user_applies(&r, "web", "\"image\":\"registry.example/web:4\",\"replicas\":2");
        run_for(&r, USEC_MINUTE);
        r.w.op[0].stubborn = false;
        expect(sim_api_count(&r.w.api, &app_deployment_kind.api) == 1, "there are several Deployments");
        expect_end(&r, "registry.example/web:4");
}

void case_two_leaders(uint64_t seed)
{
        for (uint64_t n = 0; n < TRIES; n++)
                lead_twice(seed + n * 1000003);
}
