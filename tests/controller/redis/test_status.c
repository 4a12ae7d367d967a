/* SPDX-License-Identifier: Apache-2.0
 *
 * What is told of the members' own words: settings that a server refuses, and what a change of
 * the lead has cost.
 */
#include "cluster.h"

static struct cluster c;

/* Member 1 refuses SETTING of what is told now. */
static void refuse(const char *setting, char text[512])
{
        snprintf(text, 512,
                 "{\"member\":1,\"pod\":\"u-db-1-1\",\"config\":\"%.*s\",\"refused\":{\"setting\":\"%s\","
                 "\"words\":\"ERR no such thing\"}}",
                 STR_FMT(json_get_str(config(&c), "version")), setting);
        c.members = text;
        lead(&c, 0, 1, "[0,1,2]");
        settle(&c);
}

/* --- settings ----------------------------------------------------------------------------- */

START_TEST(a_setting_that_is_refused_is_named_until_it_is_another)
{
        const char *message;
        char text[512];

        begin_whole(&c, "\"replicas\":3,\"config\":{\"hz\":\"often\"}");
        refuse("hz", text);
        ck_condition(&c, "Stalled", "True", "ConfigRefused");
        ck_condition(&c, "Ready", "False", "ConfigRefused");
        ck_condition(&c, "Available", "True", "PrimaryElected");
        message = condition_at(&c, "Stalled", "message").data;
        ck_assert_ptr_nonnull(strstr(message, "db-1 does not take spec.config.hz: ERR no such thing"));
        /* What was said of the old one says nothing of the new one. */
        change_spec(&c, "\"replicas\":3,\"config\":{\"hz\":\"20\"}");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

START_TEST(what_the_spec_does_not_name_is_not_called_a_field)
{
        char text[512];

        begin_whole(&c, "\"replicas\":3");
        refuse("user default", text);
        ck_condition(&c, "Stalled", "True", "ConfigRefused");
        ck_assert_ptr_nonnull(strstr(condition_at(&c, "Stalled", "message").data,
                                     "does not take user default, which follows from the spec: ERR"));
        end_cluster(&c);
}
END_TEST

START_TEST(what_a_pod_refused_that_is_gone_does_not_count)
{
        char text[512];

        begin_whole(&c, "\"replicas\":3,\"config\":{\"hz\":\"often\"}");
        refuse("hz", text);
        put_member(&c, 1, true, revision_now(&c), "2");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

/* --- what a change of the lead has cost ------------------------------------------------------- */

#define LOST(loss, bytes)                                                                                    \
        ",\\\"cause\\\":\\\"LeaseExpired\\\",\\\"from\\\":0,\\\"lost\\\":" bytes loss                        \
        ",\\\"request\\\":0,\\\"consent\\\":0"
#define AS(word) ",\\\"loss\\\":\\\"" word "\\\""

static void ck_loss(const char *loss, int64_t bytes)
{
        yyjson_val *last = json_get_path(parse_(&c, c.status), "/lastFailover");

        ck_str_eq(json_get_str(last, "loss"), loss);
        ck_assert_int_eq(json_get_int(last, "lostBytes", -1), bytes);
}

START_TEST(what_is_missing_is_told_with_what_the_figure_is)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 2, "1", 5, "[0,1,2]", LOST(AS("AtLeast"), "100"));
        step(&c);
        ck_assert_ptr_nonnull(strstr(c.event, "; at least 100 bytes that the last primary had are missing"));
        settle(&c);
        ck_loss("AtLeast", 100);
        put_record(&c, "Held", 1, "1", 6, "[0,1,2]", LOST(AS("Exact"), "0"));
        settle(&c);
        ck_loss("Exact", 0);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

START_TEST(the_old_primary_says_exactly_what_is_missing_when_it_is_back)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 2, "1", 5, "[0,1,2]", LOST(AS("AtLeast"), "100"));
        settle(&c);
        /* Another replica had more than the new leader as well; and of an earlier change. */
        c.members = "{\"member\":1,\"pod\":\"u-db-1-1\",\"config\":\"a\",\"lost\":{\"epoch\":5,\"bytes\":150,"
                    "\"exact\":true}},{\"member\":0,\"pod\":\"u-db-0-1\",\"config\":\"a\",\"lost\":{"
                    "\"epoch\":3,\"bytes\":9000,\"exact\":true}}";
        put_record(&c, "Held", 2, "1", 5, "[0,1,2]", LOST(AS("AtLeast"), "100"));
        settle(&c);
        ck_loss("AtLeast", 150);
        c.members =
                "{\"member\":0,\"pod\":\"u-db-0-1\",\"config\":\"a\",\"lost\":{\"epoch\":5,\"bytes\":4000,"
                "\"exact\":true}}";
        put_record(&c, "Held", 2, "1", 5, "[0,1,2]", LOST(AS("AtLeast"), "100"));
        settle(&c);
        ck_loss("Exact", 4000);
        /* That pod is gone, and what it said stays. */
        c.members = NULL;
        put_record(&c, "Held", 2, "1", 5, "[0,1,2]", LOST(AS("AtLeast"), "100"));
        settle(&c);
        ck_loss("Exact", 4000);
        end_cluster(&c);
}
END_TEST

/* No figure is better than one that says nothing. */
START_TEST(what_nobody_can_tell_is_no_number)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 2, "1", 5, "[0,1,2]", LOST("", "70"));
        step(&c);
        ck_assert_ptr_nonnull(strstr(c.event, "; what is missing, if anything, is not known"));
        settle(&c);
        ck_loss("Unknown", -1);
        end_cluster(&c);
}
END_TEST

START_TEST(that_all_is_gone_is_said_until_the_next_change)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Held", 2, "1", 5, "[0,1,2]", LOST(AS("Everything"), "0"));
        step(&c);
        ck_assert_ptr_nonnull(find_event(&c.f, "PrimaryChanged"));
        ck_assert_ptr_nonnull(find_event(&c.f, "DataLost"));
        settle(&c);
        ck_loss("Everything", -1);
        ck_condition(&c, "Ready", "True", "DataLost");
        ck_assert_ptr_nonnull(strstr(condition_at(&c, "Ready", "message").data, "without spec.persistence"));
        put_record(&c, "Held", 1, "1", 6, "[0,1,2]", LOST(AS("Exact"), "0"));
        settle(&c);
        ck_loss("Exact", 0);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        a_setting_that_is_refused_is_named_until_it_is_another,
        what_the_spec_does_not_name_is_not_called_a_field,
        what_a_pod_refused_that_is_gone_does_not_count,
        what_is_missing_is_told_with_what_the_figure_is,
        the_old_primary_says_exactly_what_is_missing_when_it_is_back,
        what_nobody_can_tell_is_no_number,
        that_all_is_gone_is_said_until_the_next_change,
};
TEST_MAIN("redis/status", tests)
