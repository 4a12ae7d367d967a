/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

#include "base/buf.h"

/* A longer line is cut: a log must not grow with what it reports. */
#define LINE_MAX_BYTES ((size_t)16 * 1024)
#define VALUE_MAX_BYTES ((size_t)4 * 1024)

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

/* Both formats quote alike: bytes that could end the string or the line are
 * escaped, so no value can forge a field or a line of the log. */
static void add_quoted(struct buf *out, struct str s)
{
        static const char hex[] = "0123456789abcdef";

        s.len = MIN(s.len, VALUE_MAX_BYTES);
        buf_add_char(out, '"');
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.data[i];

                if (c == '"' || c == '\\') {
                        buf_add_char(out, '\\');
                        buf_add_char(out, (char)c);
                } else if (c == '\n') {
                        buf_add_c(out, "\\n");
                } else if (c < 0x20 || c == 0x7f) {
                        buf_add_c(out, "\\u00");
                        buf_add_char(out, hex[c >> 4]);
                        buf_add_char(out, hex[c & 15]);
                } else {
                        buf_add_char(out, (char)c);
                }
        }
        buf_add_char(out, '"');
}

static void add_field(struct buf *out, const struct log_field *f)
{
        if (!f->key)
                return;
        if (config.format == LOG_JSON) {
                buf_add_c(out, ",\"");
                buf_add_c(out, f->key);
                buf_add_c(out, "\":");
        } else {
                buf_add_char(out, ' ');
                buf_add_c(out, f->key);
                buf_add_char(out, '=');
        }
        if (f->is_number)
                buf_add_int(out, f->number);
        else
                add_quoted(out, f->text);
}

void log_emit(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(LINE_MAX_BYTES);
        struct log_field context = { .key = config.context_key, .text = config.context };
        char stamp[CLOCK_RFC3339_MAX];
        ssize_t written;

        if (level < config.lowest)
                return;
        clock_format(clock_wall(), true, stamp);
        if (config.format == LOG_JSON) {
                buf_printf(&out, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":", stamp, level_names[level]);
                add_quoted(&out, str_c(message));
        } else {
                buf_printf(&out, "%s %-5s %s", stamp, level_names[level], message);
        }
        if (context.text.data)
                add_field(&out, &context);
        for (size_t i = 0; i < n; i++)
                add_field(&out, &fields[i]);
        if (config.format == LOG_JSON)
                buf_add_char(&out, '}');
        buf_add_char(&out, '\n');
        /* One write a line, so that lines of several processes do not mix. If
         * standard error is gone there is nowhere left to say so. */
        if (buf_error(&out) == 0) {
                written = write(STDERR_FILENO, out.data, out.len);
                (void)written;
        }
}
