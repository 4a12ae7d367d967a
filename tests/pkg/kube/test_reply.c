/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reply.h"

#include <errno.h>

#include "harness.h"

static const struct kube_kind deployment = { .group = STR_INIT("apps"),
                                             .version = STR_INIT("v1"),
                                             .plural = STR_INIT("deployments"),
                                             .kind = STR_INIT("Deployment"),
                                             .namespaced = true };

static struct kube_asked asked(enum kube_verb verb, const char *namespace, const char *name)
{
        return (struct kube_asked){ .verb = verb,
                                    .kind = &deployment,
                                    .namespace = str_c(namespace),
                                    .name = str_c(name),
                                    .server = STR("https://h:6443"),
                                    .credentials = STR("in-cluster") };
}

static struct kube_reply read_reply(int status, const char *body, struct kube_asked a)
{
        struct http_result result = { .status = status, .body = str_c(body), .retry_after = -1 };
        struct kube_reply reply;

        kube_reply_read(&result, &a, &reply);
        return reply;
}

static void check_failure(int status, const char *body, struct kube_asked a, enum kube_reason reason,
                          int code, const char *message)
{
        struct kube_reply r = read_reply(status, body, a);

        ck_assert_msg(r.reason == reason, "%s: %s", body, kube_reason_name(r.reason));
        ck_assert_int_eq(r.error.code, code);
        ck_assert_str_eq(r.error.message, message);
        kube_reply_release(&r);
}

#define STATUS(reason, message)                                                                              \
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"" reason             \
        "\",\"message\":\"" message "\"}"

START_TEST(test_success)
{
        struct kube_reply r = read_reply(201, "{\"kind\":\"Deployment\"}", asked(KUBE_CREATE, "n", NULL));

        ck_assert_int_eq(r.reason, KUBE_OK);
        ck_assert_int_eq(r.error.code, 0);
        ck_assert_int_eq(r.status, 201);
        ck_str_eq(r.body, "{\"kind\":\"Deployment\"}");
        ck_assert_ptr_null(r.doc);
        kube_reply_release(&r);
}
END_TEST

START_TEST(test_failures)
{
        check_failure(404, STATUS("NotFound", "deployments.apps \\\"web\\\" not found"),
                      asked(KUBE_GET, "shop", "web"), KUBE_NOT_FOUND, -ENOENT,
                      "cannot get deployments.apps shop/web: deployments.apps \"web\" not found");
        check_failure(409, STATUS("AlreadyExists", "it is there"), asked(KUBE_CREATE, "shop", "web"),
                      KUBE_ALREADY_EXISTS, -EEXIST, "cannot create deployments.apps shop/web: it is there");
        check_failure(409, STATUS("Conflict", "changed"), asked(KUBE_UPDATE, "shop", "web"), KUBE_CONFLICT,
                      -ESTALE, "cannot update deployments.apps shop/web: changed");
        check_failure(410, STATUS("Expired", "too old"), asked(KUBE_LIST, NULL, NULL), KUBE_EXPIRED, -ESTALE,
                      "cannot list deployments.apps in all namespaces: too old");
        check_failure(410, "", asked(KUBE_WATCH, "shop", NULL), KUBE_EXPIRED, -ESTALE,
                      "cannot watch deployments.apps in namespace shop: the API server answered 410");
        check_failure(422, STATUS("Invalid", "spec.replicas: Invalid value"),
                      asked(KUBE_APPLY, "shop", "web"), KUBE_INVALID, -EINVAL,
                      "cannot apply deployments.apps shop/web: spec.replicas: Invalid value");
        check_failure(404, "404 page not found", asked(KUBE_LIST, NULL, NULL), KUBE_NOT_FOUND, -ENOENT,
                      "cannot list deployments.apps in all namespaces: the API server does not have "
                      "Deployment v1; is "
                      "its CRD installed?");
        check_failure(500, "", asked(KUBE_DELETE, "shop", "web"), KUBE_INTERNAL_ERROR, -EREMOTEIO,
                      "cannot delete deployments.apps shop/web: the API server answered 500");
        check_failure(599, "", asked(KUBE_DELETE, "shop", "web"), KUBE_INTERNAL_ERROR, -EREMOTEIO,
                      "cannot delete deployments.apps shop/web: the API server answered 599");
        check_failure(302, "[]", asked(KUBE_GET, "shop", "web"), KUBE_OTHER, -EREMOTEIO,
                      "cannot get deployments.apps shop/web: the API server answered 302");
}
END_TEST

