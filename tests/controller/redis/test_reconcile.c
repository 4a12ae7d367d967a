/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "failover/record.h"

static struct cluster c;

START_TEST(all_that_members_need_is_made)
{
        static const struct {
                const struct cache_kind *kind;
                const char *name;
        } wanted[] = {
                { &common_serviceaccount_kind, "db-agent" },
                { &redis_role_kind, "db-agent" },
                { &redis_rolebinding_kind, "db-agent" },
                { &redis_secret_kind, "db-agent" },
                { &redis_secret_kind, "db-app" },
                { &redis_secret_kind, "db-ca" },
                { &redis_secret_kind, "db-env" },
                { &redis_secret_kind, "db-tls" },
                { &redis_lease_kind, "db" },
                { &common_networkpolicy_kind, "db" },
                { &common_service_kind, "db" },
                { &common_service_kind, "db-ro" },
                { &common_service_kind, "db-members" },
                { &common_poddisruptionbudget_kind, "db" },
                { &redis_statefulset_kind, "db" },
        };
        yyjson_val *set;

        begin_cluster(&c, "\"replicas\":3,\"memory\":\"1Gi\"");
        settle(&c);
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                ck_assert_msg(find_held(&c, wanted[i].kind, str_c(wanted[i].name)) != NULL, "%s",
                              wanted[i].name);
        ck_assert_uint_eq(c.n_objects, ARRAY_SIZE(wanted));
        set = held_json(&c, &redis_statefulset_kind, "db");
        ck_assert_int_eq(int_at(set, "/spec/replicas"), 3);
        ck_str_eq(str_at(set, "/spec/template/spec/containers/0/image"), "docker.io/library/redis:8.2");
        ck_str_eq(str_at(set, "/spec/template/spec/containers/0/resources/requests/memory"), "1088Mi");
        ck_str_eq(str_at(set, "/spec/template/spec/containers/0/resources/limits/memory"), "1600Mi");
        ck_str_eq(json_get_str(json_get_path(config(&c), "/redis/config"), "maxmemory"), "966367638");
        ck_str_eq(json_get_str(json_get_path(config(&c), "/redis/config"), "maxclients"), "6144");
        ck_str_eq(json_get_str(json_get_path(config(&c), "/redis/config"), "maxmemory-clients"), "301989888");
        ck_str_eq(json_get_str(json_get_path(config(&c), "/redis/config"), "client-output-buffer-limit"),
                  "replica 285212672 0 0");
        ck_assert_int_eq(int_at(config(&c), "/members"), 3);
        ck_assert_int_eq(int_at(config(&c), "/leaseMillis"), 4000);
        ck_assert_int_eq(int_at(config(&c), "/redis/minReplicasToWrite"), 1);
        ck_condition(&c, "Ready", "False", "NoPrimary");
        ck_condition(&c, "Available", "False", "NoPrimary");
        end_cluster(&c);
}
END_TEST

static bool keeps_apart(void)
{
        yyjson_val *set = held_json(&c, &redis_statefulset_kind, "db");
        yyjson_val *rules = json_get_path(set, "/spec/template/spec/affinity/podAntiAffinity/"
                                               "requiredDuringSchedulingIgnoredDuringExecution");

        return yyjson_arr_size(rules) == 1 &&
               str_eq(str_at(yyjson_arr_get(rules, 0), "/topologyKey"), STR("kubernetes.io/hostname"));
}

START_TEST(members_are_kept_apart_where_they_must_be)
{
        begin_cluster(&c, "\"replicas\":4");
        settle(&c);
        ck_assert(!keeps_apart());
        ck_assert_ptr_null(
                json_get_path(held_json(&c, &redis_statefulset_kind, "db"), "/spec/template/spec/affinity"));
        change_spec(&c, "\"replicas\":4,\"scheduling\":{\"spread\":\"Required\"}");
        settle(&c);
        ck_assert(keeps_apart());
        end_cluster(&c);
}
END_TEST

