/* SPDX-License-Identifier: Apache-2.0 */
#include "images/webapp/files.h"

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void write_file(const char *name, const char *text, size_t len)
{
        char path[512];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(text, 1, len, f), len);
        ck_assert_int_eq(fclose(f), 0);
}

static void new_folder(void)
{
        snprintf(folder, sizeof(folder), "/tmp/test_files.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* Files only, one level deep. */
static void remove_folder(size_t n, const char *const names[])
{
        char path[512];

        for (size_t i = 0; i < n; i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                ck_assert_int_eq(unlink(path), 0);
        }
        ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(nothing_is_asked_for)
{
        struct files files;
        char where[128];

        ck_assert_int_eq(files_read("", &files, where, sizeof(where)), 0);
        ck_assert_uint_eq(files.n, 0);
        ck_assert_int_eq(files_read("::", &files, where, sizeof(where)), 0);
        ck_assert_uint_eq(files.n, 0);
        ck_assert_ptr_null(files_find(&files, STR("")));
}
END_TEST

START_TEST(a_missing_folder_is_named)
{
        struct files files = { .n = 77 };
        char where[128];

        ck_assert_int_eq(files_read("/none/there", &files, where, sizeof(where)), -ENOENT);
        ck_assert_str_eq(where, "/none/there");
        ck_assert_uint_eq(files.n, 77);
}
END_TEST

START_TEST(values_are_whole)
{
        struct files files;
        char where[128];

        new_folder();
        write_file("b", "two\n\n", 5);
        write_file("a", "", 0);
        write_file("nul", "x\0y", 3);
        write_file(".hidden", "x", 1);
        ck_assert_int_eq(files_read(folder, &files, where, sizeof(where)), 0);
        ck_assert_uint_eq(files.n, 3);
        ck_assert_str_eq(files.all[0].name, "a");
        ck_assert_str_eq(files_find(&files, STR("a"))->value, "");
        ck_assert_str_eq(files_find(&files, STR("b"))->value, "two\n");
        ck_assert_uint_eq(files_find(&files, STR("nul"))->len, 3);
        ck_assert_ptr_null(files_find(&files, STR(".hidden")));
        /* Published values of FNV-1a: of nothing it is the offset basis. */
        ck_assert(setting_hash(&files.all[0]) == UINT64_C(0xcbf29ce484222325));
        files_release(&files);
        remove_folder(4, (const char *const[]){ "a", "b", "nul", ".hidden" });
}
END_TEST

START_TEST(too_large_a_file_is_named)
{
        static char text[FILE_SIZE_MAX + 1];
        struct files files = { .n = 0 };
        char where[128], expected[128];

        new_folder();
        write_file("large", text, sizeof(text) - 1);
        ck_assert_int_eq(files_read(folder, &files, where, sizeof(where)), 0);
        ck_assert_uint_eq(files.all[0].len, FILE_SIZE_MAX);
        files_release(&files);
        write_file("large", text, sizeof(text));
        ck_assert_int_eq(files_read(folder, &files, where, sizeof(where)), -E2BIG);
        snprintf(expected, sizeof(expected), "%s/large", folder);
        ck_assert_str_eq(where, expected);
        remove_folder(1, (const char *const[]){ "large" });
}
END_TEST

START_TEST(too_many_files_are_refused)
{
        struct files files = { .n = 0 };
        char names[FILES_MAX + 1][8], where[128];
        const char *all[FILES_MAX + 1];

        new_folder();
        for (int i = 0; i <= FILES_MAX; i++) {
                snprintf(names[i], sizeof(names[i]), "f%d", i);
                all[i] = names[i];
                if (i == FILES_MAX) {
                        ck_assert_int_eq(files_read(folder, &files, where, sizeof(where)), 0);
                        ck_assert_uint_eq(files.n, FILES_MAX);
                        files_release(&files);
                }
                write_file(names[i], "x", 1);
        }
        ck_assert_int_eq(files_read(folder, &files, where, sizeof(where)), -E2BIG);
        ck_assert_uint_eq(files.n, 0);
        remove_folder(FILES_MAX + 1, all);
}
END_TEST

static const TTest *const tests[] = { nothing_is_asked_for, a_missing_folder_is_named, values_are_whole,
                                      too_large_a_file_is_named, too_many_files_are_refused };
TEST_MAIN("webapp/files", tests)
