/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

struct metric {
        struct metric *next;
        struct metric_family *family;
        uint64_t hash;
        double value; /* of a histogram the sum */
        metric_fn *fn;
        void *arg;
        uint64_t *counts;    /* of a histogram: by bucket, not yet summed up; the last one is +Inf */
        struct str values[]; /* one a label */
};

struct metric_family {
        struct metric_family *next;
        struct metrics *metrics;
        const struct metric_desc *desc;
        const double *bounds;
        size_t n_bounds;
        size_t n_labels;
        struct metric *series, **last;
        size_t n_series;
        struct metric *other;
        bool other_used;
};

struct scrape_hook {
        struct scrape_hook *next;
        metrics_scrape_fn *fn;
        void *arg;
};

struct metrics {
        struct arena memory; /* everything below */
        struct metric_family *families, **last;
        struct scrape_hook *hooks, **last_hook;
};

static const double bounds_seconds[] = { METRIC_SECONDS };
static_assert(ARRAY_SIZE(bounds_seconds) <= METRIC_BUCKETS_MAX, "a family may have METRIC_BUCKETS_MAX");

int metrics_new(struct metrics **ret)
{
        struct metrics *m = mem_new(struct metrics);

        if (!m)
                return -ENOMEM;
        arena_init(&m->memory, METRICS_MEMORY_MAX);
        m->last = &m->families;
        m->last_hook = &m->hooks;
        *ret = m;
        return 0;
}

void metrics_free(struct metrics *m)
{
        if (!m)
                return;
        arena_release(&m->memory);
        mem_free(m);
}

void metrics_freep(struct metrics **m)
{
        metrics_free(*m);
}

/* --- adding ------------------------------------------------------------ */

/* [a-zA-Z_][a-zA-Z0-9_]*; a metric's name may hold colons too, but those are for recording rules. */
static bool is_name(const char *name)
{
        if (!name || !*name)
                return false;
        for (const char *c = name; *c; c++) {
                bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';

                if (!letter && !(c > name && *c >= '0' && *c <= '9'))
                        return false;
        }
        return true;
}

static bool are_labels(const struct metric_desc *d, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct str label = str_c(d->labels[i]);

                if (!is_name(d->labels[i]) || str_starts(label, STR("__")) || str_eq_c(label, "le"))
                        return false;
                for (size_t k = 0; k < i; k++) {
                        if (str_eq_c(label, d->labels[k]))
                                return false;
                }
        }
        return true;
}

static bool are_bounds(const double *bounds, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
                        return false;
        }
        return true;
}

static size_t count_labels(const struct metric_desc *d)
{
        size_t n = 0;

        while (n < METRIC_LABELS_MAX && d->labels[n])
                n++;
        return n;
}

static bool is_desc(const struct metric_desc *d)
{
        if (!is_name(d->name) || !d->help || !are_labels(d, count_labels(d)))
                return false;
        if (d->type != METRIC_HISTOGRAM)
                return d->n_buckets == 0;
        return d->n_buckets <= METRIC_BUCKETS_MAX && are_bounds(d->buckets, d->n_buckets);
}

static struct metric *make_series(struct metric_family *f)
{
        struct arena *a = &f->metrics->memory;
        struct metric *s = arena_alloc(a, sizeof(*s) + f->n_labels * sizeof(struct str));

        if (!s)
                return NULL;
        s->family = f;
        if (f->desc->type == METRIC_HISTOGRAM) {
                s->counts = arena_new_n(a, uint64_t, f->n_bounds + 1);
                if (!s->counts)
                        return NULL;
        }
        return s;
}

static void append_series(struct metric_family *f, struct metric *s)
{
        *f->last = s;
        f->last = &s->next;
        f->n_series++;
}