/* Nothing that the agents do; but to know who takes writes, and what goes on. */
START_TEST(clients_may_ask_and_not_administer)
{
        struct str rules;

        begin_cluster(&c, "\"replicas\":3");
        settle(&c);
        rules = json_get_str(json_get_path(config(&c), "/redis/users/0"), "rules");
        ck_str_eq(rules, "~* &* +@all -@admin +role +slowlog +latency +client|list");
        end_cluster(&c);
}
END_TEST

START_TEST(what_stands_is_left_alone)
{
        size_t applies;

        begin_whole(&c, "\"replicas\":3");
        applies = c.n_applies;
        pass(&c, 10 * USEC_MINUTE);
        settle(&c);
        ck_assert_uint_eq(c.n_applies, applies);
        end_cluster(&c);
}
END_TEST

/* Whoever led makes it again, if it is well. */
START_TEST(a_lease_that_is_gone_is_waited_for)
{
        begin_whole(&c, "\"replicas\":3");
        remove_from_cache(&c, &redis_lease_kind, "db");
        settle(&c);
        ck_assert_ptr_null(find_held(&c, &redis_lease_kind, STR("db")));
        ck_condition(&c, "Available", "False", "NoPrimary");
        ck_condition(&c, "Ready", "False", "LeaseGone");
        pass(&c, 25 * USEC_SEC);
        settle(&c);
        ck_assert_ptr_null(find_held(&c, &redis_lease_kind, STR("db")));
        lead(&c, 0, 1, "[0,1,2]");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        remove_from_cache(&c, &redis_lease_kind, "db");
        settle(&c);
        pass(&c, 25 * USEC_SEC); /* it counts anew */
        settle(&c);
        ck_assert_ptr_null(find_held(&c, &redis_lease_kind, STR("db")));
        end_cluster(&c);
}
END_TEST

START_TEST(a_lease_that_nobody_makes_again_is_made_by_us)
{
        struct failover_record record;
        struct str text;

        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 0, "1", 5, "[0]", MORE("LeaseExpired", "1", "0"));
        annotate(&c, "\"keelson.dev/handover\":\"db-1\"");
        settle(&c);
        remove_from_cache(&c, &redis_lease_kind, "db");
        settle(&c);
        pass(&c, 31 * USEC_SEC);
        settle(&c);
        text = json_get_str(json_get_path(held_json(&c, &redis_lease_kind, "db"), "/metadata/annotations"),
                            FAILOVER_ANNOTATION);
        ck_assert_int_eq(failover_record_read(text, &record, NULL), 0);
        ck_assert_int_eq(record.phase, FAILOVER_BOOTSTRAP);
        ck_assert_uint_gt(record.epoch, 5);
        ck_assert_uint_eq(record.in_sync, 7); /* all must answer, whoever was in the set */
        ck_assert_str_eq(record.lineage, "");
        ck_assert_uint_eq(record.request, 1); /* which is not to be carried out again */
        ck_assert_int_eq(record.holder.member, FAILOVER_NOBODY);
        ck_assert(str_starts(str_c(c.event), STR("LeaseMade")));
        ck_condition(&c, "Ready", "False", "NoPrimary");
        ck_assert_int_eq(int_at(parse_(&c, c.status), "/epoch"), 5); /* till somebody leads */
        end_cluster(&c);
}
END_TEST

START_TEST(what_the_agents_did_meanwhile_is_told)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 2, "1", 5, "[1,2]", MORE("LeaseExpired", "0", "0"));
        settle(&c);
        ck_str_eq(json_get_str(parse_(&c, c.status), "primary"), "db-2");
        ck_str_eq(str_at(parse_(&c, c.status), "/lastFailover/from"), "db-0");
        ck_str_eq(str_at(parse_(&c, c.status), "/lastFailover/cause"), "LeaseExpired");
        ck_assert_int_eq(int_at(parse_(&c, c.status), "/epoch"), 5);
        ck_condition(&c, "Redundant", "False", "MembersOutOfSync");
        ck_condition(&c, "Available", "True", "PrimaryElected");
        ck_condition(&c, "Ready", "False", "MemberNotInSync");
        end_cluster(&c);
}
END_TEST

