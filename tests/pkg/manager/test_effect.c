/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

/* --- names that are taken -------------------------------------------------------------------- */

static void check_foreign(const char *meta)
{
        uint64_t calls;
        struct world w;
        char *before, *after;

        begin(&w, 1);
        make_foreign(&w, meta);
        before = sim_api_dump(&w.api, &app_kind.api);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_condition(&w, "Ready", "False", "NameConflict");
        check_condition(&w, "Stalled", "True", "NameConflict");
        ck_assert(contains(app_condition(&w, "Ready", "message"), "Deployment \"web\" exists already"));
        ck_assert_uint_eq(count_events(&w, "NameConflict"), 1);
        ck_assert_int_eq(sim_api_int(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/generation"), 1);
        ck_assert_int_eq(sim_api_int(&w.api, &app_deployment_kind.api, NS, NAME, "/spec/replicas"), 7);
        ck_assert_ptr_null(
                sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/ownerReferences/0/uid")
                        .data);
        /* The other children were made, and asking again becomes rare. */
        ck_assert(exists(&w, &common_service_kind));
        world_run(&w, USEC_HOUR);
        calls = all_calls(&w);
        world_run(&w, USEC_HOUR);
        /* Half a minute to a minute between, an apply and a look each. */
        ck_assert_uint_le(all_calls(&w) - calls, 2 * 120);
        /* It is removed: we go on by ourselves. */
        sim_api_delete(&w.api, &app_deployment_kind.api, NS, NAME);
        world_run(&w, 2 * QUEUE_BACKOFF_MAX);
        check_rest(&w);
        after = sim_api_dump(&w.api, &app_kind.api);
        ck_assert_int_ne(strcmp(before, after), 0);
        free(before);
        free(after);
        end(&w);
}

START_TEST(a_foreign_object_is_left_alone)
{
        check_foreign("");
}
END_TEST

START_TEST(a_foreign_object_with_our_label_is_left_alone)
{
        check_foreign(",\"labels\":{\"app.kubernetes.io/managed-by\":\"keelson\"}");
}
END_TEST

/* It appears at any moment while we make our own. */
START_TEST(a_foreign_object_is_left_alone_whenever_it_comes)
{
        for (usec_t delay = 0; delay < 60 * USEC_MSEC; delay += USEC_MSEC) {
                struct world w;

                begin(&w, 1);
                world_start(&w);
                world_run(&w, delay);
                if (!exists(&w, &app_deployment_kind)) {
                        make_foreign(&w, "");
                        world_run(&w, USEC_MINUTE);
                        check_condition(&w, "Ready", "False", "NameConflict");
                        ck_assert_int_eq(sim_api_int(&w.api, &app_deployment_kind.api, NS, NAME,
                                                     "/metadata/generation"),
                                         1);
                        ck_assert_ptr_null(sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME,
                                                       "/metadata/ownerReferences/0/uid")
                                                   .data);
                        sim_api_delete(&w.api, &app_deployment_kind.api, NS, NAME);
                        world_run(&w, 2 * QUEUE_BACKOFF_MAX);
                }
                world_run(&w, USEC_MINUTE);
                check_rest(&w);
                end(&w);
        }
}
END_TEST

static void make_again(struct world *w)
{
        sim_api_delete(&w->api, &app_kind.api, NS, NAME);
        user_applies(w, APP(PLAIN));
}

START_TEST(a_resource_made_again_waits_for_the_children_of_the_old_one_to_go)
{
        struct world w;

        begin_converged(&w);
        w.actor = NULL; /* the garbage collector takes its time */
        make_again(&w);
        world_run(&w, 10 * USEC_SEC);
        ck_assert_uint_eq(count_events(&w, "NameConflict"), 0);
        check_condition(&w, "Stalled", "False", "AsExpected");
        ck_assert(str_eq_c(app_condition(&w, "Ready", "status"), "False"));
        ck_assert(contains(app_condition(&w, "Ready", "message"), "earlier App"));
        actors_enter(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert(str_eq(
                sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/ownerReferences/0/uid"),
                sim_api_str(&w.api, &app_kind.api, NS, NAME, "/metadata/uid")));
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(an_old_child_that_lingers_in_its_deletion_is_waited_for)
{
        struct world w;

        begin_converged(&w);
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME,
                      "{\"metadata\":{\"finalizers\":[\"test/hold\"]}}", "somebody");
        make_again(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert(str_eq_c(app_condition(&w, "Ready", "status"), "False"));
        ck_assert_uint_eq(count_events(&w, "NameConflict"), 0);
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME, "{\"metadata\":{\"finalizers\":null}}",
                      "somebody");
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_child_that_we_do_not_see_lingers_in_its_deletion)
{
        struct world w;

        /* Our own Deployment, without the label and about to go. */
        begin_converged(&w);
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME,
                      "{\"metadata\":{\"finalizers\":[\"test/hold\"],"
                      "\"labels\":{\"app.kubernetes.io/managed-by\":null}}}",
                      "somebody");
        sim_api_delete(&w.api, &app_deployment_kind.api, NS, NAME);
        world_run(&w, USEC_MINUTE);
        /* What is about to go is not worth a repair. */
        ck_assert_ptr_null(sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME,
                                       "/metadata/labels/app.kubernetes.io~1managed-by")
                                   .data);
        ck_assert(contains(app_condition(&w, "Ready", "message"), "being deleted"));
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME, "{\"metadata\":{\"finalizers\":null}}",
                      "somebody");
        world_run(&w, 2 * USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_service_that_lingers_is_deleted_once)
{
        uint64_t deletes;
        struct world w;

        begin_converged(&w);
        sim_api_patch(&w.api, &common_service_kind.api, NS, NAME,
                      "{\"metadata\":{\"finalizers\":[\"test/hold\"]}}", "load-balancer");
        user_applies(&w, APP("\"image\":\"registry.example/web:1\",\"replicas\":2"));
        world_run(&w, USEC_MINUTE);
        deletes = w.n_calls[CALL_DELETE];
        ck_assert_uint_ge(deletes, 1);
        ck_assert_int_eq(manager_enqueue_all(&w.op[0].manager), 0);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.n_calls[CALL_DELETE], deletes);
        ck_assert_uint_eq(count_events(&w, "Deleted"), 1);
        sim_api_patch(&w.api, &common_service_kind.api, NS, NAME, "{\"metadata\":{\"finalizers\":null}}",
                      "load-balancer");
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

