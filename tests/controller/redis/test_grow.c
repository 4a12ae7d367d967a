/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#define SIZE(size) "\"replicas\":3,\"persistence\":{\"size\":\"" size "\"}"

static struct cluster c;

static struct str claimed(const char *name)
{
        return str_at(held_json(&c, &redis_claim_kind, name), "/spec/resources/requests/storage");
}

static struct str template_size(void)
{
        return str_at(held_json(&c, &redis_statefulset_kind, "db"),
                      "/spec/volumeClaimTemplates/0/spec/resources/requests/storage");
}

START_TEST(claims_are_asked_first_and_the_statefulset_is_made_anew_around_its_pods)
{
        size_t pods = 0;
        const struct object *o = NULL;

        begin_with_volumes(&c, 3, SIZE("1Gi"));
        ck_assert_uint_eq(c.n_patches, 0);
        change_spec(&c, SIZE("2Gi"));
        step(&c);
        ck_assert_uint_eq(c.n_patches, 3);
        ck_assert_uint_eq(c.n_deletes, 0);
        ck_assert_ptr_nonnull(find_held(&c, &redis_statefulset_kind, STR("db")));
        ck_condition(&c, "Ready", "False", "GrowingVolumes");
        step(&c);
        ck_assert_str_eq(c.deleted, "db");
        ck_assert(c.alone); /* its pods stay */
        settle(&c);
        ck_str_eq(template_size(), "2Gi");
        ck_str_eq(claimed("data-db-2"), "2Gi");
        ck_assert_uint_eq(c.n_deletes, 1);
        ck_assert_uint_eq(c.n_patches, 3);
        while ((o = cache_iterate(&c.f.cache, &redis_pod_kind, o)))
                pods++;
        ck_assert_uint_eq(pods, 3);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

START_TEST(what_somebody_has_grown_already_is_left_alone)
{
        begin_with_volumes(&c, 3, SIZE("1Gi"));
        put_claim(&c, STR("data-db-1"), STR("5Gi"));
        unhold(&c, &redis_claim_kind, STR("data-db-2")); /* its member has not begun */
        cache_forget(&c.f.cache, &redis_claim_kind, STR("shop"), STR("data-db-2"));
        change_spec(&c, SIZE("2Gi"));
        settle(&c);
        ck_assert_uint_eq(c.n_patches, 1);
        ck_str_eq(claimed("data-db-0"), "2Gi");
        ck_str_eq(claimed("data-db-1"), "5Gi");
        ck_str_eq(template_size(), "2Gi");
        end_cluster(&c);
}
END_TEST

/* Whatever happens between two steps, it goes on; and nothing is done about it at rest. */
START_TEST(a_statefulset_that_is_gone_is_made_with_as_many_as_there_are)
{
        size_t patches;

        begin_with_volumes(&c, 3, SIZE("1Gi"));
        change_spec(&c, SIZE("2Gi"));
        for (int i = 0; i < 2; i++)
                step(&c);
        ck_assert_ptr_null(find_held(&c, &redis_statefulset_kind, STR("db")));
        change_spec(&c, "\"replicas\":1,\"persistence\":{\"size\":\"2Gi\"}");
        step(&c);
        /* The last ones leave the set first, as ever. */
        ck_assert_int_eq(int_at(held_json(&c, &redis_statefulset_kind, "db"), "/spec/replicas"), 3);
        lead(&c, 0, 1, "[0]");
        settle(&c);
        ck_assert_int_eq(int_at(held_json(&c, &redis_statefulset_kind, "db"), "/spec/replicas"), 1);
        patches = c.n_patches;
        pass(&c, USEC_HOUR);
        settle(&c);
        ck_assert_uint_eq(c.n_patches, patches);
        end_cluster(&c);
}
END_TEST

START_TEST(while_members_leave_the_statefulset_stays)
{
        begin_with_volumes(&c, 3, SIZE("1Gi"));
        change_spec(&c, "\"replicas\":2,\"persistence\":{\"size\":\"2Gi\"}");
        settle(&c);
        ck_assert_uint_eq(c.n_patches, 3);
        ck_assert_uint_eq(c.n_deletes, 0);
        lead(&c, 0, 1, "[0,1]");
        settle(&c);
        ck_assert_uint_eq(c.n_deletes, 1);
        ck_str_eq(template_size(), "2Gi");
        ck_assert_int_eq(int_at(held_json(&c, &redis_statefulset_kind, "db"), "/spec/replicas"), 2);
        end_cluster(&c);
}
END_TEST

START_TEST(a_class_that_does_not_grow_is_told)
{
        begin_with_volumes(&c, 3, SIZE("1Gi"));
        change_spec(&c, SIZE("2Gi"));
        c.f.view.failure =
                (struct failure){ STR("Forbidden"),
                                  STR("PersistentVolumeClaim: only dynamically provisioned pvc can be "
                                      "resized and the storageclass must support resize"),
                                  true };
        step(&c);
        ck_condition(&c, "Stalled", "True", "VolumesCannotGrow");
        ck_assert_ptr_nonnull(memmem(condition_at(&c, "Stalled", "message").data,
                                     condition_at(&c, "Stalled", "message").len, "allowVolumeExpansion", 20));
        ck_assert(str_starts(condition_at(&c, "Stalled", "message"), STR("spec.persistence.size: ")));
        annotate(&c, "\"keelson.dev/fence\":\"db-1\"");
        settle(&c);
        ck_condition(&c, "Stalled", "True", "Fenced");
        annotate(&c, "");
        c.f.view.report_only = true; /* nothing but the failure is known then */
        step(&c);
        ck_condition(&c, "Stalled", "True", "VolumesCannotGrow");
        end_cluster(&c);
}
END_TEST

START_TEST(it_runs_out_of_memory_anywhere)
{
        begin_with_volumes(&c, 3, SIZE("1Gi"));
        change_spec(&c, SIZE("2Gi"));
        step(&c);
        ck_assert_int_eq(reconcile(&c.f), 0);
        torture(reconcile_once, &c.f, 0);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        claims_are_asked_first_and_the_statefulset_is_made_anew_around_its_pods,
        what_somebody_has_grown_already_is_left_alone,
        a_statefulset_that_is_gone_is_made_with_as_many_as_there_are,
        while_members_leave_the_statefulset_stays,
        a_class_that_does_not_grow_is_told,
        it_runs_out_of_memory_anywhere,
};
TEST_MAIN("redis/grow", tests)
