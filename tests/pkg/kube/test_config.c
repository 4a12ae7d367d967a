/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/config.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "harness.h"

#define PEM "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
#define PEM_BASE64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="

#define CONTEXT                                                                                              \
        "current-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u, namespace: shop}\n"
#define CLUSTER "clusters:\n- name: k\n  cluster: {server: 'https://10.0.0.1:6443/'}\n"
#define USERS "users:\n- name: other\n  user: {token: 5}\n- name: u\n  user: "

/* --- a folder of files ------------------------------------------------------ */

static char folder[64];

static void setup_folder(void)
{
        snprintf(folder, sizeof(folder), "/tmp/keelson-test-config-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void put(const char *name, const char *text)
{
        char path[256];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
}

static void put_dir(const char *name)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        ck_assert_int_eq(mkdir(path, 0700), 0);
}

/* FORMAT with each "%s" as the folder. */
static struct str in_folder(char out[512], const char *format)
{
        size_t len = 0;

        for (const char *at = format; *at; at++) {
                if (at[0] == '%' && at[1] == 's') {
                        len += (size_t)snprintf(out + len, 512 - len, "%s", folder);
                        at++;
                } else {
                        out[len++] = *at;
                }
        }
        out[len] = '\0';
        return str_n(out, len);
}

static void remove_folder(void)
{
        static const char *const names[] = { "a",          "b",         "sub/config",
                                             "sub/ca.pem", "sub/token", "sub/.kube/config",
                                             "token",      "ca.crt",    "namespace",
                                             "sub/.kube",  "sub" };
        char path[256];

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                (void)remove(path);
        }
        ck_assert_int_eq(rmdir(folder), 0);
}

/* --- one text --------------------------------------------------------------- */

static struct kube_config parse(const char *text)
{
        struct error err = ERROR_INIT;
        struct kube_config c = { 0 };
        int r = kube_config_parse(str_c(text), STR("/home/me/.kube/config"), &c, &err);

        ck_assert_msg(r == 0, "%s: %s", text, err.message);
        return c;
}

static void check_fails(const char *text, const char *message)
{
        struct error err = ERROR_INIT;
        struct kube_config c = { 0 };
        int r = kube_config_parse(str_c(text), STR("/k"), &c, &err);

        ck_assert_msg(r < 0, "%s", text);
        ck_assert_int_eq(err.code, r);
        ck_assert_msg(strcmp(err.message, message) == 0, "\"%s\" is not \"%s\"", err.message, message);
        ck_assert_ptr_null(c.arena.head);
}

START_TEST(test_token)
{
        struct kube_config c = parse(CONTEXT CLUSTER USERS "{token: abc.def}\n");

        ck_str_eq(c.source, "/home/me/.kube/config");
        ck_str_eq(c.context, "c");
        ck_str_eq(c.server, "https://10.0.0.1:6443");
        ck_str_eq(c.namespace, "shop");
        ck_str_eq(c.token, "abc.def");
        ck_assert_ptr_null(c.ca_pem.data);
        ck_assert_ptr_null(c.exec);
        ck_assert(!c.insecure_skip_verify);
        ck_assert(!c.in_cluster);
        kube_config_release(&c);
}
END_TEST

START_TEST(test_certificates)
{
        struct kube_config c = parse(CONTEXT "clusters:\n- name: k\n  cluster:\n    server: https://h\n"
                                             "    certificate-authority-data: " PEM_BASE64 "\n"
                                             "    tls-server-name: api\n    proxy-url: socks5://p:1\n" USERS
                                             "\n    client-certificate-data: " PEM_BASE64
                                             "\n    client-key-data: " PEM_BASE64 "\n");

        ck_str_eq(c.ca_pem, PEM);
        ck_str_eq(c.client_cert_pem, PEM);
        ck_str_eq(c.client_key_pem, PEM);
        ck_assert_ptr_null(c.ca_file.data);
        ck_str_eq(c.tls_server_name, "api");
        ck_str_eq(c.proxy, "socks5://p:1");
        kube_config_release(&c);
}
END_TEST

START_TEST(test_json_and_defaults)
{
        struct kube_config c = parse(
                "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\"}}],"
                "\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"http://[::1]:8080\","
                "\"insecure-skip-tls-verify\":true}}],\"users\":null}");

        ck_str_eq(c.server, "http://[::1]:8080");
        ck_str_eq(c.namespace, "default");
        ck_assert(c.insecure_skip_verify);
        ck_assert_ptr_null(c.token.data);
        kube_config_release(&c);
}
END_TEST