/* --- refusals ----------------------------------------------------------------------------------- */

START_TEST(what_is_forbidden_stalls_until_it_is_allowed)
{
        struct world w;

        begin(&w, 1);
        world_rule(&w, (struct world_rule){ .fate = WORLD_REFUSE,
                                            .type = CALL_APPLY,
                                            .kind = &common_service_kind.api,
                                            .times = -1,
                                            .status = 403,
                                            .reason = "Forbidden",
                                            .message = "user cannot patch services" });
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_condition(&w, "Ready", "False", "Forbidden");
        check_condition(&w, "Stalled", "True", "Forbidden");
        check_condition(&w, "Reconciling", "False", "AsExpected");
        ck_assert(contains(app_condition(&w, "Ready", "message"), "grant"));
        ck_assert_uint_eq(count_events(&w, "Forbidden"), 1);
        world_clear_rules(&w);
        world_run(&w, 2 * USEC_MINUTE);
        check_rest(&w);
        ck_assert_uint_eq(count_events(&w, "Ready"), 1);
        end(&w);
}
END_TEST

/* For the first half minute of a definition. With a backoff the first App of a new
 * installation would stand still for long after that. */
START_TEST(an_owner_that_the_server_does_not_know_yet_is_no_missing_right)
{
        uint64_t calls;
        struct world w;

        begin(&w, 1);
        world_rule(&w,
                   (struct world_rule){
                           .fate = WORLD_REFUSE,
                           .type = CALL_APPLY,
                           .kind = &common_service_kind.api,
                           .times = -1,
                           .status = 403,
                           .reason = "Forbidden",
                           .message = "services \"web\" is forbidden: cannot set blockOwnerDeletion in this "
                                      "case because cannot find RESTMapping for APIVersion "
                                      "keelson.dev/v1alpha1 Kind App" });
        world_start(&w);
        world_run(&w, 33 * USEC_SEC);
        check_condition(&w, "Ready", "False", "Retrying");
        check_condition(&w, "Reconciling", "True", "Retrying");
        check_condition(&w, "Stalled", "False", "AsExpected");
        ck_assert(!contains(app_condition(&w, "Ready", "message"), "grant"));
        ck_assert(contains(app_condition(&w, "Ready", "message"), "has not yet taken in the definition"));
        ck_assert_uint_eq(count_events(&w, "Forbidden"), 0);
        ck_assert_uint_eq(count_events(&w, "Retrying"), 0);
        world_clear_rules(&w);
        world_run(&w, 3 * USEC_SEC);
        check_rest(&w);
        end(&w);

        /* Should it not come to know it, asking becomes rare. */
        begin(&w, 1);
        world_rule(&w, (struct world_rule){ .fate = WORLD_REFUSE,
                                            .type = CALL_APPLY,
                                            .kind = &common_service_kind.api,
                                            .times = -1,
                                            .status = 403,
                                            .reason = "Forbidden",
                                            .message = "cannot find RESTMapping for Kind App" });
        world_start(&w);
        world_run(&w, USEC_HOUR);
        calls = all_calls(&w);
        world_run(&w, USEC_HOUR);
        ck_assert_uint_le(all_calls(&w) - calls, 120);
        world_clear_rules(&w);
        world_run(&w, 2 * QUEUE_BACKOFF_MAX);
        check_rest(&w);
        end(&w);
}
END_TEST

