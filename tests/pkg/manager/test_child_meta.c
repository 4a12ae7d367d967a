/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/child_meta.h"

#include <errno.h>

#include "harness.h"

static const struct cache_kind box_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v2"), STR_INIT("boxes"), STR_INIT("Box"), true },
};
static const struct {
        struct object object;
        char uid[5];
} box = {
        { .kind = &box_kind, .namespace = STR_INIT("shop"), .name = STR_INIT("web"), .uid_len = 5 },
        { 'u', '-', 'w', 'e', 'b' },
};
static const struct view view = { .self = &box.object };

START_TEST(a_child_says_whose_it_is)
{
        struct arena a = ARENA_INIT(4096);
        struct child_meta m = child_meta_of(&view, "box", &a);

        ck_str_eq(m.name, "web");
        ck_str_eq(m.namespace, "shop");
        ck_str_eq(m.labels, "{\"app.kubernetes.io/name\":\"box\",\"app.kubernetes.io/instance\":\"web\","
                            "\"app.kubernetes.io/component\":\"box\",\"app.kubernetes.io/part-of\":\"web\","
                            "\"app.kubernetes.io/managed-by\":\"keelson\"}");
        ck_str_eq(m.owner, "[{\"apiVersion\":\"test.example/v2\",\"kind\":\"Box\",\"name\":\"web\","
                           "\"uid\":\"u-web\",\"controller\":true,\"blockOwnerDeletion\":true}]");
        arena_release(&a);
}
END_TEST

static int make(void *arg _unused_)
{
        struct arena a = ARENA_INIT(4096);
        struct child_meta m = child_meta_of(&view, "box", &a);
        bool whole = m.labels.data && m.owner.data;

        arena_release(&a);
        return whole ? 0 : -ENOMEM;
}

START_TEST(survives_any_failed_allocation)
{
        torture(make, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_child_says_whose_it_is,
        survives_any_failed_allocation,
};
TEST_MAIN("manager/child_meta", tests)
