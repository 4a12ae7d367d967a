/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <errno.h>

/* A copy of what stands there, to compare with. */
struct before {
        struct secret items[CERTIFICATES_ITEMS];
};

static struct before before(const struct world *w)
{
        struct before b = { 0 };

        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                world_set(&b.items[i], secret_str(&w->items[i]));
        return b;
}

static void before_release(struct before *b)
{
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                secret_release(&b->items[i]);
}

static bool is_as(const struct world *w, enum certificates_item now, const struct before *b,
                  enum certificates_item then)
{
        return w->items[now].data && str_eq(world_item(w, now), secret_str(&b->items[then]));
}

static bool same(const struct world *w, const struct before *b, enum certificates_item item)
{
        return is_as(w, item, b, item);
}

/* --- from nothing -------------------------------------------------------------------------- */

START_TEST(all_is_made_and_then_nothing)
{
        struct world w = world_init();

        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_assert_uint_eq(w.bundle_writes, 0); /* the Secret first: it may not get there */
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                ck_assert_msg((w.items[i].data != NULL) == (i < CERTIFICATES_NEXT_CRT), "%.*s",
                              STR_FMT(certificates_keys[i]));
        world_step(&w);
        ck_assert_uint_eq(w.bundle_writes, 1);
        ck_accepted(&w, w.wall);
        ck_accepted(&w, w.wall - 50 * USEC_MINUTE);
        ck_assert(str_eq(secret_str(&w.bundles[0]), world_item(&w, CERTIFICATES_CA_CRT)));

        world_days(&w, 50 * DAY);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_assert_uint_eq(w.bundle_writes, 1);
        world_release(&w);
}
END_TEST

START_TEST(what_cannot_be_written_is_tried_again_after_a_pause)
{
        struct world w = world_init();
        size_t secrets = 0, bundles = 0;

        for (usec_t end = w.now + 10 * USEC_MINUTE; w.now < end; world_pass(&w, 5 * USEC_SEC)) {
                world_look(&w);
                secrets += w.last.secret_reason != NULL;
        }
        ck_assert_uint_eq(secrets, 10);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        for (usec_t end = w.now + 10 * USEC_MINUTE; w.now < end; world_pass(&w, 5 * USEC_SEC)) {
                world_look(&w);
                ck_assert_ptr_null(w.last.secret_reason);
                bundles += w.last.bundle_reason != NULL;
        }
        ck_assert_uint_eq(bundles, 10 * USEC_MINUTE / CERTIFICATES_BUNDLE_PAUSE);
        world_release(&w);
}
END_TEST

/* --- the serving certificate ---------------------------------------------------------------- */

START_TEST(it_is_renewed_at_two_thirds_of_its_life)
{
        struct world w = world_made();
        struct before b = before(&w);

        world_pass(&w, START + 60 * DAY - w.wall);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 0);
        world_pass(&w, USEC_SEC);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_assert(!same(&w, &b, CERTIFICATES_TLS_CRT) && !same(&w, &b, CERTIFICATES_TLS_KEY));
        ck_assert(same(&w, &b, CERTIFICATES_CA_CRT) && same(&w, &b, CERTIFICATES_CA_KEY));
        ck_accepted(&w, w.wall);
        ck_accepted(&w, w.wall + 90 * DAY - USEC_MINUTE);
        world_run(&w, DAY);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_assert_uint_eq(w.bundle_writes, 0);
        before_release(&b);
        world_release(&w);
}
END_TEST

START_TEST(an_expired_one_is_renewed_at_once)
{
        struct world w = world_made();

        w.memory = (struct certificates_memory){ 0 };
        world_pass(&w, 200 * DAY);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_accepted(&w, w.wall);
        world_release(&w);
}
END_TEST

