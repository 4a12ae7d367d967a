/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/path.h"

#include <errno.h>

#include "harness.h"

static const struct kube_kind pod = {
        .version = STR_INIT("v1"), .plural = STR_INIT("pods"), .kind = STR_INIT("Pod"), .namespaced = true
};
static const struct kube_kind deployment = { .group = STR_INIT("apps"),
                                             .version = STR_INIT("v1"),
                                             .plural = STR_INIT("deployments"),
                                             .kind = STR_INIT("Deployment"),
                                             .namespaced = true };
static const struct kube_kind node = { .group = STR_INIT(""),
                                       .version = STR_INIT("v1"),
                                       .plural = STR_INIT("nodes"),
                                       .kind = STR_INIT("Node") };

static void check_path(const struct kube_kind *kind, const char *namespace, const char *name, const char *sub,
                       const char *expected)
{
        struct buf url = BUF_INIT(1024);

        ck_assert_int_eq(kube_path(&url, kind, str_c(namespace), str_c(name), str_c(sub)), 0);
        ck_str_eq(buf_str(&url), expected);
        buf_release(&url);
}

START_TEST(test_paths)
{
        check_path(&pod, NULL, NULL, NULL, "/api/v1/pods");
        check_path(&pod, "prod", NULL, NULL, "/api/v1/namespaces/prod/pods");
        check_path(&pod, "prod", "web-0", NULL, "/api/v1/namespaces/prod/pods/web-0");
        check_path(&pod, "prod", "web-0", "log", "/api/v1/namespaces/prod/pods/web-0/log");
        check_path(&deployment, NULL, NULL, NULL, "/apis/apps/v1/deployments");
        check_path(&deployment, "prod", "web", "status",
                   "/apis/apps/v1/namespaces/prod/deployments/web/status");
        check_path(&node, NULL, "n1", NULL, "/api/v1/nodes/n1");
        check_path(&node, "ignored", "n1", NULL, "/api/v1/nodes/n1");
        /* Names of RBAC objects may have colons and worse. */
        check_path(&node, NULL, "system:a/b%c?d#e é", NULL,
                   "/api/v1/nodes/system%3Aa%2Fb%25c%3Fd%23e%20%C3%A9");
        check_path(&node, NULL, "...", NULL, "/api/v1/nodes/...");
}
END_TEST

START_TEST(test_refused)
{
        struct buf url = BUF_INIT(1024);

        ck_assert_int_eq(kube_path(&url, &pod, STR_NULL, STR("a"), STR_NULL), -EINVAL);
        ck_assert_int_eq(kube_path(&url, &pod, STR("n"), STR(".."), STR_NULL), -EINVAL);
        ck_assert_int_eq(kube_path(&url, &pod, STR("."), STR("a"), STR_NULL), -EINVAL);
        ck_assert_int_eq(kube_path(&url, &pod, STR("n"), STR(""), STR_NULL), -EINVAL);
        ck_assert_int_eq(kube_path(&url, &pod, STR(""), STR("a"), STR_NULL), -EINVAL);
        ck_assert_int_eq(kube_path(&url, &pod, STR("n"), STR("a"), STR("..")), -EINVAL);
        buf_release(&url);
}
END_TEST

START_TEST(test_query)
{
        struct buf url = BUF_INIT(1024);

        buf_add_c(&url, "/x");
        kube_query(&url, "absent", STR_NULL);
        kube_query(&url, "labelSelector", STR("a=b,c in (d, e)"));
        kube_query_int(&url, "limit", 500);
        kube_query(&url, "empty", STR(""));
        ck_str_eq(buf_str(&url), "/x?labelSelector=a%3Db%2Cc%20in%20%28d%2C%20e%29&limit=500&empty=");
        buf_release(&url);
}
END_TEST

START_TEST(test_names)
{
        struct buf out = BUF_INIT(1024);

        kube_resource_name(&out, &deployment);
        buf_add_char(&out, ' ');
        kube_resource_name(&out, &pod);
        ck_str_eq(buf_str(&out), "deployments.apps pods");
        buf_release(&out);
}
END_TEST

START_TEST(test_cap)
{
        struct buf url = BUF_INIT(20);

        ck_assert_int_eq(kube_path(&url, &deployment, STR("prod"), STR("web"), STR_NULL), -EMSGSIZE);
        kube_query(&url, "a", STR("b"));
        ck_assert_int_eq(buf_error(&url), -EMSGSIZE);
        buf_release(&url);
}
END_TEST

static int write_all(void *arg)
{
        struct buf url = BUF_INIT(4096);
        int r;

        (void)arg;
        r = kube_path(&url, &deployment, STR("prod"), STR("web"), STR("status"));
        if (r == 0) {
                kube_query(&url, "labelSelector", STR("a=b,c in (d, e), f in (a long list of them all)"));
                kube_query_int(&url, "limit", 500);
                kube_resource_name(&url, &deployment);
                r = buf_error(&url);
        }
        buf_release(&url);
        return r;
}

START_TEST(test_memory)
{
        torture(write_all, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        test_paths, test_refused, test_query, test_names, test_cap, test_memory
};

TEST_MAIN("kube/path", tests)