START_TEST(test_exec)
{
        struct kube_config c = parse(CONTEXT CLUSTER USERS
                                     "\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
                                     "      command: ./bin/login\n      args: [get, '']\n"
                                     "      env:\n      - {name: REGION, value: eu}\n      - {name: EMPTY}\n"
                                     "      installHint: ask\n      interactiveMode: IfAvailable\n"
                                     "      provideClusterInfo: true\n");

        ck_assert_ptr_nonnull(c.exec);
        ck_str_eq(c.exec->command, "/home/me/.kube/./bin/login");
        ck_assert_uint_eq(c.exec->n_args, 2);
        ck_str_eq(c.exec->args[0], "get");
        ck_str_eq(c.exec->args[1], "");
        ck_assert_uint_eq(c.exec->n_env, 2);
        ck_str_eq(c.exec->env[0].name, "REGION");
        ck_str_eq(c.exec->env[0].value, "eu");
        ck_str_eq(c.exec->env[1].value, "");
        ck_str_eq(c.exec->install_hint, "ask");
        ck_str_eq(c.exec->interactive_mode, "IfAvailable");
        ck_assert(c.exec->provide_cluster_info);
        kube_config_release(&c);

        c = parse(CONTEXT "clusters: [{name: k, cluster: {server: 'https://h', extensions: [{name: x, "
                          "extension: 1}, {name: client.authentication.k8s.io/exec, extension: {audience: a, "
                          "n: [1, true]}}]}}]\n" USERS
                          "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws}}");
        ck_str_eq(c.exec_config, "{\"audience\":\"a\",\"n\":[1,true]}");
        ck_str_eq(c.exec->command, "aws");
        ck_assert_uint_eq(c.exec->n_args, 0);
        kube_config_release(&c);
}
END_TEST

START_TEST(test_bad_files)
{
        check_fails("a: [", "/k: line 2: did not find expected node content, while parsing a flow node");
        check_fails("- a", "/k: not a kubeconfig: it must hold clusters, users and contexts");
        check_fails("", "/k: current-context: not set; choose one with "
                        "kubectl config use-context NAME");
        check_fails("current-context: [c]", "/k: current-context: must be a string; put it in quotes");
        check_fails("current-context: c",
                    "/k: contexts: there is no entry named \"c\", which current-context asks for");
        check_fails("current-context: \"a\\nb\"",
                    "/k: contexts: there is no entry named \"a?b\", which current-context asks for");
        check_fails("current-context: c\ncontexts: {c: 1}", "/k: contexts: must be a list");
        check_fails("current-context: c\ncontexts: [{name: c, context: 5}]",
                    "/k: contexts[0].context: must be an object");
        check_fails("current-context: c\ncontexts: [7, {name: c}]",
                    "/k: contexts[1].context.cluster: not set: it must name an entry of clusters");
        check_fails(CONTEXT, "/k: clusters: there is no entry named \"k\", which the context asks for");
        check_fails(CONTEXT CLUSTER, "/k: users: there is no entry named \"u\", which the context asks for");
}
END_TEST

static void check_cluster_fails(const char *cluster, const char *message)
{
        struct buf text = BUF_INIT(64 * 1024), expected = BUF_INIT(4096);

        buf_printf(&text, CONTEXT "clusters: [{name: x}, {name: k, cluster: {%s}}]\n" USERS "{}\n", cluster);
        buf_printf(&expected, "/k: clusters[1].cluster.%s", message);
        check_fails(text.data, expected.data);
        buf_release(&text);
        buf_release(&expected);
}

