/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/lines.h"

#include <errno.h>

#include "base/mem.h"
#include "json/read.h"

#define ROOM_MIN ((size_t)256)

void yaml_lines_release(struct yaml_lines *lines)
{
        mem_free(lines->of);
        *lines = (struct yaml_lines){ 0 };
}

int yaml_lines_add(struct yaml_lines *lines, unsigned line, size_t n)
{
        if (n > lines->room - lines->n) {
                size_t room = MAX(MAX(lines->room * 2, lines->n + n), ROOM_MIN);
                uint32_t *grown = mem_realloc(lines->of, room * sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                lines->of = grown;
                lines->room = room;
        }
        while (n-- > 0)
                lines->of[lines->n++] = line;
        return 0;
}

static struct str behind(struct str s, size_t n)
{
        return str_n(s.data + n, s.len - n);
}

/* Takes "[12]" off PATH; NULL where LIST has no such item. */
static yyjson_val *take_item(yyjson_val *list, struct str *path)
{
        ptrdiff_t end = str_index(*path, ']');
        int64_t i;

        if (end < 0 || str_to_int64(str_n(path->data + 1, (size_t)end - 1), &i) < 0 || i < 0)
                return NULL;
        *path = behind(*path, (size_t)end + 1);
        return yyjson_arr_get(list, (size_t)i);
}

/* Is PATH the field NAME, or something in it? */
static bool begins_with(struct str path, struct str name)
{
        return str_starts(path, name) &&
               (path.len == name.len || path.data[name.len] == '.' || path.data[name.len] == '[');
}

/* Takes a name off PATH and returns its key; NULL where OBJECT has no such field. The
 * longest counts, for a key may have dots: "limits.example.com/gpu". */
static yyjson_val *take_key(yyjson_val *object, struct str *path)
{
        yyjson_val *key, *value, *found = NULL;
        size_t i, n, len = 0;

        yyjson_obj_foreach (object, i, n, key, value) {
                struct str name = json_val_str(key);

                if (begins_with(*path, name) && (!found || name.len > len)) {
                        found = key;
                        len = name.len;
                }
        }
        *path = behind(*path, len);
        return found;
}

static unsigned line_of(const struct yaml_lines *lines, yyjson_val *root, yyjson_val *value)
{
        size_t i = (size_t)(value - root);

        return i < lines->n ? lines->of[i] : lines->first;
}

unsigned yaml_line(const struct yaml_lines *lines, yyjson_val *root, yyjson_val *from, struct str path)
{
        unsigned line = line_of(lines, root, from);

        while (path.len) {
                yyjson_val *at; /* the item, or the key, in front of its value */

                if (path.data[0] == '.')
                        path = behind(path, 1);
                at = path.len && path.data[0] == '[' ? take_item(from, &path) : take_key(from, &path);
                if (!at)
                        break;
                line = line_of(lines, root, at);
                from = yyjson_is_arr(from) ? at : at + 1;
        }
        return line;
}
