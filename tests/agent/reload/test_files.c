/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reload/files.h"

#include <errno.h>

#include "mounted.h"

static void read_files(const struct mounted *m, struct reload_files *ret)
{
        struct error err = ERROR_INIT;

        ck_assert_msg(reload_files_read(m->path, ret, &err) == 0, "%s", err.message);
}

START_TEST(names_and_hashes_are_read)
{
        struct reload_files files;
        struct mounted m;

        mounted_init(&m);
        mounted_write(&m,
                      (mounted_files){ "size", "10", "private/key", "x", "color", "10", "empty", "", NULL });
        read_files(&m, &files);
        ck_assert_uint_eq(files.n, 4);
        ck_assert_str_eq(files.all[0].name, "color");
        ck_assert_str_eq(files.all[1].name, "empty");
        ck_assert_str_eq(files.all[2].name, "private/key");
        ck_assert_str_eq(files.all[3].name, "size");
        ck_assert_uint_eq(files.all[0].hash, files.all[3].hash); /* of the content alone */
        ck_assert_uint_ne(files.all[0].hash, files.all[2].hash);
        reload_files_release(&files);
        mounted_remove(&m);
}
END_TEST

START_TEST(a_config_map_without_keys_has_no_files)
{
        struct reload_files files;
        struct mounted m;

        mounted_init(&m);
        mounted_write(&m, (mounted_files){ NULL });
        read_files(&m, &files);
        ck_assert_uint_eq(files.n, 0);
        reload_files_release(&files);
        mounted_remove(&m);
}
END_TEST

/* --- changes ------------------------------------------------------------------------- */

static void tell(const struct reload_file *was, const struct reload_file *now, void *arg)
{
        char *out = arg;

        snprintf(out + strlen(out), 256 - strlen(out), "%s%s ",
                 !was   ? "+"
                 : !now ? "-"
                        : "",
                 (now ? now : was)->name);
}

START_TEST(what_changed_is_named)
{
        struct reload_files was, now;
        char told[256] = "";
        struct mounted m;

        mounted_init(&m);
        mounted_write(&m, (mounted_files){ "a", "1", "b", "2", "c", "3", "z", "9", NULL });
        read_files(&m, &was);
        mounted_write(&m, (mounted_files){ "b", "2", "bb", "4", "c", "5", "z", "9", NULL });
        read_files(&m, &now);
        ck_assert_uint_eq(reload_files_compare(&was, &now, tell, told), 3);
        ck_assert_str_eq(told, "-a +bb c ");
        ck_assert_uint_eq(reload_files_compare(&was, &was, NULL, NULL), 0);
        ck_assert_uint_eq(reload_files_compare(&was, &(struct reload_files){ 0 }, NULL, NULL), 4);
        reload_files_release(&was);
        reload_files_release(&now);
        mounted_remove(&m);
}
END_TEST

/* --- what is wrong --------------------------------------------------------------------- */

static const struct {
        const char *name, *content;
        bool wrong;
} jsons[] = {
        { "good.json", "{\"a\": [1, 2]}\n", false },
        { "bad.json", "{\"a\": ", true },
        { "empty.json", "", true },
        { "two.json", "{} {}", true },
        { "bad.conf", "{\"a\": ", false },
        { "json", "{", false },
        { "in/bad.json", "nothing", true },
};

START_TEST(a_file_that_says_it_is_json_must_be)
{
        for (size_t i = 0; i < ARRAY_SIZE(jsons); i++) {
                struct reload_files files;
                struct mounted m;

                mounted_init(&m);
                mounted_write(&m, (mounted_files){ jsons[i].name, jsons[i].content, NULL });
                read_files(&m, &files);
                ck_assert_uint_eq(files.n, 1);
                ck_assert_msg((files.all[0].problem != NULL) == jsons[i].wrong, "%s", jsons[i].name);
                reload_files_release(&files);
                mounted_remove(&m);
        }
}
END_TEST

static void write_plain(struct mounted *m, const char *name _unused_)
{
        write_text(m->path, "color", "red");
}

static void write_large(struct mounted *m, const char *name)
{
        char path[512];
        FILE *f;

        mounted_write(m, (mounted_files){ "other", "x", name, "x", NULL });
        snprintf(path, sizeof(path), "%s/..data/%s", m->path, name);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(ftruncate(fileno(f), (off_t)RELOAD_FILE_BYTES_MAX + 1), 0);
        ck_assert_int_eq(fclose(f), 0);
}

static void write_deep(struct mounted *m, const char *name)
{
        char path[512];
        int n;

        mounted_write(m, (mounted_files){ "other", "x", NULL });
        n = snprintf(path, sizeof(path), "%s/..data", m->path);
        for (int i = 0; i <= RELOAD_DEPTH_MAX; i++) {
                n += snprintf(path + n, sizeof(path) - (size_t)n, "/%s", name);
                ck_assert_int_eq(mkdir(path, 0700), 0);
        }
}

static void write_many(struct mounted *m, const char *name _unused_)
{
        char path[512], file[16];

        mounted_write(m, (mounted_files){ NULL });
        snprintf(path, sizeof(path), "%s/..data", m->path);
        for (int i = 0; i <= RELOAD_FILES_MAX; i++) {
                snprintf(file, sizeof(file), "f%d", i);
                write_text(path, file, "");
        }
}

static void write_link(struct mounted *m, const char *name)
{
        char path[512];

        mounted_write(m, (mounted_files){ "other", "x", NULL });
        snprintf(path, sizeof(path), "%s/..data/%s", m->path, name);
        ck_assert_int_eq(symlink("nowhere", path), 0);
}

static const struct {
        void (*write)(struct mounted *m, const char *name);
        int code;
        const char *message;
} wrongs[] = {
        { write_plain, -ENOENT, "it is not where a ConfigMap or Secret is mounted" },
        { write_large, -EMSGSIZE, "/some: " },
        { write_deep, -E2BIG, "/some/some/" },
        { write_many, -E2BIG, ": " },
        { write_link, -ENOENT, "/some: " },
};

START_TEST(what_cannot_be_read_is_told_by_its_path)
{
        for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
                struct reload_files files = { .n = 77 };
                struct error err = ERROR_INIT;
                struct mounted m;

                mounted_init(&m);
                wrongs[i].write(&m, "some");
                ck_assert_int_eq(reload_files_read(m.path, &files, &err), wrongs[i].code);
                ck_assert_ptr_nonnull(strstr(err.message, m.path));
                ck_assert_msg(strstr(err.message, wrongs[i].message), "%s", err.message);
                ck_assert_uint_eq(files.n, 77);
                ck_assert_uint_eq(mem_live(), 0);
                mounted_remove(&m);
        }
}
END_TEST

/* --- without memory ---------------------------------------------------------------------- */

static int read_once(void *arg)
{
        const struct mounted *m = arg;
        struct error err = ERROR_INIT;
        struct reload_files files;
        int r = reload_files_read(m->path, &files, &err);

        if (r == 0)
                reload_files_release(&files);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct mounted m;

        mounted_init(&m);
        mounted_write(&m, (mounted_files){ "a.json", "{\"a\":1}", "b.json", "{", "in/c", "3", NULL });
        torture(read_once, &m, 0);
        mounted_remove(&m);
}
END_TEST

static const TTest *const tests[] = {
        names_and_hashes_are_read,
        a_config_map_without_keys_has_no_files,
        what_changed_is_named,
        a_file_that_says_it_is_json_must_be,
        what_cannot_be_read_is_told_by_its_path,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("reload/files", tests)
