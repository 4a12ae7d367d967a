/* SPDX-License-Identifier: Apache-2.0
 *
 * keelson validate, as a child process, on files of its own.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "json/read.h"

#define SAID_MAX ((size_t)65536)

static char said[SAID_MAX], complained[SAID_MAX];

/* --- a folder of its own ------------------------------------------------------------- */

static char folder[] = "/tmp/keelson-validate-XXXXXX";

static void begin(void)
{
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(chdir(folder), 0);
}

static int delete_one(const char *path, const struct stat *st _unused_, int type _unused_,
                      struct FTW *at _unused_)
{
        return remove(path);
}

static void end(void)
{
        ck_assert_int_eq(nftw(folder, delete_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void write_file(const char *path, const char *text)
{
        FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        ck_assert_int_eq(fclose(f), 0);
}

static void read_file(const char *path, char to[SAID_MAX])
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        ck_assert_int_ge(fd, 0);
        n = read(fd, to, SAID_MAX - 1);
        ck_assert_int_ge(n, 0);
        to[n] = '\0';
        close(fd);
}

/* Runs it in the folder, with INPUT on its stdin; its exit code. */
static int validate(const char *const *words, const char *input)
{
        char *argv[16] = { (char *)"keelson", (char *)"validate" };
        pid_t pid;
        int status;

        for (size_t i = 0; words[i]; i++) {
                ck_assert_uint_lt(i, 13);
                argv[i + 2] = (char *)(uintptr_t)words[i];
        }
        write_file("stdin", input ? input : "");
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                dup2(open("stdin", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
                dup2(open("stdout", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDOUT_FILENO);
                dup2(open("stderr", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO);
                execv(KEELSON_BINARY, argv);
                _exit(127);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        read_file("stdout", said);
        read_file("stderr", complained);
        return WEXITSTATUS(status);
}

#define RUN(input, ...) validate((const char *const[]){ __VA_ARGS__, NULL }, input)

#define HEAD(kind, name) "apiVersion: keelson.dev/v1alpha1\nkind: " kind "\nmetadata: {name: " name "}\n"
#define GOOD HEAD("App", "shop") "spec: {image: x:1, port: 8080}\n"
#define BAD HEAD("App", "shop") "spec: {image: x:1, hosts: [a.example]}\n"
#define POD "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"

#define OF(namespace, name, spec)                                                                            \
        "apiVersion: keelson.dev/v1alpha1\nkind: App\nmetadata: {name: " name namespace "}\nspec: " spec "\n"

START_TEST(what_is_fine_needs_no_words)
{
        begin();
        ck_assert_int_eq(RUN(GOOD "---\n" POD
                                  "---\n" HEAD("Environment", "default") "spec: {profile: staging}\n",
                             "-f", "-"),
                         0);
        ck_assert_str_eq(said, "");
        ck_assert_str_eq(complained, "2 fine, 0 wrong, 1 not Keelson's\n");
        end();
}
END_TEST

START_TEST(what_it_repeats_looks_like_no_word_of_its_own)
{
        begin();
        ck_assert_int_eq(RUN(HEAD("\"A\\e[1mp\\n\"", "\"s\\e[2J\\nstdin:1: App s: fine\\x9b\"") "spec: {}\n",
                             "-f", "-"),
                         1);
        ck_assert_str_eq(
                said,
                "stdin:2: A?[1mp? s?[2J?stdin:1: App s: fine??: kind: \"A?[1mp?\" of "
                "keelson.dev/v1alpha1 is not known; there are App (v1alpha1), Environment (v1alpha1), Redis (v1alpha1)\n");
        ck_assert_int_eq(RUN("\"a\\e\": 1\n\"a\\e\": 2\n", "-f", "-"), 2);
        ck_assert_ptr_nonnull(strstr(complained, "the key \"a?\" stands here twice\n"));
        ck_assert_int_eq(RUN("", "-f", "a\x1b\n.yaml"), 2);
        ck_assert_ptr_eq(strstr(complained, "keelson validate: a??.yaml: "), complained);
        write_file("b\n.yaml", BAD);
        ck_assert_int_eq(RUN("", "-f", "b\n.yaml"), 1);
        ck_assert_ptr_eq(strstr(said, "b?.yaml:4: App shop: spec.hosts: "), said);
        end();
}
END_TEST

START_TEST(what_is_wrong_has_its_file_line_and_field)
{
        static const struct {
                const char *text, *said;
        } cases[] = {
                { POD "---\n" BAD,
                  "stdin:8: App shop: spec.hosts: need a port; set spec.port to the one that the program listens on\n" },
                { HEAD("App", "Shop") "spec: {image: a b}\n",
                  "stdin:3: App Shop: metadata.name: must be lower-case letters, digits and -, begin with a letter and "
                  "not end with -, and have 63 characters at most, for it becomes a host name\n"
                  "stdin:4: App Shop: spec.image: must not have white space in it (is \"a b\")\n" },
                { HEAD("App", "shop") "spec: {image: x:1, replica: 2}\n",
                  "stdin:4: App shop: spec.replica: is not a known field; did you mean \"replicas\"?\n" },
                { HEAD("App", "shop") "spec: {image: x:1}\nport: 80\n",
                  "stdin:5: App shop: port: belongs under spec; move it there\n" },
                { HEAD("Environment", "mine") "spec: {profile: staging}\n",
                  "stdin:3: Environment mine: metadata.name: a namespace has one Environment, and it is called default; "
                  "set metadata.name to default\n" },
                { HEAD("Ap", "shop"),
                  "stdin:2: Ap shop: kind: \"Ap\" of keelson.dev/v1alpha1 is not known; did you mean App?\n" },
                { HEAD("Application", "shop"),
                  "stdin:2: Application shop: kind: \"Application\" of keelson.dev/v1alpha1 is not known; did you mean "
                  "App?\n" },
                { HEAD("App", "shop") "spec: {image: x:1, replicas: 2.0}\n",
                  "stdin:4: App shop: spec.replicas: must be a whole number without a fraction, such as 2\n" },
                { HEAD("App", "shop") "spec: {image: x:1, replicas: 1.5}\n",
                  "stdin:4: App shop: spec.replicas: must be an integer (is a fraction)\n" },
                { "apiVersion: keelson.dev/v2\nkind: App\nmetadata: {name: shop}\n",
                  "stdin:2: App shop: kind: \"App\" of keelson.dev/v2 is not known; there are App (v1alpha1), "
                  "Environment (v1alpha1), Redis (v1alpha1)\n" },
                { HEAD("Queue", "shop"),
                  "stdin:2: Queue shop: kind: \"Queue\" of keelson.dev/v1alpha1 is not known; there are App (v1alpha1), "
                  "Environment (v1alpha1), Redis (v1alpha1)\n" },
                { "apiVersion: keelson.dev/v1alpha1\nkind: App\nmetadata: {generateName: shop-}\nspec: {image: a b}\n",
                  "stdin:4: App (generateName): spec.image: must not have white space in it (is \"a b\")\n" },
                { "kind: List\napiVersion: v1\nitems: [{apiVersion: keelson.dev/v1alpha1, kind: App, metadata: {name: a}}]\n",
                  "stdin:3: App a: spec: is required\n" },
        };

        begin();
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                ck_assert_int_eq(RUN(cases[i].text, "-f", "-"), 1);
                ck_assert_str_eq(said, cases[i].said);
        }
        end();
}
END_TEST

START_TEST(a_folder_is_all_that_is_in_it)
{
        begin();
        mkdir("set", 0700);
        mkdir("set/deeper", 0700);
        write_file("set/b.yaml", GOOD);
        write_file("set/a.yml", BAD);
        write_file(
                "set/deeper/c.json",
                "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{\"name\":\"c\"},\"spec\":{}}");
        write_file("set/notes.txt", "no: [yaml\n");
        write_file("set/.hidden.yaml", BAD);
        ck_assert_int_eq(RUN(NULL, "-f", "set", "--filename=set/b.yaml"), 1);
        ck_assert_str_eq(
                said,
                "set/a.yml:4: App shop: spec.hosts: need a port; set spec.port to the one that the program "
                "listens on\n"
                "set/b.yaml:3: App shop: warning: metadata.name: is that of the App at set/a.yml:1 already, and "
                "only the last one counts; rename one, or take it out\n"
                "set/deeper/c.json:1: App c: spec.image: is required\n"
                "set/b.yaml:3: App shop: warning: metadata.name: is that of the App at set/a.yml:1 already, and "
                "only the last one counts; rename one, or take it out\n");
        ck_assert_str_eq(complained, "2 fine, 2 wrong, 0 not Keelson's\n");
        end();
}
END_TEST

START_TEST(what_cannot_be_read_is_told_and_the_rest_goes_on)
{
        begin();
        ck_assert_int_eq(RUN(BAD, "-f", "missing.yaml", "-f", "-"), 2);
        ck_assert_ptr_nonnull(
                strstr(complained, "keelson validate: missing.yaml: No such file or directory\n"));
        ck_assert_ptr_nonnull(strstr(said, "stdin:4: App shop: spec.hosts"));
        ck_assert_int_eq(RUN(GOOD "---\na: [1\n", "-f", "-"), 2);
        ck_assert_ptr_nonnull(strstr(complained, "keelson validate: stdin: line "));
        ck_assert_int_eq(RUN("[]\n", "-f", "-"), 2);
        ck_assert_ptr_nonnull(strstr(complained, "the document is no object"));
        ck_assert_int_eq(RUN("just words\n---\n" BAD "---\n- 1\n---\n" GOOD, "-f", "-"), 2);
        ck_assert_ptr_nonnull(strstr(complained, "stdin: line 1: the document is no object\n"));
        ck_assert_ptr_nonnull(strstr(complained, "stdin: line 7: the document is no object\n"));
        ck_assert_ptr_nonnull(strstr(complained, "1 fine, 1 wrong"));
        end();
}
END_TEST

/* Once to learn what there is, once to explain it. */
START_TEST(what_can_be_read_only_once_is_explained)
{
        begin();
        ck_assert_int_eq(RUN(GOOD, "-f", "/dev/stdin", "--explain"), 0);
        ck_assert_ptr_nonnull(strstr(said, "/health/live"));
        ck_assert_int_eq(mkfifo("pipe.yaml", 0600), 0);
        ck_assert_int_eq(RUN(NULL, "-f", "pipe.yaml", "--explain"), 2);
        ck_assert_str_eq(complained,
                         "keelson validate: pipe.yaml: is a pipe that nothing came out of: does anybody "
                         "write to it?\n0 fine, 0 wrong, 0 not Keelson's\n");
        end();
}
END_TEST

START_TEST(nothing_found_is_no_silence)
{
        begin();
        ck_assert_int_eq(RUN(POD, "-f", "-"), 0);
        ck_assert_ptr_nonnull(
                strstr(complained, "warning: nothing of Keelson's was found\n0 fine, 0 wrong, 1 not"));
        ck_assert_int_eq(RUN("", "-f", "-"), 0);
        ck_assert_ptr_nonnull(strstr(complained, "nothing of Keelson's was found\n"));
        mkdir("empty", 0700);
        write_file("empty/notes.txt", "");
        ck_assert_int_eq(RUN(NULL, "-f", "empty"), 2);
        ck_assert_ptr_nonnull(strstr(complained, "empty: has no *.yaml, *.yml or *.json in it\n"));
        end();
}
END_TEST

START_TEST(another_group_by_mistake_is_a_warning)
{
        static const struct {
                const char *text, *said;
        } cases[] = {
                { "apiVersion: keelson.io/v1\nkind: App\nmetadata: {name: a}\n",
                  "stdin:1: App a: warning: apiVersion: keelson.io/v1 is not looked at; did you mean keelson.dev/v1alpha1?\n" },
                { "kind: Environment\nmetadata: {name: default}\n",
                  "stdin:1: Environment default: warning: apiVersion: is missing, so it is not looked at; did you mean "
                  "keelson.dev/v1alpha1?\n" },
                { "apiVersion: kappctrl.k14s.io/v1alpha1\nkind: App\nmetadata: {name: a}\n", "" },
                { "kind: Pod\nmetadata: {name: a}\n", "" },
        };

        begin();
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                ck_assert_int_eq(RUN(cases[i].text, "-f", "-"), 0);
                ck_assert_str_eq(said, cases[i].said);
                ck_assert_ptr_nonnull(strstr(complained, "0 fine, 0 wrong, 1 not Keelson's"));
        }
        end();
}
END_TEST

START_TEST(the_same_resource_twice_is_a_warning)
{
        begin();
        ck_assert_int_eq(
                RUN(GOOD "---\n" OF(", namespace: other", "shop", "{image: x:1}") "---\n" GOOD, "-f", "-"),
                0);
        ck_assert_str_eq(said,
                         "stdin:13: App shop: warning: metadata.name: is that of the App at stdin:1 already, "
                         "and only the last one counts; rename one, or take it out\n");
        write_file("a.yaml", GOOD);
        ck_assert_int_eq(RUN(NULL, "-f", "a.yaml", "-f", "a.yaml"), 0);
        ck_assert_str_eq(said, "");
        end();
}
END_TEST

#define CLAIMS(name, rest, hosts)                                                                            \
        "apiVersion: keelson.dev/v1alpha1\nkind: App\nmetadata: {name: " name rest "}\n"                     \
        "spec: {image: x:1, port: 80, hosts: [" hosts "]}\n"

/* At the second of them. One that is there twice is no rival of itself. */
START_TEST(apps_that_claim_one_host_are_told)
{
        begin();
        write_file("a.yaml", POD "---\n" CLAIMS("shop", "", "b.example, a.example"));
        write_file("b.yaml", CLAIMS("web", ", namespace: other", "c.example, a.example"));
        ck_assert_int_eq(RUN(NULL, "-f", "a.yaml", "-f", "b.yaml", "-f", "a.yaml"), 0);
        ck_assert_str_eq(
                said,
                "b.yaml:4: App web: warning: spec.hosts[1]: a.example is claimed by the App shop in the "
                "namespace default too (a.yaml:4), and only the older of the two will have it; take it "
                "out of one of them\n");
        end();
}
END_TEST

START_TEST(hosts_that_differ_are_no_conflict)
{
        static const char files[] = CLAIMS("shop", "", "'*.a.example'") "---\n" CLAIMS(
                "web", "", "b.a.example, a.example") "---\n" CLAIMS("bad", "", "'*.a.example', 127.0.0.1");

        begin();
        ck_assert_int_eq(RUN(files, "-f", "-", "--explain"), 1);
        ck_assert_ptr_null(strstr(said, "is claimed by"));
        ck_assert_ptr_nonnull(strstr(said, "App bad: spec.hosts[1]"));
        end();
}
END_TEST

START_TEST(programs_read_json)
{
        yyjson_doc *doc;
        yyjson_val *one;

        begin();
        ck_assert_int_eq(RUN(BAD "---\n" GOOD, "-f", "-", "--output", "json", "--explain"), 1);
        ck_assert_int_eq(json_parse(str_c(said), &doc, NULL), 0);
        one = yyjson_arr_get(yyjson_doc_get_root(doc), 0);
        ck_str_eq(json_get_str(one, "file"), "stdin");
        ck_assert_int_eq(json_get_int(one, "line", 0), 1);
        ck_assert(!json_get_bool(one, "valid", true));
        ck_str_eq(json_val_str(json_get_path(one, "/problems/0/path")), "spec.hosts");
        ck_assert_int_eq(yyjson_get_int(json_get_path(one, "/problems/0/line")), 4);
        one = yyjson_arr_get(yyjson_doc_get_root(doc), 1);
        ck_assert(json_get_bool(one, "valid", false));
        /* What it becomes, with the defaults. */
        ck_str_eq(json_val_str(json_get_path(one, "/spec/healthCheck/livePath")), "/health/live");
        yyjson_doc_free(doc);
        end();
}
END_TEST

#define ENVIRONMENT(namespace, profile)                                                                                \
        "apiVersion: keelson.dev/v1alpha1\nkind: Environment\nmetadata: {name: default" namespace "}\nspec: "          \
                                                                                                  "{profile: " profile \
                                                                                                  "}\n"

/* Wherever in the files it stands, and for its own namespace only. */
START_TEST(an_environment_is_explained_with_its_apps)
{
        static const char text[] = OF("", "a", "{image: x:1, port: 80}") "---\n" OF(", namespace: other", "b", "{image: x:1, port: 80}") "---\n" ENVIRONMENT(
                "",
                "production") "---\n" OF("", "c",
                                         "{image: x:1, port: 80, replicas: 7, resources: {limits: {cpu: 3}}}") "---\n" OF("",
                                                                                                                          "d",
                                                                                                                          "{image: x:1, port: 80, autoscaling: {minReplicas: 900}}");
        yyjson_doc *doc;
        yyjson_val *one;

        begin();
        ck_assert_int_eq(RUN(text, "-f", "-", "--output", "json", "--explain"), 0);
        ck_assert_int_eq(json_parse(str_c(said), &doc, NULL), 0);
        one = yyjson_arr_get(yyjson_doc_get_root(doc), 0);
        ck_assert_msg(yyjson_get_int(json_get_path(one, "/spec/autoscaling/minReplicas")) > 1, "%s", said);
        ck_str_eq(json_val_str(json_get_path(one, "/spec/tier")), "backend");
        ck_assert_ptr_nonnull(json_get_path(one, "/spec/resources/requests/memory"));
        one = yyjson_arr_get(yyjson_doc_get_root(doc), 1);
        ck_assert_ptr_null(json_get_path(one, "/spec/autoscaling"));
        ck_assert_ptr_null(json_get_path(one, "/spec/resources"));
        one = yyjson_arr_get(yyjson_doc_get_root(doc), 3);
        ck_assert_int_eq(yyjson_get_int(json_get_path(one, "/spec/replicas")), 7);
        ck_str_eq(json_val_str(json_get_path(one, "/spec/resources/limits/cpu")), "3");
        ck_assert_ptr_nonnull(json_get_path(one, "/spec/resources/limits/memory"));
        /* Fine by itself, but not here. */
        one = yyjson_arr_get(yyjson_doc_get_root(doc), 4);
        ck_assert(json_get_bool(one, "valid", false));
        ck_str_eq(json_val_str(json_get_path(one, "/warnings/0/path")), "spec.autoscaling.minReplicas");
        /* And whose word each is. */
        one = yyjson_arr_get(yyjson_doc_get_root(doc), 3);
        ck_str_eq(json_get_str(yyjson_obj_get(one, "origins"), "replicas"), "App");
        ck_str_eq(json_get_str(yyjson_obj_get(one, "origins"), "resources.limits.cpu"), "App");
        ck_str_eq(json_get_str(yyjson_obj_get(one, "origins"), "resources.limits.memory"), "BuiltIn");
        yyjson_doc_free(doc);
        end();
}
END_TEST

/* All that is no YAML is a comment. */
START_TEST(people_read_yaml)
{
        begin();
        write_file("env.yaml", HEAD("Environment", "default") "spec: {profile: staging,\n"
                                                              "  overrides: [{tier: backend, resources: "
                                                              "{requests: {memory: 700Mi}}}]}\n");
        ck_assert_int_eq(RUN(BAD "---\n" OF("", "web", "{image: x, port: 80, replicas: 7}"), "-f", "-", "-f",
                             "env.yaml", "--explain"),
                         1);
        ck_assert_ptr_eq(strstr(said, "# stdin:4: App shop: spec.hosts: need a port"), said);
        ck_assert_ptr_nonnull(strstr(said, "# stdin:9: App web: warning: spec.image: "));
        ck_assert_ptr_nonnull(strstr(said, "---\n# stdin:5\napiVersion: keelson.dev/v1alpha1\nkind: App\n"
                                           "metadata:\n  name: web\nspec:\n"));
        ck_assert_ptr_nonnull(strstr(said, "\n  replicas: 7                            # App\n"));
        ck_assert_ptr_nonnull(strstr(said, "\n      memory: 700Mi                      # Environment\n"));
        ck_assert_ptr_nonnull(strstr(said, "\n    timeout: 30s                         # built-in\n"));
        end();
}
END_TEST

START_TEST(a_wrong_command_line_is_refused)
{
        begin();
        ck_assert_int_eq(RUN(NULL, "--output", "yaml", "-f", "-"), 2);
        ck_assert_ptr_nonnull(strstr(complained, "text or json"));
        ck_assert_int_eq(RUN(NULL, "app.yaml"), 2);
        ck_assert_ptr_nonnull(strstr(complained, "unexpected argument \"app.yaml\"; use -f app.yaml;"));
        ck_assert_int_eq(RUN(GOOD, "-o", "json", "-f", "-"), 0);
        ck_assert_ptr_nonnull(strstr(said, "\"valid\":true"));
        ck_assert_int_eq(validate((const char *const[]){ NULL }, NULL), 2);
        ck_assert_ptr_nonnull(strstr(complained, "-f"));
        end();
}
END_TEST

static const TTest *const tests[] = {
        what_is_fine_needs_no_words,
        what_it_repeats_looks_like_no_word_of_its_own,
        what_is_wrong_has_its_file_line_and_field,
        a_folder_is_all_that_is_in_it,
        what_cannot_be_read_is_told_and_the_rest_goes_on,
        what_can_be_read_only_once_is_explained,
        nothing_found_is_no_silence,
        another_group_by_mistake_is_a_warning,
        the_same_resource_twice_is_a_warning,
        apps_that_claim_one_host_are_told,
        hosts_that_differ_are_no_conflict,
        programs_read_json,
        an_environment_is_explained_with_its_apps,
        people_read_yaml,
        a_wrong_command_line_is_refused,
};
TEST_MAIN("cmd/validate", tests)