START_TEST(other_names_need_another_one)
{
        struct world w = world_made();

        w.names[1] = STR("other.keelson-system.svc");
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_assert_int_eq(client_verdict(secret_str(&w.bundles[0]), world_item(&w, CERTIFICATES_TLS_CRT),
                                        "other.keelson-system.svc", w.wall),
                         X509_V_OK);
        world_run(&w, USEC_HOUR);
        ck_assert_uint_eq(w.secret_writes, 1);

        /* One name less is others, too. */
        {
                struct str bundles[BUNDLES];
                struct certificates_have have = world_have(&w, bundles);

                have.n_names = 1;
                certificates_result_release(&w.last);
                ck_assert_int_eq(certificates_step(&have, &w.memory, &w.last, NULL), 0);
                ck_assert_ptr_nonnull(w.last.secret_reason);
        }
        world_release(&w);
}
END_TEST

/* --- what cannot be used -------------------------------------------------------------------- */

START_TEST(a_broken_serving_certificate_is_made_again)
{
        static const enum certificates_item items[] = { CERTIFICATES_TLS_CRT, CERTIFICATES_TLS_KEY };

        for (size_t i = 0; i < ARRAY_SIZE(items) * (ARRAY_SIZE(garbage) + 1); i++) {
                const enum certificates_item item = items[i % ARRAY_SIZE(items)];
                const size_t what = i / ARRAY_SIZE(items);
                struct world w = world_made(), other = world_made();
                struct before b;

                /* Or another CA's, or another's key. */
                world_set(&w.items[item],
                          what < ARRAY_SIZE(garbage) ? str_c(garbage[what]) : world_item(&other, item));
                b = before(&w);
                world_step(&w);
                ck_assert_uint_eq(w.secret_writes, 1);
                ck_assert(same(&w, &b, CERTIFICATES_CA_CRT) && same(&w, &b, CERTIFICATES_CA_KEY));
                ck_accepted(&w, w.wall);
                world_run(&w, USEC_HOUR);
                ck_assert_uint_eq(w.secret_writes, 1);
                ck_assert_uint_eq(w.bundle_writes, 0);
                before_release(&b);
                world_release(&w);
                world_release(&other);
        }
}
END_TEST

START_TEST(what_another_ca_has_signed_is_made_again)
{
        struct world w = world_made(), other = world_made();

        world_set(&w.items[CERTIFICATES_TLS_CRT], world_item(&other, CERTIFICATES_TLS_CRT));
        world_set(&w.items[CERTIFICATES_TLS_KEY], world_item(&other, CERTIFICATES_TLS_KEY));
        world_run(&w, USEC_HOUR);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_accepted(&w, w.wall);
        world_release(&w);
        world_release(&other);
}
END_TEST

/* What the old CA signed may still be shown for a while. */
START_TEST(without_a_ca_all_is_made_anew)
{
        for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
                struct world w = world_made();
                struct before b = before(&w);

                world_set(&w.items[CERTIFICATES_CA_CRT], str_c(garbage[i]));
                world_step(&w);
                world_step(&w);
                ck_assert_uint_eq(w.secret_writes, 1);
                ck_assert_uint_eq(w.bundle_writes, 1);
                ck_assert(!same(&w, &b, CERTIFICATES_CA_CRT) && !same(&w, &b, CERTIFICATES_TLS_CRT));
                ck_accepted(&w, w.wall);
                ck_assert(world_bundle_has(&w, secret_str(&b.items[CERTIFICATES_CA_CRT])));
                world_run(&w, CERTIFICATES_GRACE + USEC_MINUTE);
                ck_assert(!world_bundle_has(&w, secret_str(&b.items[CERTIFICATES_CA_CRT])));
                ck_accepted(&w, w.wall);
                ck_assert_uint_eq(w.secret_writes, 1);
                ck_assert_uint_eq(w.bundle_writes, 2);
                before_release(&b);
                world_release(&w);
        }
}
END_TEST

/* A serving certificate in the place of the CA's. */
START_TEST(what_is_no_ca_is_not_taken_for_one)
{
        struct world w = world_made();

        world_set(&w.items[CERTIFICATES_CA_CRT], world_item(&w, CERTIFICATES_TLS_CRT));
        world_set(&w.items[CERTIFICATES_CA_KEY], world_item(&w, CERTIFICATES_TLS_KEY));
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_accepted(&w, w.wall);
        world_release(&w);
}
END_TEST

