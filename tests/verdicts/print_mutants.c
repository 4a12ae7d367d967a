/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints mutants, with the verdict on each and what it becomes, for
 * tests/e2e/test_verdicts.py, which asks the API server about them.
 *
 *      print_mutants FIRST COUNT
 *      {"number":7,"resource":{…},"verdict":"spec.port: …","children":[…]}
 */
#include "judged.h"

#include "json/write.h"

static void print_one(uint64_t number)
{
        static char verdict[VERDICT_MAX];
        struct buf children = BUF_INIT(CHILDREN_MAX), out = BUF_INIT(CHILDREN_MAX);
        yyjson_doc *mutant = mutant_of(number);
        char *text = yyjson_write(mutant, 0, NULL);
        struct str line, rest;
        struct json_writer w;

        judge(number, yyjson_doc_get_root(mutant), verdict, &children);
        json_writer_init(&w, &out);
        json_object(&w);
        json_put_int(&w, "number", (int64_t)number);
        json_put_raw(&w, "resource", str_c(text));
        json_put_cstr(&w, "verdict", verdict);
        json_key(&w, "children");
        json_array(&w);
        rest = buf_str(&children);
        while (str_cut(rest, '\n', &line, &rest))
                json_raw(&w, line);
        json_end(&w);
        json_end(&w);
        ck_assert_int_eq(buf_error(&out), 0);
        printf("%.*s\n", STR_FMT(buf_str(&out)));
        free(text);
        yyjson_doc_free(mutant);
        buf_release(&children);
        buf_release(&out);
}

static int64_t first, count;

/* What is asserted on the way must stand in a test. */
START_TEST(print)
{
        read_seeds();
        for (int64_t i = first; i < first + count; i++)
                print_one((uint64_t)i);
        free_seeds();
}
END_TEST

int main(int argc, char **argv)
{
        Suite *suite = suite_create("mutants");
        TCase *tcase = tcase_create("mutants");
        SRunner *runner = srunner_create(suite);
        int failed;

        if (argc != 3 || str_to_int64(str_c(argv[1]), &first) < 0 || str_to_int64(str_c(argv[2]), &count) < 0)
                return 2;
        suite_add_tcase(suite, tcase);
        tcase_add_test(tcase, print);
        srunner_set_fork_status(runner, CK_NOFORK);
        srunner_run_all(runner, CK_SILENT);
        failed = srunner_ntests_failed(runner);
        if (failed) {
                TestResult **results = srunner_failures(runner);

                fprintf(stderr, "%s\n", tr_msg(results[0]));
                free(results);
        }
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
