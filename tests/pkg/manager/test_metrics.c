/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "manager/metrics.h"

static const struct metric_desc depth = {
        "workqueue_depth", "How many keys wait.", METRIC_GAUGE, { "name" }
};
static const struct metric_desc retries = { "workqueue_retries_total", "Tries after the first.",
                                            METRIC_COUNTER };
static const struct metric_desc requests = {
        "rest_client_requests_total", "Requests.", METRIC_COUNTER, { "code", "method", "host" }
};
static const struct metric_desc duration = { "reconcile_time_seconds", "Time of a reconcile.",
                                             METRIC_HISTOGRAM,         { "controller" },
                                             { 0.5, 1, 2.5 },          3 };

static struct metric_family *add(struct metrics *m, const struct metric_desc *desc)
{
        struct metric_family *f = NULL;

        ck_assert_int_eq(metrics_add(m, desc, &f), 0);
        ck_assert_ptr_nonnull(f);
        return f;
}

static struct metrics *make(void)
{
        struct metrics *m = NULL;

        ck_assert_int_eq(metrics_new(&m), 0);
        return m;
}

static void ck_page(struct metrics *m, const char *expected)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(METRICS_TEXT_MAX);

        ck_assert_int_eq(metrics_write(m, &out), 0);
        ck_str_eq(buf_str(&out), expected);
}

START_TEST(test_counter_and_gauge)
{
        _cleanup_(metrics_freep) struct metrics *m = make();
        struct metric *plain = metric_only(add(m, &retries));
        struct metric_family *gauges = add(m, &depth);

        ck_page(m, "# HELP workqueue_retries_total Tries after the first.\n"
                   "# TYPE workqueue_retries_total counter\n"
                   "workqueue_retries_total 0\n");
        metric_add(plain, 1);
        metric_add(plain, 2);
        metric_add(plain, -1);
        metric_add(plain, NAN);
        metric_set(plain, 100); /* not of a counter */
        metric_set(metric_with(gauges, STR("app")), 3);
        metric_set(metric_with(gauges, STR("postgres")), 0.25);
        metric_add(metric_with(gauges, STR("app")), -5);
        ck_page(m, "# HELP workqueue_retries_total Tries after the first.\n"
                   "# TYPE workqueue_retries_total counter\n"
                   "workqueue_retries_total 3\n"
                   "# HELP workqueue_depth How many keys wait.\n"
                   "# TYPE workqueue_depth gauge\n"
                   "workqueue_depth{name=\"app\"} -2\n"
                   "workqueue_depth{name=\"postgres\"} 0.25\n");
}
END_TEST

START_TEST(test_histogram)
{
        _cleanup_(metrics_freep) struct metrics *m = make();
        struct metric *s = metric_with(add(m, &duration), STR("app"));

        metric_observe(s, 0.25);
        metric_observe(s, 0.5); /* bounds are inclusive */
        metric_observe(s, 2);
        metric_observe(s, 100);
        metric_observe(s, NAN);
        metric_add(s, 7); /* not of a histogram */
        ck_assert_double_eq(metric_value(s), 4);
        ck_page(m, "# HELP reconcile_time_seconds Time of a reconcile.\n"
                   "# TYPE reconcile_time_seconds histogram\n"
                   "reconcile_time_seconds_bucket{controller=\"app\",le=\"0.5\"} 2\n"
                   "reconcile_time_seconds_bucket{controller=\"app\",le=\"1\"} 2\n"
                   "reconcile_time_seconds_bucket{controller=\"app\",le=\"2.5\"} 3\n"
                   "reconcile_time_seconds_bucket{controller=\"app\",le=\"+Inf\"} 4\n"
                   "reconcile_time_seconds_sum{controller=\"app\"} 102.75\n"
                   "reconcile_time_seconds_count{controller=\"app\"} 4\n");
}
END_TEST

