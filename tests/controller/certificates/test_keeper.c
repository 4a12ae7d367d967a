/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper makes, mends and leaves alone, in fair weather;
 * test_keeper_faults.c has the other kind.
 */
#include "cluster.h"

#include <errno.h>
#include <unistd.h>

/* --- making ---------------------------------------------------------------------------------- */

START_TEST(the_secret_and_all_bundles_are_made)
{
        struct cluster c;

        begin(&c, 1);
        world_start(&c.w);
        world_run(&c.w, 2 * USEC_SEC);
        check_well(&c, "made");
        ck_str_eq(sim_api_str(&c.w.api, &kube_secret_kind, SPACE, SECRET, "/type"), "kubernetes.io/tls");
        ck_assert_uint_eq(calls_of(&c, CALL_CREATE), 1);
        ck_assert_uint_eq(calls_of(&c, CALL_PATCH_AT), 3); /* two webhooks in one patch */
        ck_assert_uint_eq(calls(&c), 4);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                ck_assert(str_eq(bundle(&c, i), item(&c, "ca.crt")));
        check_rest(&c);
        ck_assert_uint_eq(calls(&c), 4);
        end(&c);
}
END_TEST

/* A reply tells what a slow watch has not brought yet. */
START_TEST(what_it_wrote_it_knows_at_once)
{
        struct cluster c;

        begin(&c, 1);
        c.w.watch_lag = 40 * USEC_SEC;
        world_start(&c.w);
        world_run(&c.w, 5 * USEC_SEC);
        check_well(&c, "before the watch");
        world_run(&c.w, 5 * USEC_MINUTE);
        ck_assert_uint_eq(calls(&c), 4);
        end(&c);
}
END_TEST

/* The next one takes over what there is. */
START_TEST(a_new_process_writes_nothing)
{
        struct cluster c;

        begin_made(&c);
        for (int i = 0; i < 3; i++) {
                world_crash(&c.w);
                world_start(&c.w);
                world_run(&c.w, USEC_HOUR);
        }
        ck_assert_uint_eq(calls(&c), 4);
        end(&c);
}
END_TEST

START_TEST(where_no_webhook_calls_our_service_nothing_is_made)
{
        static const char *const others[] = {
                CONFIGURATION("ValidatingWebhookConfiguration", ""),
                CONFIGURATION("ValidatingWebhookConfiguration", WEBHOOK("a", SERVICE("other", SPACE))),
                CONFIGURATION("ValidatingWebhookConfiguration", WEBHOOK("a", SERVICE(NAME, "other"))),
                CONFIGURATION("ValidatingWebhookConfiguration",
                              WEBHOOK("a", "\"url\":\"https://10.0.0.1/validate\"")),
        };
        struct cluster c;

        begin_empty(&c, 1);
        world_start(&c.w);
        world_run(&c.w, USEC_HOUR);
        for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
                apply(&c, &validating_kind, others[i]);
                apply(&c, &kube_definition_kind, DEFINITION("{\"strategy\":\"None\"}"));
                world_run(&c.w, USEC_HOUR);
        }
        ck_assert_uint_eq(calls(&c), 0);
        ck_assert_uint_eq(sim_api_count(&c.w.api, &kube_secret_kind), 0);
        apply_all(&c); /* as an installation comes, one by one */
        world_run(&c.w, USEC_MINUTE);
        check_well(&c, "with configurations");
        end(&c);
}
END_TEST

/* As it is installed: the operator may be there first. */
START_TEST(configurations_may_come_one_after_the_other)
{
        struct cluster c;

        begin_empty(&c, 1);
        world_start(&c.w);
        world_run(&c.w, USEC_MINUTE);
        apply(&c, &validating_kind, VALIDATING);
        world_run(&c.w, USEC_SEC);
        apply(&c, &mutating_kind, MUTATING);
        world_run(&c.w, USEC_SEC);
        apply(&c, &kube_definition_kind, CONVERTING);
        world_run(&c.w, 12 * USEC_SEC);
        check_well(&c, "one after the other");
        ck_assert_uint_eq(calls_of(&c, CALL_CREATE), 1);
        end(&c);
}
END_TEST

/* --- mending ------------------------------------------------------------------------------------ */

