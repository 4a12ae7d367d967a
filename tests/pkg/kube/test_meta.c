/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/meta.h"

#include <errno.h>

#include "harness.h"
#include "json/read.h"

static const char full[] =
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"shop-0\",\"namespace\":\"prod\",\"uid\":\"u-1\","
        "\"resourceVersion\":\"18446744073709551617\",\"generation\":7,"
        "\"deletionTimestamp\":\"2006-01-02T15:04:05Z\","
        "\"labels\":{\"app\":\"shop\",\"app.kubernetes.io/part-of\":\"web\"},"
        "\"finalizers\":[\"a/b\",\"c/d\"],"
        "\"ownerReferences\":[{\"kind\":\"Node\",\"name\":\"n\",\"uid\":\"u-8\"},"
        "{\"kind\":\"App\",\"name\":\"shop\",\"uid\":\"u-9\",\"controller\":true},"
        "{\"kind\":\"App\",\"name\":\"later\",\"uid\":\"u-10\",\"controller\":true}]}}";

START_TEST(test_full)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct kube_meta m;

        ck_assert_int_eq(json_parse(str_c(full), &doc, NULL), 0);
        ck_assert_int_eq(kube_meta_decode(yyjson_doc_get_root(doc), &m), 0);
        ck_str_eq(m.name, "shop-0");
        ck_str_eq(m.namespace, "prod");
        ck_str_eq(m.uid, "u-1");
        ck_str_eq(m.version, "18446744073709551617");
        ck_assert_int_eq(m.generation, 7);
        ck_assert(m.deleting);
        ck_str_eq(m.owner.kind, "App");
        ck_str_eq(m.owner.name, "shop");
        ck_str_eq(m.owner.uid, "u-9");
        ck_str_eq(kube_meta_label(&m, STR("app.kubernetes.io/part-of")), "web");
        ck_assert_ptr_null(kube_meta_label(&m, STR("ap")).data);
        ck_assert(kube_meta_has_finalizer(&m, STR("c/d")));
        ck_assert(!kube_meta_has_finalizer(&m, STR("c/")));
}
END_TEST

START_TEST(test_bare)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct kube_meta m;

        ck_assert_int_eq(json_parse(STR("{\"metadata\":{\"name\":\"n\",\"deletionTimestamp\":null,"
                                        "\"labels\":null,\"ownerReferences\":[5]}}"),
                                    &doc, NULL),
                         0);
        ck_assert_int_eq(kube_meta_decode(yyjson_doc_get_root(doc), &m), 0);
        ck_assert_ptr_null(m.namespace.data);
        ck_assert(!m.deleting);
        ck_assert_int_eq(m.generation, 0);
        ck_assert_ptr_null(m.owner.uid.data);
        ck_assert_ptr_null(kube_meta_label(&m, STR("a")).data);
        ck_assert(!kube_meta_has_finalizer(&m, STR("a")));
}
END_TEST

START_TEST(test_no_object)
{
        static const char *const texts[] = { "5",
                                             "null",
                                             "{}",
                                             "[]",
                                             "{\"metadata\":5}",
                                             "{\"metadata\":{}}",
                                             "{\"metadata\":{\"name\":\"\"}}",
                                             "{\"metadata\":{\"name\":5}}" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
                struct kube_meta m;

                ck_assert_int_eq(json_parse(str_c(texts[i]), &doc, NULL), 0);
                ck_assert_msg(kube_meta_decode(yyjson_doc_get_root(doc), &m) == -EBADMSG, "%s", texts[i]);
        }
        struct kube_meta m;
        ck_assert_int_eq(kube_meta_decode(NULL, &m), -EBADMSG);
}
END_TEST

static const TTest *const tests[] = { test_full, test_bare, test_no_object };

TEST_MAIN("kube/meta", tests)
