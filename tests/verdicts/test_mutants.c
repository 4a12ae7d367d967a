/* SPDX-License-Identifier: Apache-2.0
 *
 * Thousands of resources that nobody would write: what is let through can be carried
 * out, and what is refused is told with its field.
 */
#include "judged.h"

#define MUTANTS 10000

START_TEST(what_is_let_through_can_be_carried_out)
{
        static char verdict[VERDICT_MAX];
        size_t n_fine = 0;

        read_seeds();
        for (uint64_t i = 0; i < MUTANTS; i++) {
                struct buf children = BUF_INIT(CHILDREN_MAX);
                yyjson_doc *mutant = mutant_of(i);

                n_fine += judge(i, yyjson_doc_get_root(mutant), verdict, &children);
                yyjson_doc_free(mutant);
                buf_release(&children);
        }
        free_seeds();
        /* Both verdicts are met often enough to say something. */
        ck_assert_uint_gt(n_fine, MUTANTS / 20);
        ck_assert_uint_lt(n_fine, MUTANTS / 2);
}
END_TEST

static const TTest *const tests[] = {
        what_is_let_through_can_be_carried_out,
};
TEST_MAIN("verdicts/mutants", tests)