/* What failed is not even wanted any more: nothing is written but the status. */
START_TEST(a_failure_that_somebody_else_mended_is_taken_back)
{
        struct world w;

        begin_converged(&w);
        world_rule(&w, (struct world_rule){ .fate = WORLD_REFUSE,
                                            .type = CALL_DELETE,
                                            .times = -1,
                                            .status = 403,
                                            .reason = "Forbidden",
                                            .message = "no" });
        user_applies(&w, APP("\"image\":\"registry.example/web:1\",\"replicas\":2"));
        world_run(&w, USEC_MINUTE);
        check_condition(&w, "Stalled", "True", "Forbidden");
        sim_api_delete(&w.api, &common_service_kind.api, NS, NAME);
        world_run(&w, USEC_SEC);
        check_rest(&w);
        end(&w);
}
END_TEST

/* Deleted and made again under our label and owner, as kubectl replace --force does. */
static void replace_deployment(struct world *w, void *arg)
{
        struct str uid = sim_api_str(&w->api, &app_kind.api, NS, NAME, "/metadata/uid");
        char json[1024];

        (void)arg;
        snprintf(
                json, sizeof(json),
                "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"namespace\":\"" NS
                "\",\"name\":\"" NAME "\",\"labels\":{\"app.kubernetes.io/managed-by\":\"keelson\"},"
                "\"ownerReferences\":[{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"name\":\"" NAME
                "\",\"uid\":\"%.*s\",\"controller\":true}]},\"spec\":{\"replicas\":7}}",
                STR_FMT(uid));
        sim_api_delete(&w->api, &app_deployment_kind.api, NS, NAME);
        sim_api_apply(&w->api, &app_deployment_kind.api, json, "kubectl-replace");
}

