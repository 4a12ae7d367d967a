/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/certificates/state.h"

#include <errno.h>

const struct str certificates_keys[CERTIFICATES_ITEMS] = {
        [CERTIFICATES_CA_CRT] = STR_INIT("ca.crt"),
        [CERTIFICATES_CA_KEY] = STR_INIT("ca.key"),
        [CERTIFICATES_TLS_CRT] = STR_INIT("tls.crt"),
        [CERTIFICATES_TLS_KEY] = STR_INIT("tls.key"),
        [CERTIFICATES_NEXT_CRT] = STR_INIT("next-ca.crt"),
        [CERTIFICATES_NEXT_KEY] = STR_INIT("next-ca.key"),
        [CERTIFICATES_PREVIOUS_CRT] = STR_INIT("previous-ca.crt"),
        [CERTIFICATES_PREVIOUS_UNTIL] = STR_INIT("previous-ca.until"),
};

/* What can be read, or nothing; a negative result only for want of memory. */
static int none_if_invalid(int r)
{
        return r == -EINVAL ? 0 : r;
}

void authority_release(struct authority *a)
{
        certificate_release(&a->cert);
        key_release(&a->key);
        *a = (struct authority){ 0 };
}

static int read_authority(struct str crt, struct str key, struct authority *ret)
{
        struct authority a = { 0 };
        int r;

        if (str_empty(crt))
                return 0;
        r = certificate_parse(crt, &a.cert, NULL);
        if (r < 0)
                return none_if_invalid(r);
        r = certificate_signed_by(&a.cert, &a.cert);
        if (r <= 0)
                goto out;
        a.there = true;
        r = str_empty(key) ? 0 : none_if_invalid(key_parse(key, &a.key, NULL));
        if (r == 0 && a.key.pkey)
                r = certificate_has_key(&a.cert, &a.key);
        if (r < 0)
                goto out;
        a.can_sign = r;
        *ret = a;
        return 0;
out:
        authority_release(&a);
        return r;
}

/* Exactly for these names: 1, 0 or -ENOMEM. */
static int is_for(const struct certificate *c, const struct certificates_have *have)
{
        int r = c->n_names == have->n_names;

        for (size_t i = 0; r == 1 && i < have->n_names; i++)
                r = certificate_has_name(c, have->names[i]);
        return r;
}

static int fits_key(const struct certificate *c, struct str text)
{
        struct key key = { 0 };
        int r = key_parse(text, &key, NULL);

        if (r < 0)
                return none_if_invalid(r);
        r = certificate_has_key(c, &key);
        key_release(&key);
        return r;
}

static int read_serving(const struct certificates_have *have, const struct authority *ca, struct serving *ret)
{
        struct serving s = { 0 };
        int r;

        if (!ca->there || str_empty(have->items[CERTIFICATES_TLS_CRT]))
                return 0;
        r = certificate_parse(have->items[CERTIFICATES_TLS_CRT], &s.cert, NULL);
        if (r < 0)
                return none_if_invalid(r);
        r = certificate_signed_by(&s.cert, &ca->cert);
        s.known = r == 1;
        if (r == 1)
                r = s.cert.serves;
        if (r == 1)
                r = is_for(&s.cert, have);
        if (r == 1)
                r = fits_key(&s.cert, have->items[CERTIFICATES_TLS_KEY]);
        if (r < 0 || !s.known) {
                certificate_release(&s.cert);
                return r;
        }
        s.fits = r;
        *ret = s;
        return 0;
}

int state_read(const struct certificates_have *have, struct state *ret)
{
        struct state s = { 0 };
        int r = read_authority(have->items[CERTIFICATES_CA_CRT], have->items[CERTIFICATES_CA_KEY], &s.ca);

        if (r == 0)
                r = read_authority(have->items[CERTIFICATES_NEXT_CRT], have->items[CERTIFICATES_NEXT_KEY],
                                   &s.next);
        if (r == 0)
                r = read_authority(have->items[CERTIFICATES_PREVIOUS_CRT], STR_NULL, &s.previous);
        if (r == 0)
                r = read_serving(have, &s.ca, &s.serving);
        if (r < 0) {
                state_release(&s);
                return r;
        }
        if (s.previous.there && clock_parse(have->items[CERTIFICATES_PREVIOUS_UNTIL], &s.until) < 0)
                s.until = s.previous.cert.not_after; /* nothing that it signed lives longer */
        *ret = s;
        return 0;
}

void state_release(struct state *s)
{
        authority_release(&s->ca);
        authority_release(&s->next);
        authority_release(&s->previous);
        certificate_release(&s->serving.cert);
        *s = (struct state){ 0 };
}