START_TEST(a_bundle_that_somebody_empties_is_back_within_seconds)
{
        struct cluster c;

        begin_made(&c);
        empty_bundle(&c);
        world_run(&c.w, USEC_SEC);
        check_well(&c, "emptied");
        ck_assert_uint_eq(calls(&c), 5);
        empty_bundle(&c); /* again, and it does not fight for it without a pause */
        world_run(&c.w, USEC_SEC);
        ck_assert_ptr_null(bundle(&c, 1).data);
        world_run(&c.w, CERTIFICATES_BUNDLE_PAUSE);
        check_well(&c, "emptied twice");
        ck_assert_uint_eq(calls(&c), 6);
        check_rest(&c);
        end(&c);
}
END_TEST

START_TEST(a_configuration_that_is_made_again_gets_its_bundle)
{
        struct cluster c;

        begin_made(&c);
        sim_api_delete(&c.w.api, &mutating_kind, "", NAME);
        world_run(&c.w, USEC_MINUTE);
        ck_assert_uint_eq(calls(&c), 4);
        apply(&c, &mutating_kind, MUTATING);
        world_run(&c.w, USEC_SEC);
        check_well(&c, "made again");
        ck_assert_uint_eq(calls(&c), 5);
        end(&c);
}
END_TEST

START_TEST(of_what_is_not_ours_nothing_is_touched)
{
        static const char mixed[] = CONFIGURATION(
                "ValidatingWebhookConfiguration",
                WEBHOOK("other", SERVICE("other", SPACE) ",\"caBundle\":\"b3RoZXI=\"") "," WEBHOOK(
                        "app.keelson.dev", OURS));
        struct cluster c;

        begin_empty(&c, 1);
        apply(&c, &validating_kind, mixed);
        world_start(&c.w);
        world_run(&c.w, USEC_MINUTE);
        ck_str_eq(bundle(&c, 0), "other");
        ck_assert(str_eq(bundle(&c, 1), item(&c, "ca.crt")));
        ck_assert_uint_eq(calls(&c), 2);
        end(&c);
}
END_TEST

/* kubectl apply --server-side of the manifest, which has no bundles in it, and of one
 * in which a webhook is no more. */
START_TEST(a_manifest_that_is_applied_again_takes_no_bundle_away)
{
        struct cluster c;

        begin_made(&c);
        apply_all(&c);
        world_run(&c.w, USEC_MINUTE);
        check_well(&c, "applied again");
        ck_assert_uint_eq(calls(&c), 4);
        apply(&c, &validating_kind,
              CONFIGURATION("ValidatingWebhookConfiguration", WEBHOOK("app.keelson.dev", OURS)));
        world_run(&c.w, USEC_MINUTE);
        ck_assert(str_eq(bundle(&c, 0), item(&c, "ca.crt")));
        ck_assert_ptr_null(sim_api_str(&c.w.api, &validating_kind, "", NAME, "/webhooks/1/name").data);
        ck_assert_uint_eq(calls(&c), 4);
        end(&c);
}
END_TEST

/* What is done when a key has leaked. */
START_TEST(a_secret_that_is_deleted_is_made_anew_and_both_are_trusted_for_a_while)
{
        struct str old, old_ca;
        struct cluster c;

        begin_made(&c);
        old = item(&c, "tls.crt");
        old_ca = item(&c, "ca.crt");
        world_run(&c.w, USEC_MINUTE);
        delete_secret(&c);
        world_run(&c.w, 2 * USEC_SEC);
        check_well(&c, "deleted");
        check_served(&c, old, "the pods still have it"); /* until the kubelet brings the new one */
        ck_assert(!str_eq(item(&c, "ca.crt"), old_ca));
        ck_assert(!str_eq(item(&c, "tls.crt"), old));
        check_rest(&c);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                ck_assert(!has(bundle(&c, i), old_ca));
        check_well(&c, "after the grace");
        end(&c);
}
END_TEST

START_TEST(what_others_keep_in_the_secret_stays)
{
        struct cluster c;

        begin_made(&c);
        world_run(&c.w, USEC_MINUTE);
        sim_api_patch(&c.w.api, &kube_secret_kind, SPACE, SECRET,
                      "{\"data\":{\"note\":\"bWluZQ==\",\"next-ca.crt\":\"Z2FyYmFnZQ==\",\"tls.crt\":null},"
                      "\"metadata\":{\"labels\":{\"team\":\"a\"}}}",
                      "kubectl-edit");
        world_run(&c.w, 2 * USEC_SEC);
        check_well(&c, "renewed");
        ck_str_eq(item(&c, "note"), "mine");
        ck_str_eq(sim_api_str(&c.w.api, &kube_secret_kind, SPACE, SECRET, "/metadata/labels/team"), "a");
        ck_assert_uint_eq(sim_api_count(&c.w.api, &kube_secret_kind), 1);
        ck_assert_uint_eq(calls(&c), 5);
        end(&c);
}
END_TEST