START_TEST(test_bad_clusters)
{
        check_cluster_fails("", "server: not set: it must be the URL of the API server");
        check_cluster_fails("server: 10.0.0.1", "server: \"10.0.0.1\" is not a URL: write https://HOST:PORT");
        check_cluster_fails("server: 'https://'", "server: \"https:\" is not a URL: write https://HOST:PORT");
        check_cluster_fails("server: 'https://me@h'",
                            "server: must be no more than a scheme, a host, a port and a path");
        check_cluster_fails("server: \"https://h\\r\\nX: y\"",
                            "server: must be no more than a scheme, a host, a port and a path");
        check_cluster_fails("server: 'https://h\xc3\xa4'",
                            "server: must be no more than a scheme, a host, a port and a path");
        check_cluster_fails("server: 6443", "server: must be a string; put it in quotes");
        check_cluster_fails("server: \"https://h\\0\"", "server: must not have a NUL byte in it");
        check_cluster_fails("server: 'https://h', insecure-skip-tls-verify: 'yes'",
                            "insecure-skip-tls-verify: must be true or false");
        check_cluster_fails(
                "server: 'https://h', insecure-skip-tls-verify: true, "
                "certificate-authority-data: " PEM_BASE64,
                "insecure-skip-tls-verify: cannot stand beside certificate-authority: take one of them out");
        check_cluster_fails(
                "server: 'https://h', certificate-authority-data: '!'",
                "certificate-authority-data: not valid base64: put the output of \"base64 -w0\" on the "
                "PEM file here");
        check_cluster_fails("server: 'https://h', certificate-authority-data: AAAA",
                            "certificate-authority-data: what the base64 holds is not PEM (no BEGIN line)");
        check_cluster_fails("server: 'https://h', certificate-authority: /nonexistent/ca",
                            "certificate-authority: cannot read /nonexistent/ca: No such file or directory");
        check_cluster_fails("server: 'https://h', certificate-authority: /proc/self/comm",
                            "certificate-authority: /proc/self/comm is not a PEM file (no BEGIN line)");
        check_cluster_fails("server: 'https://h', proxy-url: 'ftp://x'",
                            "proxy-url: must start with http://, https:// or socks5://");
}
END_TEST

static void check_user_fails(const char *user, const char *message)
{
        struct buf text = BUF_INIT(64 * 1024), expected = BUF_INIT(4096);

        buf_printf(&text, CONTEXT CLUSTER USERS "{%s}\n", user);
        buf_printf(&expected, "/k: users[1].user.%s", message);
        check_fails(text.data, expected.data);
        buf_release(&text);
        buf_release(&expected);
}

START_TEST(test_bad_users)
{
        check_user_fails(
                "client-key-data: '%'",
                "client-key-data: not valid base64: put the output of \"base64 -w0\" on the PEM file here");
        check_user_fails("client-certificate-data: " PEM_BASE64,
                         "client-key: not set, but there is a client-certificate");
        check_user_fails("client-key-data: " PEM_BASE64,
                         "client-certificate: not set, but there is a client-key");
        check_user_fails("token: 12345", "token: must be a string; put it in quotes");
        check_user_fails("token: \"a\\r\\nX: y\"",
                         "token: must not have spaces, line breaks or other control characters");
        check_user_fails("tokenFile: /nonexistent/t",
                         "tokenFile: cannot read the token file /nonexistent/t: No such file or directory");
        check_user_fails("tokenFile: /dev/null", "tokenFile: the token file /dev/null does not hold a token");
        check_user_fails("auth-provider: {name: gcp}",
                         "auth-provider: not supported: use a token, a client certificate or an exec plugin");
        check_user_fails("username: me",
                         "username: not supported: use a token, a client certificate or an exec plugin");
        check_user_fails("exec: login", "exec: must be an object");
        check_user_fails("exec: {command: x}",
                         "exec.apiVersion: must be client.authentication.k8s.io/v1 (or v1beta1), not \"\"");
        check_user_fails("exec: {apiVersion: client.authentication.k8s.io/v1}",
                         "exec.command: not set: it must be the program to run");
        check_user_fails("exec: {apiVersion: client.authentication.k8s.io/v1, command: x, args: [1]}",
                         "exec.args: entry 0 must be a string; put it in quotes");
        check_user_fails("exec: {apiVersion: client.authentication.k8s.io/v1, command: x, args: y}",
                         "exec.args: must be a list");
        check_user_fails(
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, env: [{name: 'A=B'}]}",
                "exec.env[0].name: must be the name of a variable, without a \"=\"");
        check_user_fails(
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}",
                "exec.interactiveMode: is Always, but there is no terminal at which the program could ask somebody: "
                "use a token or a client certificate");
        check_user_fails(
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Maybe}",
                "exec.interactiveMode: must be Never, IfAvailable or Always");
}
END_TEST

/* --- where it comes from ------------------------------------------------------ */

