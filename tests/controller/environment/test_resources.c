/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/resources.h"

#include "harness.h"

#define PART "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 letters */

START_TEST(names_are_read_as_the_api_server_does)
{
        static const struct {
                const char *name;
                bool container, quota, whole, overcommitted;
        } cases[] = {
                { "cpu", true, true, false, true },
                { "ephemeral-storage", true, true, false, true },
                { "hugepages-2Mi", true, true, false, false },
                { "hugepages-", false, false, false, false },
                { "hugepages-1.5", false, false, false, false },
                { "requests.hugepages-1Gi", false, true, false, true },
                { "requests.cpu", false, true, false, true },
                { "pods", false, true, true, true },
                { "services.nodeports", false, true, true, true },
                { "count/deployments.apps", true, true, true, false },
                { "example.com/gpu_0.x-Y", true, true, true, false },
                { "requests.example.com/gpu", false, true, false, true },
                { "x.kubernetes.io/y", true, true, false, true },
                { PART "/" PART, true, true, true, false },
                { PART "/" PART "a", false, false, false, true },
                { "a..com/x", false, false, false, true },
                { "a.-b.com/x", false, false, false, true },
                { "A.com/x", false, false, false, true },
                { "example.com/", false, false, false, true },
                { "example.com/-x", false, false, false, true },
                { "example.com/a/b", false, false, false, true },
                { "/x", false, false, false, true },
                { "cpus", false, false, false, true },
                { "", false, false, false, true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct str name = str_c(cases[i].name);

                ck_assert_msg(resource_is_container(name) == cases[i].container &&
                                      resource_is_quota(name) == cases[i].quota &&
                                      resource_is_whole(name) == cases[i].whole &&
                                      resource_is_overcommitted(name) == cases[i].overcommitted,
                              "%s", cases[i].name);
        }
}
END_TEST

START_TEST(huge_pages_are_not_broken)
{
        ck_assert(resource_is_pages(STR("hugepages-2Mi"), STR("4Mi")));
        ck_assert(resource_is_pages(STR("hugepages-2Mi"), STR("0")));
        ck_assert(!resource_is_pages(STR("hugepages-2Mi"), STR("3Mi")));
        ck_assert(!resource_is_pages(STR("hugepages-2Mi"), STR("500m")));
        ck_assert(resource_is_pages(STR("memory"), STR("500m")));
}
END_TEST

static const TTest *const tests[] = {
        names_are_read_as_the_api_server_does,
        huge_pages_are_not_broken,
};
TEST_MAIN("environment/resources", tests)
