/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/metadata.h"

#include <errno.h>
#include <stdio.h>

#include "harness.h"
#include "json/read.h"

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 64 letters */

/* 0, or -EINVAL with the first problem's "PATH: MESSAGE" in SAID. */
static int check(const char *object, char said[512])
{
        struct arena a = ARENA_INIT(2 * 1024 * 1024);
        struct problems p;
        yyjson_doc *doc;
        int r;

        r = json_parse(str_c(object), &doc, NULL);
        ck_assert(r == 0 || r == -ENOMEM);
        if (r < 0)
                return r;
        problems_init(&p, &a);
        metadata_check(yyjson_doc_get_root(doc), &p);
        r = problems_result(&p);
        if (r == -EINVAL)
                snprintf(said, 512, "%.*s: %.*s", STR_FMT(p.all[0].path), STR_FMT(p.all[0].message));
        yyjson_doc_free(doc);
        arena_release(&a);
        return r;
}

static const struct {
        const char *metadata, *said;
} troubles[] = {
        { "[]", "metadata: must be an object" },
        { "{\"foo\":1}", "metadata.foo: is not a known field; take it out" },
        { "{\"name\":1}", "metadata.name: must be a string; put it in quotes" },
        { "{\"namespace\":\"a.b\"}", "metadata.namespace: must be lower-case letters" },
        { "{\"namespace\":\"" LONG "\"}", "metadata.namespace: must be lower-case letters" },
        { "{\"labels\":[]}", "metadata.labels: must be an object, with strings by their names" },
        { "{\"labels\":{\"a\":1}}", "metadata.labels.a: must be a string; put it in quotes" },
        { "{\"labels\":{\"a b\":\"\"}}", "metadata.labels: \"a b\" is no name for one; write letters" },
        { "{\"labels\":{\"A.com/x\":\"\"}}", "metadata.labels: \"A.com/x\" is no name for one" },
        { "{\"labels\":{\"a\":\"b \"}}", "metadata.labels.a: \"b \" is no value of a label; write letters" },
        { "{\"labels\":{\"a\":\"" LONG "\"}}", "metadata.labels.a: " },
        { "{\"annotations\":{\"a/b/c\":\"\"}}", "metadata.annotations: \"a/b/c\" is no name for one" },
        { "{\"annotations\":{\"a\":true}}", "metadata.annotations.a: must be a string; put it in quotes" },
        { "{\"finalizers\":[\"a\",\"b c\"]}", "metadata.finalizers[1]: is no name for one" },
        { "{\"finalizers\":{}}", "metadata.finalizers: must be a list" },
};

START_TEST(what_no_api_server_takes_is_told)
{
        for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
                char object[1024], said[512];

                snprintf(object, sizeof(object), "{\"metadata\":%s}", troubles[i].metadata);
                ck_assert_msg(check(object, said) == -EINVAL, "%s", object);
                ck_assert_msg(strncmp(said, troubles[i].said, strlen(troubles[i].said)) == 0, "%s", said);
        }
}
END_TEST

START_TEST(what_it_takes_is_fine)
{
        static const char *const fine[] = {
                "{}",
                "{\"metadata\":null}",
                ("{\"metadata\":{\"name\":\"a\",\"namespace\":\"\",\"labels\":null,\"annotations\":{\"A.com/X\":"
                 "\"any text\\n\",\"b\":null},\"finalizers\":[\"a\",\"example.com/b\"],\"creationTimestamp\":null}}"),
                "{\"metadata\":{\"labels\":{\"a\":\"\",\"example.com/b\":\"A_1.x\",\"c\":null}}}",
        };
        char said[512];

        for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
                ck_assert_msg(check(fine[i], said) == 0, "%s", said);
}
END_TEST

START_TEST(annotations_are_bounded)
{
        static char object[300 * 1024];
        char said[512];
        int n = snprintf(object, sizeof(object), "{\"metadata\":{\"annotations\":{\"a\":\"");

        memset(object + n, 'x', 256 * 1024);
        snprintf(object + n + 256 * 1024, 16, "\"}}}");
        ck_assert_int_eq(check(object, said), -EINVAL);
        ck_assert_msg(strstr(said, "metadata.annotations: are more than 262144 bytes"), "%s", said);
        snprintf(object + n + 256 * 1024 - 1, 16, "\"}}}");
        ck_assert_int_eq(check(object, said), 0);
}
END_TEST

static int check_once(void *arg)
{
        char said[512];
        int r = check(arg, said);

        return r == -EINVAL ? 0 : r;
}

START_TEST(survives_a_lack_of_memory)
{
        static char object[] =
                "{\"metadata\":{\"x\":1,\"labels\":{\"a b\":\"\",\"c\":1},\"annotations\":{\"D\":2},"
                "\"finalizers\":[1]}}";

        torture(check_once, object, 0);
}
END_TEST

static const TTest *const tests[] = {
        what_no_api_server_takes_is_told,
        what_it_takes_is_fine,
        annotations_are_bounded,
        survives_a_lack_of_memory,
};
TEST_MAIN("admission/metadata", tests)