/* Of one that is no API server, or of one that takes us for somebody else. */
START_TEST(test_plain_words)
{
        char page[4096] = "a";
        struct kube_asked behind = asked(KUBE_LIST, NULL, NULL);

        check_failure(400, "Client sent an HTTP request to an HTTPS server.\n", asked(KUBE_LIST, NULL, NULL),
                      KUBE_BAD_REQUEST, -EINVAL,
                      "cannot list deployments.apps in all namespaces: the API server answered 400: Client "
                      "sent an HTTP request to an HTTPS server.");
        check_failure(502, "<html>no</html>", asked(KUBE_LIST, NULL, NULL), KUBE_SERVICE_UNAVAILABLE, -EAGAIN,
                      "cannot list deployments.apps in all namespaces: the API server answered 502");
        check_failure(502, "two\nlines", asked(KUBE_LIST, NULL, NULL), KUBE_SERVICE_UNAVAILABLE, -EAGAIN,
                      "cannot list deployments.apps in all namespaces: the API server answered 502");
        memset(page, 'a', sizeof(page) - 1);
        check_failure(502, page, asked(KUBE_LIST, NULL, NULL), KUBE_SERVICE_UNAVAILABLE, -EAGAIN,
                      "cannot list deployments.apps in all namespaces: the API server answered 502");
        behind.server = STR("https://h:6443/clusters/one");
        check_failure(404, "404 page not found", behind, KUBE_NOT_FOUND, -ENOENT,
                      "cannot list deployments.apps in all namespaces: the API server does not have "
                      "Deployment v1; is its CRD installed, and is the path in the server's URL right?");
}
END_TEST

START_TEST(test_rights)
{
        check_failure(403, STATUS("Forbidden", "u cannot list it"), asked(KUBE_LIST, NULL, NULL),
                      KUBE_FORBIDDEN, -EACCES,
                      "may not list deployments.apps in all namespaces: grant this service account or user "
                      "the verb "
                      "\"list\" on it; the API server says: u cannot list it");
        /* A quota is no missing right. */
        check_failure(403, STATUS("Forbidden", "exceeded quota: q"), asked(KUBE_APPLY, "shop", "web"),
                      KUBE_FORBIDDEN, -EACCES, "cannot apply deployments.apps shop/web: exceeded quota: q");
        check_failure(403, "", asked(KUBE_APPLY, "shop", "web"), KUBE_FORBIDDEN, -EACCES,
                      "may not apply deployments.apps shop/web: grant this service account or user the verb "
                      "\"patch\" on it");
        /* The server names the one that it looked for first. */
        {
                struct kube_asked stream = asked(KUBE_LIST, NULL, NULL);

                stream.streamed_list = true;
                check_failure(
                        403, STATUS("Forbidden", "u cannot watch it"), stream, KUBE_FORBIDDEN, -EACCES,
                        "may not list deployments.apps in all namespaces: grant this service account or "
                        "user the verbs \"list\" and \"watch\" on it; the API server says: u cannot "
                        "watch it");
        }
        check_failure(401, STATUS("Unauthorized", "Unauthorized"), asked(KUBE_GET, "shop", "web"),
                      KUBE_UNAUTHORIZED, -EACCES,
                      "the API server https://h:6443 does not accept our credentials (from in-cluster): "
                      "check the token "
                      "or the client certificate; the API server says: Unauthorized");
}
END_TEST

START_TEST(test_unreachable)
{
        struct http_result result = { .retry_after = -1 };
        struct kube_asked a = asked(KUBE_GET, "shop", "web");
        struct kube_reply r;

        error_set(&result.error, -ECONNREFUSED, "connection refused");
        kube_reply_read(&result, &a, &r);
        ck_assert_int_eq(r.reason, KUBE_UNREACHABLE);
        ck_assert_int_eq(r.error.code, -ECONNREFUSED);
        ck_assert_str_eq(r.error.message, "API server https://h:6443: connection refused");
        kube_reply_release(&r);
        /* The URL stands there once. */
        error_set(&result.error, -ECONNREFUSED, "cannot connect to https://h:6443: Connection refused");
        kube_reply_read(&result, &a, &r);
        ck_assert_str_eq(r.error.message, "API server: cannot connect to https://h:6443: Connection refused");
        kube_reply_release(&r);
}
END_TEST

