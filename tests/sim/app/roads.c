/* SPDX-License-Identifier: Apache-2.0
 *
 * The roads of an App through its life, each walked once without trouble and
 * then once for every request on it, with trouble at that request. The end must
 * be the same, with no object made twice.
 *
 *      request      1    2    3    4   …
 *      crash        x    |    |    |        dies when it is sent, carried out, answered
 *                        x    |    |
 *                             x    |
 *      lost reply   x …
 *      refused      x …                     409, 429, 500, 503, 504
 *
 * A road is a function that makes things happen, and a line in the table.
 */
#include "app/cases.h"

#include <stdlib.h>

#include "controller/app/config.h"

/* --- roads --------------------------------------------------------------------------- */

#define WEB(tag, more) "\"image\":\"registry.example/web:" tag "\",\"port\":8080," more
#define CONFIGURED                                                                                           \
        "\"replicas\":2,\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}},"                            \
        "{\"secretRef\":{\"name\":\"keys\"}}]"

/* Files of which the program is told, and variables that are rolled out. */
#define SIGNALLED                                                                                            \
        "\"replicas\":2,\"configReload\":\"Signal\",\"envFrom\":[{\"secretRef\":{\"name\":\"keys\"}}],"      \
        "\"configFiles\":[{\"mountPath\":\"/etc/web\",\"configMapRef\":{\"name\":\"settings\"}}]"
#define HELPER "/spec/template/spec/initContainers/0/image"

#define IMPATIENT "\"strategy\":{\"progressDeadline\":\"2m\"}"

static void create(struct run *r)
{
        user_applies(r, "web", PLAIN);
        run_for(r, 2 * USEC_MINUTE);
}

static void update(struct run *r)
{
        create(r);
        user_applies(r, "web", WEB("2", "\"replicas\":3"));
        run_for(r, 2 * USEC_MINUTE);
}

/* Children that are wanted no more, and others that are. */
static void reshape(struct run *r)
{
        create(r);
        user_applies(r, "web", "\"image\":\"registry.example/web:1\",\"replicas\":2");
        run_for(r, 2 * USEC_MINUTE);
        user_applies(r, "web",
                     WEB("1", "\"resources\":{\"requests\":{\"cpu\":\"100m\"}},\"autoscaling\":{"
                              "\"minReplicas\":2,\"maxReplicas\":5}"));
        run_for(r, 2 * USEC_MINUTE);
}

static void delete (struct run *r)
{
        create(r);
        user_deletes(r, "web");
        run_for(r, 2 * USEC_MINUTE);
}

static void recreate(struct run *r)
{
        create(r);
        user_deletes(r, "web");
        user_applies(r, "web", WEB("2", "\"replicas\":1"));
        run_for(r, 3 * USEC_MINUTE);
}

static void repair(struct run *r)
{
        create(r);
        drift(r, &app_deployment_kind, "web",
              "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"evil\"}]}}}}");
        drift(r, &common_service_kind, "web",
              "{\"metadata\":{\"labels\":{\"app.kubernetes.io/managed-by\":null}}}");
        run_for(r, 2 * USEC_MINUTE);
}

/* A release that does not come up, after one that did. */
static void rollback(struct run *r)
{
        create(r);
        user_applies(r, "web", WEB(ACTORS_BAD, "\"replicas\":2," IMPATIENT));
        run_for(r, 10 * USEC_MINUTE);
}

static void configure(struct run *r)
{
        user_configures(r, "settings", "1");
        user_keeps_secret(r, "keys", "1");
        user_applies(r, "web", WEB("1", CONFIGURED));
        run_for(r, 3 * USEC_MINUTE);
        user_configures(r, "settings", "2");
        run_for(r, 5 * USEC_MINUTE);
}

/* A new release with a new configuration does not come up: the old one runs
 * again, with the old configuration. */
static void rollback_with_config(struct run *r)
{
        configure(r);
        user_configures(r, "settings", "3");
        user_keeps_secret(r, "keys", "2");
        user_applies(r, "web", WEB(ACTORS_BAD, CONFIGURED "," IMPATIENT));
        run_for(r, 10 * USEC_MINUTE);
}

/* Other files are no rollout, other variables are one. */
static void reload(struct run *r)
{
        user_configures(r, "settings", "1");
        user_keeps_secret(r, "keys", "1");
        user_applies(r, "web", WEB("1", SIGNALLED));
        run_for(r, 3 * USEC_MINUTE);
        user_configures(r, "settings", "2");
        run_for(r, 2 * USEC_MINUTE);
        user_keeps_secret(r, "keys", "2");
        run_for(r, 5 * USEC_MINUTE);
}

static const struct road {
        const char *name;
        void (*walk)(struct run *r);
} roads[] = {
        [ROAD_CREATE] = { "create", create },
        [ROAD_UPDATE] = { "update", update },
        [ROAD_RESHAPE] = { "reshape", reshape },
        [ROAD_DELETE] = { "delete", delete },
        [ROAD_RECREATE] = { "recreate", recreate },
        [ROAD_REPAIR] = { "repair", repair },
        [ROAD_ROLLBACK] = { "rollback", rollback },
        [ROAD_CONFIG] = { "config", configure },
        [ROAD_RELOAD] = { "reload", reload },
        [ROAD_ROLLBACK_CONFIG] = { "rollback with config", rollback_with_config },
};

/* --- trouble ----------------------------------------------------------------------------- */

struct trouble {
        const char *name;
        size_t death;           /* field of struct world that counts down to it; 0: none */
        struct world_rule fate; /* else: of that call */
};