static int load(const struct kube_config_sources *s, struct kube_config *c, struct error *err)
{
        *c = (struct kube_config){ 0 };
        *err = (struct error)ERROR_INIT;
        return kube_config_load_from(s, c, err);
}

START_TEST(test_relative_paths)
{
        char path[512], expected[512];
        struct kube_config c;
        struct error err;
        int r;

        setup_folder();
        put_dir("sub");
        put("sub/ca.pem", PEM);
        put("sub/token", " secret\n");
        put("sub/config", CONTEXT
            "clusters: [{name: k, cluster: {server: 'https://h', certificate-authority: ca.pem}}]\n" USERS
            "{tokenFile: ../sub/token, token: unused}\n");
        r = load(&(struct kube_config_sources){ .path = in_folder(path, "%s/sub/config") }, &c, &err);
        ck_assert_msg(r == 0, "%s", err.message);
        ck_str_eq(c.ca_pem, PEM);
        ck_str_eq(c.ca_file, in_folder(expected, "%s/sub/ca.pem").data);
        ck_str_eq(c.token_file, in_folder(expected, "%s/sub/../sub/token").data);
        ck_assert_ptr_null(c.token.data);
        kube_config_release(&c);
        remove_folder();
}
END_TEST

START_TEST(test_merge)
{
        char list[512], expected[512];
        struct kube_config c;
        struct error err;
        struct kube_config_sources s = { 0 };

        setup_folder();
        put("a", "users: [{name: u, user: {token: first}}]\ncurrent-context: c\n");
        put("b", CONTEXT CLUSTER USERS "{token: second}\n");
        s.kubeconfig = in_folder(list, "/nonexistent/x::%s/a:%s/b");
        ck_assert_int_eq(load(&s, &c, &err), 0);
        ck_str_eq(c.token, "first");
        ck_str_eq(c.server, "https://10.0.0.1:6443");
        ck_str_eq(c.source, in_folder(expected, "%s/b").data);
        kube_config_release(&c);

        s.context = STR("nope");
        ck_assert_int_eq(load(&s, &c, &err), -EINVAL);
        ck_assert_str_eq(
                err.message,
                in_folder(expected,
                          "%s/a: contexts: there is no entry named \"nope\", which --context asks for")
                        .data);
        s.context = STR_NULL;
        s.kubeconfig = STR("/nonexistent/x:/nonexistent/y");
        ck_assert_int_eq(load(&s, &c, &err), -ENOENT);
        ck_assert_str_eq(err.message,
                         "/nonexistent/x:/nonexistent/y: no such file (asked for by KUBECONFIG)");
        s.path = STR("/nonexistent/z");
        ck_assert_int_eq(load(&s, &c, &err), -ENOENT);
        ck_assert_str_eq(err.message, "/nonexistent/z: no such file (asked for by --kubeconfig)");
        remove_folder();
}
END_TEST

START_TEST(test_too_many_files)
{
        struct buf list = BUF_INIT(64 * 1024);
        struct kube_config c;
        struct error err;

        for (int i = 0; i <= KUBE_CONFIG_FILES_MAX; i++)
                buf_add_c(&list, "/dev/null:");
        ck_assert_int_eq(load(&(struct kube_config_sources){ .kubeconfig = buf_str(&list) }, &c, &err),
                         -E2BIG);
        ck_assert_str_eq(err.message, "KUBECONFIG names more than 32 files");
        buf_release(&list);
}
END_TEST

