/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

START_TEST(a_bundle_is_mended_at_once)
{
        for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
                struct world w = world_made();

                world_set(&w.bundles[1], str_c(garbage[i]));
                world_pass(&w, USEC_MINUTE);
                world_step(&w);
                ck_assert_uint_eq(w.bundle_writes, 1);
                ck_assert(str_eq(secret_str(&w.bundles[1]), world_item(&w, CERTIFICATES_CA_CRT)));
                world_run(&w, DAY);
                ck_assert_uint_eq(w.bundle_writes, 1);
                ck_assert_uint_eq(w.secret_writes, 0);
                world_release(&w);
        }
}
END_TEST

START_TEST(what_others_put_there_leaves_after_a_while)
{
        struct world w = world_made(), other = world_made();
        const struct str stranger = world_item(&other, CERTIFICATES_CA_CRT);
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);

        buf_add_str(&text, stranger);
        buf_add_str(&text, world_item(&w, CERTIFICATES_CA_CRT));
        world_set(&w.bundles[0], buf_str(&text));
        world_pass(&w, USEC_MINUTE);
        world_run(&w, CERTIFICATES_GRACE - USEC_SEC);
        world_step(&w);
        ck_assert_uint_eq(w.bundle_writes, 0);
        world_run(&w, 2 * USEC_SEC);
        ck_assert_uint_eq(w.bundle_writes, 1);
        ck_assert(!world_bundle_has(&w, stranger));
        ck_accepted(&w, w.wall);

        /* It stays while something is added, and a lot of it is too much. */
        world_set(&w.bundles[0], stranger);
        world_pass(&w, USEC_MINUTE);
        world_step(&w);
        ck_assert_uint_eq(w.bundle_writes, 2);
        ck_assert(world_bundle_has(&w, stranger));
        ck_accepted(&w, w.wall);
        buf_release(&text);
        world_release(&w);
        world_release(&other);
}
END_TEST

START_TEST(a_bundle_has_an_end)
{
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct world w = world_made();
        size_t n = 0;

        for (size_t i = 0; i < CERTIFICATES_TRUSTED_MAX + 3; i++) {
                struct world other = world_made();

                buf_add_str(&text, world_item(&other, CERTIFICATES_CA_CRT));
                world_release(&other);
        }
        world_set(&w.bundles[1], buf_str(&text));
        world_pass(&w, USEC_MINUTE);
        world_step(&w);
        ck_accepted(&w, w.wall);
        for (struct str rest = secret_str(&w.bundles[0]);; n++) {
                struct certificate c;

                if (certificate_read(&rest, &c, NULL) != 1)
                        break;
                certificate_release(&c);
        }
        ck_assert_uint_eq(n, CERTIFICATES_TRUSTED_MAX);
        buf_release(&text);
        world_release(&w);
}
END_TEST

/* A configuration may come later, or never. */
START_TEST(without_webhooks_there_is_nobody_to_wait_for)
{
        struct world w = world_of_old_ca();

        w.n_bundles = 0;
        world_run(&w, CERTIFICATES_GRACE + USEC_MINUTE);
        ck_assert_uint_eq(w.bundle_writes, 0);
        ck_assert_ptr_nonnull(w.items[CERTIFICATES_PREVIOUS_CRT].data);
        w.n_bundles = BUNDLES;
        world_step(&w);
        ck_assert_uint_eq(w.bundle_writes, 1);
        ck_accepted(&w, w.wall);
        world_release(&w);
}
END_TEST

static const TTest *const tests[] = { a_bundle_is_mended_at_once, what_others_put_there_leaves_after_a_while,
                                      a_bundle_has_an_end, without_webhooks_there_is_nobody_to_wait_for };
TEST_MAIN("certificates/bundle", tests)