START_TEST(another_pod_of_the_leaders_name_does_not_lead)
{
        begin_whole(&c, "\"replicas\":3");
        put_member(&c, 0, true, revision_now(&c), "2");
        settle(&c);
        ck_condition(&c, "Available", "False", "NoPrimary");
        end_cluster(&c);
}
END_TEST

/* --- rolling ------------------------------------------------------------------------------- */

START_TEST(replicas_are_replaced_first_and_the_leader_last)
{
        begin_whole(&c, "\"replicas\":3");
        change_spec(&c, "\"replicas\":3,\"memory\":\"1Gi\"");
        settle(&c);
        ck_assert_str_eq(c.deleted, "db-2");
        ck_assert_uint_eq(c.n_deletes, 1);
        must_wait(&c); /* there is no pod */
        put_member(&c, 2, false, revision_now(&c), "2");
        must_wait(&c); /* it is not ready */
        put_member(&c, 2, true, revision_now(&c), "2");
        lead(&c, 0, 1, "[0,1]");
        must_wait(&c); /* it is not in sync */
        lead(&c, 0, 1, "[0,1,2]");
        settle(&c);
        ck_assert_str_eq(c.deleted, "db-1");
        ck_assert_ptr_null(yyjson_obj_get(config(&c), "handover"));
        put_member(&c, 1, true, revision_now(&c), "2");
        must_wait(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1);
        pass(&c, USEC_MINUTE);
        must_wait(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1); /* not dealt with yet */
        put_record(&c, "Held", 2, "2", 2, "[0,1,2]", MORE("Planned", "0", "1"));
        must_wait(&c); /* clients still come to it */
        pass(&c, 5 * USEC_SEC);
        settle(&c);
        ck_assert_str_eq(c.deleted, "db-0");
        put_member(&c, 0, true, revision_now(&c), "2");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_uint_eq(c.n_deletes, 3);
        end_cluster(&c);
}
END_TEST

/* The routes of those that read have changed, and the primary's would wait for that. */
START_TEST(a_member_that_has_just_become_ready_delays_the_handover)
{
        char since[CLOCK_RFC3339_MAX], *ready;

        begin_whole(&c, "\"replicas\":2");
        change_spec(&c, "\"replicas\":2,\"memory\":\"1Gi\"");
        settle(&c);
        ck_assert_str_eq(c.deleted, "db-1");
        (void)clock_format(c.f.view.wall, false, since);
        ready = print_("True\",\"lastTransitionTime\":\"%s", since);
        put_member_as(&c, 1, ready, revision_now(&c), "2");
        free(ready);
        must_wait(&c);
        ck_assert_ptr_null(yyjson_obj_get(config(&c), "handover"));
        pass(&c, 5 * USEC_SEC);
        must_wait(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1);
        end_cluster(&c);
}
END_TEST

START_TEST(a_handover_that_did_not_come_about_is_asked_for_again)
{
        begin_whole(&c, "\"replicas\":3");
        change_spec(&c, "\"replicas\":3,\"memory\":\"1Gi\"");
        step(&c);
        put_member(&c, 1, true, revision_now(&c), "2");
        put_member(&c, 2, true, revision_now(&c), "2");
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1);
        put_record(&c, "Held", 0, "1", 1, "[0,1,2]", MORE("Planned", "0", "1"));
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1); /* not at once */
        pass(&c, USEC_MINUTE);
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 2);
        end_cluster(&c);
}
END_TEST

/* The record names all that may lead, and nobody has anything yet. */
START_TEST(before_the_first_primary_nobody_is_in_sync)
{
        begin_cluster(&c, "\"replicas\":3");
        settle(&c);
        run_members(&c, 3);
        settle(&c);
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(parse_(&c, c.status), "inSync")), 0);
        ck_condition(&c, "Redundant", "False", "MembersOutOfSync");
        end_cluster(&c);
}
END_TEST

/* The Lease names the first leader before its pod is known: nothing has been lost that a person could
 * give up. */
