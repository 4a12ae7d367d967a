/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/nearest.h"

/* A longer name is no slip of the pen. */
#define NAME_MAX_BYTES 64

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* How many letters must be changed, added or taken away to get from A to B, no
 * matter the case (Levenshtein's distance, one row of the table at a time). */
static size_t distance(struct str a, struct str b)
{
        size_t row[NAME_MAX_BYTES + 1];

        for (size_t j = 0; j <= b.len; j++)
                row[j] = j;
        for (size_t i = 1; i <= a.len; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= b.len; j++) {
                        size_t replace = diagonal + (lower(a.data[i - 1]) != lower(b.data[j - 1]));
                        size_t shift = MIN(row[j], row[j - 1]) + 1;

                        diagonal = row[j];
                        row[j] = MIN(replace, shift);
                }
        }
        return row[b.len];
}

struct str schema_nearest_field(const struct schema *s, struct str name)
{
        /* Two letters in the wrong order count as two mistakes. */
        size_t allowed = name.len < 4 ? 1 : MAX(name.len / 3, 2);
        size_t best = allowed + 1;
        struct str near = STR_NULL;

        if (name.len > NAME_MAX_BYTES)
                return STR_NULL;
        for (size_t i = 0; i < s->n_fields; i++) {
                size_t n;

                if (s->fields[i].name.len > NAME_MAX_BYTES)
                        continue;
                n = distance(name, s->fields[i].name);
                if (n < best) {
                        best = n;
                        near = s->fields[i].name;
                }
        }
        return near;
}
