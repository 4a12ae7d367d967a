/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/definitions.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "fake_api.h"
#include "harness.h"

#define CRD(name)                                                                                            \
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: " name "}\n"  \
        "spec: {group: example.com}\n"
#define PATH_OF(name) "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" name
#define APPLY_OF(name) "PATCH " PATH_OF(name) "?fieldManager=kubectl&force=true\n"
#define ESTABLISHED                                                                                          \
        "{\"status\":{\"conditions\":[{\"type\":\"NamesAccepted\",\"status\":\"True\"},"                     \
        "{\"type\":\"Established\",\"status\":\"True\"}]}}"
#define NOT_YET "{\"status\":{\"conditions\":[{\"type\":\"Established\",\"status\":\"False\"}]}}"
#define GOING                                                                                                \
        "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"status\":{\"conditions\":["        \
        "{\"type\":\"Established\",\"status\":\"True\"},{\"type\":\"Terminating\",\"status\":\"True\"}]}}"
#define LONG USEC_MINUTE

#define FOLDER "/tmp/keelson-test-XXXXXX"
static char folder[] = FOLDER;

static void put(const char *name, const char *text)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

static void take(const char *name)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        ck_assert_int_eq(unlink(path), 0);
}

static void make_folder(void)
{
        memcpy(folder, FOLDER, sizeof(folder));
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
                      struct FTW *at _unused_)
{
        return remove(path);
}

static void remove_folder(void)
{
        ck_assert_int_eq(nftw(folder, remove_one, 4, FTW_DEPTH | FTW_PHYS), 0);
}

static void assert_refused(int code, const char *expected)
{
        struct definitions d;
        struct error err = ERROR_INIT;

        ck_assert_int_eq(definitions_read(&d, folder, &err), code);
        ck_assert_msg(strstr(err.message, expected), "\"%s\" is not in \"%s\"", expected, err.message);
        definitions_release(&d);
}

/* --- files -------------------------------------------------------------------------- */

START_TEST(files_are_read_in_their_order)
{
        struct definitions d;
        struct error err = ERROR_INIT;

        make_folder();
        put("b.yaml", "# words\n---\n" CRD("twos.example.com") "---\n" CRD("threes.example.com"));
        put("a.yaml", CRD("ones.example.com"));
        put(".hidden.yaml", "no: definition\n");
        put("kustomization.yaml", "kind: Kustomization\n");
        put("notes.txt", "nothing\n");
        ck_assert_msg(definitions_read(&d, folder, &err) == 0, "%s", err.message);
        ck_assert_uint_eq(d.n, 3);
        ck_str_eq(d.all[0].name, "ones.example.com");
        ck_str_eq(d.all[1].name, "twos.example.com");
        ck_str_eq(d.all[2].name, "threes.example.com");
        ck_str_eq(d.all[0].json, "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":"
                                 "\"CustomResourceDefinition\",\"metadata\":{\"name\":\"ones.example.com\"},"
                                 "\"spec\":{\"group\":\"example.com\"}}");
        definitions_release(&d);
        remove_folder();
}

START_TEST(what_is_no_definition_is_refused)
{
        make_folder();
        assert_refused(-ENOENT, "there is no *.yaml in it");
        put("a.yaml", CRD("ones.example.com") "---\nkind: Secret\napiVersion: v1\nmetadata: {name: a}\n");
        assert_refused(-EINVAL, "a.yaml: line 5: no CustomResourceDefinition");
        put("a.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n");
        assert_refused(-EINVAL, "with a name");
        put("a.yaml", "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\n"
                      "metadata: {name: a}\n");
        assert_refused(-EINVAL, "of apiextensions.k8s.io/v1 ");
        put("a.yaml", "- a list\n");
        assert_refused(-EINVAL, "a.yaml: line 1: ");
        put("a.yaml", "{\n");
        assert_refused(-EINVAL, "a.yaml: ");
        take("a.yaml");
        ck_assert_int_eq(rmdir(folder), 0);
        assert_refused(-ENOENT, folder);
}

