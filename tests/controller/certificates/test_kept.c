/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>

#include "controller/certificates/kept.h"
#include "json/read.h"

static const struct kept_service service = { STR_INIT("ns"), STR_INIT("hook") };

static int put_secret(struct kept *k, const char *text)
{
        yyjson_doc *doc;
        int r = json_parse(str_c(text), &doc, NULL);

        if (r < 0)
                return r;
        r = kept_put_secret(k, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        return r;
}

static int put_trust(struct kept *k, const char *text)
{
        yyjson_doc *doc;
        int r = json_parse(str_c(text), &doc, NULL);

        if (r < 0)
                return r;
        r = kept_put_trust(k, yyjson_doc_get_root(doc), &service);
        yyjson_doc_free(doc);
        return r;
}

#define AT(version) "\"metadata\":{\"resourceVersion\":\"" version "\"}"
#define SERVICE(space, name) "\"service\":{\"namespace\":\"" space "\",\"name\":\"" name "\"}"

/* --- reading --------------------------------------------------------------------------------- */

START_TEST(what_is_older_than_what_is_known_does_not_count)
{
        struct kept k = { 0 };

        ck_assert_int_eq(put_secret(&k, "{" AT("10") ",\"data\":{\"ca.crt\":\"bmV3\"}}"), 0);
        ck_assert_int_eq(put_secret(&k, "{" AT("9") ",\"data\":{\"ca.crt\":\"b2xk\"}}"), 0);
        ck_assert_int_eq(kept_gone(&k, STR("9")), 0);
        ck_assert(k.there);
        ck_str_eq(secret_str(&k.items[CERTIFICATES_CA_CRT]), "new");
        ck_assert_int_eq(kept_gone(&k, STR("11")), 0);
        ck_assert(!k.there);
        ck_assert_ptr_null(k.items[CERTIFICATES_CA_CRT].data);
        /* From before it was deleted, and from after that. */
        ck_assert_int_eq(put_secret(&k, "{" AT("10") ",\"data\":{\"ca.crt\":\"bmV3\"}}"), 0);
        ck_assert(!k.there);
        ck_assert_int_eq(put_secret(&k, "{" AT("100000000000000000000") ",\"data\":{}}"), 0);
        ck_assert(k.there);
        kept_release(&k);
}
END_TEST

START_TEST(what_has_no_version_is_no_object)
{
        static const char *const wrong[] = { "{}", "[]", "1", "{" AT("") "}",
                                             "{\"metadata\":{\"resourceVersion\":1}}" };
        static char longer[KEPT_VERSION_MAX + 64];
        struct kept k = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                ck_assert_int_eq(put_secret(&k, wrong[i]), -EBADMSG);
                ck_assert_int_eq(put_trust(&k, wrong[i]), -EBADMSG);
        }
        snprintf(longer, sizeof(longer), "{\"metadata\":{\"resourceVersion\":\"%0*d\"}}",
                 (int)KEPT_VERSION_MAX + 1, 1);
        ck_assert_int_eq(put_secret(&k, longer), -EBADMSG);
        ck_assert(!k.there);
        kept_release(&k);
}
END_TEST