START_TEST(test_retry_after)
{
        struct http_result result = { .status = 429, .retry_after = 3 * USEC_SEC, .body = STR("{}") };
        struct kube_asked a = asked(KUBE_GET, "shop", "web");
        struct kube_reply r;

        kube_reply_read(&result, &a, &r);
        ck_assert_int_eq(r.reason, KUBE_TOO_MANY_REQUESTS);
        ck_assert_int_eq(r.retry_after, 3 * USEC_SEC);
        kube_reply_release(&r);

        r = read_reply(
                504, "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"details\":{\"retryAfterSeconds\":7}}", a);
        ck_assert_int_eq(r.reason, KUBE_TIMEOUT);
        ck_assert_int_eq(r.retry_after, 7 * USEC_SEC);
        kube_reply_release(&r);
        r = read_reply(504, "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":99999999999}}", a);
        ck_assert_int_eq(r.retry_after, -1);
        kube_reply_release(&r);
}
END_TEST

/* The admission of owner references, which refreshes what it knows of kinds every 10 to
 * 30 s: a definition was made a moment ago, and no right is missing. */
#define OWNER_UNKNOWN                                                                                        \
        "serviceaccounts \\\"web\\\" is forbidden: cannot set blockOwnerDeletion in this case because "      \
        "cannot find RESTMapping for APIVersion keelson.dev/v1alpha1 Kind App: no matches for kind "         \
        "\\\"App\\\" in version \\\"keelson.dev/v1alpha1\\\""

START_TEST(test_owner_not_known_yet)
{
        struct kube_reply r;

        check_failure(
                403, STATUS("Forbidden", OWNER_UNKNOWN), asked(KUBE_APPLY, "shop", "web"), KUBE_OWNER_UNKNOWN,
                -EAGAIN,
                "cannot apply deployments.apps shop/web: the API server has not yet taken in the definition "
                "of its owner, which takes up to half a minute after it was installed; it says: "
                "serviceaccounts \"web\" is forbidden: cannot set blockOwnerDeletion in this case because "
                "cannot find RESTMapping for APIVersion keelson.dev/v1alpha1 Kind App: no matches for kind "
                "\"App\" in version \"keelson.dev/v1alpha1\"");
        r = read_reply(403, STATUS("Forbidden", OWNER_UNKNOWN), asked(KUBE_APPLY, "shop", "web"));
        ck_assert(!kube_reply_is_missing_right(&r));
        ck_assert_int_eq(kube_reply_prospect(&r), KUBE_SOON);
        kube_reply_release(&r);
        /* In another answer, the words are somebody's own. */
        r = read_reply(422, STATUS("Invalid", OWNER_UNKNOWN), asked(KUBE_APPLY, "shop", "web"));
        ck_assert_int_eq(kube_reply_prospect(&r), KUBE_STAYS);
        kube_reply_release(&r);
        /* This one is a right that is missing: update of the owner's finalizers. */
        r = read_reply(403,
                       STATUS("Forbidden", "cannot set blockOwnerDeletion if an ownerReference refers to a "
                                           "resource you can't set finalizers on: no RBAC policy matched"),
                       asked(KUBE_APPLY, "shop", "web"));
        ck_assert_int_eq(kube_reply_prospect(&r), KUBE_STAYS);
        kube_reply_release(&r);
}
END_TEST

#define GOING "create not allowed while custom resource definition is terminating"

START_TEST(test_kind_that_goes)
{
        static const struct {
                int status;
                const char *body;
        } cases[] = {
                { 403, STATUS("Forbidden", "deployments.apps \\\"web\\\" is forbidden: " GOING) },
                { 405, STATUS("MethodNotAllowed", GOING) },
        };
        struct kube_reply r;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                check_failure(
                        cases[i].status, cases[i].body, asked(KUBE_CREATE, "shop", "web"), KUBE_KIND_GOING,
                        -EAGAIN,
                        "cannot create deployments.apps shop/web: the definition of Deployment is being "
                        "deleted, and all of them with it; it is tried again until it is gone or back");
                r = read_reply(cases[i].status, cases[i].body, asked(KUBE_CREATE, "shop", "web"));
                ck_assert(!kube_reply_is_missing_right(&r));
                ck_assert_int_eq(kube_reply_prospect(&r), KUBE_SOON);
                kube_reply_release(&r);
        }
        r = read_reply(422, STATUS("Invalid", GOING), asked(KUBE_CREATE, "shop", "web"));
        ck_assert_int_eq(kube_reply_prospect(&r), KUBE_STAYS);
        kube_reply_release(&r);
}
END_TEST

/* As kube-apiserver 1.34 answers them. */
#define CAUSES(reason, message, causes)                                                                            \
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"" message \
        "\",\"reason\":\"" reason "\",\"details\":{\"name\":\"a\",\"kind\":\"ConfigMap\"" causes "}}"
