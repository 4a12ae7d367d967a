/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* What is longer is cut: a log must not grow with what it reports. */
#define LINE_MAX_BYTES ((size_t)16 * 1024)
#define VALUE_MAX_BYTES ((size_t)4 * 1024)
/* So long a line waits for whoever reads them; when that was in vain, the next
 * ones do not wait at all. */
#define PATIENCE_MS 250
/* A pipe that is writable takes as much without blocking, and as one piece (POSIX). */
#define PIECE_MAX_BYTES ((size_t)PIPE_BUF)

static struct {
        enum log_level lowest;
        enum log_format format;
        const char *context_key;
        struct str context;
} config = { .lowest = LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };
static const char *const format_names[] = { "json", "text" };

void log_setup(enum log_level lowest, enum log_format format)
{
        config.lowest = lowest;
        config.format = format;
}

void log_context(const char *key, struct str value)
{
        config.context_key = key;
        config.context = value;
}

static int find_name(struct str s, const char *const *names, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (str_eq_c(s, names[i]))
                        return (int)i;
        return -EINVAL;
}

int log_level_parse(struct str s, enum log_level *ret)
{
        int i = find_name(s, level_names, ARRAY_SIZE(level_names));

        if (i < 0)
                return i;
        *ret = (enum log_level)i;
        return 0;
}

int log_format_parse(struct str s, enum log_format *ret)
{
        int i = find_name(s, format_names, ARRAY_SIZE(format_names));

        if (i < 0)
                return i;
        *ret = (enum log_format)i;
        return 0;
}

/* The line that is being written. Static, because a program that is out of
 * memory still has something to say, and because most lines are short: a stack
 * frame of this size would be zeroed and probed whole, each time. */
static struct line {
        char data[LINE_MAX_BYTES];
        size_t len;
        bool full; /* something did not fit; sticky */
} the_line;

/* What must always find room: the end of a value, the mark of a cut, the newline. */
#define LINE_TAIL_BYTES ((size_t)64)

static void add(struct line *l, const char *data, size_t n)
{
        if (l->full || n > sizeof(l->data) - LINE_TAIL_BYTES - l->len) {
                l->full = true;
                return;
        }
        memcpy(l->data + l->len, data, n);
        l->len += n;
}

static void add_c(struct line *l, const char *s)
{
        add(l, s, strlen(s));
}

static void add_tail(struct line *l, const char *s)
{
        size_t n = MIN(strlen(s), sizeof(l->data) - l->len);

        memcpy(l->data + l->len, s, n);
        l->len += n;
}

/* One character of N bytes at P, or one byte that is none (N is 0). Those that
 * could end the string or the line, or steer a terminal (C0, DEL, C1), are
 * escaped in both formats, so that no value can forge a field or a line. */
static void add_character(struct line *l, const char *p, size_t n)
{
        unsigned char c = (unsigned char)p[0];
        char escape[8];

        if (n == 0)
                add_c(l, "\\ufffd");
        else if (c == '\n')
                add_c(l, "\\n");
        else if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)p[1] < 0xa0))
                add(l, escape,
                    (size_t)snprintf(escape, sizeof(escape), "\\u%04x", n == 1 ? c : (unsigned char)p[1]));
        else
                add(l, p, n);
}

static void add_escaped(struct line *l, struct str s, bool quotes)
{
        size_t left = VALUE_MAX_BYTES;

        while (s.len && left > 0) {
                size_t n = str_utf8(s), step = MAX(n, 1);

                if (quotes && (s.data[0] == '"' || s.data[0] == '\\'))
                        add(l, "\\", 1);
                add_character(l, s.data, n);
                s = str_n(s.data + step, s.len - step);
                left -= MIN(step, left);
        }
        if (s.len)
                add_c(l, "...");
}

static void add_quoted(struct line *l, struct str s)
{
        add(l, "\"", 1);
        add_escaped(l, s, true);
        add(l, "\"", 1);
}

/* A field that does not fit is taken back whole. */
static void add_field(struct line *l, const struct log_field *f)
{
        size_t before = l->len;
        char number[STR_INT_MAX];

        if (!f->key)
                return;
        add_c(l, config.format == LOG_JSON ? ",\"" : " ");
        add_c(l, f->key);
        add_c(l, config.format == LOG_JSON ? "\":" : "=");
        if (f->is_number) {
                const struct str digits = str_int(f->number, number);

                add(l, digits.data, digits.len);
        } else {
                add_quoted(l, f->text);
        }
        if (l->full)
                l->len = before;
}