/* --- the CA --------------------------------------------------------------------------------- */

/* From the first write of a rotation to behind the last; the CA is due. WRITES of the
 * bundles until the next CA is the CA. */
static void check_rotation(struct world *w, size_t writes)
{
        struct before b = before(w), c;
        struct certificate cert = world_certificate(world_item(w, CERTIFICATES_TLS_CRT));

        world_step(w);
        ck_assert_uint_eq(w->secret_writes, 1);
        ck_assert(same(w, &b, CERTIFICATES_CA_CRT) && same(w, &b, CERTIFICATES_TLS_CRT));
        ck_assert(w->items[CERTIFICATES_NEXT_CRT].data && w->items[CERTIFICATES_NEXT_KEY].data);
        ck_assert_uint_eq(w->bundle_writes, 0);
        c = before(w);

        world_step(w);
        ck_assert_uint_eq(w->bundle_writes, 1);
        ck_assert(world_bundle_has(w, world_item(w, CERTIFICATES_CA_CRT)));
        ck_assert(world_bundle_has(w, world_item(w, CERTIFICATES_NEXT_CRT)));
        ck_accepted(w, w->wall);

        world_run(w, CERTIFICATES_GRACE - USEC_SEC);
        world_step(w);
        ck_assert_uint_eq(w->secret_writes, 1);
        world_run(w, 2 * USEC_SEC);
        ck_assert_uint_eq(w->secret_writes, 2);
        ck_assert_uint_eq(w->bundle_writes, writes);
        ck_assert(is_as(w, CERTIFICATES_CA_CRT, &c, CERTIFICATES_NEXT_CRT));
        ck_assert(is_as(w, CERTIFICATES_CA_KEY, &c, CERTIFICATES_NEXT_KEY));
        ck_assert(is_as(w, CERTIFICATES_PREVIOUS_CRT, &c, CERTIFICATES_CA_CRT));
        ck_assert(!w->items[CERTIFICATES_NEXT_CRT].data && !w->items[CERTIFICATES_NEXT_KEY].data);
        ck_assert(!same(w, &b, CERTIFICATES_TLS_CRT) && !same(w, &b, CERTIFICATES_TLS_KEY));
        ck_accepted(w, w->wall);

        /* The old one is accepted until it expires, and then by no one. */
        world_days(w, cert.not_after - w->wall);
        ck_assert(world_bundle_has(w, secret_str(&b.items[CERTIFICATES_CA_CRT])));
        ck_assert(w->items[CERTIFICATES_PREVIOUS_CRT].data);
        world_run(w, 2 * USEC_HOUR);
        ck_assert(!w->items[CERTIFICATES_PREVIOUS_CRT].data && !w->items[CERTIFICATES_PREVIOUS_UNTIL].data);
        ck_assert(!world_bundle_has(w, secret_str(&b.items[CERTIFICATES_CA_CRT])));
        ck_accepted(w, w->wall);
        certificate_release(&cert);
        before_release(&b);
        before_release(&c);
}

START_TEST(the_ca_is_rotated_with_overlap)
{
        struct world w = world_of_old_ca();

        check_rotation(&w, 1);
        world_release(&w);
}
END_TEST

START_TEST(a_ca_that_has_lost_its_key_is_rotated)
{
        struct world w = world_made(), other = world_made();

        world_set(&w.items[CERTIFICATES_CA_KEY], world_item(&other, CERTIFICATES_CA_KEY));
        check_rotation(&w, 1);
        world_release(&w);
        world_release(&other);
}
END_TEST