int metrics_add(struct metrics *m, const struct metric_desc *desc, struct metric_family **ret)
{
        struct metric_family *f;

        if (!is_desc(desc))
                return -EINVAL;
        for (f = m->families; f; f = f->next) {
                if (str_eq_c(str_c(f->desc->name), desc->name))
                        return -EEXIST;
        }
        f = arena_new(&m->memory, struct metric_family);
        if (!f)
                return -ENOMEM;
        f->metrics = m;
        f->desc = desc;
        f->last = &f->series;
        f->n_labels = count_labels(desc);
        f->bounds = desc->n_buckets ? desc->buckets : bounds_seconds;
        f->n_bounds = desc->n_buckets ? desc->n_buckets : ARRAY_SIZE(bounds_seconds);

        /* Made now, because it is for the time when there is no memory. */
        f->other = make_series(f);
        if (!f->other)
                return -ENOMEM;
        for (size_t i = 0; i < f->n_labels; i++)
                f->other->values[i] = STR("other");
        if (f->n_labels == 0)
                append_series(f, f->other);

        *m->last = f;
        m->last = &f->next;
        *ret = f;
        return 0;
}

static struct metric *find_series(const struct metric_family *f, const struct str *values, uint64_t hash)
{
        for (struct metric *s = f->series; s; s = s->next) {
                size_t i = 0;

                if (s->hash != hash)
                        continue;
                while (i < f->n_labels && str_eq(s->values[i], values[i]))
                        i++;
                if (i == f->n_labels)
                        return s;
        }
        return NULL;
}

static struct metric *add_series(struct metric_family *f, const struct str *values, uint64_t hash)
{
        struct metric *s = f->n_series < METRIC_SERIES_MAX ? make_series(f) : NULL;

        if (!s)
                return NULL;
        for (size_t i = 0; i < f->n_labels; i++) {
                s->values[i] = arena_str(&f->metrics->memory, values[i]);
                if (values[i].data && !s->values[i].data)
                        return NULL;
        }
        s->hash = hash;
        append_series(f, s);
        return s;
}

struct metric *metric_series(struct metric_family *f, const struct str *values, size_t n)
{
        uint64_t hash = HASH_INIT;
        struct metric *s = NULL;

        if (!f)
                return NULL;
        if (f->n_labels == 0)
                return f->series;
        if (n == f->n_labels) {
                for (size_t i = 0; i < n; i++)
                        hash = hash_local_str(hash, values[i]);
                s = find_series(f, values, hash);
                if (!s)
                        s = add_series(f, values, hash);
        }
        if (!s) {
                f->other_used = true;
                s = f->other;
        }
        return s;
}

int metrics_on_scrape(struct metrics *m, metrics_scrape_fn *fn, void *arg)
{
        struct scrape_hook *hook = arena_new(&m->memory, struct scrape_hook);

        if (!hook)
                return -ENOMEM;
        hook->fn = fn;
        hook->arg = arg;
        *m->last_hook = hook;
        m->last_hook = &hook->next;
        return 0;
}

/* --- counting ------------------------------------------------------------ */

void metric_add(struct metric *s, double n)
{
        if (!s || s->counts || isnan(n) || (n < 0 && s->family->desc->type == METRIC_COUNTER))
                return;
        s->value += n;
}

void metric_set(struct metric *s, double value)
{
        if (s && s->family->desc->type == METRIC_GAUGE)
                s->value = value;
}

void metric_observe(struct metric *s, double value)
{
        size_t i = 0;

        if (!s || !s->counts || isnan(value))
                return;
        while (i < s->family->n_bounds && value > s->family->bounds[i])
                i++;
        s->counts[i]++;
        s->value += value;
}

void metric_call(struct metric *s, metric_fn *fn, void *arg)
{
        if (!s || s->counts)
                return;
        s->fn = fn;
        s->arg = arg;
}

static uint64_t count_observations(const struct metric *s)
{
        uint64_t n = 0;

        for (size_t i = 0; i <= s->family->n_bounds; i++)
                n += s->counts[i];
        return n;
}

double metric_value(const struct metric *s)
{
        if (!s)
                return 0;
        if (s->counts)
                return (double)count_observations(s);
        return s->fn ? s->fn(s->arg) : s->value;
}

/* --- the page ------------------------------------------------------------ */