START_TEST(there_are_caps)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(8 * DEFINITIONS_BYTES_MAX);

        make_folder();
        for (int i = 0; i <= DEFINITIONS_MAX; i++)
                buf_add_c(&text, "---\n" CRD("many.example.com"));
        put("a.yaml", buf_str(&text).data);
        assert_refused(-E2BIG, "more than 64 definitions");
        while (text.len <= DEFINITIONS_BYTES_MAX)
                buf_add_c(&text, "# words, and more of them\n");
        put("a.yaml", buf_str(&text).data);
        assert_refused(-EMSGSIZE, "larger than a ConfigMap");
        remove_folder();
}

static int read_once(void *arg)
{
        struct definitions d;
        int r = definitions_read(&d, arg, NULL);

        definitions_release(&d);
        return r;
}

START_TEST(reading_without_memory)
{
        make_folder();
        put("a.yaml", CRD("ones.example.com") "---\n" CRD("twos.example.com"));
        torture(read_once, folder, 0);
        remove_folder();
}

/* --- the API server ------------------------------------------------------------------- */

static struct loop *loop;
static struct fake_api fake;
static struct kube_client *client;
static struct definitions two = {
        .all = { { STR_INIT("ones.example.com"), STR_INIT("{\"one\":1}") },
                 { STR_INIT("twos.example.com"), STR_INIT("{\"two\":2}") } },
        .n = 2,
};

static void start(void)
{
        log_setup(LOG_ERROR, LOG_JSON);
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        client = fake_api_client(&fake, NULL);
}

static void stop(void)
{
        kube_client_free(client);
        fake_api_stop(&fake);
        loop_free(loop);
}

static void will(int status, const char *body)
{
        fake_api_will(&fake, (struct fake_step){ .status = status, .body = body });
}

static void assert_asked(const char *expected)
{
        ck_str_eq(buf_str(&fake.asked), expected);
}

static int apply(usec_t timeout, struct error *err)
{
        *err = (struct error)ERROR_INIT;
        return definitions_apply(&two, client, timeout, err);
}

START_TEST(one_after_the_other_until_they_are_served)
{
        struct error err;

        start();
        will(201, NOT_YET);
        will(200, "{}");
        will(200, ESTABLISHED);
        will(200, ESTABLISHED);
        ck_assert_msg(apply(LONG, &err) == 0, "%s", err.message);
        assert_asked(APPLY_OF("ones.example.com") "GET " PATH_OF("ones.example.com") "\nGET " PATH_OF(
                "ones.example.com") "\n" APPLY_OF("twos.example.com"));
        ck_str_eq(buf_str(&fake.bodies), "{\"one\":1}\n\n\n{\"two\":2}\n");
        stop();
}

START_TEST(what_may_pass_is_tried_again)
{
        struct error err;

        start();
        will(503, "{}");
        will(403, "{}"); /* the role of a moment ago */
        will(409, "{}");
        fake_api_will(&fake, (struct fake_step){ .body = "{", .end = FAKE_CUT });
        will(200, NOT_YET);
        will(500, "{}");
        will(200, ESTABLISHED);
        will(200, ESTABLISHED);
        ck_assert_msg(apply(LONG, &err) == 0, "%s", err.message);
        assert_asked(APPLY_OF("ones.example.com") APPLY_OF("ones.example.com") APPLY_OF(
                "ones.example.com") APPLY_OF("ones.example.com")
                             APPLY_OF("ones.example.com") "GET " PATH_OF("ones.example.com") "\nGET " PATH_OF(
                                     "ones.example.com") "\n" APPLY_OF("twos.example.com"));
        stop();
}

