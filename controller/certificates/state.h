/* SPDX-License-Identifier: Apache-2.0
 *
 * The Secret, read: which of its parts can be used. What cannot counts as absent.
 */
#pragma once

#include "controller/certificates/certificates.h"

struct authority {
        bool there;    /* cert is a CA, signed by itself */
        bool can_sign; /* and key belongs to it */
        struct certificate cert;
        struct key key;
};

struct serving {
        bool fits;  /* for these names, with its key, signed by the CA; its times are another question */
        bool known; /* signed by the CA, at least: clients have taken it */
        struct certificate cert;
};

struct state {
        struct authority ca, next, previous; /* the previous one without a key */
        struct serving serving;
        usec_t until; /* of the previous one */
};

/* 0 or -ENOMEM. */
int state_read(const struct certificates_have *have, struct state *ret) _must_check_;
void state_release(struct state *s);

void authority_release(struct authority *a);

/* --- make.c ----------------------------------------------------------------------------- */

/* A new CA; OLD, if not NULL, is the one that it follows. 0, -ENOMEM or -EIO. */
int authority_make(const struct authority *old, usec_t wall, struct authority *ret, struct error *err)
        _must_check_;

/* Its two texts, into ITEMS. */
int authority_write(const struct authority *a, struct secret items[], enum certificates_item crt,
                    enum certificates_item key) _must_check_;

/* The times of the serving certificate that CA would sign now. */
void serving_times(const struct state *s, const struct authority *ca, usec_t wall, usec_t *ret_not_before,
                   usec_t *ret_not_after);

/* A new serving certificate and its key, into ITEMS. As certificate_issue. */
int serving_make(const struct certificates_have *have, const struct state *s, const struct authority *ca,
                 struct secret items[], struct error *err) _must_check_;

/* --- bundle.c --------------------------------------------------------------------------- */

struct bundles {
        bool hold_next;   /* all of them hold the next CA */
        bool lack;        /* one does not hold all that is wanted */
        bool differ;      /* one is not exactly what is wanted */
        uint64_t wanted;  /* a hash of that */
        struct buf exact; /* what is wanted */
        struct buf wide;  /* and what is there besides */
};

/* Compares the bundles with what the Secret as it is wants trusted; there is a CA. 0
 * or -ENOMEM, or -EIO. */
int bundles_read(const struct certificates_have *have, const struct state *s, struct bundles *ret)
        _must_check_;
void bundles_release(struct bundles *b);