/* Another program that takes the Secret for its own must not make us busy. */
START_TEST(a_fight_over_the_secret_is_fought_once_a_minute)
{
        struct cluster c;

        begin_made(&c);
        for (int i = 0; i < 600; i++) {
                sim_api_patch(&c.w.api, &kube_secret_kind, SPACE, SECRET, "{\"data\":{\"tls.crt\":null}}",
                              "other");
                world_run(&c.w, USEC_SEC);
        }
        ck_assert_uint_ge(calls_of(&c, CALL_PATCH), 9);
        ck_assert_uint_le(calls_of(&c, CALL_PATCH), 11);
        end(&c);
}
END_TEST

/* Longer than any of ours, no base64 of a certificate, not even texts. */
START_TEST(garbage_in_the_secret_counts_as_absent)
{
        static char data[SECRET_MAX * 2 + 256];
        static const char *const garbage[] = { "\"AAAA\"", "\"%\"", "\"\"", "12", "{}", "null" };
        struct cluster c;

        for (size_t i = 0; i <= ARRAY_SIZE(garbage); i++) {
                begin_made(&c);
                world_run(&c.w, USEC_MINUTE);
                if (i < ARRAY_SIZE(garbage)) {
                        snprintf(data, sizeof(data), "{\"data\":{\"ca.key\":%s,\"tls.key\":%s}}", garbage[i],
                                 garbage[i]);
                } else {
                        char *at = data + snprintf(data, sizeof(data), "{\"data\":{\"ca.crt\":\"");

                        memset(at, 'A', SECRET_MAX * 2);
                        snprintf(at + SECRET_MAX * 2, 8, "\"}}");
                }
                sim_api_patch(&c.w.api, &kube_secret_kind, SPACE, SECRET, data, "kubectl-edit");
                world_run(&c.w, 30 * USEC_SEC);
                check_well(&c, i < ARRAY_SIZE(garbage) ? garbage[i] : "too long");
                check_rest(&c);
                end(&c);
        }
}
END_TEST

/* --- Events -------------------------------------------------------------------------------------- */

/* About the Secret, for this reason, with SAYS in the note. */
static size_t events(const struct cluster *c, const char *reason, const char *says)
{
        size_t n = 0;

        list_for_each (link, &c->w.api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);
                yyjson_mut_val *root = yyjson_mut_doc_get_root(o->doc);
                const char *note = yyjson_mut_get_str(yyjson_mut_obj_get(root, "note"));

                n += str_eq(o->kind->plural, STR("events")) && note && strstr(note, says) &&
                     yyjson_mut_equals_str(yyjson_mut_obj_get(root, "reason"), reason) &&
                     yyjson_mut_equals_str(yyjson_mut_ptr_get(root, "/regarding/name"), SECRET);
        }
        return n;
}

START_TEST(events_tell_what_was_written)
{
        struct cluster c;

        begin_made(&c);
        ck_assert_uint_eq(events(&c, "CertificatesMade", "Secret " SECRET " was written: there is no CA"), 1);
        ck_assert_uint_eq(events(&c, "BundleWritten", "it lacks a CA"), 3);
        ck_assert_uint_eq(events(&c, "BundleWritten", "CustomResourceDefinition " CRD " was written"), 1);
        ck_assert_uint_eq(events(&c, "CertificatesNeedHelp", ""), 0);
        end(&c);
}
END_TEST

/* Once, however often it is tried; and also of a Secret that is not there. */
START_TEST(an_event_tells_what_is_refused)
{
        struct cluster c;

        begin(&c, 1);
        world_rule(&c.w, (struct world_rule){ .fate = WORLD_REFUSE,
                                              .type = CALL_CREATE,
                                              .kind = &kube_secret_kind,
                                              .times = -1,
                                              .status = 403,
                                              .reason = "Forbidden",
                                              .message = "may not" });
        world_start(&c.w);
        world_run(&c.w, USEC_HOUR);
        ck_assert_uint_eq(events(&c, "CertificatesNeedHelp", "may not"), 1);
        ck_assert_uint_eq(events(&c, "CertificatesMade", ""), 0);
        end(&c);
}
END_TEST