START_TEST(after_a_long_first_start_nobody_is_asked)
{
        begin_cluster(&c, "\"replicas\":3");
        settle(&c);
        for (int i = 0; i < 3; i++)
                put_member(&c, i, false, revision_now(&c), "1");
        settle(&c);
        ck_str_eq(condition_at(&c, "Ready", "message"), "the members are starting");
        ck_assert_int_le(c.f.plan.wake, c.f.view.now + 2 * USEC_MINUTE);
        pass(&c, 3 * USEC_MINUTE);
        settle(&c);
        ck_condition(&c, "Ready", "False", "NoPrimary");
        ck_assert_ptr_nonnull(
                strstr(condition_at(&c, "Ready", "message").data, "kubectl -n shop describe pod db-0"));
        put_record(&c, "Held", 0, "2", 1, "[0]",
                   ",\\\"cause\\\":\\\"Bootstrap\\\",\\\"lost\\\":0,"
                   "\\\"request\\\":0,\\\"consent\\\":0");
        settle(&c);
        ck_condition(&c, "Ready", "False", "NoPrimary");
        ck_condition(&c, "Stalled", "False", "AsExpected");
        end_cluster(&c);
}
END_TEST

START_TEST(a_member_that_does_not_start_is_replaced_at_once)
{
        begin_whole(&c, "\"replicas\":3");
        put_member(&c, 1, false, STR("old"), "1");
        settle(&c);
        ck_assert_str_eq(c.deleted, "db-1");
        end_cluster(&c);
}
END_TEST

START_TEST(what_a_running_server_takes_replaces_nobody)
{
        begin_whole(&c, "\"replicas\":3");
        change_spec(&c, "\"replicas\":3,\"config\":{\"hz\":\"20\"}");
        must_wait(&c);
        ck_str_eq(json_get_str(json_get_path(config(&c), "/redis/config"), "hz"), "20");
        change_spec(&c, "\"replicas\":3,\"config\":{\"databases\":\"20\"}");
        settle(&c);
        ck_assert_uint_eq(c.n_deletes, 1);
        end_cluster(&c);
}
END_TEST

START_TEST(a_paused_one_is_not_changed)
{
        size_t applies;

        begin_whole(&c, "\"replicas\":3");
        annotate(&c, "\"keelson.dev/pause\":\"true\"");
        change_spec(&c, "\"replicas\":3,\"memory\":\"1Gi\"");
        applies = c.n_applies;
        must_wait(&c);
        ck_assert_uint_eq(c.n_applies, applies);
        ck_str_eq(condition_at(&c, "Ready", "reason"), "Paused");
        annotate(&c, "");
        settle(&c);
        ck_assert_uint_eq(c.n_deletes, 1);
        end_cluster(&c);
}
END_TEST

/* --- size ------------------------------------------------------------------------------------ */

static int64_t replicas(void)
{
        return int_at(held_json(&c, &redis_statefulset_kind, "db"), "/spec/replicas");
}

START_TEST(members_that_go_hand_over_and_leave_the_set_first)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 2, "1", 2, "[0,1,2]", MORE("Planned", "0", "0"));
        change_spec(&c, "\"replicas\":2");
        settle(&c);
        ck_assert_int_eq(replicas(), 3);
        ck_assert_int_eq(int_at(config(&c), "/members"), 3);
        ck_assert_int_eq(int_at(config(&c), "/handover/to"), 0);
        put_record(&c, "Held", 0, "1", 3, "[0,1,2]", MORE("Planned", "2", "1"));
        settle(&c);
        ck_assert_int_eq(replicas(), 3);
        ck_assert_int_eq(int_at(config(&c), "/members"), 2);
        put_record(&c, "Held", 0, "1", 3, "[0,1]", MORE("Planned", "2", "1"));
        settle(&c);
        ck_assert_int_eq(replicas(), 2);
        end_cluster(&c);
}
END_TEST

/* What was asked for a moment ago has come about, so nothing is to be waited for. */
START_TEST(members_that_go_hand_over_at_once_after_another_handover)
{
        begin_whole(&c, "\"replicas\":3");
        annotate(&c, "\"keelson.dev/handover\":\"db-2\"");
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/to"), 2);
        put_record(&c, "Held", 2, "1", 2, "[0,1,2]", MORE("Planned", "0", "1"));
        change_spec(&c, "\"replicas\":2");
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 2);
        ck_assert_int_eq(int_at(config(&c), "/handover/to"), 0);
        end_cluster(&c);
}
END_TEST

