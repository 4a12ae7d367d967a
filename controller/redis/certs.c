/* SPDX-License-Identifier: Apache-2.0
 *
 * The cluster's own certificates: a CA, and one certificate that all members share,
 * with each other and with clients. What is due follows from the certificates alone:
 *
 *      CA          ten years; after two thirds another one is made, and the old one stays
 *                  trusted until it ends
 *      serving     ninety days; after two thirds, or where its names are not those wanted,
 *                  another one, by the newest CA, but not before everybody has had a day to
 *                  learn of that
 *
 * Keys and serial numbers are random; no decision depends on them.
 */
#include <errno.h>

#include "controller/redis/redis.h"
#include "crypto/issue.h"

#define DAY (24 * USEC_HOUR)
#define CA_LIFE (3650 * DAY)
#define SERVING_LIFE (90 * DAY)
#define SPREAD DAY

/* A certificate and its key, where both are there and belong together. */
struct pair {
        struct certificate crt;
        struct key key;
};

static void pair_release(struct pair *p)
{
        certificate_release(&p->crt);
        key_release(&p->key);
        *p = (struct pair){ 0 };
}

/* 1; 0: it is of no use; -ENOMEM. */
static int pair_read(struct str crt, struct str key, struct pair *ret)
{
        struct error err = ERROR_INIT;
        int r;

        if (!crt.data || !key.data)
                return 0;
        r = certificate_parse(crt, &ret->crt, &err);
        if (r == 0)
                r = key_parse(key, &ret->key, &err);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return certificate_has_key(&ret->crt, &ret->key);
}

static int pair_write(const struct pair *p, struct arena *a, struct str *ret_crt, struct str *ret_key)
{
        _cleanup_(buf_release) struct buf crt = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct secret key = { 0 };
        int r = certificate_write(&p->crt, &crt);

        if (r == 0)
                r = key_write(&p->key, &key);
        if (r == 0) {
                *ret_crt = arena_buf(a, &crt);
                *ret_key = arena_str(a, secret_str(&key));
                r = a->failed ? -ENOMEM : 0;
        }
        secret_release(&key);
        return r;
}

/* When two thirds of its life are over. */
static usec_t due(const struct certificate *c)
{
        return c->not_before + (c->not_after - c->not_before) / 3 * 2;
}

/* --- the CA ------------------------------------------------------------------------------ */

/* The first of several. */
static struct str first_of(struct str bundle)
{
        static const char end[] = "-----END CERTIFICATE-----\n";
        const char *at = bundle.data ? memmem(bundle.data, bundle.len, end, sizeof(end) - 1) : NULL;

        return at ? str_n(bundle.data, (size_t)(at - bundle.data) + sizeof(end) - 1) : STR_NULL;
}

/* The CA until now, be it without its key. Where somebody deleted NAME-ca, members have its
 * certificate still. */
static int find_former(const struct redis_secrets *s, struct str *ret)
{
        struct certificate c = { 0 };
        struct error err = ERROR_INIT;
        int r = s->ca_crt.data ? certificate_parse(s->ca_crt, &c, &err) : -EINVAL;

        certificate_release(&c);
        if (r == -ENOMEM)
                return r;
        *ret = r == 0 ? s->ca_crt : first_of(s->trusted_crt);
        return 0;
}

/* The one that it follows stays trusted, for those who have not heard of the new one. */
static int make_ca(const struct view *view, struct arena *a, struct redis_secrets *s, struct pair *ca)
{
        struct certificate_wish wish = { .common_name = arena_join(a, view->self->name, STR("-ca")),
                                         .not_before = view->wall - CERTIFICATE_BACKDATE,
                                         .not_after = view->wall + CA_LIFE };
        struct error err = ERROR_INIT;
        int r = find_former(s, &s->previous_crt);

        if (r == 0)
                r = key_make(&ca->key, &err);
        if (r == 0)
                r = certificate_make_ca(&wish, &ca->key, &ca->crt, &err);
        if (r < 0)
                return r == -ENOMEM ? r : -EIO;
        return pair_write(ca, a, &s->ca_crt, &s->ca_key);
}

static void drop_previous(const struct view *view, struct redis_secrets *s)
{
        struct certificate c = { 0 };
        struct error err = ERROR_INIT;

        if (!s->previous_crt.data)
                return;
        if (certificate_parse(s->previous_crt, &c, &err) == -EINVAL || view->wall > c.not_after)
                s->previous_crt = STR_NULL;
        certificate_release(&c);
}

/* --- the serving certificate -------------------------------------------------------------- */

/* NAME.NS, NAME.NS.svc and with the usual domain of clusters. */
static size_t add_names(struct str base, struct str namespace, struct arena *a, struct str *names)
{
        struct str space = arena_join(a, base, STR("."), namespace);

        names[0] = space;
        names[1] = arena_join(a, space, STR(".svc"));
        names[2] = arena_join(a, space, STR(".svc.cluster.local"));
        return 3;
}