START_TEST(test_histogram_default_buckets)
{
        static const struct metric_desc plain = { "seconds", "Time.", METRIC_HISTOGRAM };
        static const double bounds[] = { METRIC_SECONDS };
        _cleanup_(metrics_freep) struct metrics *m = make();
        _cleanup_(buf_release) struct buf out = BUF_INIT(METRICS_TEXT_MAX);
        size_t buckets = 0;

        metric_observe(metric_only(add(m, &plain)), 0.001);
        ck_assert_int_eq(metrics_write(m, &out), 0);
        ck_assert_ptr_nonnull(strstr(out.data, "seconds_bucket{le=\"0.001\"} 1\n"));
        ck_assert_ptr_nonnull(strstr(out.data, "seconds_bucket{le=\"60\"} 1\n"));
        for (const char *at = out.data; (at = strstr(at, "_bucket{")); at++)
                buckets++;
        ck_assert_uint_eq(buckets, ARRAY_SIZE(bounds) + 1);
}
END_TEST

START_TEST(test_escaping)
{
        static const struct metric_desc odd = { "odd", "A \"\\\" and\na line.", METRIC_GAUGE, { "v" } };
        _cleanup_(metrics_freep) struct metrics *m = make();

        metric_set(metric_with(add(m, &odd), STR("a\\b\"c\nd\xc3\xa9")), 1);
        ck_page(m, "# HELP odd A \"\\\\\" and\\na line.\n"
                   "# TYPE odd gauge\n"
                   "odd{v=\"a\\\\b\\\"c\\nd\xc3\xa9\"} 1\n");
}
END_TEST

START_TEST(test_numbers)
{
        static const struct {
                double value;
                const char *text;
        } cases[] = {
                { 0, "0" },        { -3, "-3" },         { 1e9, "1000000000" },
                { 1e20, "1e+20" }, { 0.1, "0.1" },       { 1712345678.25, "1712345678.25" },
                { NAN, "NaN" },    { HUGE_VAL, "+Inf" }, { -HUGE_VAL, "-Inf" },
        };
        static const struct metric_desc g = { "g", "G.", METRIC_GAUGE };
        _cleanup_(metrics_freep) struct metrics *m = make();
        struct metric *s = metric_only(add(m, &g));
        char expected[128];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                metric_set(s, cases[i].value);
                snprintf(expected, sizeof(expected), "# HELP g G.\n# TYPE g gauge\ng %s\n", cases[i].text);
                ck_page(m, expected);
        }
}
END_TEST

START_TEST(test_series_are_found_again)
{
        _cleanup_(metrics_freep) struct metrics *m = make();
        struct metric_family *f = add(m, &requests);
        struct metric *a = metric_with(f, STR("200"), STR("GET"), STR("h"));
        struct metric *b = metric_with(f, STR("20"), STR("0GET"), STR("h"));
        char code[] = "200";

        ck_assert_ptr_ne(a, b);
        ck_assert_ptr_eq(metric_with(f, str_n(code, 3), STR("GET"), STR("h")), a);
        code[0] = '4'; /* values are copied */
        ck_assert_ptr_eq(metric_with(f, STR("200"), STR("GET"), STR("h")), a);
        ck_assert_ptr_ne(metric_with(f, STR("200"), STR("PUT"), STR("h")), a);
}
END_TEST

START_TEST(test_no_allocation_once_a_series_is_there)
{
        _cleanup_(metrics_freep) struct metrics *m = make();
        struct metric_family *f = add(m, &requests), *h = add(m, &duration);
        uint64_t before;

        metric_add(metric_with(f, STR("200"), STR("GET"), STR("h")), 1);
        metric_observe(metric_with(h, STR("app")), 1);
        before = mem_count();
        for (int i = 0; i < 1000; i++) {
                metric_add(metric_with(f, STR("200"), STR("GET"), STR("h")), 1);
                metric_observe(metric_with(h, STR("app")), i);
        }
        ck_assert_uint_eq(mem_count(), before);
        ck_assert_double_eq(metric_value(metric_with(f, STR("200"), STR("GET"), STR("h"))), 1001);
}
END_TEST