START_TEST(bundles_of_our_service_are_found_where_they_stand)
{
        struct kept k = { 0 };

        ck_assert_int_eq(
                put_trust(
                        &k,
                        "{" AT("1") ",\"webhooks\":["
                                    "{\"clientConfig\":{" SERVICE(
                                            "ns",
                                            "other") ",\"caBundle\":\"eA==\"}},"
                                                     "{\"clientConfig\":{" SERVICE(
                                                             "ns",
                                                             "hook") ",\"caBundle\":\"YQ==\"}},"
                                                                     "{\"clientConfig\":{\"url\":\"https://hook.ns.svc\"}},"
                                                                     "{},null,7,"
                                                                     "{\"clientConfig\":{" SERVICE(
                                                                             "ns",
                                                                             "hook") "}},"
                                                                                     "{\"clientConfig\":{" SERVICE(
                                                                                             "ns",
                                                                                             "hook") ",\"caBundle\":\"%\"}},"
                                                                                                     "{\"clientConfig\":{" SERVICE(
                                                                                                             "",
                                                                                                             "hook") "}}]}"),
                0);
        ck_assert_uint_eq(k.n_bundles, 3);
        ck_assert_str_eq(k.bundles[0].at, "/webhooks/1/clientConfig/caBundle");
        ck_str_eq(buf_str(&k.bundles[0].text), "a");
        ck_assert_str_eq(k.bundles[1].at, "/webhooks/6/clientConfig/caBundle");
        ck_str_eq(buf_str(&k.bundles[1].text), "");
        ck_str_eq(buf_str(&k.bundles[2].text), "");
        ck_assert_int_eq(put_trust(&k, "{" AT("2") ",\"webhooks\":{}}"), 0);
        ck_assert_uint_eq(k.n_bundles, 0);
        ck_assert_int_eq(
                put_trust(&k,
                          "{" AT("3") ",\"spec\":{\"conversion\":{\"webhook\":{\"clientConfig\":{" SERVICE(
                                  "ns", "hook") ",\"caBundle\":\"YQ==\"}}}}}"),
                0);
        ck_assert_uint_eq(k.n_bundles, 1);
        ck_assert_str_eq(k.bundles[0].at, "/spec/conversion/webhook/clientConfig/caBundle");
        ck_assert_int_eq(put_trust(&k, "{" AT("4") "}"), 0);
        ck_assert_uint_eq(k.n_bundles, 0);
        kept_release(&k);
}
END_TEST

/* And never so many that they fill the memory. */
START_TEST(too_many_webhooks_are_seen_to_be_too_many)
{
        struct buf text = BUF_INIT((size_t)1024 * 1024);
        struct kept k = { 0 };

        buf_add_c(&text, "{" AT("1") ",\"webhooks\":[");
        for (int i = 0; i < 1000; i++)
                buf_printf(&text, "%s{\"clientConfig\":{" SERVICE("ns", "hook") "}}", i ? "," : "");
        buf_add_c(&text, "]}");
        ck_assert_int_eq(put_trust(&k, text.data), 0);
        ck_assert_uint_gt(k.n_bundles, CERTIFICATES_BUNDLES_MAX);
        ck_assert_uint_eq(k.n_bundles, KEPT_BUNDLES_MAX);
        buf_release(&text);
        kept_release(&k);
}
END_TEST

/* --- writing ----------------------------------------------------------------------------------- */

START_TEST(a_secret_is_created_and_then_patched)
{
        struct secret items[CERTIFICATES_ITEMS] = { 0 };
        struct buf body = BUF_INIT(KEPT_BODY_MAX);
        struct kept k = { 0 };

        ck_assert_int_eq(secret_set(&items[CERTIFICATES_CA_CRT], STR("crt")), 0);
        ck_assert_int_eq(secret_set(&items[CERTIFICATES_TLS_KEY], STR("")), 0);
        kept_write_secret(&k, STR("ns"), STR("s"), items, &body);
        ck_assert_str_eq(body.data,
                         "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"type\":\"kubernetes.io/tls\","
                         "\"metadata\":{\"name\":\"s\",\"namespace\":\"ns\",\"labels\":{"
                         "\"app.kubernetes.io/name\":\"keelson\","
                         "\"app.kubernetes.io/component\":\"webhook\"}},"
                         "\"data\":{\"ca.crt\":\"Y3J0\",\"tls.key\":\"\"}}");
        kept_wipe(&body);
        ck_assert_ptr_null(body.data);
        ck_assert_int_eq(put_secret(&k, "{" AT("7") "}"), 0);
        kept_write_secret(&k, STR("ns"), STR("s"), items, &body);
        ck_assert_str_eq(body.data,
                         "{\"metadata\":{\"resourceVersion\":\"7\"},\"data\":{\"ca.crt\":\"Y3J0\","
                         "\"ca.key\":null,\"tls.crt\":null,\"tls.key\":\"\",\"next-ca.crt\":null,"
                         "\"next-ca.key\":null,\"previous-ca.crt\":null,\"previous-ca.until\":null}}");
        kept_wipe(&body);
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                secret_release(&items[i]);
        kept_release(&k);
}
END_TEST

