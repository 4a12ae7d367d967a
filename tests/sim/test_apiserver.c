/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated API server is only worth something if it answers as a real one.
 */
#include "harness.h"

#include "kube/owned.h"
#include "sim/apiserver.h"

static const struct kube_kind kind = { STR_INIT("apps"), STR_INIT("v1"), STR_INIT("deployments"),
                                       STR_INIT("Deployment"), true };

#define DEPLOYMENT(meta, spec)                                                                               \
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{" meta                            \
        "\"namespace\":\"n\",\"name\":\"x\"},\"spec\":{" spec "}}"
#define CONTAINER(name, more) "\"containers\":[{\"name\":\"" name "\"" more "}]"

static int serve(struct sim_api *api, struct kube_call call)
{
        struct sim_reply reply;

        call.kind = &kind;
        call.namespace = STR("n");
        call.name = STR("x");
        call.field_manager = STR("keelson");
        sim_api_serve(api, &call, &reply);
        free(reply.body);
        return reply.status;
}

static int apply(struct sim_api *api, const char *json)
{
        return serve(api, (struct kube_call){ .verb = KUBE_APPLY, .body = str_c(json) });
}

static struct str at(const struct sim_api *api, const char *pointer)
{
        return sim_api_str(api, &kind, "n", "x", pointer);
}

START_TEST(an_apply_may_be_only_for_what_is_not_there)
{
        struct sim_api api;

        sim_api_init(&api);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("\"resourceVersion\":\"1\",", "\"replicas\":1")), 201);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("\"resourceVersion\":\"1\",", "\"replicas\":2")), 409);
        ck_assert_int_eq(sim_api_int(&api, &kind, "n", "x", "/spec/replicas"), 1);
        ck_assert_int_eq(sim_api_int(&api, &kind, "n", "x", "/metadata/generation"), 1);
        sim_api_release(&api);
}
END_TEST

START_TEST(a_creation_may_be_tried)
{
        const struct kube_call try = {
                .verb = KUBE_CREATE,
                .body = STR(DEPLOYMENT("", "\"replicas\":1")),
                .dry_run = true,
        };
        struct sim_api api;

        sim_api_init(&api);
        ck_assert_int_eq(serve(&api, try), 201);
        ck_assert_uint_eq(sim_api_count(&api, &kind), 0);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":1")), 201);
        ck_assert_int_eq(serve(&api, try), 409);
        sim_api_release(&api);
}
END_TEST

START_TEST(an_apply_may_be_only_for_this_very_object)
{
        struct sim_api api;
        char json[256];

        sim_api_init(&api);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("\"uid\":\"other\",", "\"replicas\":1")), 409);
        ck_assert_uint_eq(sim_api_count(&api, &kind), 0);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":1")), 201);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("\"uid\":\"other\",", "\"replicas\":2")), 422);
        snprintf(json, sizeof(json), DEPLOYMENT("\"uid\":\"%.*s\",", "\"replicas\":2"),
                 STR_FMT(at(&api, "/metadata/uid")));
        ck_assert_int_eq(apply(&api, json), 200);
        ck_assert_int_eq(sim_api_int(&api, &kind, "n", "x", "/metadata/generation"), 2);
        sim_api_release(&api);
}
END_TEST

START_TEST(an_apply_that_changes_nothing_is_no_change)
{
        struct sim_api api;
        uint64_t changes;

        sim_api_init(&api);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":1")), 201);
        changes = api.n_changes;
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":1")), 200);
        ck_assert_uint_eq(api.n_changes, changes);
        sim_api_release(&api);
}
END_TEST