START_TEST(a_child_that_was_replaced_while_our_apply_was_on_its_way_is_no_failure)
{
        uint64_t changes;
        struct world w;

        begin_converged(&w);
        w.latency = 400 * USEC_MSEC;
        user_applies(&w, APP("\"image\":\"registry.example/web:2\",\"port\":8080,\"replicas\":3"));
        world_run(&w, 50 * USEC_MSEC);
        changes = w.n_calls[CALL_APPLY];
        world_after(&w, 0, replace_deployment, NULL);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_ge(changes, 4);
        ck_str_eq(image(&w), "registry.example/web:2");
        ck_assert(!was_said(&w, "\"Invalid\""));
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(what_the_server_does_not_accept_stalls)
{
        struct world w;

        begin(&w, 1);
        world_rule(&w, (struct world_rule){ .fate = WORLD_REFUSE,
                                            .type = CALL_APPLY,
                                            .kind = &app_deployment_kind.api,
                                            .times = -1,
                                            .status = 422,
                                            .reason = "Invalid",
                                            .message = "spec.replicas: too many" });
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_condition(&w, "Stalled", "True", "Invalid");
        ck_assert(contains(app_condition(&w, "Stalled", "message"), "spec.replicas: too many"));
        end(&w);
}
END_TEST

/* An App whose variables are N KiB of CHARACTER (JSON). */
static char *app_of_size(size_t n, const char *character)
{
        size_t each = strlen(character), vars = 32;
        char *app = malloc(n * 1024 * each + vars * 64 + 1024), *at = app;

        at = stpcpy(
                at,
                "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{\"namespace\":\"" NS
                "\",\"name\":\"" NAME "\"},\"spec\":{\"image\":\"registry.example/web:2\",\"replicas\":2,"
                "\"env\":[");
        for (size_t i = 0; i < vars; i++) {
                at += snprintf(at, 64, "%s{\"name\":\"V%zu\",\"value\":\"", i ? "," : "", i);
                for (size_t j = 0; j < n * 1024 / vars; j++)
                        at = stpcpy(at, character);
                at = stpcpy(at, "\"}");
        }
        stpcpy(at, "]}}");
        return app;
}

START_TEST(an_app_that_is_too_large_says_so_and_goes_on_when_it_is_smaller)
{
        char *large = app_of_size(1024, "\\u0001");
        uint64_t writes;
        struct world w;

        begin_converged(&w);
        user_applies(&w, large);
        world_run(&w, USEC_MINUTE);
        check_condition(&w, "Ready", "False", "TooLarge");
        check_condition(&w, "Stalled", "True", "TooLarge");
        ck_assert(contains(app_condition(&w, "Stalled", "message"), "spec.env: its 32 names"));
        ck_assert(contains(app_condition(&w, "Stalled", "message"), "become 6144 KiB as JSON"));
        ck_assert_uint_eq(count_events(&w, "TooLarge"), 1);
        writes = world_writes(&w);
        world_run(&w, USEC_HOUR);
        ck_assert_uint_eq(world_writes(&w), writes);
        ck_str_eq(image(&w), "registry.example/web:1");
        user_applies(&w, APP(PLAIN));
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
        free(large);
}
END_TEST

/* Somebody gave our port another number and the server keeps theirs beside ours: two
 * of one name, which it does not accept. */
START_TEST(a_foreign_port_in_our_way_is_removed)
{
        struct world w;

        begin_converged(&w);
        world_rule(&w, (struct world_rule){ .fate = WORLD_REFUSE,
                                            .type = CALL_APPLY,
                                            .kind = &common_service_kind.api,
                                            .times = 1,
                                            .status = 422,
                                            .reason = "Invalid",
                                            .message = "spec.ports[1].name: Duplicate value" });
        sim_api_patch(
                &w.api, &common_service_kind.api, NS, NAME,
                "{\"spec\":{\"ports\":[{\"port\":8080,\"protocol\":\"TCP\",\"name\":\"other\"},{\"port\":9999,"
                "\"protocol\":\"TCP\",\"name\":\"http\"}]}}",
                "somebody");
        ck_assert_int_eq(sim_api_int(&w.api, &common_service_kind.api, NS, NAME, "/spec/ports/1/port"), 9999);
        world_run(&w, USEC_SEC);
        ck_assert_uint_eq(w.n_calls[CALL_PATCH], 1);
        ck_assert_uint_eq(yyjson_mut_arr_size(yyjson_mut_ptr_get(
                                  sim_api_get(&w.api, &common_service_kind.api, NS, NAME), "/spec/ports")),
                          1);
        ck_str_eq(sim_api_str(&w.api, &common_service_kind.api, NS, NAME, "/spec/ports/0/name"), "http");
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 1);
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(what_passes_by_itself_is_not_shown_at_once)
{
        struct world w;

        begin(&w, 1);
        world_rule(&w, overloaded(2 * CHILDREN, 0)); /* two rounds */
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        ck_assert(!was_said(&w, "Retrying"));
        end(&w);
        begin(&w, 1);
        world_rule(&w, overloaded(3 * CHILDREN, 0));
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        ck_assert(was_said(&w, "Retrying"));
        ck_assert_uint_eq(count_events(&w, "Retrying"), 0);
        end(&w);
}
END_TEST

START_TEST(what_does_not_pass_is_shown_and_asked_less_and_less)
{
        uint64_t calls;
        struct world w;

        begin(&w, 1);
        world_rule(&w, overloaded(-1, 0));
        world_start(&w);
        world_run(&w, 10 * USEC_MINUTE);
        check_condition(&w, "Ready", "False", "Retrying");
        check_condition(&w, "Reconciling", "True", "Retrying");
        check_condition(&w, "Stalled", "False", "AsExpected");
        ck_assert(contains(app_condition(&w, "Ready", "message"), "etcd is away"));
        calls = all_calls(&w);
        world_run(&w, USEC_HOUR);
        /* All children every half a minute to a minute. */
        ck_assert_uint_le(all_calls(&w) - calls, CHILDREN * 120);
        ck_assert_uint_ge(all_calls(&w) - calls, CHILDREN * 59);
        world_clear_rules(&w);
        world_run(&w, 2 * QUEUE_BACKOFF_MAX);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_server_that_names_a_time_is_left_alone_until_then)
{
        uint64_t calls;
        struct world w;

        begin(&w, 1);
        world_rule(&w, overloaded(CHILDREN, 40));
        world_start(&w);
        world_run(&w, 2 * USEC_SEC);
        calls = w.n_calls[CALL_APPLY];
        ck_assert_uint_eq(calls, CHILDREN);
        world_run(&w, 37 * USEC_SEC);
        ck_assert_uint_eq(w.n_calls[CALL_APPLY], calls);
        world_run(&w, 20 * USEC_SEC);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_transport_without_memory_is_retried)
{
        struct world w;

        begin(&w, 1);
        world_rule(&w, (struct world_rule){ .fate = WORLD_NO_MEMORY, .any_type = true, .times = 10 });
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

/* --- a definition that is older than we ------------------------------------------------------ */

static struct world_rule undeclared(const char *message, int times)
{
        return (struct world_rule){
                .fate = WORLD_REFUSE,
                .type = CALL_APPLY_STATUS,
                .times = times,
                .status = 500,
                .message = message,
        };
}

#define UNDECLARED(path)                                                                                     \
        "failed to create typed patch object (/web; keelson.dev/v1alpha1, Kind=App): " path                  \
        ": field not declared in schema"

static bool has_status(const struct world *w, const char *pointer)
{
        return yyjson_mut_ptr_get(sim_api_get(&w->api, &app_kind.api, NS, NAME), pointer) != NULL;
}

START_TEST(a_status_is_written_but_for_what_the_definition_does_not_know)
{
        struct world w;

        begin(&w, 1);
        world_rule(&w, undeclared(UNDECLARED(".status.effective[2].from"), 1));
        world_rule(&w, undeclared(UNDECLARED(".status.desiredReplicas"), 1));
        world_start(&w);
        run_to_first_call(&w);
        while (!has_status(&w, "/status/conditions"))
                world_run(&w, USEC_MSEC);
        ck_assert(!has_status(&w, "/status/effective"));
        ck_assert(!has_status(&w, "/status/desiredReplicas"));
        ck_assert(has_status(&w, "/status/profile"));
        world_run(&w, USEC_SEC);
        ck_assert_uint_ge(count_events(&w, "DefinitionOutdated"), 1);
        /* As soon as the definition is there, all of it is. */
        world_run(&w, USEC_MINUTE);
        ck_assert(has_status(&w, "/status/effective"));
        check_rest(&w);
        end(&w);
}
END_TEST

/* An answer that cannot be, again and again: no loop, and in the end a failure like any other. */
START_TEST(a_field_that_is_not_ours_is_no_reason_to_ask_on)
{
        struct world w;
        uint64_t calls;

        begin(&w, 1);
        world_rule(&w, undeclared(UNDECLARED(".status.effective"), -1));
        world_start(&w);
        world_run(&w, USEC_HOUR);
        ck_assert(!has_status(&w, "/status"));
        calls = all_calls(&w);
        world_run(&w, USEC_HOUR);
        /* Half a minute to a minute between, an apply and an event each. */
        ck_assert_uint_le(all_calls(&w) - calls, 3 * 120);
        world_clear_rules(&w);
        world_run(&w, 2 * QUEUE_BACKOFF_MAX);
        check_rest(&w);
        end(&w);
}
END_TEST

static int converge_outdated(void *arg)
{
        struct world w;

        (void)arg;
        begin(&w, 1);
        world_rule(&w, undeclared(UNDECLARED(".status.effective"), 1));
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_condition(&w, "Ready", "True", "Ready");
        world_release(&w);
        return 0;
}

START_TEST(an_old_definition_while_any_one_allocation_fails)
{
        torture(converge_outdated, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_foreign_object_is_left_alone,
        a_foreign_object_with_our_label_is_left_alone,
        a_foreign_object_is_left_alone_whenever_it_comes,
        a_resource_made_again_waits_for_the_children_of_the_old_one_to_go,
        an_old_child_that_lingers_in_its_deletion_is_waited_for,
        a_child_that_we_do_not_see_lingers_in_its_deletion,
        a_service_that_lingers_is_deleted_once,
        what_is_forbidden_stalls_until_it_is_allowed,
        an_owner_that_the_server_does_not_know_yet_is_no_missing_right,
        a_failure_that_somebody_else_mended_is_taken_back,
        a_child_that_was_replaced_while_our_apply_was_on_its_way_is_no_failure,
        what_the_server_does_not_accept_stalls,
        an_app_that_is_too_large_says_so_and_goes_on_when_it_is_smaller,
        a_foreign_port_in_our_way_is_removed,
        what_passes_by_itself_is_not_shown_at_once,
        what_does_not_pass_is_shown_and_asked_less_and_less,
        a_server_that_names_a_time_is_left_alone_until_then,
        a_transport_without_memory_is_retried,
        a_status_is_written_but_for_what_the_definition_does_not_know,
        a_field_that_is_not_ours_is_no_reason_to_ask_on,
        an_old_definition_while_any_one_allocation_fails,
};
TEST_MAIN("manager/effect", tests)