START_TEST(members_that_come_are_told_at_once)
{
        begin_whole(&c, "\"replicas\":3");
        change_spec(&c, "\"replicas\":5");
        settle(&c);
        ck_assert_int_eq(replicas(), 5);
        ck_assert_int_eq(int_at(config(&c), "/members"), 5);
        ck_condition(&c, "Ready", "False", "MemberNotReady");
        end_cluster(&c);
}
END_TEST

/* --- what people ask for ------------------------------------------------------------------------ */

START_TEST(annotations_become_requests_once)
{
        begin_whole(&c, "\"replicas\":3");
        annotate(&c, "\"keelson.dev/handover\":\"db-2\",\"keelson.dev/fence\":\"db-1\"");
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1);
        ck_assert_int_eq(int_at(config(&c), "/handover/to"), 2);
        ck_assert_int_eq(int_at(config(&c), "/fenced/0"), 1);
        ck_condition(&c, "Stalled", "True", "Fenced");
        annotate(&c, "\"keelson.dev/promote\":\"db-1\"");
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1);
        ck_assert_int_eq(int_at(config(&c), "/consent/number"), 1);
        ck_assert_int_eq(int_at(config(&c), "/consent/member"), 1);
        ck_assert_ptr_null(yyjson_obj_get(config(&c), "fenced"));
        annotate(&c, "\"keelson.dev/promote\":\"db-1\",\"keelson.dev/handover\":\"db-2\"");
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 2);
        ck_assert_int_eq(int_at(config(&c), "/consent/number"), 1);
        end_cluster(&c);
}
END_TEST

/* Who leads may have been lost; if not, nothing is to be decided. */
START_TEST(a_word_that_may_not_count_is_told_as_such)
{
        const struct effect *told;

        begin_whole(&c, "\"replicas\":3");
        annotate(&c, "\"keelson.dev/promote\":\"db-1\"");
        step(&c);
        told = find_event(&c.f, "ConsentGiven");
        ck_assert_ptr_nonnull(told);
        ck_str_eq(told->message,
                  "db-1 may lead with the data that it has, if db-0 has been lost; if that still "
                  "leads, this does not count, and is not kept for later");
        annotate(&c, "\"keelson.dev/promote\":\"db-0\"");
        step(&c);
        ck_str_eq(find_event(&c.f, "ConsentGiven")->message,
                  "db-0 leads as it is: this does not count, and is not kept for later");
        end_cluster(&c);
}
END_TEST

START_TEST(a_handover_to_who_leads_is_told_as_such)
{
        begin_whole(&c, "\"replicas\":3");
        annotate(&c, "\"keelson.dev/handover\":\"db-0\"");
        step(&c);
        ck_str_eq(find_event(&c.f, "HandoverRequested")->message,
                  "the lead is to be handed over to db-0, which has it already");
        end_cluster(&c);
}
END_TEST

START_TEST(a_wish_that_names_nobody_is_told)
{
        begin_whole(&c, "\"replicas\":3");
        annotate(&c, "\"keelson.dev/handover\":\"db-7\"");
        step(&c);
        ck_assert_ptr_nonnull(find_event(&c.f, "AnnotationRefused"));
        settle(&c);
        ck_assert_ptr_null(find_event(&c.f, "AnnotationRefused"));
        ck_assert_ptr_null(yyjson_obj_get(config(&c), "handover"));
        end_cluster(&c);
}
END_TEST

static void put_unready(int member)
{
        char stamp[CLOCK_RFC3339_MAX], *more;

        (void)clock_format(c.f.view.wall, false, stamp);
        more = print_("False\",\"lastTransitionTime\":\"%s", stamp);
        put_member_as(&c, member, more, revision_now(&c), "1");
        free(more);
}

