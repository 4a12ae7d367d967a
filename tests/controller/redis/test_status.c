/* SPDX-License-Identifier: Apache-2.0
 *
 * What is told of the members' own words: settings that a server refuses.
 */
#include "cluster.h"

static struct cluster c;

static void begin_running(const char *spec)
{
        begin_cluster(&c, spec);
        settle(&c);
        run_members(&c, 3);
        lead(&c, 0, 1, "[0,1,2]");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
}

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

        begin_running("\"replicas\":3,\"config\":{\"hz\":\"often\"}");
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

        begin_running("\"replicas\":3");
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

        begin_running("\"replicas\":3,\"config\":{\"hz\":\"often\"}");
        refuse("hz", text);
        put_member(&c, 1, true, revision_now(&c), "2");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        a_setting_that_is_refused_is_named_until_it_is_another,
        what_the_spec_does_not_name_is_not_called_a_field,
        what_a_pod_refused_that_is_gone_does_not_count,
};
TEST_MAIN("redis/status", tests)