START_TEST(what_is_applied_no_more_is_removed_unless_others_want_it)
{
        struct sim_api api;

        sim_api_init(&api);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":1,\"paused\":true," CONTAINER(
                                                            "a", ",\"image\":\"i\""))),
                         201);
        sim_api_apply(&api, &kind, DEPLOYMENT("", "\"paused\":true," CONTAINER("b", ",\"image\":\"j\"")),
                      "kubectl");
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"minReadySeconds\":3")), 200);
        ck_assert_ptr_null(yyjson_mut_ptr_get(sim_api_get(&api, &kind, "n", "x"), "/spec/replicas"));
        ck_assert_ptr_nonnull(yyjson_mut_ptr_get(sim_api_get(&api, &kind, "n", "x"), "/spec/paused"));
        ck_str_eq(at(&api, "/spec/containers/0/name"), "b");
        ck_assert_ptr_null(at(&api, "/spec/containers/1/name").data);
        sim_api_release(&api);
}
END_TEST

/* The hash of what we own, as the cache sees it. */
static uint64_t owned(const struct sim_api *api, bool *ret_found)
{
        char *text = yyjson_mut_val_write(sim_api_get(api, &kind, "n", "x"), 0, NULL);
        yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
        uint64_t h = kube_owned_hash(yyjson_doc_get_root(doc), STR("keelson"), STR_NULL, ret_found);

        yyjson_doc_free(doc);
        free(text);
        return h;
}

static uint64_t desired(const char *json)
{
        yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
        uint64_t h = kube_desired_hash(yyjson_doc_get_root(doc), STR_NULL);

        yyjson_doc_free(doc);
        return h;
}

START_TEST(what_we_own_hashes_as_what_we_applied)
{
        static const char json[] =
                DEPLOYMENT("\"labels\":{\"a\":\"b\"},",
                           "\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":\"b\"}}," CONTAINER(
                                   "a", ",\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\"}],"
                                        "\"ports\":[{\"containerPort\":80,\"protocol\":\"TCP\"}],"
                                        "\"drop\":[\"ALL\"],\"emptyDir\":{}"));
        struct sim_api api;
        bool found;

        sim_api_init(&api);
        ck_assert_int_eq(apply(&api, json), 201);
        ck_assert_uint_eq(owned(&api, &found), desired(json));
        /* Not if somebody changes it, nor if they take it over; but beside it they may. */
        sim_api_patch(&api, &kind, "n", "x", "{\"spec\":{\"paused\":true}}", "other");
        ck_assert_uint_eq(owned(&api, &found), desired(json));
        sim_api_patch(&api, &kind, "n", "x", "{\"spec\":{\"replicas\":3}}", "other");
        ck_assert_uint_ne(owned(&api, &found), desired(json));
        ck_assert_int_eq(apply(&api, json), 200);
        ck_assert_uint_eq(owned(&api, &found), desired(json));
        ck_assert(found);
        sim_api_release(&api);
}
END_TEST

START_TEST(a_status_is_a_half_of_its_own)
{
        static const char status[] =
                "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"replicas\":9},\"status\":{\"phase\":\"Good\"}}";
        struct sim_api api;

        sim_api_init(&api);
        ck_assert_int_eq(serve(&api, (struct kube_call){ .verb = KUBE_APPLY,
                                                         .subresource = STR("status"),
                                                         .body = str_c(status) }),
                         404);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":1")), 201);
        ck_assert_int_eq(serve(&api, (struct kube_call){ .verb = KUBE_APPLY,
                                                         .subresource = STR("status"),
                                                         .body = str_c(status) }),
                         200);
        ck_str_eq(at(&api, "/status/phase"), "Good");
        ck_assert_int_eq(sim_api_int(&api, &kind, "n", "x", "/spec/replicas"), 1);
        ck_assert_int_eq(sim_api_int(&api, &kind, "n", "x", "/metadata/generation"), 1);
        /* Applying the rest without a status leaves it. */
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":2")), 200);
        ck_str_eq(at(&api, "/status/phase"), "Good");
        sim_api_release(&api);
}
END_TEST

