/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gen/text.h"

#include <errno.h>
#include <stdio.h>

/* --- names ----------------------------------------------------------------- */

static bool is_upper(char c)
{
        return c >= 'A' && c <= 'Z';
}

static bool is_lower_or_digit(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A word begins at an upper-case letter behind a lower-case one, and at the
 * last of several upper-case letters if lower-case ones follow it, but for the
 * "s" of a plural: CPU Utilization, but IPs. */
static bool begins_word(struct str name, size_t i)
{
        bool plural;

        if (i == 0 || !is_upper(name.data[i]))
                return false;
        if (is_lower_or_digit(name.data[i - 1]))
                return true;
        if (!is_upper(name.data[i - 1]) || i + 1 == name.len || !is_lower_or_digit(name.data[i + 1]))
                return false;
        plural = name.data[i + 1] == 's' && (i + 2 == name.len || is_upper(name.data[i + 2]));
        return !plural;
}

bool gen_is_c_word(struct str name)
{
        static const char *const words[] = {
                "auto",    "bool",     "break",   "case",         "char",   "const",    "continue",
                "default", "do",       "double",  "else",         "enum",   "extern",   "float",
                "for",     "goto",     "if",      "inline",       "int",    "long",     "register",
                "return",  "restrict", "short",   "signed",       "sizeof", "static",   "struct",
                "switch",  "typedef",  "union",   "unsigned",     "void",   "volatile", "while",
                "true",    "false",    "asm",     "typeof",       "unix",   "linux",    "constexpr",
                "nullptr", "alignas",  "alignof", "thread_local",
        };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (str_eq_c(name, words[i]))
                        return true;
        return false;
}

struct str gen_snake(struct arena *a, struct str name)
{
        char *out = arena_alloc(a, 2 * name.len + 2);
        size_t n = 0;

        if (!out)
                return STR_NULL;
        for (size_t i = 0; i < name.len; i++) {
                char c = name.data[i];

                if (begins_word(name, i))
                        out[n++] = '_';
                if (is_upper(c))
                        out[n++] = (char)(c - 'A' + 'a');
                else
                        out[n++] = is_lower_or_digit(c) ? c : '_';
        }
        if (gen_is_c_word(str_n(out, n)))
                out[n++] = '_';
        return str_n(out, n);
}

struct str gen_base_name(struct str path)
{
        struct str head, tail = path;

        while (str_cut(tail, '/', &head, &path))
                tail = path;
        return tail;
}

/* --- C text ---------------------------------------------------------------- */

void gen_indent(struct buf *out, unsigned columns)
{
        while (columns--)
                buf_add_char(out, ' ');
}

/* The next word of *REST, which moves behind it. */
static struct str next_word(struct str *rest)
{
        struct str word;
        size_t n = 0;

        *rest = str_trim(*rest);
        while (n < rest->len && rest->data[n] != ' ' && rest->data[n] != '\n' && rest->data[n] != '\t')
                n++;
        word = str_n(rest->data, n);
        rest->data += n;
        rest->len -= n;
        return word;
}

/* No text may end the comment that it stands in. */
static void put_word(struct buf *out, struct str word)
{
        for (size_t i = 0; i < word.len; i++) {
                buf_add_char(out, word.data[i]);
                if (i + 1 < word.len && ((word.data[i] == '*' && word.data[i + 1] == '/') ||
                                         (word.data[i] == '/' && word.data[i + 1] == '*')))
                        buf_add_char(out, ' ');
        }
}

void gen_comment(struct buf *out, unsigned indent, struct str text)
{
        struct str rest = text;
        size_t column = 0;

        if (str_empty(str_trim(text)))
                return;
        gen_indent(out, indent);
        buf_add_c(out, "/*");
        column = indent + 2;
        for (struct str word = next_word(&rest); word.len; word = next_word(&rest)) {
                if (column + 1 + word.len + 3 > GEN_COLUMNS) {
                        buf_add_char(out, '\n');
                        gen_indent(out, indent);
                        buf_add_c(out, " *");
                        column = indent + 2;
                }
                buf_add_char(out, ' ');
                put_word(out, word);
                column += 1 + word.len;
        }
        buf_add_c(out, " */\n");
}

void gen_put_oneline(struct buf *out, struct str text)
{
        struct str rest = text;
        const char *between = "";

        for (struct str word = next_word(&rest); word.len; word = next_word(&rest)) {
                buf_add_c(out, between);
                buf_add_str(out, word);
                between = " ";
        }
}

/* Octal with all three digits cannot swallow a digit that follows it. */
static size_t escape(unsigned char c, char to[5])
{
        if (c == '"' || c == '\\') {
                to[0] = '\\';
                to[1] = (char)c;
                return 2;
        }
        if (c == '\n') {
                to[0] = '\\';
                to[1] = 'n';
                return 2;
        }
        if (c < 0x20 || c == 0x7f) {
                to[0] = '\\';
                to[1] = (char)('0' + (c >> 6));
                to[2] = (char)('0' + ((c >> 3) & 7));
                to[3] = (char)('0' + (c & 7));
                return 4;
        }
        to[0] = (char)c;
        return 1;
}

void gen_literal(struct buf *out, struct str text)
{
        char escaped[5];

        buf_add_char(out, '"');
        for (size_t i = 0; i < text.len; i++)
                buf_add(out, escaped, escape((unsigned char)text.data[i], escaped));
        buf_add_char(out, '"');
}

/* How much of TEXT fits WIDTH columns as a literal: all, or up to behind the
 * last comma or opening bracket. */
static size_t fits(struct str text, size_t width)
{
        size_t used = 2, best = 0, i;
        char escaped[5];

        for (i = 0; i < text.len; i++) {
                used += escape((unsigned char)text.data[i], escaped);
                if (used > width)
                        break;
                if (text.data[i] == ',' || text.data[i] == '{' || text.data[i] == '[')
                        best = i + 1;
        }
        if (i == text.len || best < i / 3)
                best = i;
        /* Neither in the middle of one character nor without any progress. */
        while (best > 1 && best < text.len && ((unsigned char)text.data[best] & 0xc0) == 0x80)
                best--;
        return MAX(best, (size_t)1);
}

void gen_long_literal(struct buf *out, struct str text, unsigned column, unsigned indent)
{
        for (;;) {
                size_t n = text.len ? fits(text, GEN_COLUMNS - 3 - MIN(column, (unsigned)60)) : 0;

                gen_literal(out, str_n(text.data, n));
                text.data += n;
                text.len -= n;
                if (text.len == 0)
                        return;
                buf_add_char(out, '\n');
                gen_indent(out, indent);
                column = indent;
        }
}

void gen_head(struct buf *out, struct str source)
{
        buf_printf(out,
                   "/* SPDX-License-Identifier: Apache-2.0\n *\n"
                   " * Made by keelson-gen from %.*s: change that, not this.\n */\n",
                   STR_FMT(source));
}

/* --- files ----------------------------------------------------------------- */

static void close_file(FILE **f)
{
        if (*f)
                fclose(*f);
}

int gen_read_file(const char *path, struct buf *ret, struct error *err)
{
        _cleanup_(close_file) FILE *f = fopen(path, "re");
        char piece[16384];
        size_t n;

        if (!f)
                return error_set(err, -errno, "%s: %s", path, strerror(errno));
        while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
                if (buf_add(ret, piece, n) < 0)
                        return error_set(err, buf_error(ret), "%s: too large", path);
        return ferror(f) ? error_set(err, -EIO, "%s: cannot be read", path) : 0;
}

int gen_write_file(const char *path, const struct buf *text, struct error *err)
{
        FILE *f;
        size_t n;
        int r;

        if (buf_error(text))
                return error_set(err, buf_error(text), "%s: the output is too large or memory is out", path);
        f = fopen(path, "we");
        if (!f)
                return error_set(err, -errno, "%s: %s", path, strerror(errno));
        n = fwrite(text->data, 1, text->len, f);
        r = fclose(f);
        if (n != text->len || r != 0)
                return error_set(err, -EIO, "%s: cannot be written", path);
        return 0;
}
