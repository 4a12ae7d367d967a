/* SPDX-License-Identifier: Apache-2.0
 *
 * New certificates. What they follow decides about their times as much as the clock
 * does; see certificates.h for why.
 */
#include "controller/certificates/state.h"

#include <errno.h>
#include <stdio.h>

#define COMMON_NAME "keelson-webhook"
#define CA_COMMON_NAME COMMON_NAME "-ca"

int authority_make(const struct authority *old, usec_t wall, struct authority *ret, struct error *err)
{
        char time[CLOCK_RFC3339_MAX], name[CERTIFICATE_COMMON_NAME_MAX + 1];
        struct certificate_wish wish = { .not_before = wall - CERTIFICATE_BACKDATE,
                                         .not_after = wall + CERTIFICATES_CA_LIFE };
        struct authority a = { .there = true, .can_sign = true };
        int r;

        /* For people who look at a bundle. */
        clock_format(wall, false, time);
        snprintf(name, sizeof(name), "%s %s", CA_COMMON_NAME, time);
        wish.common_name = str_c(name);
        if (old) {
                wish.not_before = MIN(wish.not_before, old->cert.not_before);
                wish.not_after = MAX(wish.not_after, old->cert.not_after);
        }
        r = key_make(&a.key, err);
        if (r == 0)
                r = certificate_make_ca(&wish, &a.key, &a.cert, err);
        if (r < 0) {
                authority_release(&a);
                return r;
        }
        *ret = a;
        return 0;
}

static int write_certificate(const struct certificate *c, struct secret *ret)
{
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        int r = certificate_write(c, &text);

        if (r == 0)
                r = secret_set(ret, buf_str(&text));
        buf_release(&text);
        return r;
}

int authority_write(const struct authority *a, struct secret items[], enum certificates_item crt,
                    enum certificates_item key)
{
        int r = write_certificate(&a->cert, &items[crt]);

        return r < 0 ? r : key_write(&a->key, &items[key]);
}

void serving_times(const struct state *s, const struct authority *ca, usec_t wall, usec_t *ret_not_before,
                   usec_t *ret_not_after)
{
        usec_t not_after = wall + CERTIFICATES_LIFE;

        if (s->serving.known)
                not_after = MAX(not_after, s->serving.cert.not_after);
        *ret_not_before = MIN(wall - CERTIFICATE_BACKDATE, ca->cert.not_before);
        *ret_not_after = MIN(not_after, ca->cert.not_after); /* clients look at both */
}

int serving_make(const struct certificates_have *have, const struct state *s, const struct authority *ca,
                 struct secret items[], struct error *err)
{
        struct certificate_wish wish = { .common_name = STR(COMMON_NAME),
                                         .names = have->names,
                                         .n_names = have->n_names };
        struct certificate cert = { 0 };
        struct key key = { 0 };
        int r;

        serving_times(s, ca, have->wall, &wish.not_before, &wish.not_after);
        r = key_make(&key, err);
        if (r == 0)
                r = certificate_issue(&wish, &key, &ca->cert, &ca->key, &cert, err);
        if (r == 0)
                r = write_certificate(&cert, &items[CERTIFICATES_TLS_CRT]);
        if (r == 0)
                r = key_write(&key, &items[CERTIFICATES_TLS_KEY]);
        certificate_release(&cert);
        key_release(&key);
        return r;
}
