/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/news.h"

#include "harness.h"

static const struct news news = { .config.cluster = STR_INIT("shop") };

static void check_note(enum failover_news what, failover_set members, enum failover_cause cause, bool warning,
                       const char *expected)
{
        struct failover_effect e = {
                .type = FAILOVER_DO_TELL,
                .news = { .what = what, .epoch = 7, .member = 1, .members = members, .cause = cause }
        };
        char note[NEWS_NOTE_MAX];

        ck_assert_int_eq(news_note(&news, &e, note), warning);
        ck_assert_str_eq(note, expected);
}

START_TEST(test_each_kind_has_words_of_its_own)
{
        char note[NEWS_NOTE_MAX], before[NEWS_NOTE_MAX] = "";

        for (int what = FAILOVER_STOOD; what <= FAILOVER_WRITES_LOST; what++) {
                struct failover_effect e = {
                        .type = FAILOVER_DO_TELL,
                        .news = { .what = (enum failover_news)what, .members = 5, .member = 1 }
                };

                (void)news_note(&news, &e, note);
                ck_assert_str_ne(note, before);
                ck_assert_str_ne(note, failover_news_name(e.news.what));
                memcpy(before, note, sizeof(before));
        }
}
END_TEST

/* As whoever looks at the pods knows them. */
START_TEST(test_members_have_the_names_of_their_pods)
{
        check_note(FAILOVER_NARROWED, 5, 0, true,
                   "shop-0, shop-2 are behind and may not be promoted any more");
        check_note(FAILOVER_NARROWED, 4, 0, true, "shop-2 is behind and may not be promoted any more");
        check_note(FAILOVER_WIDENED, 4, 0, false, "shop-2 has caught up and may be promoted");
        check_note(FAILOVER_LED, 0, 0, false, "shop-1 leads epoch 7; in sync: nobody");
        check_note(FAILOVER_LED, 7, 0, false, "shop-1 leads epoch 7; in sync: shop-0, shop-1, shop-2");
        check_note(FAILOVER_ON_PROMISES, 1, 0, true,
                   "the Lease cannot be renewed; shop-0 promises not to stand, so shop-1 goes on leading");
}
END_TEST

START_TEST(test_why_a_leader_ended)
{
        check_note(FAILOVER_STOOD, 0, FAILOVER_CAUSE_SHUTDOWN, false, "took epoch 7: the leader is to end");
        check_note(FAILOVER_FENCED, 0, FAILOVER_CAUSE_FENCED, true,
                   "the server of shop-1 was killed: the leader could not renew the Lease in time");
        check_note(FAILOVER_FENCED, 0, FAILOVER_CAUSE_HANG, true,
                   "the server of shop-1 was killed: the server of the leader did not answer");
        check_note(FAILOVER_FENCED, 0, FAILOVER_CAUSE_CRASH, true,
                   "shop-1 leads no longer: its server has ended by itself");
        for (int cause = FAILOVER_CAUSE_NONE; cause <= FAILOVER_CAUSE_SHUTDOWN; cause++) {
                struct failover_effect e = { .type = FAILOVER_DO_TELL,
                                             .news = { .what = FAILOVER_STOOD,
                                                       .cause = (enum failover_cause)cause } };
                char note[NEWS_NOTE_MAX];

                (void)news_note(&news, &e, note);
                ck_assert_ptr_null(strstr(note, failover_cause_name(e.news.cause)));
        }
}
END_TEST

START_TEST(test_nobody_has_no_name)
{
        static const enum failover_news kinds[] = { FAILOVER_YIELDS, FAILOVER_STAYED };

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                struct failover_effect e = {
                        .type = FAILOVER_DO_TELL,
                        .news = { .what = kinds[i], .epoch = 7, .member = FAILOVER_NOBODY }
                };
                char note[NEWS_NOTE_MAX];

                (void)news_note(&news, &e, note);
                ck_assert_ptr_nonnull(strstr(note, "nobody to take over"));
                ck_assert_ptr_null(strstr(note, "shop-"));
        }
}
END_TEST

/* A name as long as a name may be: the note is cut, and nothing is written behind it. */
START_TEST(test_long_names)
{
        static const struct news of_long = {
                .config.cluster =
                        STR_INIT("a-name-as-long-as-the-operator-allows-one-for-a-cluster-to-be-and-more")
        };
        struct failover_effect e = { .type = FAILOVER_DO_TELL,
                                     .news = {
                                             .what = FAILOVER_ON_PROMISES, .members = 0x1ff, .member = 8 } };
        char note[NEWS_NOTE_MAX];

        ck_assert(news_note(&of_long, &e, note));
        ck_assert_uint_lt(strlen(note), sizeof(note));
}
END_TEST

/* Who took it? */
START_TEST(test_the_owner_is_told_by_whom)
{
        static const struct {
                const char *note, *told;
        } cases[] = {
                { "took epoch 7: nobody has led yet", "shop-1: took epoch 7: nobody has led yet" },
                { "shop-1 leads epoch 7", "shop-1 leads epoch 7" },
                { "shop-1: signal 9", "shop-1: signal 9" },
                { "shop-10 is behind", "shop-1: shop-10 is behind" },
                { "shop-1", "shop-1" },
                { "", "shop-1: " },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char out[NEWS_NOTE_MAX];

                news_note_of(STR("shop-1"), cases[i].note, out);
                ck_assert_str_eq(out, cases[i].told);
        }
}
END_TEST

static const TTest *const tests[] = {
        test_each_kind_has_words_of_its_own,
        test_members_have_the_names_of_their_pods,
        test_why_a_leader_ended,
        test_nobody_has_no_name,
        test_long_names,
        test_the_owner_is_told_by_whom,
};

TEST_MAIN("member/news", tests)