/* No other one may lead, so the Lease still names it. */
START_TEST(a_primary_that_is_lost_is_no_primary)
{
        begin_whole(&c, "\"replicas\":3");
        lead(&c, 0, 1, "[0]");
        put_unready(0);
        settle(&c);
        ck_condition(&c, "Available", "True", "PrimaryElected");
        ck_condition(&c, "Ready", "False", "MemberNotReady");
        ck_assert_int_le(c.f.plan.wake, c.f.view.now + 2 * USEC_MINUTE);
        pass(&c, 2 * USEC_MINUTE + USEC_SEC);
        settle(&c);
        ck_condition(&c, "Available", "False", "PrimaryLost");
        ck_condition(&c, "Stalled", "True", "NeedsConsent");
        put_member(&c, 0, true, revision_now(&c), "1");
        settle(&c);
        ck_condition(&c, "Available", "True", "PrimaryElected");
        end_cluster(&c);
}
END_TEST

/* It is thought to stop a member, and does not. */
START_TEST(a_fence_around_nobody_is_told)
{
        begin_whole(&c, "\"replicas\":3");
        annotate(&c, "\"keelson.dev/fence\":\"db-1, nobody\"");
        settle(&c);
        ck_condition(&c, "Stalled", "True", "AnnotationRefused");
        ck_assert_ptr_nonnull(strstr(condition_at(&c, "Stalled", "message").data, "\"nobody\""));
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(config(&c), "fenced")), 1);
        annotate(&c, "\"keelson.dev/fence\":\" db-1 ,\"");
        settle(&c);
        ck_condition(&c, "Stalled", "True", "Fenced");
        end_cluster(&c);
}
END_TEST

/* A quota or a policy refuses it, of which the StatefulSet alone is told. */
START_TEST(a_pod_that_is_not_made_is_named)
{
        begin_cluster(&c, "\"replicas\":3");
        settle(&c);
        put_member(&c, 0, false, revision_now(&c), "1");
        put_member(&c, 1, false, revision_now(&c), "1");
        settle(&c);
        pass(&c, 3 * USEC_MINUTE);
        settle(&c);
        ck_condition(&c, "Ready", "False", "NoPrimary");
        ck_assert_ptr_nonnull(strstr(condition_at(&c, "Ready", "message").data, "there is no pod db-2 yet"));
        put_member(&c, 0, true, revision_now(&c), "1");
        put_member(&c, 1, true, revision_now(&c), "1");
        lead(&c, 0, 1, "[0,1]");
        settle(&c);
        ck_condition(&c, "Ready", "False", "MemberNotReady");
        ck_assert_ptr_nonnull(
                strstr(condition_at(&c, "Ready", "message").data, "kubectl -n shop describe statefulset db"));
        end_cluster(&c);
}
END_TEST

START_TEST(a_person_is_asked_where_nobody_may_lead)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Sealing", 1, "1", 2, "[0,1]", MORE("LeaseExpired", "0", "0"));
        settle(&c);
        ck_condition(&c, "Ready", "False", "NoPrimary");
        pass(&c, 3 * USEC_MINUTE);
        settle(&c);
        ck_condition(&c, "Stalled", "True", "NeedsConsent");
        end_cluster(&c);
}
END_TEST

/* --- certificates --------------------------------------------------------------------------------- */

static void keep_text(const char *name, const char *key, char out[4096])
{
        struct str text = secret_at(&c, name, key);

        ck_assert_uint_lt(text.len, 4096);
        memcpy(out, text.data, text.len);
        out[text.len] = '\0';
}

START_TEST(certificates_are_renewed_in_time)
{
        static char crt[4096], ca[4096], now[4096];

        begin_whole(&c, "\"replicas\":3");
        keep_text("db-tls", "tls.crt", crt);
        keep_text("db-ca", "ca.crt", ca);
        pass(&c, 50 * 24 * USEC_HOUR);
        settle(&c);
        keep_text("db-tls", "tls.crt", now);
        ck_assert_str_eq(now, crt);
        pass(&c, 12 * 24 * USEC_HOUR);
        settle(&c);
        keep_text("db-tls", "tls.crt", now);
        ck_assert_str_ne(now, crt);
        keep_text("db-ca", "ca.crt", now);
        ck_assert_str_eq(now, ca);
        end_cluster(&c);
}
END_TEST

