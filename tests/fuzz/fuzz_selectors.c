/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a selector of labels and of fields. What is refused has a
 * message; the requirements of what is taken lie inside of it, have a key, and
 * do not match an object both with their label and against it.
 */
#include <stdlib.h>

#include "kube/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum kube_selector_syntax syntax, struct str selector)
{
        struct kube_requirement q;
        struct error err = ERROR_INIT;
        struct str rest = selector;
        int r;

        while ((r = kube_selector_next(syntax, &rest, &q, &err)) > 0)
                if (q.key.len == 0 || q.key.data < selector.data ||
                    q.key.data + q.key.len > selector.data + selector.len ||
                    (q.values.len && q.values.data + q.values.len > selector.data + selector.len))
                        abort();
        if (r < 0 && (!err.code || !err.message[0]))
                abort();
        if (selector.len && (kube_selector_check(syntax, selector, NULL) < 0) != (r < 0))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str text = str_n((const char *)data, size);

        check(KUBE_BY_LABELS, text);
        check(KUBE_BY_FIELDS, text);
        return 0;
}
