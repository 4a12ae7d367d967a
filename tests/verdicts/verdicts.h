/* SPDX-License-Identifier: Apache-2.0
 *
 * The three who judge a resource without a cluster, each asked as it is asked in
 * earnest. All tell their verdict in the same form: "PATH: MESSAGE; PATH: MESSAGE", or
 * the empty text where nothing is wrong.
 *
 *      resource --+--> verdict_offline    as keelson validate
 *                 +--> verdict_webhook    as a review over the wire
 *                 `--> verdict_operator   as a reconcile: what the condition Stalled says
 */
#pragma once

#include "controller/resource.h"

#include "admission/review.h"
#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"

#define VERDICT_MAX 16384

static const struct admission_kind *const verdict_kinds[] = { &app_admission, &environment_admission,
                                                              &redis_admission };

/* That of the resource, or NULL. */
static inline const struct admission_kind *verdict_kind(yyjson_val *resource)
{
        for (size_t i = 0; i < ARRAY_SIZE(verdict_kinds); i++)
                if (str_eq(json_get_str(resource, "kind"), verdict_kinds[i]->kind->api.kind) &&
                    str_eq_c(json_get_str(resource, "apiVersion"), "keelson.dev/v1alpha1"))
                        return verdict_kinds[i];
        return NULL;
}

static inline const struct controller *verdict_controller(const struct admission_kind *kind)
{
        if (kind == &redis_admission)
                return &redis_controller;
        return kind == &app_admission ? &app_controller : &environment_controller;
}

static inline void put_verdict(char ret[VERDICT_MAX], struct str text)
{
        ck_assert_uint_lt(text.len, VERDICT_MAX);
        memcpy(ret, text.len ? text.data : "", text.len);
        ret[text.len] = '\0';
}

static inline void verdict_offline(yyjson_val *resource, char ret[VERDICT_MAX])
{
        struct arena a = ARENA_INIT((size_t)16 * 1024 * 1024);
        struct problems problems, warnings;
        int r;

        problems_init(&problems, &a);
        problems_init(&warnings, &a);
        r = admission_judge(verdict_kind(resource), resource, NULL, ADMISSION_OFFLINE, &problems, &warnings);
        ck_assert(r == 0 || r == -EINVAL);
        put_verdict(ret, r < 0 ? problems_text(&problems) : STR(""));
        arena_release(&a);
}

static inline void put_causes(yyjson_val *reply, char ret[VERDICT_MAX])
{
        yyjson_val *cause;
        size_t i, n, len = 0;

        ret[0] = '\0';
        yyjson_arr_foreach (json_get_path(reply, "/response/status/details/causes"), i, n, cause) {
                struct str field = json_get_str(cause, "field"), message = json_get_str(cause, "message");

                len += (size_t)snprintf(ret + len, VERDICT_MAX - len, "%s%.*s%s%.*s", len ? "; " : "",
                                        STR_FMT(field), field.len ? ": " : "", STR_FMT(message));
                ck_assert_uint_lt(len, VERDICT_MAX);
        }
}

static inline void verdict_webhook(yyjson_val *resource, char ret[VERDICT_MAX])
{
        const struct kube_kind *api = &verdict_kind(resource)->kind->api;
        struct buf body = BUF_INIT(REVIEW_BUF_MAX), reply = BUF_INIT(REVIEW_REPLY_MAX);
        char *json = yyjson_val_write(resource, 0, NULL);
        struct review_outcome outcome;
        struct review review;
        yyjson_doc *said;

        ck_assert_ptr_nonnull(json);
        buf_printf(
                &body,
                "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":"
                "\"u-1\",\"operation\":\"CREATE\",\"kind\":{\"group\":\"keelson.dev\",\"version\":"
                "\"v1alpha1\",\"kind\":\"%.*s\"},\"resource\":{\"group\":\"keelson.dev\",\"version\":"
                "\"v1alpha1\",\"resource\":\"%.*s\"},\"object\":%s}}",
                STR_FMT(api->kind), STR_FMT(api->plural), json);
        review_init(&review, verdict_kinds, ARRAY_SIZE(verdict_kinds));
        ck_assert_uint_eq(review_answer(&review, REVIEW_VALIDATE, &body, &reply, &outcome), 200);
        ck_assert_int_eq(json_parse(buf_str(&reply), &said, NULL), 0);
        put_causes(yyjson_doc_get_root(said), ret);
        ck_assert(str_eq(outcome.verdict, *ret ? STR("denied") : STR("allowed")));
        yyjson_doc_free(said);
        review_release(&review);
        buf_release(&body);
        buf_release(&reply);
        free(json);
}

/* RESOURCE as an API server stores it, whose definitions let everything through. */
static inline char *stored(yyjson_val *resource)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_val_mut_copy(doc, resource);
        yyjson_mut_val *meta = yyjson_mut_obj(doc);
        char *text;

        yyjson_mut_obj_remove_key(root, "metadata");
        yyjson_mut_obj_add_str(doc, meta, "namespace", "shop");
        yyjson_mut_obj_add_str(doc, meta, "name",
                               verdict_kind(resource) == &environment_admission ? "default" : "shop");
        yyjson_mut_obj_add_str(doc, meta, "uid", "u-1");
        yyjson_mut_obj_add_str(doc, meta, "resourceVersion", "7");
        yyjson_mut_obj_add_int(doc, meta, "generation", 3);
        yyjson_mut_obj_add_val(doc, root, "metadata", meta);
        yyjson_mut_doc_set_root(doc, root);
        text = yyjson_mut_write(doc, 0, NULL);
        yyjson_mut_doc_free(doc);
        ck_assert_ptr_nonnull(text);
        return text;
}

static inline void verdict_operator(yyjson_val *resource, char ret[VERDICT_MAX])
{
        char *json = stored(resource);
        yyjson_val *stalled;
        struct fixture f;

        begin_resource(&f, verdict_controller(verdict_kind(resource)), json);
        f.view.image = STR("keelson:1"); /* the operator knows its own */
        ck_assert_int_eq(reconcile(&f), 0);
        ret[0] = '\0';
        if (find_effect(&f, EFFECT_STATUS, NULL)) {
                stalled = condition(&f, "Stalled");
                if (str_eq_c(json_get_str(stalled, "reason"), "InvalidSpec"))
                        put_verdict(ret, json_get_str(stalled, "message"));
                else if (!str_eq_c(json_get_str(stalled, "reason"),
                                   "RedisNotFound")) /* says nothing of the file */
                        ck_assert_msg(!str_eq_c(json_get_str(stalled, "status"), "True"), "%s: %.*s", json,
                                      STR_FMT(json_get_str(stalled, "message")));
        }
        end(&f);
        free(json);
}