START_TEST(a_deletion_has_preconditions_and_waits_for_finalizers)
{
        struct sim_api api;

        sim_api_init(&api);
        ck_assert_int_eq(serve(&api, (struct kube_call){ .verb = KUBE_DELETE }), 404);
        ck_assert_int_eq(apply(&api, DEPLOYMENT("\"finalizers\":[\"hold\"],", "\"replicas\":1")), 201);
        ck_assert_int_eq(serve(&api, (struct kube_call){ .verb = KUBE_DELETE, .if_uid = STR("other") }), 409);
        ck_assert_int_eq(serve(&api, (struct kube_call){ .verb = KUBE_DELETE, .if_version = STR("1") }), 409);
        ck_assert_int_eq(
                serve(&api, (struct kube_call){ .verb = KUBE_DELETE, .if_uid = at(&api, "/metadata/uid") }),
                200);
        ck_assert_ptr_nonnull(at(&api, "/metadata/deletionTimestamp").data);
        sim_api_patch(&api, &kind, "n", "x", "{\"metadata\":{\"finalizers\":null}}", "holder");
        ck_assert_uint_eq(sim_api_count(&api, &kind), 0);
        sim_api_release(&api);
}
END_TEST

static void check_next(struct sim_watch *w, enum sim_change_type type)
{
        enum sim_change_type got;
        const char *object;

        ck_assert(sim_watch_next(w, &got, &object));
        ck_assert_int_eq(got, type);
        ck_assert_ptr_nonnull(strstr(object, "\"name\":\"x\""));
}

START_TEST(to_a_watch_an_object_comes_and_goes_with_its_label)
{
        struct sim_watch all, ours;
        struct sim_api api;

        sim_api_init(&api);
        sim_watch_init(&all, &api, &kind, STR_NULL);
        sim_watch_init(&ours, &api, &kind, STR("by=us"));
        ck_assert_int_eq(apply(&api, DEPLOYMENT("", "\"replicas\":1")), 201);
        sim_api_patch(&api, &kind, "n", "x", "{\"metadata\":{\"labels\":{\"by\":\"us\"}}}", "other");
        sim_api_patch(&api, &kind, "n", "x", "{\"spec\":{\"replicas\":2}}", "other");
        sim_api_patch(&api, &kind, "n", "x", "{\"metadata\":{\"labels\":{\"by\":null}}}", "other");
        sim_api_delete(&api, &kind, "n", "x");
        check_next(&all, SIM_ADDED);
        for (int i = 0; i < 3; i++)
                check_next(&all, SIM_MODIFIED);
        check_next(&all, SIM_DELETED);
        ck_assert(!sim_watch_pending(&all));
        check_next(&ours, SIM_ADDED);
        check_next(&ours, SIM_MODIFIED);
        check_next(&ours, SIM_DELETED);
        ck_assert(!sim_watch_pending(&ours));
        sim_api_release(&api);
}
END_TEST

START_TEST(versions_only_rise)
{
        struct sim_api api;

        sim_api_init(&api);
        for (int i = 0; i < 20; i++) {
                char json[256];

                snprintf(json, sizeof(json), DEPLOYMENT("", "\"replicas\":%d"), i);
                ck_assert_int_lt(apply(&api, json), 300);
        }
        ck_assert_uint_eq(api.n_log, 20);
        for (size_t i = 1; i < api.n_log; i++)
                ck_assert_uint_gt(api.log[i].version, api.log[i - 1].version);
        sim_api_release(&api);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

static const TTest *const tests[] = {
        an_apply_may_be_only_for_what_is_not_there,
        a_creation_may_be_tried,
        an_apply_may_be_only_for_this_very_object,
        an_apply_that_changes_nothing_is_no_change,
        what_is_applied_no_more_is_removed_unless_others_want_it,
        what_we_own_hashes_as_what_we_applied,
        a_status_is_a_half_of_its_own,
        a_deletion_has_preconditions_and_waits_for_finalizers,
        to_a_watch_an_object_comes_and_goes_with_its_label,
        versions_only_rise,
};
TEST_MAIN("sim/apiserver", tests)