/* Nothing that works is lost by haste. */
START_TEST(a_ca_without_a_key_cannot_renew)
{
        struct world w = world_made();
        struct before b;

        world_set(&w.items[CERTIFICATES_CA_KEY], STR_NULL);
        world_step(&w);
        ck_assert_ptr_nonnull(w.items[CERTIFICATES_NEXT_KEY].data);
        b = before(&w);
        world_set(&w.items[CERTIFICATES_TLS_KEY], STR_NULL);
        world_pass(&w, USEC_MINUTE);
        world_step(&w);
        ck_assert(is_as(&w, CERTIFICATES_CA_CRT, &b, CERTIFICATES_NEXT_CRT));
        world_pass(&w, USEC_MINUTE);
        world_step(&w);
        ck_accepted(&w, w.wall);
        before_release(&b);

        /* And without a next one, nothing is left. */
        world_set(&w.items[CERTIFICATES_CA_KEY], STR_NULL);
        world_set(&w.items[CERTIFICATES_TLS_KEY], STR_NULL);
        world_pass(&w, USEC_MINUTE);
        world_step(&w);
        world_pass(&w, USEC_MINUTE);
        world_step(&w);
        ck_assert_ptr_null(w.items[CERTIFICATES_NEXT_KEY].data);
        ck_accepted(&w, w.wall);
        world_release(&w);
}
END_TEST

START_TEST(a_broken_next_ca_is_made_again)
{
        for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
                struct world w = world_of_old_ca();

                world_step(&w);
                world_step(&w);
                world_set(&w.items[i % 2 ? CERTIFICATES_NEXT_CRT : CERTIFICATES_NEXT_KEY], str_c(garbage[i]));
                w.secret_writes = w.bundle_writes = 0;
                world_pass(&w, USEC_MINUTE);
                /* The bundles lose the broken one, too. */
                check_rotation(&w, 2);
                world_release(&w);
        }
}
END_TEST

/* Who knows what happened meanwhile. */
START_TEST(a_restart_begins_the_grace_anew)
{
        struct world w = world_of_old_ca();

        world_step(&w);
        world_step(&w);
        world_run(&w, CERTIFICATES_GRACE - USEC_SEC);
        world_step(&w);
        w.memory = (struct certificates_memory){ 0 };
        world_run(&w, CERTIFICATES_GRACE - USEC_SEC);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        world_run(&w, 2 * USEC_SEC);
        ck_assert_uint_eq(w.secret_writes, 2);
        world_release(&w);
}
END_TEST

/* Another leader has made it, meanwhile. */
START_TEST(another_next_ca_begins_the_grace_anew)
{
        struct world w = world_of_old_ca();
        struct certificates_memory memory;

        world_step(&w);
        world_step(&w);
        world_run(&w, CERTIFICATES_GRACE - USEC_MINUTE);
        memory = w.memory;
        w.memory = (struct certificates_memory){ 0 };
        world_set(&w.items[CERTIFICATES_NEXT_KEY], STR_NULL);
        world_step(&w);
        world_step(&w);
        w.memory = memory;
        world_run(&w, CERTIFICATES_GRACE - USEC_SEC);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 2);
        world_run(&w, 2 * USEC_SEC);
        ck_assert_uint_eq(w.secret_writes, 3);
        world_release(&w);
}
END_TEST

START_TEST(a_bundle_without_the_next_ca_holds_all_up)
{
        struct world w = world_of_old_ca();

        world_step(&w);
        world_step(&w);
        world_run(&w, CERTIFICATES_GRACE - USEC_SEC);
        world_step(&w);
        world_set(&w.bundles[1], world_item(&w, CERTIFICATES_CA_CRT));
        world_step(&w);
        ck_assert_uint_eq(w.bundle_writes, 2);
        world_run(&w, CERTIFICATES_GRACE - USEC_SEC);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        world_run(&w, 2 * USEC_SEC);
        ck_assert_uint_eq(w.secret_writes, 2);
        world_release(&w);
}
END_TEST