START_TEST(an_old_ca_stays_trusted_beside_the_new_one)
{
        static char ca[4096], crt[4096], now[4096];

        begin_whole(&c, "\"replicas\":3");
        pass(&c, (usec_t)2440 * 24 * USEC_HOUR);
        keep_text("db-ca", "ca.crt", ca);
        settle(&c);
        keep_text("db-ca", "ca.crt", now);
        ck_assert_str_ne(now, ca);
        keep_text("db-tls", "ca.crt", now);
        ck_assert_ptr_nonnull(strstr(now, ca));
        keep_text("db-tls", "tls.crt", crt);
        pass(&c, 4000 * 24 * USEC_HOUR);
        settle(&c);
        keep_text("db-tls", "ca.crt", now);
        ck_assert_ptr_null(strstr(now, ca));
        end_cluster(&c);
}
END_TEST

/* --- all else ---------------------------------------------------------------------------------------- */

START_TEST(a_spec_that_cannot_be_changes_nothing)
{
        size_t applies;

        begin_whole(&c, "\"replicas\":3");
        applies = c.n_applies;
        change_spec(&c, "\"replicas\":3,\"config\":{\"port\":\"1\"}");
        settle(&c);
        ck_assert_uint_eq(c.n_applies, applies);
        ck_condition(&c, "Stalled", "True", "InvalidSpec");
        ck_condition(&c, "Available", "True", "PrimaryElected");
        end_cluster(&c);
}
END_TEST

START_TEST(the_environment_says_what_the_redis_does_not)
{
        begin_cluster(&c, "");
        settle(&c);
        ck_assert_int_eq(replicas(), 1);
        put(&c.f, &environment_kind,
            "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-env\",\"resourceVersion\":"
            "\"3\"},\"spec\":{\"profile\":\"production\"}}");
        settle(&c);
        ck_assert_int_eq(replicas(), 3);
        end_cluster(&c);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
        begin_whole(&c, "\"replicas\":3,\"persistence\":{\"size\":\"1Gi\"},\"config\":{\"hz\":\"20\"},"
                        "\"access\":{\"from\":[{\"app\":\"web\"}]}");
        torture(reconcile_once, &c.f, 0);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        all_that_members_need_is_made,
        members_are_kept_apart_where_they_must_be,
        clients_may_ask_and_not_administer,
        what_stands_is_left_alone,
        a_lease_that_is_gone_is_waited_for,
        a_lease_that_nobody_makes_again_is_made_by_us,
        what_the_agents_did_meanwhile_is_told,
        another_pod_of_the_leaders_name_does_not_lead,
        replicas_are_replaced_first_and_the_leader_last,
        a_member_that_has_just_become_ready_delays_the_handover,
        a_handover_that_did_not_come_about_is_asked_for_again,
        before_the_first_primary_nobody_is_in_sync,
        after_a_long_first_start_nobody_is_asked,
        a_member_that_does_not_start_is_replaced_at_once,
        what_a_running_server_takes_replaces_nobody,
        a_paused_one_is_not_changed,
        members_that_go_hand_over_and_leave_the_set_first,
        members_that_go_hand_over_at_once_after_another_handover,
        members_that_come_are_told_at_once,
        annotations_become_requests_once,
        a_word_that_may_not_count_is_told_as_such,
        a_handover_to_who_leads_is_told_as_such,
        a_wish_that_names_nobody_is_told,
        a_primary_that_is_lost_is_no_primary,
        a_fence_around_nobody_is_told,
        a_pod_that_is_not_made_is_named,
        a_person_is_asked_where_nobody_may_lead,
        certificates_are_renewed_in_time,
        an_old_ca_stays_trusted_beside_the_new_one,
        a_spec_that_cannot_be_changes_nothing,
        the_environment_says_what_the_redis_does_not,
        every_allocation_may_fail,
};
TEST_MAIN("redis/reconcile", tests)
