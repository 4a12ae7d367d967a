/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gen/text.h"

#include "harness.h"

#define OUT_MAX ((size_t)64 * 1024)

START_TEST(spells_names_as_c_does)
{
        static const char *const cases[][2] = {
                { "image", "image" },
                { "livePath", "live_path" },
                { "targetCPUUtilization", "target_cpu_utilization" },
                { "CPU", "cpu" },
                { "externalIPs", "external_ips" },
                { "podCIDRsFrom", "pod_cidrs_from" },
                { "s3", "s3" },
                { "ipv4Address", "ipv4_address" },
                { "URLs", "urls" },
                { "HTTPServer", "http_server" },
                { "BackupStore", "backup_store" },
                { "a-b.c", "a_b_c" },
                { "default", "default_" },
                { "int", "int_" },
                { "already_snake", "already_snake" },
        };
        struct arena a = ARENA_INIT(OUT_MAX);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ck_str_eq(gen_snake(&a, str_c(cases[i][0])), cases[i][1]);
        arena_release(&a);
}
END_TEST

START_TEST(takes_the_name_of_a_path)
{
        ck_str_eq(gen_base_name(STR("a/b/c.yaml")), "c.yaml");
        ck_str_eq(gen_base_name(STR("c.yaml")), "c.yaml");
        ck_str_eq(gen_base_name(STR("/c.yaml")), "c.yaml");
}
END_TEST

START_TEST(wraps_comments)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX), words = BUF_INIT(OUT_MAX);
        struct str text, line;

        gen_comment(&out, 8, STR("  one\n two  "));
        ck_str_eq(buf_str(&out), "        /* one two */\n");
        buf_clear(&out);
        gen_comment(&out, 0, STR(" \n"));
        gen_comment(&out, 0, STR_NULL);
        ck_assert_uint_eq(out.len, 0);
        gen_comment(&out, 0, STR("neither */ nor /* may stand"));
        ck_str_eq(buf_str(&out), "/* neither * / nor / * may stand */\n");

        buf_clear(&out);
        for (int i = 0; i < 100; i++)
                buf_add_c(&words, "seven77 ");
        gen_comment(&out, 8, buf_str(&words));
        for (text = buf_str(&out); str_cut(text, '\n', &line, &text);)
                ck_assert_uint_le(line.len, GEN_COLUMNS);
        ck_assert(str_ends(buf_str(&out), STR("seven77 */\n")));
}
END_TEST

START_TEST(escapes_literals)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);

        gen_literal(&out, STR("a\"b\\c\nd\t1\x01"
                              "2\x7f\xc3\xa4"));
        ck_str_eq(buf_str(&out), "\"a\\\"b\\\\c\\nd\\0111\\0012\\177\xc3\xa4\"");
}
END_TEST

/* The pieces of a long literal, put together again, are the text. */
START_TEST(cuts_long_literals)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX), text = BUF_INIT(OUT_MAX),
                                          again = BUF_INIT(OUT_MAX);
        struct str rest, line;

        for (int i = 0; i < 40; i++)
                buf_printf(&text, "member%d:[%.*s],", i, i, "----------------------------------------");
        for (int i = 0; i < 80; i++)
                buf_add_c(&text, "\xc3\xa4");
        gen_long_literal(&out, buf_str(&text), 30, 30);
        buf_add_char(&out, '\n');
        for (rest = buf_str(&out); str_cut(rest, '\n', &line, &rest);) {
                ck_assert_uint_le(line.len + 3, GEN_COLUMNS);
                line = str_trim(line);
                ck_assert(line.len >= 2 && line.data[0] == '"' && line.data[line.len - 1] == '"');
                ck_assert_msg(((unsigned char)line.data[1] & 0xc0) != 0x80, "cut inside a character");
                buf_add(&again, line.data + 1, line.len - 2);
        }
        ck_assert(str_eq(buf_str(&again), buf_str(&text)));
        buf_clear(&out);
        gen_long_literal(&out, STR(""), 0, 0);
        ck_str_eq(buf_str(&out), "\"\"");
}
END_TEST

static const TTest *const tests[] = {
        spells_names_as_c_does, takes_the_name_of_a_path, wraps_comments,
        escapes_literals,       cuts_long_literals,
};

TEST_MAIN("gen/text", tests)
