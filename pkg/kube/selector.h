/* SPDX-License-Identifier: Apache-2.0
 *
 * Label and field selectors (Kubernetes docs, "Labels and Selectors" and "Field
 * Selectors"), read requirement by requirement from their text; nothing is
 * copied.
 *
 *      app=web, tier in (front, back), !canary          labels
 *      metadata.name=web,status.phase!=Failed           fields
 *
 *      struct str rest = selector;
 *      while ((r = kube_selector_next(KUBE_BY_LABELS, &rest, &q, err)) > 0)
 *
 * The API server checks them as well, but answers 400, which for a list that is
 * streamed may also mean that it cannot do that at all.
 */
#pragma once

#include "base/error.h"
#include "base/str.h"

#define KUBE_SELECTOR_MAX ((size_t)4096) /* bytes; what goes into a URL with room for the rest */

enum kube_selector_syntax { KUBE_BY_LABELS, KUBE_BY_FIELDS };

enum kube_selector_op {
        KUBE_EQUALS,     /* a=b, a==b */
        KUBE_NOT_EQUALS, /* a!=b; of labels also where there is none */
        KUBE_IN,         /* a in (b,c) */
        KUBE_NOT_IN,     /* a notin (b,c); also where there is none */
        KUBE_EXISTS,     /* a */
        KUBE_NOT_EXISTS, /* !a */
};

struct kube_requirement {
        struct str key;
        enum kube_selector_op op;
        struct str values; /* of EQUALS and NOT_EQUALS the value; of IN and NOT_IN "b, c" */
};

/* Takes the next requirement off *REST. 1; 0 at the end; -EINVAL with *err,
 * which quotes what cannot be and says what could. Of fields only EQUALS and
 * NOT_EQUALS; in their values \, , \= and \\ stand for the character. */
int kube_selector_next(enum kube_selector_syntax syntax, struct str *rest, struct kube_requirement *ret,
                       struct error *err) _must_check_;

/* All of it; an absent or empty selector selects everything. 0 or -EINVAL. */
int kube_selector_check(enum kube_selector_syntax syntax, struct str selector, struct error *err)
        _must_check_;