static void add_head(struct line *l, enum log_level level, const char *message)
{
        char stamp[CLOCK_RFC3339_MAX];

        clock_format(clock_wall(), true, stamp);
        if (config.format == LOG_JSON)
                add_c(l, "{\"time\":\"");
        add_c(l, stamp);
        if (config.format == LOG_JSON) {
                add_c(l, "\",\"level\":\"");
                add_c(l, level_names[level]);
                add_c(l, "\",\"msg\":\"");
        } else {
                add_c(l, " ");
                add_c(l, level_names[level]);
                add_c(l, strlen(level_names[level]) < 5 ? "  " : " ");
        }
        add_escaped(l, str_c(message), config.format == LOG_JSON);
        if (config.format == LOG_JSON)
                add_tail(l, "\"");
}

static void compose(struct line *l, enum log_level level, const char *message,
                    const struct log_field *context, const struct log_field *fields, size_t n)
{
        l->len = 0;
        l->full = false;
        add_head(l, level, message);
        if (context->text.data)
                add_field(l, context);
        for (size_t i = 0; i < n; i++)
                add_field(l, &fields[i]);
        if (l->full)
                add_tail(l, config.format == LOG_JSON ? ",\"cut\":true" : " cut=true");
        add_tail(l, config.format == LOG_JSON ? "}\n" : "\n");
}

/* --- writing ------------------------------------------------------------------- */

/* Where standard error is a pipe that is full, since its reader hangs or is slow. */
static struct {
        size_t sent;   /* of the_line; what is left of it goes before the next */
        bool stuck;    /* the last wait was in vain */
        uint64_t lost; /* lines since */
} out;

/* Nobody is to wait for a log, least of all who holds a Lease. */
static bool is_writable(void)
{
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        int n;

        do
                n = poll(&p, 1, out.stuck ? 0 : PATIENCE_MS);
        while (n < 0 && errno == EINTR);
        out.stuck = n == 0;
        return n != 0;
}

/* Whether all of the line has left. One write a line where that is possible, so
 * that lines of several processes do not mix. If standard error is gone there is
 * nowhere left to say so. */
static bool send_line(const struct line *l)
{
        while (out.sent < l->len) {
                ssize_t n;

                if (!is_writable())
                        return false;
                n = write(STDERR_FILENO, l->data + out.sent, MIN(l->len - out.sent, PIECE_MAX_BYTES));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN) {
                        out.stuck = true;
                        return false;
                }
                if (n < 0)
                        break;
                out.sent += (size_t)n;
        }
        out.sent = l->len;
        return true;
}

/* A new line goes out: all of it, or later what is left of it, or nothing. */
static bool send_new(struct line *l)
{
        out.sent = 0;
        if (send_line(l) || out.sent > 0)
                return true;
        l->len = 0;
        return false;
}

/* What stands before the next line: the rest of the last, and how many were lost. */
static bool catch_up(struct line *l)
{
        struct log_field lost = LOG_INT("lines", out.lost);

        if (!send_line(l))
                return false;
        if (out.lost == 0)
                return true;
        compose(l, LOG_WARN, "lines of this log were lost, since nobody read it", &(struct log_field){ 0 },
                &lost, 1);
        if (!send_new(l))
                return false;
        out.lost = 0;
        return send_line(l);
}

void log_emit(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
        struct log_field context = { .key = config.context_key, .text = config.context };
        int saved_errno = errno;
        struct line *l = &the_line;

        if (level < config.lowest)
                return;
        if (!catch_up(l)) {
                out.lost++;
        } else {
                compose(l, level, message, &context, fields, n);
                out.lost += !send_new(l);
        }
        errno = saved_errno;
}

void log_last_words(const char *program, const char *message)
{
        struct line *l = &the_line;

        (void)catch_up(l);
        l->len = 0;
        l->full = false;
        add_c(l, program);
        add_c(l, ": ");
        add_escaped(l, str_c(message), false);
        add_tail(l, "\n");
        (void)send_new(l);
}
