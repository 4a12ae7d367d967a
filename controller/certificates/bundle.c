/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/certificates/state.h"

#include <errno.h>

#include "base/hash.h"

/* Certificates without a double, those that are wanted first. They are its own. */
struct set {
        struct certificate certs[CERTIFICATES_TRUSTED_MAX];
        size_t n;
};

static void set_release(struct set *set)
{
        for (size_t i = 0; i < set->n; i++)
                certificate_release(&set->certs[i]);
        set->n = 0;
}

static size_t set_find(const struct set *set, const struct certificate *c)
{
        size_t i = 0;

        while (i < set->n && !certificate_same(&set->certs[i], c))
                i++;
        return i;
}

/* Takes C; what has no room is forgotten. */
static void set_take(struct set *set, struct certificate *c)
{
        if (set_find(set, c) == set->n && set->n < ARRAY_SIZE(set->certs))
                set->certs[set->n++] = *c;
        else
                certificate_release(c);
}

static int set_write(const struct set *set, size_t n, struct buf *out)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = certificate_write(&set->certs[i], out);
        return r;
}

/* Adds what TEXT holds to ALL, and sets a bit of *RET_HOLDS for each of the first
 * N_WANTED of it. What stands behind something broken is not seen: API servers
 * disagree about it, too. */
static int read_bundle(struct str text, size_t n_wanted, struct set *all, unsigned *ret_holds)
{
        unsigned holds = 0;
        int r;

        for (size_t n = 0; n <= CERTIFICATES_TRUSTED_MAX; n++) {
                struct certificate c;
                size_t at;

                r = certificate_read(&text, &c, NULL);
                if (r == -ENOMEM)
                        return r;
                if (r <= 0)
                        break;
                at = set_find(all, &c);
                if (at < n_wanted)
                        holds |= 1U << at;
                set_take(all, &c);
        }
        *ret_holds = holds;
        return 0;
}

/* Through its text: a certificate has one owner. */
static int want(struct set *set, const struct authority *a)
{
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct certificate c;
        int r;

        if (!a->there)
                return 0;
        r = certificate_write(&a->cert, &text);
        if (r == 0)
                r = certificate_parse(buf_str(&text), &c, NULL);
        if (r == 0)
                set_take(set, &c);
        buf_release(&text);
        return r == -EINVAL ? -EIO : r;
}

/* The oldest first: so the order stays when the next CA becomes the CA. */
static int want_all(const struct state *s, struct set *set)
{
        int r = want(set, &s->previous);

        if (r == 0)
                r = want(set, &s->ca);
        if (r == 0)
                r = want(set, &s->next);
        return r;
}

static int compare(const struct certificates_have *have, const struct state *s, struct set *all,
                   struct bundles *b)
{
        const size_t n_wanted = all->n;
        const unsigned everything = (1U << n_wanted) - 1;
        const unsigned next = s->next.there ? 1U << set_find(all, &s->next.cert) : 0;
        int r = set_write(all, n_wanted, &b->exact);

        b->hold_next = s->next.there;
        for (size_t i = 0; r == 0 && i < have->n_bundles; i++) {
                unsigned holds = 0;

                if (str_eq(have->bundles[i], buf_str(&b->exact)))
                        continue;
                r = read_bundle(have->bundles[i], n_wanted, all, &holds);
                b->differ = true;
                b->lack = b->lack || holds != everything;
                b->hold_next = b->hold_next && (holds & next);
        }
        if (r == 0)
                r = set_write(all, all->n, &b->wide);
        b->wanted = hash_str(HASH_INIT, buf_str(&b->exact));
        return r;
}

int bundles_read(const struct certificates_have *have, const struct state *s, struct bundles *ret)
{
        struct bundles b = { .exact = BUF_INIT(CERTIFICATE_TEXT_MAX),
                             .wide = BUF_INIT(CERTIFICATE_TEXT_MAX) };
        struct set all = { 0 };
        int r = want_all(s, &all);

        if (r == 0)
                r = compare(have, s, &all, &b);
        set_release(&all);
        if (r < 0) {
                bundles_release(&b);
                return r;
        }
        *ret = b;
        return 0;
}

void bundles_release(struct bundles *b)
{
        buf_release(&b->exact);
        buf_release(&b->wide);
}
