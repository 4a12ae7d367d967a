/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether what test_cluster.c looks for would be found: the controller with one bug at a
 * time, each of which must be caught by what never happens (live.h).
 */
#include "live.h"

enum bug {
        EVICTS_THE_LEADER,
        SCALES_AT_ONCE,
        TELLS_WHAT_NOBODY_KNOWS,
        TAKES_THE_PODS_ALONG,
        DELETES_A_VOLUME,
        FORGETS_TO_GROW,
        MAKES_THE_LEASE_AT_ONCE,
        NEVER_RESTS,
        REPLACES_ALL_AT_ONCE,
        BUGS,
};

static const char *const names[BUGS] = {
        [EVICTS_THE_LEADER] = "replaces the leader without a hand-over",
        [SCALES_AT_ONCE] = "takes members away that are still in the set",
        [TELLS_WHAT_NOBODY_KNOWS] = "tells applications a password before the members",
        [TAKES_THE_PODS_ALONG] = "deletes the StatefulSet with its pods",
        [DELETES_A_VOLUME] = "deletes a volume",
        [FORGETS_TO_GROW] = "does not ask for larger volumes",
        [MAKES_THE_LEASE_AT_ONCE] = "makes a Lease at once where none is there",
        [NEVER_RESTS] = "writes although nothing has changed",
        [REPLACES_ALL_AT_ONCE] = "does not wait for a member to be back",
};

static enum bug bug;
static struct controller buggy;

/* In place of the first BEFORE, which is as long or longer. */
static void edit_text(struct plan *plan, struct effect *e, const char *before, const char *after)
{
        const char *at = memmem(e->json.data, e->json.len, before, strlen(before));
        int head;

        if (!at)
                return;
        head = (int)(at - e->json.data);
        e->json = arena_printf(plan->arena, "%.*s%s%s", head, e->json.data, after, at + strlen(before));
        e->whole = hash_str(HASH_INIT, e->json);
        e->desired = 0;
}

static const struct object *pod_of(const struct view *view, int member)
{
        char name[32];

        snprintf(name, sizeof(name), NAME "-%d", member);
        return view_lookup(view, &redis_pod_kind, str_c(name));
}

static void edit_delete(const struct view *view, struct plan *plan, struct effect *e)
{
        const struct object *lease = view_child(view, &redis_lease_kind, STR(NAME)), *leader = NULL, *claim;

        if (lease)
                leader = pod_of(view, (int)((const struct lease_state *)lease->state)->holder);
        if (bug == EVICTS_THE_LEADER && e->kind == &redis_pod_kind && leader) {
                list_remove(&e->link);
                plan_delete(plan, leader);
        }
        if (bug == REPLACES_ALL_AT_ONCE && e->kind == &redis_pod_kind)
                for (int i = 0; i < 3; i++)
                        if (pod_of(view, i) && pod_of(view, i) != leader)
                                plan_delete(plan, pod_of(view, i));
        if (bug == TAKES_THE_PODS_ALONG)
                e->alone = false;
        claim = view_lookup(view, &redis_claim_kind, STR("data-" NAME "-2"));
        if (bug == DELETES_A_VOLUME && e->alone && claim)
                plan_delete(plan, claim);
}

static void edit_apply(const struct view *view, struct plan *plan, struct effect *e)
{
        const struct redis *self = view->self->state;

        if (bug == SCALES_AT_ONCE && e->kind == &redis_statefulset_kind && self->spec->replicas == 2)
                edit_text(plan, e, "\"replicas\":3", "\"replicas\":2");
        if (bug == TELLS_WHAT_NOBODY_KNOWS && str_eq_c(e->name, NAME "-app"))
                edit_text(plan, e, "\"password\":\"", "\"password\":\"QUFB");
        if (bug == NEVER_RESTS && e->kind == &common_poddisruptionbudget_kind && view->now / USEC_MINUTE % 2)
                edit_text(plan, e, "\"app.kubernetes.io/part-of\":\"", "\"app.kubernetes.io/part_of\":\"");
}

static void plan_lease_again(const struct view *view, struct plan *plan)
{
        struct child_meta c = child_meta_of(view, "redis", plan->arena);

        plan_apply(
                plan, &redis_lease_kind, STR(NAME),
                arena_printf(
                        plan->arena,
                        "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":"
                        "\"" NAME "\",\"namespace\":\"" NS
                        "\",\"labels\":%.*s,\"annotations\":{\"" FAILOVER_ANNOTATION
                        "\":\"{\\\"phase\\\":\\\"Bootstrap\\\",\\\"epoch\\\":0,\\\"inSync\\\":[0,1,2],"
                        "\\\"lineage\\\":\\\"\\\",\\\"position\\\":{\\\"timeline\\\":0,\\\"offset\\\":0},"
                        "\\\"final\\\":false,\\\"cause\\\":\\\"None\\\",\\\"lost\\\":0,\\\"request\\\":0,"
                        "\\\"consent\\\":0}\"},\"ownerReferences\":%.*s}}",
                        STR_FMT(c.labels), STR_FMT(c.owner)));
}

static int reconcile(const struct view *view, struct plan *plan)
{
        const struct redis *self = view->self->state;
        int r = redis_reconcile(view, plan);

        list_for_each_safe (link, &plan->effects) {
                struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_DELETE)
                        edit_delete(view, plan, e);
                else if (e->type == EFFECT_APPLY)
                        edit_apply(view, plan, e);
                else if (e->type == EFFECT_PATCH && bug == FORGETS_TO_GROW)
                        list_remove(&e->link);
        }
        if (bug == MAKES_THE_LEASE_AT_ONCE && self->status && self->status->bootstrapped &&
            !view_child(view, &redis_lease_kind, STR(NAME)))
                plan_lease_again(view, plan);
        return r;
}

START_TEST(each_is_caught)
{
        buggy = redis_controller;
        buggy.reconcile = reconcile;
        live_controller = &buggy;
        for (bug = 0; bug < BUGS; bug++) {
                struct world w;

                begin(&w, 1);
                run.planted = true;
                world_start(&w);
                story(&w);
                if (!run.caught)
                        check_end(&w);
                ck_assert_msg(run.caught != NULL, "an operator that %s was not caught", names[bug]);
                if (getenv("KEELSON_TEST_CAUGHT"))
                        printf("%s: %s\n", names[bug], run.caught);
                end(&w);
        }
}
END_TEST

static const TTest *const tests[] = { each_is_caught };
TEST_MAIN("redis/planted", tests)