START_TEST(test_too_many_series_share_one)
{
        _cleanup_(metrics_freep) struct metrics *m = make();
        _cleanup_(buf_release) struct buf out = BUF_INIT(METRICS_TEXT_MAX);
        struct metric_family *f = add(m, &requests);
        size_t lines = 0;
        char host[16];

        for (int i = 0; i < 3 * METRIC_SERIES_MAX; i++) {
                snprintf(host, sizeof(host), "h%d", i);
                metric_add(metric_with(f, STR("200"), STR("GET"), str_c(host)), 1);
        }
        ck_assert_int_eq(metrics_write(m, &out), 0);
        for (const char *at = out.data; (at = strchr(at, '\n')); at++)
                lines++;
        ck_assert_uint_eq(lines, 2 + METRIC_SERIES_MAX + 1);
        snprintf(host, sizeof(host), "} %d\n", 2 * METRIC_SERIES_MAX);
        ck_assert(str_ends(buf_str(&out), str_c(host)));
        ck_assert_ptr_nonnull(strstr(out.data, "{code=\"other\",method=\"other\",host=\"other\"}"));
}
END_TEST

START_TEST(test_wrong_number_of_values)
{
        _cleanup_(metrics_freep) struct metrics *m = make();

        metric_add(metric_with(add(m, &requests), STR("200")), 1);
        ck_page(m, "# HELP rest_client_requests_total Requests.\n"
                   "# TYPE rest_client_requests_total counter\n"
                   "rest_client_requests_total{code=\"other\",method=\"other\",host=\"other\"} 1\n");
}
END_TEST

START_TEST(test_without_a_registry)
{
        metric_add(metric_only(NULL), 1);
        metric_set(metric_with(NULL, STR("x")), 1);
        metric_observe(NULL, 1);
        metric_call(NULL, NULL, NULL);
        ck_assert_double_eq(metric_value(NULL), 0);
        metrics_free(NULL);
}
END_TEST

static double number(void *arg)
{
        return *(const double *)arg;
}

static void set_by_hook(void *arg)
{
        metric_set(metric_with(arg, STR("App")), 42);
}

START_TEST(test_values_at_scrape)
{
        static const struct metric_desc status = {
                "leader_election_master_status", "1 if it leads.", METRIC_GAUGE, { "name" }
        };
        static const struct metric_desc objects = {
                "keelson_cache_objects", "Objects.", METRIC_GAUGE, { "kind" }
        };
        _cleanup_(metrics_freep) struct metrics *m = make();
        double leads = 0;

        metric_call(metric_with(add(m, &status), STR("keelson")), number, &leads);
        ck_assert_int_eq(metrics_on_scrape(m, set_by_hook, add(m, &objects)), 0);
        leads = 1;
        ck_page(m, "# HELP leader_election_master_status 1 if it leads.\n"
                   "# TYPE leader_election_master_status gauge\n"
                   "leader_election_master_status{name=\"keelson\"} 1\n"
                   "# HELP keelson_cache_objects Objects.\n"
                   "# TYPE keelson_cache_objects gauge\n"
                   "keelson_cache_objects{kind=\"App\"} 42\n");
}
END_TEST

START_TEST(test_refused_descriptions)
{
        static const struct metric_desc bad[] = {
                { NULL, "H.", METRIC_GAUGE },
                { "", "H.", METRIC_GAUGE },
                { "with-dash", "H.", METRIC_GAUGE },
                { "1st", "H.", METRIC_GAUGE },
                { "no_help", NULL, METRIC_GAUGE },
                { "label", "H.", METRIC_GAUGE, { "a b" } },
                { "reserved", "H.", METRIC_GAUGE, { "__name" } },
                { "twice", "H.", METRIC_GAUGE, { "a", "a" } },
                { "le_label", "H.", METRIC_HISTOGRAM, { "le" } },
                { "falls", "H.", METRIC_HISTOGRAM, { "a" }, { 2, 1 }, 2 },
                { "infinite", "H.", METRIC_HISTOGRAM, { "a" }, { 1, HUGE_VAL }, 2 },
                { "many", "H.", METRIC_HISTOGRAM, { "a" }, { 1 }, METRIC_BUCKETS_MAX + 1 },
                { "gauge_buckets", "H.", METRIC_GAUGE, { "a" }, { 1 }, 1 },
        };
        _cleanup_(metrics_freep) struct metrics *m = make();
        struct metric_family *f = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_msg(metrics_add(m, &bad[i], &f) == -EINVAL, "case %zu", i);
        add(m, &depth);
        ck_assert_int_eq(metrics_add(m, &depth, &f), -EEXIST);
        ck_assert_ptr_null(f);
}
END_TEST