/* Of a label value: \, " and line feed; HELP has no quotes to escape. */
static void write_escaped(struct buf *out, struct str s, bool quotes)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.data[i];

                if (c == '\n') {
                        buf_add(out, "\\n", 2);
                        continue;
                }
                if (c == '\\' || (c == '"' && quotes))
                        buf_add_char(out, '\\');
                buf_add_char(out, c);
        }
}

static void write_number(struct buf *out, double n)
{
        if (isnan(n))
                buf_add_c(out, "NaN");
        else if (isinf(n))
                buf_add_c(out, n > 0 ? "+Inf" : "-Inf");
        else if (n > -1e15 && n < 1e15 && n == (double)(int64_t)n)
                buf_add_int(out, (int64_t)n);
        else
                buf_printf(out, "%.15g", n);
}

/* name_suffix{label="value",…,le="bound"} */
static void write_series_name(struct buf *out, const struct metric *s, const char *suffix, const double *le)
{
        const struct metric_family *f = s->family;

        buf_add_c(out, f->desc->name);
        buf_add_c(out, suffix);
        if (f->n_labels == 0 && !le)
                return;
        buf_add_char(out, '{');
        for (size_t i = 0; i < f->n_labels; i++) {
                buf_add_c(out, i ? "," : "");
                buf_add_c(out, f->desc->labels[i]);
                buf_add_c(out, "=\"");
                write_escaped(out, s->values[i], true);
                buf_add_char(out, '"');
        }
        if (le) {
                buf_add_c(out, f->n_labels ? ",le=\"" : "le=\"");
                write_number(out, *le);
                buf_add_char(out, '"');
        }
        buf_add_char(out, '}');
}

static void write_line(struct buf *out, const struct metric *s, const char *suffix, const double *le,
                       double n)
{
        write_series_name(out, s, suffix, le);
        buf_add_char(out, ' ');
        write_number(out, n);
        buf_add_char(out, '\n');
}

static void write_histogram(struct buf *out, const struct metric *s)
{
        const struct metric_family *f = s->family;
        uint64_t sum = 0;

        for (size_t i = 0; i <= f->n_bounds; i++) {
                double bound = i < f->n_bounds ? f->bounds[i] : HUGE_VAL;

                sum += s->counts[i];
                write_line(out, s, "_bucket", &bound, (double)sum);
        }
        write_line(out, s, "_sum", NULL, s->value);
        write_line(out, s, "_count", NULL, (double)sum);
}

static void write_series(struct buf *out, const struct metric *s)
{
        if (s->counts)
                write_histogram(out, s);
        else
                write_line(out, s, "", NULL, metric_value(s));
}

static void write_family(struct buf *out, const struct metric_family *f)
{
        static const char *const types[] = {
                [METRIC_COUNTER] = "counter",
                [METRIC_GAUGE] = "gauge",
                [METRIC_HISTOGRAM] = "histogram",
        };

        if (!f->series && !f->other_used)
                return;
        buf_printf(out, "# HELP %s ", f->desc->name);
        write_escaped(out, str_c(f->desc->help), false);
        buf_printf(out, "\n# TYPE %s %s\n", f->desc->name, types[f->desc->type]);
        for (const struct metric *s = f->series; s; s = s->next)
                write_series(out, s);
        if (f->n_labels && f->other_used)
                write_series(out, f->other);
}

int metrics_write(struct metrics *m, struct buf *out)
{
        for (const struct scrape_hook *h = m->hooks; h; h = h->next)
                h->fn(h->arg);
        for (const struct metric_family *f = m->families; f; f = f->next)
                write_family(out, f);
        return buf_error(out);
}

/* --- this process ---------------------------------------------------------- */

enum { CPU_SECONDS, START_TIME, RESIDENT, VIRTUAL, ANONYMOUS, OPEN_FDS, MAX_FDS, PROCESS_METRICS };