/* --- the years ---------------------------------------------------------------------------------- */

/* Seven years, in which the operator runs for a while every 50 days; at each moment what is
 * served is taken. */
START_TEST(certificates_are_renewed_and_the_ca_rotates)
{
        struct str first, last;
        size_t serving = 0;
        struct cluster c;

        begin_made(&c);
        first = item(&c, "ca.crt");
        last = item(&c, "tls.crt");
        for (int i = 0; i < 49; i++) {
                world_crash(&c.w);
                c.w.now += 50 * CERTIFICATES_DAY;
                world_start(&c.w);
                for (int j = 0; j < 20; j++) {
                        world_run(&c.w, USEC_MINUTE);
                        check_well(&c, "in the years");
                        serving += !str_eq(last, item(&c, "tls.crt"));
                        last = item(&c, "tls.crt");
                }
        }
        ck_assert_uint_ge(serving, 24);
        ck_assert(!str_eq(item(&c, "ca.crt"), first));
        ck_assert(str_eq(item(&c, "previous-ca.crt"), first));
        ck_assert_ptr_null(item(&c, "next-ca.key").data);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                ck_assert(has(bundle(&c, i), first) && has(bundle(&c, i), item(&c, "ca.crt")));

        world_crash(&c.w);
        c.w.now += 100 * CERTIFICATES_DAY;
        world_start(&c.w);
        world_run(&c.w, USEC_HOUR);
        check_well(&c, "after the rotation");
        ck_assert_ptr_null(item(&c, "previous-ca.crt").data);
        for (size_t i = 0; i < ARRAY_SIZE(places); i++)
                ck_assert(str_eq(bundle(&c, i), item(&c, "ca.crt")));

        ck_assert_uint_eq(events(&c, "CertificatesMade", ""), 1);
        ck_assert_uint_ge(events(&c, "CertificateRenewed", "life are over"), 24);
        ck_assert_uint_eq(events(&c, "AuthorityAdded", "CA's life are over"), 1);
        ck_assert_uint_eq(events(&c, "AuthorityRotated", ""), 1);
        end(&c);
}
END_TEST

/* --- what is told ------------------------------------------------------------------------------- */

static double metric_of(struct metric_family *family, const char *a, const char *b)
{
        const struct str values[] = { str_c(a), str_c(b) };

        return metric_value(metric_series(family, values, b ? 2 : 1));
}

START_TEST(metrics_tell_of_expiry_and_writes)
{
        struct certificate ca, serving;
        struct metrics *metrics;
        struct cluster c;
        struct keeper *k = &c.keepers[0];

        begin(&c, 1);
        ck_assert_int_eq(metrics_new(&metrics), 0);
        c.w.op[0].metrics = metrics;
        world_start(&c.w);
        world_run(&c.w, USEC_MINUTE);
        ck_assert_int_eq(certificate_parse(item(&c, "ca.crt"), &ca, NULL), 0);
        ck_assert_int_eq(certificate_parse(item(&c, "tls.crt"), &serving, NULL), 0);
        ck_assert(metric_of(k->expiry, "ca", NULL) == (double)ca.not_after / (double)USEC_SEC);
        ck_assert(metric_of(k->expiry, "serving", NULL) == (double)serving.not_after / (double)USEC_SEC);
        certificate_release(&ca);
        certificate_release(&serving);
        ck_assert(metric_of(k->writes, "secrets", "ok") == 1);
        ck_assert(metric_of(k->writes, "validatingwebhookconfigurations", "ok") == 1);
        ck_assert(metric_value(metric_only(k->troubled)) == 0);

        c.w.wall_offset = -(30 * 365 * CERTIFICATES_DAY); /* a clock that is none */
        delete_secret(&c);
        world_run(&c.w, USEC_MINUTE);
        ck_assert(metric_value(metric_only(k->troubled)) == 1);
        ck_assert_ptr_nonnull(strstr(k->problem, "the clock is wrong"));
        ck_assert(metric_of(k->expiry, "ca", NULL) == 0);
        c.w.wall_offset = 0;
        world_run(&c.w, 2 * USEC_MINUTE);
        ck_assert(metric_value(metric_only(k->troubled)) == 0);
        ck_assert_str_eq(k->problem, "");
        check_well(&c, "the clock is right again");

        c.w.op[0].barred = true; /* it does not lead any more */
        world_run(&c.w, USEC_SEC);
        ck_assert(metric_of(k->expiry, "serving", NULL) == 0);
        metrics_free(metrics);
        world_crash(&c.w);
        end(&c);
}
END_TEST

