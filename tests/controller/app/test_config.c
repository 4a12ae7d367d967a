/* SPDX-License-Identifier: Apache-2.0 */
#include "configs.h"

/* --- reading ---------------------------------------------------------------------------- */

START_TEST(what_is_not_known_is_asked_for_and_nothing_else_is_done_about_pods)
{
        struct cluster c;

        begin_cluster(&c, FROM_MAP);
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        step(&c);
        ck_assert_uint_eq(c.n_reads, 1);
        ck_assert_ptr_null(c.deployment);
        ck_assert_uint_eq(count_held(&c, &common_serviceaccount_kind), 1); /* the rest need not wait */
        step(&c);
        ck_assert_uint_eq(c.n_copies, 1);
        ck_assert_ptr_null(c.deployment); /* not before the copy is there */
        ck_condition(&c, "Ready", "False", "Applying");
        step(&c);
        ck_assert_ptr_nonnull(c.deployment);
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

/* A moment later more is known. */
START_TEST(while_it_is_read_nothing_is_said_and_what_runs_goes_on)
{
        struct cluster c;
        size_t statuses, applies;

        begin_settled(&c, IMAGE);
        statuses = c.n_statuses;
        applies = c.n_applies;
        change_spec(&c, FROM_MAP);
        step(&c);
        ck_assert_uint_eq(c.n_reads, 1);
        ck_assert_uint_eq(c.n_statuses, statuses);
        ck_assert_uint_eq(c.n_applies, applies);
        /* But for why it could not be read. */
        change_spec(&c, FROM_SECRET);
        c.f.view.failure = (struct failure){ STR("Forbidden"), STR("no"), true };
        step(&c);
        ck_condition(&c, "Stalled", "True", "Forbidden");
        ck_str_eq(status_at(&c, "/image"), "x:1");
        end_cluster(&c);
}
END_TEST

START_TEST(what_does_not_exist_stalls_until_it_does)
{
        struct cluster c;

        begin_cluster(&c, FROM_MAP);
        settle(&c);
        ck_condition(&c, "Stalled", "True", "ConfigNotFound");
        ck_has(condition_at(&c, "Ready", "message"),
               "spec.envFrom[0].configMapRef.name: ConfigMap \"settings\" does not exist");
        ck_assert_ptr_null(c.deployment);
        ck_assert_int_le(c.f.plan.wake, c.f.view.now + VIEW_READ_AGE); /* it is looked for again */
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        read_again(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

START_TEST(what_vanishes_stalls_and_what_runs_goes_on)
{
        char before[8192];
        struct cluster c;

        begin_settled(&c, FROM_MAP);
        snprintf(before, sizeof(before), "%s", c.deployment);
        remove_object(&c, "configmaps", "settings");
        read_again(&c);
        ck_condition(&c, "Stalled", "True", "ConfigNotFound");
        ck_condition(&c, "Available", "True", "MinimumReplicasAvailable");
        ck_assert_str_eq(c.deployment, before);
        ck_assert_uint_eq(count_held(&c, &app_configmap_kind), 1); /* the copy */
        ck_str_eq(status_at(&c, "/config/0/name"), "settings");    /* as it was */
        end_cluster(&c);
}
END_TEST

/* Or the operator would turn round and round: the status, which is to name the
 * Secret's copy before it is made, says nothing new before all is known. */
START_TEST(it_rests_while_one_is_missing_and_another_is_there)
{
        struct cluster c;

        begin_cluster(&c, FROM_BOTH);
        set_object(&c, "secrets", "db", DB);
        settle(&c);
        ck_condition(&c, "Stalled", "True", "ConfigNotFound");
        ck_assert_uint_eq(c.n_copies, 0);
        ck_assert_int_gt(c.f.plan.wake, c.f.view.now);
        end_cluster(&c);
}
END_TEST

START_TEST(it_is_read_again_after_a_minute_and_not_before)
{
        struct cluster c;
        size_t reads;

        begin_settled(&c, FROM_MAP);
        reads = c.n_reads;
        c.f.view.now += VIEW_READ_AGE - 1;
        settle(&c);
        ck_assert_uint_eq(c.n_reads, reads);
        ck_assert_int_eq(c.f.plan.wake, c.f.view.now + 1);
        read_again(&c);
        ck_assert_uint_eq(c.n_reads, reads + 1);
        end_cluster(&c);
}
END_TEST

START_TEST(the_same_source_twice_is_copied_once)
{
        struct cluster c;

        begin_settled(&c, IMAGE ",\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}},"
                                "{\"prefix\":\"X_\",\"configMapRef\":{\"name\":\"settings\"}}],"
                                "\"configFiles\":[{\"configMapRef\":{\"name\":\"settings\"},"
                                "\"mountPath\":\"/etc/x\"}]");
        ck_assert_uint_eq(c.n_copies, 1);
        ck_assert(str_eq(env_from_name(&c, 0, "configMapRef"), env_from_name(&c, 1, "configMapRef")));
        ck_assert(str_eq(env_from_name(&c, 0, "configMapRef"),
                         deployment_at(&c, "/spec/template/spec/volumes/1/configMap/name")));
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(parse_(&c, c.status), "config")), 1);
        end_cluster(&c);
}
END_TEST

START_TEST(a_secret_and_a_config_map_of_one_name_are_two)
{
        struct cluster c;

        begin_cluster(&c, IMAGE ",\"envFrom\":[{\"configMapRef\":{\"name\":\"db\"}},"
                                "{\"secretRef\":{\"name\":\"db\"}}]");
        set_object(&c, "configmaps", "db", "\"data\":{\"A\":\"1\"}");
        set_object(&c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"A\":\"1\"}");
        settle(&c);
        ck_assert_uint_eq(c.n_copies, 2);
        ck_assert(!str_eq(env_from_name(&c, 0, "configMapRef"), env_from_name(&c, 1, "secretRef")));
        end_cluster(&c);
}
END_TEST

/* --- names ------------------------------------------------------------------------------ */

/* Copied under which name? */
static void name_copy(const char *source, const char *uid, const char *contents, char out[300])
{
        char *spec = print_(IMAGE ",\"envFrom\":[{\"configMapRef\":{\"name\":\"%s\"}}]", source);
        struct cluster c;

        begin_cluster(&c, spec);
        c.uid = uid;
        put_app(&c);
        set_object(&c, "configmaps", source, contents);
        settle(&c);
        copy_str(out, env_from_name(&c, 0, "configMapRef"));
        end_cluster(&c);
        free(spec);
}

START_TEST(a_copy_is_called_by_the_app_the_source_and_the_contents)
{
        char name[300], other[300];

        name_copy("settings", "u-1", "\"data\":{\"A\":\"1\"}", name);
        ck_assert_msg(strncmp(name, "web-settings-", 13) == 0, "%s", name);
        ck_assert_uint_eq(strlen(name), 13 + 10);
        ck_assert_uint_eq(strspn(name + 13, "0123456789abcdef"), 10);
        name_copy("settings", "u-1", "\"data\":{\"A\":\"1\"}", other);
        ck_assert_str_eq(name, other);
        name_copy("settings", "u-1", "\"data\":{\"A\":\"2\"}", other);
        ck_assert_str_ne(name, other);
        name_copy("settings", "u-1", "\"data\":{\"B\":\"1\"}", other);
        ck_assert_str_ne(name, other);
        name_copy("settings", "u-1", "\"binaryData\":{\"A\":\"1\"}", other);
        ck_assert_str_ne(name, other);
        /* Nobody can tell by the names that two Apps have a password in common. */
        name_copy("settings", "u-2", "\"data\":{\"A\":\"1\"}", other);
        ck_assert_str_ne(name, other);
        /* Where a key ends and its value begins makes a difference. */
        name_copy("settings", "u-1", "\"data\":{\"AB\":\"C\"}", name);
        name_copy("settings", "u-1", "\"data\":{\"A\":\"BC\"}", other);
        ck_assert_str_ne(name, other);
}
END_TEST

START_TEST(long_names_are_cut_to_what_a_name_may_be)
{
        char source[254], name[300], other[300];

        memset(source, 'a', 253);
        source[253] = '\0';
        name_copy(source, "u-1", "\"data\":{}", name);
        ck_assert_uint_eq(strlen(name), 253);
        /* Cut, two of them are still told apart. */
        source[252] = 'b';
        name_copy(source, "u-1", "\"data\":{}", other);
        ck_assert_uint_eq(strlen(other), 253);
        ck_assert_str_ne(name, other);
        /* Where the cut is at a dot, it goes as well: ".-" is no name. */
        memset(source + 200, '.', 53);
        source[252] = 'b';
        name_copy(source, "u-1", "\"data\":{}", name);
        ck_assert_uint_eq(strlen(name), 4 + 200 + 1 + 10);
        ck_assert_ptr_null(strstr(name, ".-"));
        name_copy("app.properties", "u-1", "\"data\":{}", name);
        ck_assert_msg(strncmp(name, "web-app.properties-", 19) == 0, "%s", name);
}
END_TEST

START_TEST(a_new_version_of_equal_contents_changes_nothing)
{
        struct cluster c;
        size_t writes;

        begin_settled(&c, FROM_BOTH);
        writes = c.n_applies + c.n_copies + c.n_statuses;
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        set_object(&c, "secrets", "db", DB);
        read_again(&c);
        ck_assert_uint_eq(c.n_applies + c.n_copies + c.n_statuses, writes);
        end_cluster(&c);
}
END_TEST

/* --- changes ---------------------------------------------------------------------------- */

START_TEST(other_contents_are_other_pods)
{
        char before[300], revision[300];
        struct cluster c;

        begin_settled(&c, FROM_MAP);
        copy_str(before, env_from_name(&c, 0, "configMapRef"));
        copy_str(revision, status_at(&c, "/revision"));
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"2\"}");
        read_again(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert(!str_eq_c(env_from_name(&c, 0, "configMapRef"), before));
        ck_assert(!str_eq_c(status_at(&c, "/revision"), revision));
        /* The first is kept, for there may be a way back to it. */
        ck_assert_ptr_nonnull(find_object(&c, "configmaps", str_c(before)));
        end_cluster(&c);
}
END_TEST

START_TEST(a_change_is_told_once_with_its_keys_and_no_values)
{
        size_t told = 0;
        struct cluster c;

        begin_cluster(&c, FROM_MAP);
        c.never_told = "sesame";
        set_object(&c, "configmaps", "settings",
                   "\"data\":{\"GONE\":\"sesame0\",\"KEPT\":\"sesame1\",\"OTHER\":\"sesame2\"}");
        settle(&c);
        set_object(&c, "configmaps", "settings",
                   "\"data\":{\"KEPT\":\"sesame1\",\"MORE\":\"sesame4\",\"OTHER\":\"sesame3\"}");
        c.f.view.now += VIEW_READ_AGE;
        for (int i = 0; i < STEPS_MAX; i++) {
                step(&c);
                list_for_each (link, &c.f.plan.effects) {
                        const struct effect *e = container_of(link, struct effect, link);

                        if (e->type != EFFECT_EVENT || !str_eq(e->reason, STR("ConfigChanged")))
                                continue;
                        told++;
                        ck_assert(!e->warning);
                        ck_has(e->message, "ConfigMap settings changed from ");
                        ck_has(e->message, ", key MORE added");
                        ck_has(e->message, ", key OTHER changed");
                        ck_has(e->message, ", key GONE removed");
                        ck_assert(!has_part(e->message, "KEPT"));
                }
        }
        ck_assert_uint_eq(told, 1);
        end_cluster(&c);
}
END_TEST

START_TEST(a_change_of_many_keys_is_told_in_short)
{
        struct cluster c;
        char *many = strdup("\"data\":{\"A\":\"1\"");

        begin_settled(&c, FROM_MAP);
        for (int i = 0; i < 200; i++) {
                char *more = print_("%s,\"KEY_%d\":\"x\"", many, i);

                free(many);
                many = more;
        }
        {
                char *all = print_("%s}", many);

                set_object(&c, "configmaps", "settings", all);
                free(all);
        }
        c.f.view.now += VIEW_READ_AGE;
        step(&c);
        step(&c);
        ck_assert_uint_eq(c.n_events, 1);
        ck_has(str_c(c.event), "ConfigChanged: ConfigMap settings changed from ");
        ck_assert_uint_le(strlen(c.event), 600);
        free(many);
        end_cluster(&c);
}
END_TEST

/* As "data":{…}, of which key CHANGED has another value, and the rest is as it was. */
static char *many_keys(int n, int changed)
{
        size_t size = (size_t)n * 32 + 64, len;
        char *text = malloc(size);

        ck_assert_ptr_nonnull(text);
        len = (size_t)snprintf(text, size, "\"data\":{\"A\":\"1\"");
        for (int i = 0; i < n; i++)
                len += (size_t)snprintf(text + len, size - len, ",\"K%d\":\"%d\"", i, i == changed);
        snprintf(text + len, size - len, "}");
        return text;
}

/* As many as fit into one: what each is compared with is sought where it likely is,
 * or the operator would think for seconds and do nothing else. */
START_TEST(one_change_among_very_many_keys_is_found)
{
        enum { MANY = 40000 };
        char *before = many_keys(MANY, -1), *after = many_keys(MANY, MANY - 1);
        struct cluster c;

        begin_cluster(&c, FROM_MAP);
        set_object(&c, "configmaps", "settings", before);
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        set_object(&c, "configmaps", "settings", after);
        c.f.view.now += VIEW_READ_AGE;
        step(&c);
        step(&c);
        ck_assert_uint_eq(c.n_events, 1);
        ck_has(str_c(c.event), ", key K39999 changed");
        ck_assert(!has_part(str_c(c.event), "K39998") && !has_part(str_c(c.event), "removed"));
        free(before);
        free(after);
        end_cluster(&c);
}
END_TEST

/* --- Secrets -------------------------------------------------------------------------------- */

START_TEST(the_status_names_a_secret_before_it_is_made)
{
        struct cluster c;

        begin_cluster(&c, FROM_SECRET);
        c.never_told = PASSWORD;
        set_object(&c, "secrets", "db", DB);
        step(&c); /* reads */
        step(&c);
        ck_assert_uint_eq(c.n_copies, 0);
        ck_has(status_at(&c, "/copies/0"), "web-db-");
        ck_assert_int_eq(c.f.plan.wake, c.f.view.now); /* at once again */
        ck_assert_ptr_null(c.deployment);
        step(&c);
        ck_assert_uint_eq(c.n_copies, 1);
        ck_assert_ptr_null(c.deployment);
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert(str_eq(env_from_name(&c, 0, "secretRef"), status_at(&c, "/copies/0")));
        end_cluster(&c);
}
END_TEST

START_TEST(a_copy_is_labelled_owned_immutable_and_says_of_what)
{
        const struct effect *e;
        yyjson_val *json;
        struct cluster c;

        begin_cluster(&c, FROM_SECRET);
        set_object(&c, "secrets", "db", DB);
        step(&c);
        step(&c);
        look(&c);
        e = find_effect(&c.f, EFFECT_COPY, &app_secret_kind);
        json = get_json(&c.f, EFFECT_COPY, &app_secret_kind);
        ck_str_eq(str_at(json, "/kind"), "Secret");
        ck_str_eq(str_at(json, "/metadata/annotations/keelson.dev~1copy-of"), "db");
        ck_str_eq(str_at(json, "/metadata/labels/app.kubernetes.io~1managed-by"), "keelson");
        ck_str_eq(str_at(json, "/metadata/ownerReferences/0/uid"), "u-app");
        ck_assert(json_get_bool(json, "immutable", false));
        ck_assert_ptr_null(json_get_path(json, "/data"));
        ck_str_eq(e->source, "db");
        ck_assert_ptr_eq(e->source_kind, &app_secret_source_kind);
        end_cluster(&c);
}
END_TEST

/* --- where the originals are used --------------------------------------------------------------- */

START_TEST(without_reload_the_originals_are_used_and_nothing_is_read)
{
        struct reference list[REFERENCES_MAX];
        struct cluster c;

        begin_cluster(&c, FROM_BOTH ",\"configReload\":\"None\"");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        ck_assert_uint_eq(c.n_reads + c.n_copies, 0);
        ck_str_eq(env_from_name(&c, 0, "secretRef"), "db");
        ck_str_eq(env_from_name(&c, 1, "configMapRef"), "settings");
        ck_assert_uint_eq(app_controller.references(c.f.view.self, &c.f.arena, list), 0);
        end_cluster(&c);
}
END_TEST

START_TEST(the_references_are_those_of_the_spec)
{
        struct reference list[REFERENCES_MAX];
        struct cluster c;

        begin_cluster(&c, FROM_BOTH ",\"configFiles\":[{\"secretRef\":{\"name\":\"tls\"},"
                                    "\"mountPath\":\"/tls\"}]");
        look(&c);
        ck_assert_uint_eq(app_controller.references(c.f.view.self, &c.f.arena, list), 3);
        ck_assert_ptr_eq(list[0].kind, &app_secret_source_kind);
        ck_str_eq(list[0].name, "db");
        ck_assert_ptr_eq(list[1].kind, &app_configmap_source_kind);
        ck_str_eq(list[1].name, "settings");
        ck_str_eq(list[2].name, "tls");
        change_spec(&c, "\"image\":\"x:1\",\"port\":80,\"hosts\":[\"a.example\"]");
        look(&c);
        ck_assert_uint_eq(app_controller.references(c.f.view.self, &c.f.arena, list), 1);
        ck_assert_ptr_eq(list[0].kind, &app_certificate_kind);
        ck_str_eq(list[0].name, "web-tls");
        change_spec(&c, "\"replicas\":1"); /* no image: no spec */
        look(&c);
        ck_assert_uint_eq(app_controller.references(c.f.view.self, &c.f.arena, list), 0);
        end_cluster(&c);
}
END_TEST

/* --- without memory ------------------------------------------------------------------------------- */

START_TEST(it_survives_the_lack_of_memory)
{
        struct cluster c;

        begin_cluster(&c, FROM_BOTH);
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        set_object(&c, "secrets", "db", DB);
        for (int i = 0; i < 8; i++) {
                look(&c);
                torture(reconcile_once, &c.f, 0);
                step(&c);
        }
        set_object(&c, "configmaps", "settings", "\"data\":{\"A\":\"2\"}");
        set_object(&c, "secrets", "db", "\"type\":\"Opaque\",\"data\":{\"PASSWORD\":\"AAAA\"}");
        c.f.view.now += VIEW_READ_AGE;
        for (int i = 0; i < 4; i++) {
                look(&c);
                torture(reconcile_once, &c.f, 0);
                step(&c);
        }
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        what_is_not_known_is_asked_for_and_nothing_else_is_done_about_pods,
        while_it_is_read_nothing_is_said_and_what_runs_goes_on,
        what_does_not_exist_stalls_until_it_does,
        what_vanishes_stalls_and_what_runs_goes_on,
        it_rests_while_one_is_missing_and_another_is_there,
        it_is_read_again_after_a_minute_and_not_before,
        the_same_source_twice_is_copied_once,
        a_secret_and_a_config_map_of_one_name_are_two,
        a_copy_is_called_by_the_app_the_source_and_the_contents,
        long_names_are_cut_to_what_a_name_may_be,
        a_new_version_of_equal_contents_changes_nothing,
        other_contents_are_other_pods,
        a_change_is_told_once_with_its_keys_and_no_values,
        a_change_of_many_keys_is_told_in_short,
        one_change_among_very_many_keys_is_found,
        the_status_names_a_secret_before_it_is_made,
        a_copy_is_labelled_owned_immutable_and_says_of_what,
        without_reload_the_originals_are_used_and_nothing_is_read,
        the_references_are_those_of_the_spec,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("app/config", tests)
