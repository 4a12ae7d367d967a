/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a quantity. The canonical text of what is one means the same and
 * is its own canonical text; what the API server is taken to store is stored as
 * it is by the next apply.
 */
#include <errno.h>
#include <stdlib.h>

#include "kube/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_canonical(const struct quantity *q)
{
        char text[QUANTITY_TEXT_MAX], again[QUANTITY_TEXT_MAX];
        size_t n = quantity_format(q, text), m;
        struct quantity other = { 0 };

        if (n == 0 || n >= sizeof(text))
                abort();
        if (quantity_parse(str_n(text, n), &other) == -ERANGE)
                return; /* more digits than may be written, out of fewer and an exponent */
        if (other.nanos != q->nanos)
                abort();
        m = quantity_format(&other, again);
        if (!str_eq(str_n(text, n), str_n(again, m)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str text = str_n((const char *)data, size), stored;
        struct arena a = ARENA_INIT((size_t)1024 * 1024);
        struct quantity q;

        if (quantity_parse(text, &q) == 0)
                check_canonical(&q);
        stored = quantity_stored(text, &a);
        if (!a.failed && !str_eq(quantity_stored(stored, &a), stored))
                abort();
        arena_release(&a);
        return 0;
}