/* All that it says in a troubled hour, and at the finest level. */
START_TEST(no_key_is_ever_logged)
{
        static char said[1024 * 1024];
        struct cluster c;
        FILE *log = tmpfile();
        int saved = dup(STDERR_FILENO);
        size_t n;

        ck_assert(log && saved >= 0);
        ck_assert_int_ge(dup2(fileno(log), STDERR_FILENO), 0);
        begin(&c, 1);
        log_setup(LOG_DEBUG, LOG_JSON);
        c.w.weather = (struct world_weather){ .refuse = 300, .lose_reply = 200, .cut = 100 };
        world_start(&c.w);
        world_run(&c.w, 10 * USEC_MINUTE);
        delete_secret(&c);
        world_run(&c.w, 10 * USEC_MINUTE);
        log_setup(LOG_ERROR + 1, LOG_TEXT);
        dup2(saved, STDERR_FILENO);
        close(saved);
        rewind(log);
        n = fread(said, 1, sizeof(said) - 1, log);
        said[n] = '\0';
        fclose(log);
        ck_assert_ptr_nonnull(strstr(said, "the webhook's certificates were written"));
        ck_assert_ptr_null(strstr(said, "PRIVATE"));
        ck_assert_ptr_null(strstr(said, "UFJJVkFUR")); /* the same in base64 */
        ck_assert_ptr_null(strstr(said, "MIGHAgEA"));  /* how each key begins */
        ck_assert(has(item(&c, "tls.key"), STR("MIGHAgEA")));
        end(&c);
}
END_TEST

START_TEST(options_are_checked)
{
        static const struct str crds[KEEPER_CRDS_MAX + 1];
        struct keeper_options options = { .service = STR("a") };
        struct error err = ERROR_INIT;
        char name[KEEPER_NAME_MAX + 1];
        static struct keeper k;

        memset(name, 'a', sizeof(name));
        ck_assert_int_eq(keeper_init(&k, &options, &err), 0);
        options.service = str_n(name, KEEPER_NAME_MAX);
        ck_assert_int_eq(keeper_init(&k, &options, &err), 0);
        ck_assert_uint_eq(strlen(k.secret_name), 63);
        options.service = str_n(name, KEEPER_NAME_MAX + 1);
        ck_assert_int_eq(keeper_init(&k, &options, &err), -EINVAL);
        options.service = STR("");
        ck_assert_int_eq(keeper_init(&k, &options, &err), -EINVAL);
        options = (struct keeper_options){ .service = STR("a"), .crds = crds, .n_crds = ARRAY_SIZE(crds) };
        ck_assert_int_eq(keeper_init(&k, &options, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.message, "more than 16"));
}
END_TEST

static const TTest *const tests[] = {
        the_secret_and_all_bundles_are_made,
        what_it_wrote_it_knows_at_once,
        a_new_process_writes_nothing,
        where_no_webhook_calls_our_service_nothing_is_made,
        configurations_may_come_one_after_the_other,
        a_bundle_that_somebody_empties_is_back_within_seconds,
        a_configuration_that_is_made_again_gets_its_bundle,
        of_what_is_not_ours_nothing_is_touched,
        a_manifest_that_is_applied_again_takes_no_bundle_away,
        a_secret_that_is_deleted_is_made_anew_and_both_are_trusted_for_a_while,
        what_others_keep_in_the_secret_stays,
        a_fight_over_the_secret_is_fought_once_a_minute,
        garbage_in_the_secret_counts_as_absent,
        events_tell_what_was_written,
        an_event_tells_what_is_refused,
        certificates_are_renewed_and_the_ca_rotates,
        metrics_tell_of_expiry_and_writes,
        no_key_is_ever_logged,
        options_are_checked,
};
TEST_MAIN("certificates/keeper", tests)