/* What a buffer leaves behind where it grows would be a key. */
START_TEST(a_body_with_keys_never_moves)
{
        struct secret items[CERTIFICATES_ITEMS] = { 0 };
        struct buf body = BUF_INIT(KEPT_BODY_MAX);
        static char text[SECRET_MAX];
        struct kept k = { 0 };
        uint64_t before;

        memset(text, 'k', sizeof(text));
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                ck_assert_int_eq(secret_set(&items[i], str_n(text, sizeof(text) - i)), 0);
        before = mem_count();
        kept_write_secret(&k, STR("ns"), STR("s"), items, &body);
        ck_assert_int_eq(buf_error(&body), 0);
        ck_assert_uint_eq(mem_count() - before, 1);
        kept_wipe(&body);
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                secret_release(&items[i]);
}
END_TEST

START_TEST(only_bundles_that_differ_are_patched)
{
        struct buf body = BUF_INIT(KEPT_BODY_MAX);
        struct kept k = { 0 };

        ck_assert(!kept_differs(&k, STR("b")));
        ck_assert_int_eq(
                put_trust(
                        &k,
                        "{" AT("1") ",\"webhooks\":["
                                    "{\"clientConfig\":{" SERVICE(
                                            "ns",
                                            "hook") "}},"
                                                    "{\"clientConfig\":{" SERVICE(
                                                            "ns",
                                                            "hook") ",\"caBundle\":\"YQ==\"}},"
                                                                    "{\"clientConfig\":{" SERVICE(
                                                                            "ns",
                                                                            "hook") ",\"caBundle\":\"Yg==\"}}]}"),
                0);
        ck_assert(kept_differs(&k, STR("a")));
        kept_write_bundles(&k, STR("a"), &body);
        ck_assert_str_eq(
                body.data,
                "[{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":\"1\"},"
                "{\"op\":\"add\",\"path\":\"/webhooks/0/clientConfig/caBundle\",\"value\":\"YQ==\"},"
                "{\"op\":\"add\",\"path\":\"/webhooks/2/clientConfig/caBundle\",\"value\":\"YQ==\"}]");
        buf_release(&body);
        kept_release(&k);
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------- */

/* For which a buffer has to grow. */
#define FIFTY "12345678901234567890123456789012345678901234567890"
#define LONG FIFTY FIFTY FIFTY

/* What fails leaves all as it was. */
static int torture_kept(void *arg _unused_)
{
        struct kept secret = { 0 }, trust = { 0 };
        int r = put_secret(&secret, "{" AT("1") ",\"data\":{\"ca.crt\":\"bmV3\",\"ca.key\":\"bmV3\"}}");

        ck_assert(r == 0 || !secret.there);
        if (r == 0)
                r = put_secret(&secret, "{" AT(LONG "0") ",\"data\":{\"ca.crt\":\"b2xk\"}}");
        if (r < 0 && secret.there)
                ck_str_eq(secret_str(&secret.items[CERTIFICATES_CA_KEY]), "new");
        if (r == 0)
                r = put_trust(&trust, "{" AT("1") ",\"webhooks\":[{\"clientConfig\":{" SERVICE(
                                              "ns", "hook") ",\"caBundle\":\"YQ==\"}}]}");
        if (r == 0)
                r = put_trust(&trust, "{" AT(LONG "1") "}");
        if (r < 0 && trust.there)
                ck_assert_uint_eq(trust.n_bundles, 1);
        if (r == 0)
                r = kept_gone(&trust, STR(LONG "2"));
        ck_assert(!secret.there || secret.version.len > 0);
        ck_assert(!trust.there || trust.version.len > 0);
        kept_release(&secret);
        kept_release(&trust);
        return r;
}

START_TEST(without_memory_all_is_as_before)
{
        torture(torture_kept, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        what_is_older_than_what_is_known_does_not_count,
        what_has_no_version_is_no_object,
        bundles_of_our_service_are_found_where_they_stand,
        too_many_webhooks_are_seen_to_be_too_many,
        a_secret_is_created_and_then_patched,
        a_body_with_keys_never_moves,
        only_bundles_that_differ_are_patched,
        without_memory_all_is_as_before,
};
TEST_MAIN("certificates/kept", tests)
