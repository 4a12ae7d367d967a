/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/exec_credential.h"

#include <errno.h>

#include "harness.h"

#define V1 "client.authentication.k8s.io/v1"
#define V1BETA1 "client.authentication.k8s.io/v1beta1"
#define HEAD "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\""

static const struct kube_exec exec = { .api_version = STR_INIT(V1), .command = STR_INIT("aws") };

/* --- what it is told ---------------------------------------------------------- */

static void check_info(const struct kube_config *config, const char *expected)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(4096);

        exec_info_write(&out, config);
        ck_assert_int_eq(buf_error(&out), 0);
        ck_str_eq(buf_str(&out), expected);
}

START_TEST(test_info)
{
        struct kube_exec told = { .api_version = STR(V1BETA1), .provide_cluster_info = true };
        struct kube_exec untold = { .api_version = STR(V1) };
        struct kube_config config = { .server = STR("https://h:6443"), .exec = &untold };

        check_info(&config, HEAD ",\"spec\":{\"interactive\":false}}");
        config.exec = &told;
        check_info(&config,
                   "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1BETA1
                   "\",\"spec\":{\"cluster\":{\"server\":\"https://h:6443\"},\"interactive\":false}}");
        config.tls_server_name = STR("k");
        config.ca_pem = STR("PEM");
        config.proxy = STR("http://p");
        config.insecure_skip_verify = true;
        config.exec_config = STR("{\"audience\":\"a\"}");
        check_info(&config,
                   "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1BETA1
                   "\",\"spec\":{\"cluster\":{\"server\":\"https://h:6443\",\"tls-server-name\":\"k\","
                   "\"insecure-skip-tls-verify\":true,\"certificate-authority-data\":\"UEVN\","
                   "\"proxy-url\":\"http://p\",\"config\":{\"audience\":\"a\"}},\"interactive\":false}}");
}
END_TEST

/* --- what it answers ---------------------------------------------------------- */

START_TEST(test_token)
{
        struct exec_credential c;
        struct error err;

        ck_assert_int_eq(
                exec_credential_parse(STR(HEAD ",\"status\":{\"token\":\"t\",\"expirationTimestamp\":"
                                               "\"1970-01-01T00:01:00Z\"}}\n"),
                                      &exec, &c, &err),
                0);
        ck_str_eq(buf_str(&c.token), "t");
        ck_assert_uint_eq(c.cert.len + c.key.len, 0);
        ck_assert_int_eq(c.expires, USEC_MINUTE);
        exec_credential_release(&c);
}
END_TEST

START_TEST(test_certificate)
{
        struct kube_exec beta = { .api_version = STR(V1BETA1) };
        struct exec_credential c;
        struct error err;

        ck_assert_int_eq(
                exec_credential_parse(
                        STR("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1BETA1 "\",\"status\":{"
                            "\"token\":null,\"expirationTimestamp\":null,"
                            "\"clientCertificateData\":\"CERT\\n\",\"clientKeyData\":\"KEY\\n\"}}"),
                        &beta, &c, &err),
                0);
        ck_assert_uint_eq(c.token.len, 0);
        ck_str_eq(buf_str(&c.cert), "CERT\n");
        ck_str_eq(buf_str(&c.key), "KEY\n");
        ck_assert_int_eq(c.expires, USEC_NEVER);
        exec_credential_release(&c);
}
END_TEST

START_TEST(test_wrong)
{
        static const char *const outputs[][2] = {
                { "", "nothing at all" },
                { " \n", "nothing at all" },
                { "token: secret", "this is not JSON" },
                { "[]", "kind is another" },
                { "{\"kind\":\"TokenReview\"}", "kind is another" },
                { "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1BETA1 "\",\"status\":{\"token\":\"t\"}}",
                  "not of the version that the kubeconfig says, " V1 },
                { HEAD "}", "status is missing" },
                { HEAD ",\"status\":[]}", "status is missing" },
                { HEAD ",\"status\":{}}", "neither a token nor a client certificate" },
                { HEAD ",\"status\":{\"token\":\"\"}}", "neither a token nor a client certificate" },
                { HEAD ",\"status\":{\"token\":5}}", "status.token in its ExecCredential is not a string" },
                { HEAD ",\"status\":{\"token\":\"secret\\r\\nX: y\"}}", "status.token cannot be one" },
                { HEAD ",\"status\":{\"clientCertificateData\":\"secret\"}}", "must come together" },
                { HEAD ",\"status\":{\"token\":\"t\",\"clientKeyData\":\"secret\"}}", "must come together" },
                { HEAD ",\"status\":{\"token\":\"secret\",\"expirationTimestamp\":\"soon\"}}",
                  "not a time of RFC 3339" },
                { HEAD ",\"status\":{\"token\":\"secret\",\"expirationTimestamp\":1}}", "is not a string" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
                struct exec_credential c;
                struct error err = ERROR_INIT;

                ck_assert_int_eq(exec_credential_parse(str_c(outputs[i][0]), &exec, &c, &err), -EINVAL);
                ck_assert_int_eq(err.code, -EINVAL);
                ck_assert_msg(strstr(err.message, outputs[i][1]) != NULL, "%s", err.message);
                ck_assert_msg(!strstr(err.message, "secret"), "%s", err.message);
        }
}
END_TEST

static int parse_under_torture(void *arg)
{
        struct exec_credential c;
        struct error err;
        int r = exec_credential_parse(str_c(arg), &exec, &c, &err);

        if (r == 0)
                exec_credential_release(&c);
        return r;
}

static int info_under_torture(void *arg)
{
        struct kube_exec told = { .api_version = STR(V1), .provide_cluster_info = true };
        struct kube_config config = { .server = STR("https://h"), .ca_pem = STR("PEM"), .exec = &told };
        struct buf out = BUF_INIT(4096);
        int r;

        (void)arg;
        exec_info_write(&out, &config);
        r = buf_error(&out);
        buf_release(&out);
        return r;
}

START_TEST(test_torture)
{
        static char text[] =
                HEAD ",\"status\":{\"token\":\"t\",\"clientCertificateData\":\"C\",\"clientKeyData\":"
                     "\"K\",\"expirationTimestamp\":\"2030-01-01T00:00:00Z\"}}";

        torture(parse_under_torture, text, 0);
        torture(info_under_torture, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { test_info, test_token, test_certificate, test_wrong, test_torture };

TEST_MAIN("kube/exec_credential", tests)