#define CAUSE(reason, message, field)                                                                        \
        "{\"reason\":\"" reason "\",\"message\":\"" message "\",\"field\":\"" field "\"}"
#define IMMUTABLE                                                                                            \
        CAUSE("FieldValueInvalid", "Invalid value: \\\"1111\\\": field is immutable", "metadata.uid")

START_TEST(test_prospects)
{
        static const struct {
                int status;
                const char *body;
                enum kube_prospect prospect;
        } cases[] = {
                { 200, "{}", KUBE_PASSES },
                { 422,
                  CAUSES("Invalid",
                         "ConfigMap \\\"a\\\" is invalid: metadata.uid: Invalid value: field is immutable",
                         ",\"causes\":[" IMMUTABLE "," IMMUTABLE "]"),
                  KUBE_CHANGED },
                { 409,
                  CAUSES("Conflict",
                         "Operation cannot be fulfilled on configmaps \\\"a\\\": uid mismatch: the provided "
                         "object specified uid 1111, and no existing object was found",
                         ""),
                  KUBE_CHANGED },
                { 403,
                  CAUSES("Forbidden",
                         "configmaps \\\"a\\\" is forbidden: unable to create new content in namespace q1 because "
                         "it is being terminated",
                         ",\"causes\":[" CAUSE("NamespaceTerminating", "namespace q1 is being terminated",
                                               "metadata.namespace") "]"),
                  KUBE_CHANGED },
                { 403,
                  CAUSES("Forbidden",
                         "configmaps \\\"a\\\" is forbidden: exceeded quota: q, requested: configmaps=1, used: "
                         "configmaps=1, limited: configmaps=1",
                         ""),
                  KUBE_STAYS },
                /* Words that somebody chose decide nothing. */
                { 422,
                  CAUSES("Invalid", "a is invalid: metadata.uid is being terminated",
                         ",\"causes\":[" CAUSE("FieldValueInvalid", "metadata.uid", "spec.replicas") "]"),
                  KUBE_STAYS },
                { 422, CAUSES("Invalid", "no", ",\"causes\":7"), KUBE_STAYS },
                { 403, "", KUBE_STAYS },
                { 400, "", KUBE_STAYS },
                { 413, "", KUBE_STAYS },
                { 500,
                  "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"etcdserver: request is too "
                  "large\",\"code\":500}",
                  KUBE_STAYS },
                { 500,
                  "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"etcdserver: leader changed\","
                  "\"code\":500}",
                  KUBE_PASSES },
                { 404, "", KUBE_CHANGED },
                { 401, "", KUBE_PASSES },
                { 429, "", KUBE_PASSES },
                { 500, "", KUBE_PASSES },
                { 504, "", KUBE_PASSES },
                { 418, "", KUBE_PASSES },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct kube_reply r =
                        read_reply(cases[i].status, cases[i].body, asked(KUBE_APPLY, "shop", "web"));

                ck_assert_msg(kube_reply_prospect(&r) == cases[i].prospect, "%d %s", cases[i].status,
                              cases[i].body);
                kube_reply_release(&r);
        }
        {
                struct kube_reply none = { .reason = KUBE_UNREACHABLE };

                ck_assert_int_eq(kube_reply_prospect(&none), KUBE_PASSES);
        }
}
END_TEST

START_TEST(test_reasons)
{
        ck_assert_int_eq(kube_reason_parse(STR("Gone")), KUBE_EXPIRED);
        ck_assert_int_eq(kube_reason_parse(STR("")), KUBE_OTHER);
        ck_assert_int_eq(kube_reason_parse(STR("OK")), KUBE_OTHER);
}
END_TEST

/* Without memory for the Status the reason is still that of the HTTP status. */
START_TEST(test_memory)
{
        for (uint64_t n = 1; n < 20; n++) {
                struct kube_reply r;

                mem_fail_after(n);
                r = read_reply(409, STATUS("Conflict", "changed"), asked(KUBE_UPDATE, "shop", "web"));
                mem_fail_after(0);
                ck_assert_int_eq(r.reason, KUBE_CONFLICT);
                ck_assert_int_eq(r.error.code, -ESTALE);
                kube_reply_release(&r);
        }
}
END_TEST

static const TTest *const tests[] = {
        test_success,        test_failures,    test_plain_words, test_rights,    test_owner_not_known_yet,
        test_kind_that_goes, test_unreachable, test_retry_after, test_prospects, test_reasons,
        test_memory,
};

TEST_MAIN("kube/reply", tests)