START_TEST(one_that_is_being_deleted_is_applied_anew)
{
        struct error err;

        start();
        will(200, GOING);
        will(201, NOT_YET);
        will(200, GOING);
        will(201, NOT_YET);
        will(404, "{}");
        will(201, ESTABLISHED);
        will(200, ESTABLISHED);
        ck_assert_msg(apply(LONG, &err) == 0, "%s", err.message);
        assert_asked(
                APPLY_OF("ones.example.com")
                        APPLY_OF("ones.example.com") "GET " PATH_OF("ones.example.com") "\n" APPLY_OF(
                                "ones.example.com") "GET " PATH_OF("ones.example.com") "\n" APPLY_OF("ones.example.com")
                                APPLY_OF("twos.example.com"));
        stop();
}

START_TEST(what_is_wrong_in_the_file_is_told_at_once)
{
        struct error err;

        start();
        will(200, ESTABLISHED);
        will(422,
             "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"code\":422,\"message\":\"spec.names: Required value\"}");
        ck_assert_int_lt(apply(LONG, &err), 0);
        ck_assert_msg(strstr(err.message, "twos.example.com"), "%s", err.message);
        ck_assert_msg(strstr(err.message, "spec.names: Required value"), "%s", err.message);
        assert_asked(APPLY_OF("ones.example.com") APPLY_OF("twos.example.com"));
        stop();
}

static struct fake_step forbidden(const char *asked _unused_)
{
        return (struct fake_step){
                .status = 403,
                .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"code\":403,\"message\":\"no right\"}"
        };
}

static struct fake_step never_established(const char *asked _unused_)
{
        return (struct fake_step){ .body = NOT_YET };
}

static struct fake_step going(const char *asked _unused_)
{
        return (struct fake_step){ .body = GOING };
}

static struct fake_step silent(const char *asked _unused_)
{
        return (struct fake_step){ .body = "", .end = FAKE_HANG };
}

START_TEST(the_deadline_says_why)
{
        struct error err;

        start();
        fake.respond = forbidden;
        ck_assert_int_eq(apply(USEC_SEC, &err), -ETIMEDOUT);
        ck_assert_msg(strstr(err.message, "gave up waiting for ones.example.com: "), "%s", err.message);
        ck_assert_msg(strstr(err.message, "no right"), "%s", err.message);
        fake.respond = never_established;
        ck_assert_int_eq(apply(USEC_SEC, &err), -ETIMEDOUT);
        ck_assert_msg(strstr(err.message, "applied, and not established"), "%s", err.message);
        fake.respond = going;
        ck_assert_int_eq(apply(USEC_SEC, &err), -ETIMEDOUT);
        ck_assert_msg(strstr(err.message, "is being deleted"), "%s", err.message);
        fake.respond = silent;
        ck_assert_int_eq(apply(USEC_SEC, &err), -ETIMEDOUT);
        ck_assert_msg(strstr(err.message, "the API server does not answer"), "%s", err.message);
        ck_assert_uint_eq(kube_client_pending(client), 0);
        stop();
}

static int apply_once(void *arg _unused_)
{
        struct error err;

        return apply(LONG, &err);
}

static struct fake_step established(const char *asked _unused_)
{
        return (struct fake_step){ .body = ESTABLISHED };
}

START_TEST(applying_without_memory)
{
        struct error err;

        start();
        fake.respond = established;
        ck_assert_int_eq(apply(LONG, &err), 0); /* what is made once */
        torture(apply_once, NULL, 0);
        stop();
}

static const TTest *const tests[] = {
        files_are_read_in_their_order,
        what_is_no_definition_is_refused,
        there_are_caps,
        reading_without_memory,
        one_after_the_other_until_they_are_served,
        what_may_pass_is_tried_again,
        one_that_is_being_deleted_is_applied_anew,
        what_is_wrong_in_the_file_is_told_at_once,
        the_deadline_says_why,
        applying_without_memory,
};

TEST_MAIN("manager/definitions", tests)