static const struct trouble deaths[] = {
        { "it died when that was sent", offsetof(struct world, crash_before), { 0 } },
        { "it died when that was carried out", offsetof(struct world, crash_after), { 0 } },
        { "it died when that was answered", offsetof(struct world, crash_replied), { 0 } },
};

static const struct trouble losses[] = {
        { "it was lost", 0, { .fate = WORLD_LOSE_REQUEST } },
        { "its reply was lost", 0, { .fate = WORLD_LOSE_REPLY } },
};

#define REFUSED(code, why, after)                                                                            \
        {                                                                                                    \
                "it was refused with " #code, 0,                                                             \
                {                                                                                            \
                        .fate = WORLD_REFUSE, .status = code, .reason = why, .message = "for the test",      \
                        .retry_after = after                                                                 \
                }                                                                                            \
        }
static const struct trouble conflicts[] = { REFUSED(409, "Conflict", 0) };
static const struct trouble refusals[] = {
        REFUSED(429, "TooManyRequests", 9),
        REFUSED(500, "InternalError", 0),
        REFUSED(503, "ServiceUnavailable", 3),
        REFUSED(504, "Timeout", 0),
};

static void arm(struct world *w, const struct trouble *t, uint64_t request)
{
        if (t->death) {
                *(uint64_t *)(void *)((char *)w + t->death) = request;
                return;
        }
        w->nth_call = request;
        w->nth_fate = t->fate;
}

/* --- walking ------------------------------------------------------------------------------- */

struct walked {
        char *state; /* at the end */
        uint64_t requests, made;
};

static void walk(const struct road *road, uint64_t seed, const struct trouble *t, uint64_t request,
                 struct walked *ret)
{
        static struct run r;

        run_init(&r, seed);
        if (t)
                arm(&r.w, t, request);
        run_start(&r);
        road->walk(&r);
        run_for(&r, 10 * USEC_MINUTE);
        resync(&r);
        run_for(&r, 2 * USEC_MINUTE);
        *ret = (struct walked){ oracle_state(&r.w), all_calls(&r), objects_made(&r) };
        run_end(&r);
}

static void try_point(const struct road *road, uint64_t seed, const struct trouble *t, uint64_t request,
                      const struct walked *expected)
{
        struct walked walked;

        sim_context("the road \"%s\", request %llu: %s, seed %llu", road->name, (unsigned long long)request,
                    t->name, (unsigned long long)seed);
        walk(road, seed, t, request, &walked);
        expect_same_state(walked.state, expected->state);
        expect(walked.made == expected->made, "%llu objects were made, not %llu",
               (unsigned long long)walked.made, (unsigned long long)expected->made);
        free(walked.state);
}

static void walk_with(const struct road *road, uint64_t seed, const struct trouble *troubles, size_t n)
{
        struct walked expected;

        sim_context("the road \"%s\", seed %llu", road->name, (unsigned long long)seed);
        walk(road, seed, NULL, 0, &expected);
        expect(expected.requests > 5, "the road is too short: %llu requests",
               (unsigned long long)expected.requests);
        for (size_t i = 0; i < n; i++)
                for (uint64_t request = 1; request <= expected.requests; request++)
                        try_point(road, seed, &troubles[i], request, &expected);
        free(expected.state);
}

void road_crash(enum road_name road, uint64_t seed)
{
        walk_with(&roads[road], seed, deaths, ARRAY_SIZE(deaths));
}

void case_lost_replies(uint64_t seed)
{
        for (size_t i = 0; i < ARRAY_SIZE(roads); i++)
                walk_with(&roads[i], seed, losses, ARRAY_SIZE(losses));
}

void case_conflict_anywhere(uint64_t seed)
{
        for (size_t i = 0; i < ARRAY_SIZE(roads); i++)
                walk_with(&roads[i], seed, conflicts, ARRAY_SIZE(conflicts));
}

void case_refusal_anywhere(uint64_t seed)
{
        for (size_t i = 0; i < ARRAY_SIZE(roads); i++)
                walk_with(&roads[i], seed, refusals, ARRAY_SIZE(refusals));
}

/* The end without trouble, for cases that bring their own. */
char *road_end(enum road_name road, uint64_t seed)
{
        struct walked walked;

        walk(&roads[road], seed, NULL, 0, &walked);
        return walked.state;
}

void road_walk(enum road_name road, struct run *r)
{
        roads[road].walk(r);
}

/* --- F18 ------------------------------------------------------------------------------------ */

static void expect_helper(struct run *r, const char *image)
{
        struct str found = child_str(r, &app_deployment_kind, "web", HELPER);

        expect(str_eq_c(found, image), "the helper is of %.*s, not of %s", STR_FMT(found), image);
}

/* An operator of another version starts: no pod is another. The next release has
 * its helper. */
void case_another_operator(uint64_t seed)
{
        static struct run r;

        run_init(&r, seed);
        run_start(&r);
        reload(&r);
        expect_helper(&r, "sim:1");
        r.w.image = "sim:2";
        expect_rest(&r); /* restarts all, and allows nobody to write */
        expect_helper(&r, "sim:1");
        user_applies(&r, "web", WEB("2", SIGNALLED));
        run_for(&r, 10 * USEC_SEC);
        r.w.image = "sim:3"; /* in the middle of the rollout, and back again */
        restart_all(&r.w);
        run_for(&r, 5 * USEC_MINUTE);
        expect_helper(&r, "sim:2");
        r.w.image = "sim:2";
        expect_rest(&r);
        expect_ready(&r, "web");
        run_end(&r);
}