static const struct metric_desc process_descs[PROCESS_METRICS] = {
        [CPU_SECONDS] = { "process_cpu_seconds_total", "CPU time of the process in user and system mode.",
                          METRIC_COUNTER },
        [START_TIME] = { "process_start_time_seconds", "When the process began, in seconds since 1970.",
                         METRIC_GAUGE },
        [RESIDENT] = { "process_resident_memory_bytes", "Resident memory, files that are mapped included.",
                       METRIC_GAUGE },
        [VIRTUAL] = { "process_virtual_memory_bytes", "Address space in use.", METRIC_GAUGE },
        [ANONYMOUS] = { "keelson_anonymous_memory_bytes",
                        "Resident memory that is the process's own: without files and shared memory.",
                        METRIC_GAUGE },
        [OPEN_FDS] = { "process_open_fds", "Open file descriptors.", METRIC_GAUGE },
        [MAX_FDS] = { "process_max_fds", "The limit of open file descriptors.", METRIC_GAUGE },
};

static const struct metric_desc build_info_desc = {
        "keelson_build_info", "1, with the version of this program.", METRIC_GAUGE, { "version" }
};

struct process {
        struct metric *metrics[PROCESS_METRICS];
};

static ssize_t read_small_file(const char *path, char *to, size_t size)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, to, size - 1);
        close(fd);
        if (n < 0)
                return -EIO;
        to[n] = '\0';
        return n;
}

static void set_memory(const struct process *p)
{
        unsigned long long total, resident, shared;
        double page = (double)sysconf(_SC_PAGESIZE);
        char text[128];

        if (read_small_file("/proc/self/statm", text, sizeof(text)) < 0 ||
            sscanf(text, "%llu %llu %llu", &total, &resident, &shared) != 3)
                return;
        metric_set(p->metrics[VIRTUAL], (double)total * page);
        metric_set(p->metrics[RESIDENT], (double)resident * page);
        metric_set(p->metrics[ANONYMOUS], (double)(resident - MIN(shared, resident)) * page);
}

static void set_fds(const struct process *p)
{
        struct rlimit limit;
        DIR *dir;
        double n = 0;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
                metric_set(p->metrics[MAX_FDS], (double)limit.rlim_cur);
        dir = opendir("/proc/self/fd");
        if (!dir)
                return;
        while (readdir(dir))
                n++;
        closedir(dir);
        metric_set(p->metrics[OPEN_FDS], n - 3); /* ".", ".." and the directory itself */
}

static void set_process(void *arg)
{
        const struct process *p = arg;

        set_memory(p);
        set_fds(p);
}

static double cpu_seconds(void *arg _unused_)
{
        struct timespec t;

        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
                return NAN;
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* /proc/self/stat tells it in clock ticks since boot, as the 22nd field; the
 * second one is the program's name and may hold anything, but no later field
 * holds a parenthesis. Without /proc, now is near enough. */
static double start_time(void)
{
        usec_t wall = clock_wall(), age = 0;
        unsigned long long ticks;
        char text[1024];
        const char *behind;

        if (read_small_file("/proc/self/stat", text, sizeof(text)) > 0) {
                behind = strrchr(text, ')');
                if (behind && sscanf(behind + 1,
                                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                                     "%*d %*d %llu",
                                     &ticks) == 1)
                        age = clock_now() -
                              (usec_t)(ticks * (uint64_t)USEC_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
        }
        return (double)(wall - MAX(age, 0)) / (double)USEC_SEC;
}

int metrics_add_process(struct metrics *m, struct str version)
{
        struct process *p = arena_new(&m->memory, struct process);
        struct metric_family *f;
        int r;

        if (!p)
                return -ENOMEM;
        for (size_t i = 0; i < PROCESS_METRICS; i++) {
                r = metrics_add(m, &process_descs[i], &f);
                if (r < 0)
                        return r;
                p->metrics[i] = metric_only(f);
        }
        metric_set(p->metrics[START_TIME], start_time());
        metric_call(p->metrics[CPU_SECONDS], cpu_seconds, NULL);

        r = metrics_add(m, &build_info_desc, &f);
        if (r < 0)
                return r;
        metric_set(metric_with(f, version), 1);
        return metrics_on_scrape(m, set_process, p);
}