static double page_value(struct metrics *m, const char *name)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(METRICS_TEXT_MAX);
        char line[128];
        const char *at;

        ck_assert_int_eq(metrics_write(m, &out), 0);
        snprintf(line, sizeof(line), "\n%s ", name);
        at = strstr(out.data, line);
        ck_assert_msg(at != NULL, "no %s", name);
        return strtod(at + strlen(line), NULL);
}

START_TEST(test_process)
{
        _cleanup_(metrics_freep) struct metrics *m = make();
        double now = (double)clock_wall() / (double)USEC_SEC, fds;
        int fd;

        ck_assert_int_eq(metrics_add_process(m, STR("1.2.3")), 0);
        ck_assert_double_eq(page_value(m, "keelson_build_info{version=\"1.2.3\"}"), 1);
        ck_assert_double_gt(page_value(m, "process_resident_memory_bytes"), 100e3);
        ck_assert_double_gt(page_value(m, "process_virtual_memory_bytes"), 1e6);
        ck_assert_double_gt(page_value(m, "keelson_anonymous_memory_bytes"), 0);
        ck_assert_double_gt(page_value(m, "process_cpu_seconds_total"), 0);
        ck_assert_double_gt(page_value(m, "process_max_fds"), 2);
        /* The test began long after 2020 and not in the future. */
        ck_assert_double_gt(page_value(m, "process_start_time_seconds"), 1577836800);
        ck_assert_double_le(page_value(m, "process_start_time_seconds"), now + 1);

        fds = page_value(m, "process_open_fds");
        fd = dup(0);
        ck_assert_int_ge(fd, 0);
        ck_assert_double_eq(page_value(m, "process_open_fds"), fds + 1);
        close(fd);
}
END_TEST

static int use_all(void *arg _unused_)
{
        _cleanup_(metrics_freep) struct metrics *m = NULL;
        _cleanup_(buf_release) struct buf out = BUF_INIT(METRICS_TEXT_MAX);
        struct metric_family *f, *h;
        char host[512];
        int r = metrics_new(&m);

        if (r < 0)
                return r;
        r = metrics_add_process(m, STR("1"));
        if (r < 0)
                return r;
        r = metrics_add(m, &requests, &f);
        if (r < 0)
                return r;
        r = metrics_add(m, &duration, &h);
        if (r < 0)
                return r;
        /* Counting goes on without memory: each of these finds a series. */
        memset(host, 'h', sizeof(host));
        for (size_t i = 0; i < 40; i++) {
                metric_add(metric_with(f, STR("200"), STR("GET"), str_n(host, sizeof(host) - i)), 1);
                metric_observe(metric_with(h, str_n(host, sizeof(host) - i)), 1);
        }
        ck_assert_ptr_nonnull(metric_with(f, STR("200"), STR("GET"), STR("h")));
        return metrics_write(m, &out);
}

START_TEST(test_torture)
{
        torture(use_all, NULL, 0);
}
END_TEST

START_TEST(test_page_past_the_cap)
{
        _cleanup_(metrics_freep) struct metrics *m = make();
        _cleanup_(buf_release) struct buf out = BUF_INIT(32);

        add(m, &retries);
        ck_assert_int_eq(metrics_write(m, &out), -EMSGSIZE);
}
END_TEST

static const TTest *const tests[] = {
        test_counter_and_gauge,
        test_histogram,
        test_histogram_default_buckets,
        test_escaping,
        test_numbers,
        test_series_are_found_again,
        test_no_allocation_once_a_series_is_there,
        test_too_many_series_share_one,
        test_wrong_number_of_values,
        test_without_a_registry,
        test_values_at_scrape,
        test_refused_descriptions,
        test_process,
        test_torture,
        test_page_past_the_cap,
};

TEST_MAIN("manager/metrics", tests)