START_TEST(test_in_cluster)
{
        char dir[512], home[512], expected[512];
        struct kube_config c;
        struct error err;
        struct kube_config_sources s = { .service_host = STR("fd00::1"), .service_port = STR("443") };

        setup_folder();
        put_dir("sub");
        put_dir("sub/.kube");
        put("sub/.kube/config", CONTEXT CLUSTER USERS "{token: home}\n");
        s.service_account_dir = in_folder(dir, "%s");
        s.home = in_folder(home, "%s/sub");

        /* No token: this is no pod. */
        ck_assert_int_eq(load(&s, &c, &err), 0);
        ck_str_eq(c.token, "home");
        kube_config_release(&c);

        put("token", "pod-token\n");
        ck_assert_int_eq(load(&s, &c, &err), -ENOENT);
        ck_assert_str_eq(
                err.message,
                in_folder(expected,
                          "service account of this pod: cannot read %s/ca.crt: No such file or directory")
                        .data);
        put("ca.crt", PEM);
        ck_assert_int_eq(load(&s, &c, &err), 0);
        ck_assert(c.in_cluster);
        ck_str_eq(c.source, "in-cluster");
        ck_str_eq(c.server, "https://[fd00::1]:443");
        ck_str_eq(c.token_file, in_folder(expected, "%s/token").data);
        ck_str_eq(c.ca_pem, PEM);
        ck_str_eq(c.namespace, "default");
        kube_config_release(&c);

        put("namespace", "keelson-system\n");
        s.service_host = STR("10.96.0.1");
        ck_assert_int_eq(load(&s, &c, &err), 0);
        ck_str_eq(c.server, "https://10.96.0.1:443");
        ck_str_eq(c.namespace, "keelson-system");
        kube_config_release(&c);

        put("token", "\n");
        ck_assert_int_eq(load(&s, &c, &err), -EINVAL);
        ck_assert_str_eq(
                err.message,
                in_folder(expected,
                          "service account of this pod: the token file %s/token does not hold a token")
                        .data);
        remove_folder();
}
END_TEST

START_TEST(test_nowhere)
{
        struct kube_config c;
        struct error err;
        struct kube_config_sources s = { .home = STR("/nonexistent"), .service_account_dir = STR("/sa") };

        ck_assert_int_eq(load(&s, &c, &err), -ENOENT);
        ck_assert_str_eq(
                err.message,
                "no way to the API server: pass --kubeconfig FILE, set KUBECONFIG, or run in a pod with a "
                "service account (neither /sa/token nor /nonexistent/.kube/config is there)");
}
END_TEST

START_TEST(test_environment)
{
        struct kube_config c = { 0 };
        struct error err = ERROR_INIT;
        char path[512];

        setup_folder();
        put("a", CONTEXT CLUSTER USERS "{token: env}\n");
        setenv("KUBECONFIG", in_folder(path, "%s/a").data, 1);
        ck_assert_int_eq(kube_config_load(STR_NULL, &c, &err), 0);
        ck_str_eq(c.token, "env");
        kube_config_release(&c);
        ck_assert_int_eq(kube_config_load(STR("/nonexistent/b"), &c, &err), -ENOENT);
        remove_folder();
}
END_TEST

static int parse_under_torture(void *arg _unused_)
{
        struct error err = ERROR_INIT;
        struct kube_config c = { 0 };
        int r = kube_config_parse(STR(CONTEXT CLUSTER USERS
                                      "\n    client-certificate-data: " PEM_BASE64
                                      "\n    client-key-data: " PEM_BASE64
                                      "\n    exec: {apiVersion: client.authentication.k8s.io/v1,"
                                      " command: a/b, args: [x], env: [{name: z}]}\n"),
                                  STR("/k"), &c, &err);

        if (r == 0)
                kube_config_release(&c);
        else
                ck_assert_ptr_nonnull(strstr(err.message, "out of memory"));
        return r;
}

static int load_under_torture(void *arg)
{
        struct kube_config c = { 0 };
        struct error err = ERROR_INIT;
        int r = kube_config_load_from(arg, &c, &err);

        if (r == 0)
                kube_config_release(&c);
        else
                ck_assert_ptr_nonnull(strstr(err.message, "out of memory"));
        return r;
}

START_TEST(test_torture)
{
        char dir[512], path[512];
        struct kube_config_sources s = { .service_host = STR("h"), .service_port = STR("1") };

        torture(parse_under_torture, NULL, 0);
        setup_folder();
        put("token", "t");
        put("ca.crt", PEM);
        put("namespace", "n");
        put("a", CONTEXT CLUSTER USERS "{tokenFile: token}\n");
        s.service_account_dir = in_folder(dir, "%s");
        torture(load_under_torture, &s, 0);
        s.kubeconfig = in_folder(path, "%s/a");
        torture(load_under_torture, &s, 0);
        remove_folder();
}
END_TEST

static const TTest *const tests[] = { test_token,          test_certificates,   test_json_and_defaults,
                                      test_exec,           test_bad_files,      test_bad_clusters,
                                      test_bad_users,      test_relative_paths, test_merge,
                                      test_too_many_files, test_in_cluster,     test_nowhere,
                                      test_environment,    test_torture };

TEST_MAIN("kube/config", tests)
