/* SPDX-License-Identifier: Apache-2.0
 *
 * Structured log lines on standard error, as JSON or as text.
 *
 *      log_info("applied", LOG_STR("kind", kind), LOG_INT("status", 200));
 *
 *      {"time":"2006-01-02T15:04:05.123456Z","level":"info","msg":"applied","kind":"Service","status":200}
 *
 * Only programs and the manager log; the libraries below return errors. The
 * values of Secrets never come here: what is logged is names and hashes.
 *
 * A line is one write (one for each 4 KiB), allocates nothing, is valid UTF-8, and
 * keeps errno. A value past 4 KiB ends in "..."; past 16 KiB a line lacks its last
 * fields and ends in "cut":true. One thread only.
 *
 * A log that nobody reads holds nobody up: where standard error is a pipe and full,
 * a line waits for a quarter of a second, the next ones for nothing, and they are
 * lost. Once it is read again, a line tells how many were.
 */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT };

struct log_field {
        const char *key; /* NULL fields are passed over */
        struct str text;
        int64_t number;
        bool is_number;
};

/* clang-format off */
#define LOG_STR(k, s) { .key = (k), .text = (s) }
#define LOG_CSTR(k, s) { .key = (k), .text = str_c(s) }
#define LOG_INT(k, n) { .key = (k), .number = (int64_t)(n), .is_number = true }
/* clang-format on */

void log_setup(enum log_level lowest, enum log_format format);

/* "debug", "info", "warn", "error"; "json", "text". 0 or -EINVAL. */
int log_level_parse(struct str s, enum log_level *ret) _must_check_;
int log_format_parse(struct str s, enum log_format *ret) _must_check_;

/* A string that stands in each line from now on, for the reconcile ID; borrowed
 * until STR_NULL ends it. */
void log_context(const char *key, struct str value);

void log_emit(enum log_level level, const char *message, const struct log_field *fields, size_t n);

/* "PROGRAM: MESSAGE", for people: the last line of a program that ends with an error. */
void log_last_words(const char *program, const char *message);

#define log_at(level, message, ...)                                                                          \
        log_emit((level), (message), (const struct log_field[]){ { 0 }, ##__VA_ARGS__ },                     \
                 sizeof((const struct log_field[]){ { 0 }, ##__VA_ARGS__ }) / sizeof(struct log_field))
#define log_debug(message, ...) log_at(LOG_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...) log_at(LOG_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...) log_at(LOG_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) log_at(LOG_ERROR, message, ##__VA_ARGS__)