START_TEST(without_a_time_the_previous_ca_stays_while_it_lives)
{
        struct world w = world_of_old_ca();
        struct certificate ca = world_certificate(world_item(&w, CERTIFICATES_CA_CRT));

        world_run(&w, USEC_HOUR);
        ck_assert_ptr_nonnull(w.items[CERTIFICATES_PREVIOUS_CRT].data);
        world_set(&w.items[CERTIFICATES_PREVIOUS_UNTIL], STR("soon"));
        world_pass(&w, ca.not_after - w.wall - USEC_HOUR);
        w.memory = (struct certificates_memory){ 0 };
        world_run(&w, 50 * USEC_MINUTE);
        ck_assert_ptr_nonnull(w.items[CERTIFICATES_PREVIOUS_CRT].data);
        world_run(&w, 2 * USEC_HOUR);
        ck_assert_ptr_null(w.items[CERTIFICATES_PREVIOUS_CRT].data);
        certificate_release(&ca);
        world_release(&w);
}
END_TEST

/* --- errors ------------------------------------------------------------------------------------- */

START_TEST(errors_name_what_is_wrong)
{
        struct world w = world_init();
        struct certificates_result result = { 0 };
        struct error err = ERROR_INIT;
        struct str many[CERTIFICATES_BUNDLES_MAX + 1] = { STR_NULL };
        struct str bundles[BUNDLES];
        struct certificates_have have = world_have(&w, bundles);

        have.bundles = many;
        have.n_bundles = ARRAY_SIZE(many);
        ck_assert_int_eq(certificates_step(&have, &w.memory, &result, &err), -EINVAL);
        ck_assert_str_eq(err.message, "there are more than 64 webhooks");

        w.names[1] = STR("not a name");
        have = world_have(&w, bundles);
        ck_assert_int_eq(certificates_step(&have, &w.memory, &result, &err), -EINVAL);
        ck_assert_str_eq(err.path, "names");
        ck_assert_ptr_nonnull(strstr(err.message, "not a name"));
        ck_assert(!w.memory.began); /* as before */
        world_release(&w);
}
END_TEST

struct attempt {
        const struct world *w;
};

static int step_once(void *arg)
{
        const struct attempt *a = arg;
        struct certificates_memory memory = a->w->memory;
        struct certificates_result result = { 0 };
        struct error err = ERROR_INIT;
        struct str bundles[BUNDLES];
        const struct certificates_have have = world_have(a->w, bundles);
        const int r = certificates_step(&have, &memory, &result, &err);

        ck_assert(r == 0 || (err.code == r && err.message[0]));
        certificates_result_release(&result);
        return r;
}

START_TEST(survives_every_failed_allocation)
{
        struct world w = world_init();

        torture(step_once, &(struct attempt){ &w }, 0); /* all anew */
        world_step(&w);
        torture(step_once, &(struct attempt){ &w }, 0); /* a bundle */
        world_release(&w);
        w = world_of_old_ca();
        torture(step_once, &(struct attempt){ &w }, 0); /* a next CA */
        world_step(&w);
        world_step(&w);
        world_pass(&w, CERTIFICATES_GRACE);
        torture(step_once, &(struct attempt){ &w }, 0); /* the next CA is the CA */
        world_release(&w);
}
END_TEST

static const TTest *const tests[] = { all_is_made_and_then_nothing,
                                      what_cannot_be_written_is_tried_again_after_a_pause,
                                      it_is_renewed_at_two_thirds_of_its_life,
                                      an_expired_one_is_renewed_at_once,
                                      other_names_need_another_one,
                                      a_broken_serving_certificate_is_made_again,
                                      what_another_ca_has_signed_is_made_again,
                                      without_a_ca_all_is_made_anew,
                                      what_is_no_ca_is_not_taken_for_one,
                                      the_ca_is_rotated_with_overlap,
                                      a_ca_that_has_lost_its_key_is_rotated,
                                      a_ca_without_a_key_cannot_renew,
                                      a_broken_next_ca_is_made_again,
                                      a_restart_begins_the_grace_anew,
                                      another_next_ca_begins_the_grace_anew,
                                      a_bundle_without_the_next_ca_holds_all_up,
                                      without_a_time_the_previous_ca_stays_while_it_lives,
                                      errors_name_what_is_wrong,
                                      survives_every_failed_allocation };
TEST_MAIN("certificates/step", tests)