/* Of the members not *.NAME-members alone, which OpenSSL takes for too wide. */
static size_t names_of(const struct view *view, struct arena *a, struct str names[CERTIFICATE_NAMES_MAX])
{
        const struct object *self = view->self;
        struct str reads = arena_join(a, self->name, STR(REDIS_READS_SUFFIX));
        size_t n = 0;

        names[n++] = self->name;
        n += add_names(self->name, self->namespace, a, names + n);
        names[n++] = reads;
        n += add_names(reads, self->namespace, a, names + n);
        n += add_names(arena_join(a, STR("*."), self->name, STR("-members")), self->namespace, a, names + n);
        names[n++] = STR("localhost");
        return n;
}

/* A wildcard is asked for as one of those that it stands for. */
static int has_names(const struct view *view, struct arena *a, const struct certificate *c)
{
        struct str names[CERTIFICATE_NAMES_MAX];
        size_t n = names_of(view, a, names);
        int r = 1;

        for (size_t i = 0; i < n && r > 0; i++) {
                if (str_starts(names[i], STR("*.")))
                        names[i] = arena_join(a, STR("x"), str_n(names[i].data + 1, names[i].len - 1));
                r = a->failed ? -ENOMEM : certificate_has_name(c, names[i]);
        }
        return r;
}

static int issue(const struct view *view, struct arena *a, const struct pair *ca, struct redis_secrets *s)
{
        struct str names[CERTIFICATE_NAMES_MAX];
        struct certificate_wish wish = { .common_name = view->self->name,
                                         .names = names,
                                         .n_names = names_of(view, a, names),
                                         .client = true,
                                         .not_before =
                                                 MAX(view->wall - CERTIFICATE_BACKDATE, ca->crt.not_before),
                                         .not_after = MIN(view->wall + SERVING_LIFE, ca->crt.not_after) };
        struct error err = ERROR_INIT;
        struct pair made = { 0 };
        int r = a->failed ? -ENOMEM : key_make(&made.key, &err);

        if (r == 0)
                r = certificate_issue(&wish, &made.key, &ca->crt, &ca->key, &made.crt, &err);
        if (r == 0)
                r = pair_write(&made, a, &s->tls_crt, &s->tls_key);
        pair_release(&made);
        return r == 0 || r == -ENOMEM ? r : -EIO;
}

/* Just after a change of the CA it is still the previous one that counts. */
static int is_signed(const struct view *view, const struct redis_secrets *s, const struct certificate *ca,
                     const struct certificate *c)
{
        struct certificate previous = { 0 };
        struct error err = ERROR_INIT;
        int r = certificate_signed_by(c, ca);

        if (r != 0 || !s->previous_crt.data || view->wall > ca->not_before + CERTIFICATE_BACKDATE + SPREAD)
                return r;
        r = certificate_parse(s->previous_crt, &previous, &err);
        r = r == 0 ? certificate_signed_by(c, &previous) : r == -ENOMEM ? r : 0;
        certificate_release(&previous);
        return r;
}

/* 1: it can be used until *RET_DUE; 0: another one is to be made; -ENOMEM. */
static int serving_is_good(const struct view *view, struct arena *a, const struct redis_secrets *s,
                           const struct certificate *ca, usec_t *ret_due)
{
        struct pair p = { 0 };
        int r = pair_read(s->tls_crt, s->tls_key, &p);

        if (r > 0)
                r = is_signed(view, s, ca, &p.crt);
        if (r > 0)
                r = has_names(view, a, &p.crt);
        if (r > 0) {
                *ret_due = due(&p.crt);
                r = view->wall < *ret_due;
        }
        pair_release(&p);
        return r;
}

static int renew(const struct view *view, struct arena *a, struct redis_secrets *s, struct pair *ca,
                 usec_t *ret_wake)
{
        usec_t serving = view->wall + SERVING_LIFE / 3 * 2;
        int r = pair_read(s->ca_crt, s->ca_key, ca);

        if (r < 0)
                return r;
        if (r == 0 || view->wall >= due(&ca->crt)) {
                pair_release(ca);
                r = make_ca(view, a, s, ca);
                if (r < 0)
                        return r;
        }
        drop_previous(view, s);
        r = serving_is_good(view, a, s, &ca->crt, &serving);
        if (r == 0)
                r = issue(view, a, ca, s);
        if (r < 0)
                return r;
        *ret_wake = MIN(serving, due(&ca->crt));
        if (s->previous_crt.data)
                *ret_wake = MIN(*ret_wake, view->wall + SPREAD);
        return 0;
}

int redis_certify(const struct view *view, struct arena *a, struct redis_secrets *s, usec_t *ret_wake)
{
        struct pair ca = { 0 };
        int r = renew(view, a, s, &ca, ret_wake);

        pair_release(&ca);
        return r;
}
