/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: counters, gauges and histograms, and their page for Prometheus
 * (text exposition format 0.0.4).
 *
 *      metrics --> family "workqueue_depth", gauge ------> family --> ...
 *                    |
 *                    +-> series { name = "app" }      3
 *                    +-> series { name = "postgres" } 0
 *
 * A family is described by a static struct metric_desc and added once. A
 * series is one set of label values; it is made when it is asked for first, and
 * its pointer stays good as long as the registry, so code that counts often
 * keeps it:
 *
 *      l->retries = metric_with(family, STR("app"));
 *      metric_add(l->retries, 1);
 *
 * Counting never allocates and never fails. A family holds at most
 * METRIC_SERIES_MAX series; past that, or without memory, what is counted goes
 * to one series whose label values are all "other", so a label that a peer can
 * choose cannot fill the memory. Label values are UTF-8, and copied.
 *
 * All functions but the adding ones take a NULL family or series and do
 * nothing, so a part that is used without metrics needs no conditions.
 */
#pragma once

#include "base/buf.h"

#define METRIC_LABELS_MAX 4
#define METRIC_BUCKETS_MAX 12
#define METRIC_SERIES_MAX 256
#define METRICS_MEMORY_MAX ((size_t)1024 * 1024)
#define METRICS_TEXT_MAX ((size_t)4 * 1024 * 1024)

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics;       /* the registry */
struct metric_family; /* one name */
struct metric;        /* one series */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Must outlive the registry; write it as a static const. */
struct metric_desc {
        const char *name;
        const char *help;
        enum metric_type type;
        const char *labels[METRIC_LABELS_MAX]; /* names; the first NULL ends them */
        /* Of a histogram: upper bounds, rising, "+Inf" not among them; with none
         * it has METRIC_SECONDS. */
        double buckets[METRIC_BUCKETS_MAX];
        size_t n_buckets;
};

/* Bounds for how long something took: few, for there is a counter for each. */
#define METRIC_SECONDS 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30, 60

/* 0 or -ENOMEM. */
int metrics_new(struct metrics **ret) _must_check_;
void metrics_free(struct metrics *m);
void metrics_freep(struct metrics **m);

/* 0, -ENOMEM, -EEXIST (the name is taken), or -EINVAL (a name that Prometheus
 * refuses, bounds that do not rise, too many of something). A family without
 * labels shows as 0 at once; one with labels as soon as it has a series. */
int metrics_add(struct metrics *m, const struct metric_desc *desc, struct metric_family **ret) _must_check_;

/* The series of these label values, in the order of desc->labels. A wrong
 * number of values gives the one of "other". */
struct metric *metric_series(struct metric_family *family, const struct str *values, size_t n);

#define metric_with(family, ...)                                                                             \
        metric_series((family), (const struct str[]){ __VA_ARGS__ },                                         \
                      sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str))

/* The one series of a family without labels. */
#define metric_only(family) metric_series((family), NULL, 0)

/* A counter only rises: less than 0 and NaN are dropped. */
void metric_add(struct metric *metric, double n);

/* Of a gauge. */
void metric_set(struct metric *metric, double value);

/* Of a histogram; NaN is dropped. */
void metric_observe(struct metric *metric, double value);

/* For tests and for /debug/state: what stands there now (of a histogram the
 * number of observations). */
double metric_value(const struct metric *metric);

/* From now on the value of this counter or gauge is what FN says at each scrape. */
typedef double metric_fn(void *arg);
void metric_call(struct metric *metric, metric_fn *fn, void *arg);

/* Calls FN before each page, to set gauges whose values come several at a time
 * or whose labels are known only then. 0 or -ENOMEM. */
typedef void metrics_scrape_fn(void *arg);
int metrics_on_scrape(struct metrics *m, metrics_scrape_fn *fn, void *arg) _must_check_;

/* Appends the page; 0 or the buffer's error. */
int metrics_write(struct metrics *m, struct buf *out);

/* Adds process_* about this process, read from /proc at each scrape, and
 * keelson_build_info{version}. What metrics_add returns. */
int metrics_add_process(struct metrics *m, struct str version) _must_check_;
