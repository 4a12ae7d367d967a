/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

struct validated {
        struct arena a;
        yyjson_doc *doc;
        struct app_spec *spec;
        struct problems problems;
};

/* SPEC beside the image. */
static void validate(struct validated *v, const char *spec)
{
        struct error err = ERROR_INIT;
        char json[8192];
        void *decoded;

        snprintf(json, sizeof(json), "{\"image\":\"x\"%s%s}", *spec ? "," : "", spec);
        v->a = (struct arena)ARENA_INIT(1024 * 1024);
        ck_assert_int_eq(json_parse(str_c(json), &v->doc, NULL), 0);
        ck_assert_msg(schema_decode(&app_spec_schema, yyjson_doc_get_root(v->doc), STR("spec"), 0, &v->a,
                                    &decoded, &err) == 0,
                      "%s: %s", spec, err.message);
        v->spec = decoded;
        problems_init(&v->problems, &v->a);
        app_validate(v->spec, &v->problems);
}

static void release(struct validated *v)
{
        yyjson_doc_free(v->doc);
        arena_release(&v->a);
}

struct trouble {
        const char *spec, *path, *message;
};

static const struct trouble troubles[] = {
        { "\"autoscaling\":{\"minReplicas\":4,\"maxReplicas\":3}", "spec.autoscaling.minReplicas",
          "4 is more than maxReplicas, which is 3" },
        { "\"replicas\":2,\"autoscaling\":{\"maxReplicas\":3}", "spec.replicas",
          "excludes spec.autoscaling" },
        { "\"autoscaling\":{\"maxReplicas\":3,\"scaleDownCooldown\":\"2h\"}",
          "spec.autoscaling.scaleDownCooldown", "between 0s and 1h" },
        { "\"resources\":{\"requests\":{\"cpu\":\"2\"},\"limits\":{\"cpu\":\"1500m\"}}",
          "spec.resources.requests.cpu", "2 is more than the limit, which is 1500m" },
        { "\"autoscaling\":{\"targetCPUUtilization\":70},\"resources\":{\"requests\":{\"cpu\":\"0\"}}",
          "spec.autoscaling.targetCPUUtilization", "they request no cpu; set spec.resources.requests.cpu" },
        { "\"autoscaling\":{\"targetMemoryUtilization\":70},\"resources\":{\"limits\":{\"memory\":\"0\"}}",
          "spec.autoscaling.targetMemoryUtilization", "they request no memory" },
        { "\"resources\":{\"requests\":{\"cpu\":\"lots\"}}", "spec.resources.requests.cpu",
          "must be a quantity such as 500m, 2 or 1Gi (is \"lots\")" },
        { "\"resources\":{\"limits\":{\"memory\":\"-1Gi\"}}", "spec.resources.limits.memory",
          "less than nothing" },
        { "\"resources\":{\"requests\":{\"cpu\":\"1e400\"}}", "spec.resources.requests.cpu",
          "1e400 is past all counting" },
        { "\"resources\":{\"requests\":{\"cpus\":\"1\"}}", "spec.resources.requests",
          "\"cpus\" is no resource of a container" },
        { "\"resources\":{\"limits\":{\"\":\"1\"}}", "spec.resources.limits", "\"\" is no resource" },
        { "\"resources\":{\"limits\":{\"hugepages-\\\"x\":\"1\"}}", "spec.resources.limits",
          "is no resource" },
        { "\"resources\":{\"limits\":{\"a\\u0000b/c\":\"1\"}}", "spec.resources.limits", "is no resource" },
        { "\"resources\":{\"limits\":{\"a b/c\":\"1\"}}", "spec.resources.limits",
          "\"a b/c\" is no resource" },
        { "\"resources\":{\"limits\":{\"example.com/\":\"1\"}}", "spec.resources.limits", "is no resource" },
        { "\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"1\\u0000\"}]",
          "spec.env[1].value", "NUL character" },
        { "\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"},\"items\":[{\"key\":\"a\","
          "\"path\":\"p\"},{\"key\":\"b\",\"path\":\"p/q\"}]}]",
          "spec.configFiles[0].items[1].path", "p/q is inside the path of items[0]" },
        { "\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"},\"items\":[{\"key\":\"a\","
          "\"path\":\"p\"},{\"key\":\"b\",\"path\":\"q/.\"}]}]",
          "spec.configFiles[0].items[1].path", "q/. is a folder; name a file" },
        { "\"port\":80,\"hosts\":[\"a.example\",\"10.1.2.3\"]", "spec.hosts[1]", "10.1.2.3 is an address" },
        { "\"env\":[{\"name\":\"A\"},{\"name\":\"B\"},{\"name\":\"A\"}]", "spec.env[2].name",
          "A is in the list twice" },
        { "\"envFrom\":[{\"prefix\":\"A\"}]", "spec.envFrom[0]", "exactly one of" },
        { "\"envFrom\":[{\"secretRef\":{\"name\":\"a\"},\"configMapRef\":{\"name\":\"a\"}}]",
          "spec.envFrom[0]", "exactly one of" },
        { "\"configFiles\":[{\"mountPath\":\"/a\"}]", "spec.configFiles[0]", "exactly one of" },
        { "\"configFiles\":[{\"mountPath\":\"/tmp\",\"secretRef\":{\"name\":\"a\"}}]",
          "spec.configFiles[0].mountPath", "must not be /tmp" },
        { "\"configFiles\":[{\"mountPath\":\"/tmp/a\",\"secretRef\":{\"name\":\"a\"}}]",
          "spec.configFiles[0].mountPath", "must not be /tmp" },
        { "\"configFiles\":[{\"mountPath\":\"relative\",\"secretRef\":{\"name\":\"a\"}}]",
          "spec.configFiles[0].mountPath", "absolute" },
        { "\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"}},"
          "{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"b\"}}]",
          "spec.configFiles[1].mountPath", "/a is in the list twice; take one of them out" },
        { "\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"}},"
          "{\"mountPath\":\"/a/b\",\"secretRef\":{\"name\":\"b\"}}]",
          "spec.configFiles[1].mountPath", "/a/b is inside the mountPath of configFiles[0]" },
        { "\"configFiles\":[{\"mountPath\":\"/a/../tmp\",\"secretRef\":{\"name\":\"a\"}}]",
          "spec.configFiles[0].mountPath", "must not have . or .. in it" },
        { "\"configFiles\":[{\"mountPath\":\"/a/.\",\"secretRef\":{\"name\":\"a\"}}]",
          "spec.configFiles[0].mountPath", "must not have . or .. in it" },
        { "\"configFiles\":[{\"mountPath\":\"/..\",\"secretRef\":{\"name\":\"a\"}}]",
          "spec.configFiles[0].mountPath", "must not have . or .. in it" },
        { "\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"},\"items\":[{\"key\":\"a\","
          "\"path\":\"..data/p\"}]}]",
          "spec.configFiles[0].items[0].path", "..data/p has a part that begins with .." },
        { "\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"},\"items\":[{\"key\":\"a\","
          "\"path\":\"p/..\"}]}]",
          "spec.configFiles[0].items[0].path", "p/.. has a part that begins with .." },
        { "\"hosts\":[\"a.example\"]", "spec.hosts", "set spec.port" },
        { "\"hosts\":[\"a.example\"],\"port\":80,\"tier\":\"worker\"", "spec.hosts",
          "a worker has no hosts" },
        { "\"drain\":{\"delay\":\"40m\",\"timeout\":\"40m\"}", "spec.drain", "must not be more than 1h" },
        { "\"drain\":{\"timeout\":\"0s\"}", "spec.drain.timeout", "between 1s and 1h" },
        { "\"drain\":{\"delay\":\"soon\"}", "spec.drain.delay", "must be a duration such as" },
        { "\"healthCheck\":{\"startupTimeout\":\"999999h999999h\"}", "spec.healthCheck.startupTimeout",
          "between 1s and 1h" },
        { "\"strategy\":{\"progressDeadline\":\"1s\"}", "spec.strategy.progressDeadline",
          "between 10s and 24h" },
        { "\"configFiles\":[{\"secretRef\":{\"name\":\"a\"},\"mountPath\":\"/etc\"}],\"access\":{\"to\":[{\"redis\":\"b\"}]}",
          "spec.configFiles[0].mountPath", "has to leave /etc/keelson/redis free" },
        { "\"configFiles\":[{\"secretRef\":{\"name\":\"a\"},\"mountPath\":\"/etc/keelson\"}],\"access\":{\"to\":[{\"redis\":\"b\"}]}",
          "spec.configFiles[0].mountPath", "has to leave /etc/keelson/redis free" },
        { "\"access\":{\"to\":[{\"redis\":\"a\"},{\"redis\":\"b\"},{\"redis\":\"c\"},{\"redis\":\"d\"},{\"redis\":\"e\"},"
          "{\"redis\":\"f\"},{\"redis\":\"g\"},{\"redis\":\"h\"},{\"redis\":\"i\"}]}",
          "spec.access.to", "an App may have 8" },
        { "\"access\":{\"to\":[{\"app\":\"a\"},{\"app\":\"a\",\"redis\":\"b\"}]}", "spec.access.to[1]",
          "exactly one of" },
        { "\"access\":{\"to\":[{\"port\":3}]}", "spec.access.to[0]", "exactly one of" },
        { "\"access\":{\"to\":[{\"app\":\"a\",\"port\":3}]}", "spec.access.to[0].port", "leave it out" },
        { "\"access\":{\"to\":[{\"cidr\":\"999.1.1.1/33\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses such as 10.20.0.0/16 or 2001:db8::/32 (is \"999.1.1.1/33\")" },
        { "\"access\":{\"to\":[{\"cidr\":\"10.0.0.0/33\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
        { "\"access\":{\"to\":[{\"cidr\":\"10.0.0.0/\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
        { "\"access\":{\"to\":[{\"cidr\":\"10.0.0.0\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
        { "\"access\":{\"to\":[{\"cidr\":\"10.0.0.0/+8\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
        /* Some read it as octal, and the API server as decimal. */
        { "\"access\":{\"to\":[{\"cidr\":\"10.010.0.0/16\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
        { "\"access\":{\"to\":[{\"cidr\":\"10.0.0.0/016\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
        { "\"access\":{\"to\":[{\"cidr\":\"2001:db8::/129\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
        { "\"access\":{\"to\":[{\"cidr\":\"2001::db8::/32\"}]}", "spec.access.to[0].cidr",
          "must be a range of addresses" },
};

START_TEST(what_cannot_work_is_named)
{
        for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
                const struct trouble *t = &troubles[i];
                const struct problem *first;
                struct validated v;

                validate(&v, t->spec);
                ck_assert_msg(problems_result(&v.problems) == -EINVAL, "%s: is let through", t->spec);
                first = &v.problems.all[0];
                ck_assert_msg(str_eq_c(first->path, t->path), "%s: it is %.*s", t->spec,
                              STR_FMT(first->path));
                ck_assert_msg(memmem(first->message.data, first->message.len, t->message, strlen(t->message)),
                              "%s: %.*s", t->spec, STR_FMT(first->message));
                release(&v);
        }
}
END_TEST

/* What looks like the above and is none. */
static const char *const fine[] = {
        "",
        ("\"access\":{\"to\":[{\"cidr\":\"0.0.0.0/0\"},{\"cidr\":\"255.255.255.255/32\"},{\"cidr\":\"::/0\"},"
         "{\"cidr\":\"2001:db8:0:0:0:0:0:1/128\"},{\"cidr\":\"10.1.2.3/8\"}]}"),
        ("\"configFiles\":[{\"mountPath\":\"/a/..b/.c/...\",\"secretRef\":{\"name\":\"a\"},\"items\":[{\"key\":"
         "\"a\",\"path\":\"p../.q/r..s\"}]}]"),
        ("\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"}},"
         "{\"mountPath\":\"/ab\",\"secretRef\":{\"name\":\"a\"}}]"),
        "\"configFiles\":[{\"mountPath\":\"/tmpfiles\",\"configMapRef\":{\"name\":\"a\"}}]",
        "\"resources\":{\"requests\":{\"cpu\":\"1000m\"},\"limits\":{\"cpu\":\"1\"}}",
        ("\"resources\":{\"limits\":{\"ephemeral-storage\":\"1Gi\",\"hugepages-2Mi\":\"2Mi\",\"example.com/"
         "gpu_0.x-y\":\"1\"}}"),
        ("\"configFiles\":[{\"mountPath\":\"/a\",\"secretRef\":{\"name\":\"a\"},\"items\":[{\"key\":\"a\","
         "\"path\":\"p\"},{\"key\":\"b\",\"path\":\"pq/r\"},{\"key\":\"b\",\"path\":\"pq/s.\"}]}]"),
        "\"port\":80,\"hosts\":[\"1.2.3\",\"1.2.3.4.example.com\",\"*.1.2.3\"]",
        "\"autoscaling\":{\"minReplicas\":3,\"maxReplicas\":3}",
        "\"autoscaling\":{\"targetMemoryUtilization\":70},\"resources\":{\"requests\":{\"cpu\":\"0\"}}",
        "\"drain\":{\"delay\":\"0s\",\"timeout\":\"1h\"}",
        "\"hosts\":[],\"tier\":\"worker\"",
        "\"env\":[{\"name\":\"A\"},{\"name\":\"a\"}]",
        "\"access\":{\"to\":[{\"host\":\"a.example\",\"port\":25},{\"cidr\":\"10.0.0.0/8\"}]}",
};

START_TEST(what_can_work_is_let_through)
{
        for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
                struct validated v;

                validate(&v, fine[i]);
                ck_assert_msg(problems_result(&v.problems) == 0, "%s: %.*s", fine[i],
                              STR_FMT(problems_text(&v.problems)));
                release(&v);
        }
}
END_TEST

START_TEST(all_is_told_at_once)
{
        struct validated v;

        validate(&v, "\"hosts\":[\"10.1.2.3\"],\"env\":[{\"name\":\"A\"},{\"name\":\"A\"}],"
                     "\"drain\":{\"timeout\":\"2h\"}");
        ck_assert_uint_eq(v.problems.n, 5);
        ck_str_eq(problems_text(&v.problems),
                  "spec.env[1].name: A is in the list twice; take one of them out; "
                  "spec.drain.timeout: \"2h\" must be a duration between 1s and 1h; "
                  "spec.drain: delay and timeout together must not be more than 1h; "
                  "spec.hosts[0]: 10.1.2.3 is an address; name the host, such as shop.example.com; "
                  "spec.hosts: need a port; set spec.port to the one that the program listens on");
        release(&v);
}
END_TEST

static void warn(struct validated *v, const char *spec, struct problems *warnings)
{
        struct app app;

        validate(v, spec);
        app.spec = v->spec;
        problems_init(&v->problems, &v->a);
        problems_init(warnings, &v->a);
        app_admission.validate(&app, NULL, &v->problems, warnings);
        ck_assert_uint_eq(v->problems.n, 0);
}

START_TEST(what_is_unwise_is_a_warning)
{
        static const struct {
                const char *image;
                bool unwise;
        } images[] = {
                { "shop", true },
                { "shop:latest", true },
                { "registry.example:5000/shop", true },
                { "registry.example:5000/team/shop:latest", true },
                { "shop:1", false },
                { "registry.example:5000/shop:1.8.2", false },
                { "shop@sha256:0123456789012345678901234567890123456789012345678901234567890123", false },
        };
        struct problems warnings;
        struct validated v;

        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
                warn(&v, "", &warnings);
                v.spec->image = str_c(images[i].image);
                problems_init(&warnings, &v.a);
                app_warn(v.spec, &warnings);
                ck_assert_msg((warnings.n == 1) == images[i].unwise, "%s", images[i].image);
                if (images[i].unwise)
                        ck_str_eq(warnings.all[0].path, "spec.image");
                release(&v);
        }
        warn(&v,
             "\"env\":[{\"name\":\"TOKEN_LIFETIME\",\"value\":\"5m\"},{\"name\":\"DB_PASSWORD\",\"value\":\"x\"},"
             "{\"name\":\"API_TOKEN\",\"value\":\"\"}]",
             &warnings);
        ck_assert_uint_eq(warnings.n, 2);
        ck_str_eq(warnings.all[1].path, "spec.env[1].value");
        ck_assert_ptr_nonnull(strstr(warnings.all[1].message.data, "looks like a secret"));
        release(&v);
}
END_TEST

#define TO(destination) "\"access\":{\"to\":[{\"app\":\"a\"},{" destination "}]}"

/* No message: it is fine. */
static const struct trouble unwise[] = {
        { "\"resources\":{\"limits\":{\"memory\":64}}", "spec.resources.limits.memory",
          "64 is less than 4Mi" },
        { "\"resources\":{\"requests\":{\"memory\":\"32m\"}}", "spec.resources.requests.memory",
          "32m is in fractions of a byte" },
        { "\"resources\":{\"requests\":{\"memory\":\"4Mi\",\"cpu\":\"1m\"}}" },
        { "\"resources\":{\"limits\":{\"memory\":0}}" },
        { "\"port\":80,\"healthCheck\":{\"startupTimeout\":\"11m\"}", "spec.healthCheck.startupTimeout",
          "11m is longer than spec.strategy.progressDeadline, which is 10m" },
        { "\"port\":80,\"healthCheck\":{\"startupTimeout\":\"10m\"}" },
        { "\"healthCheck\":{\"livePath\":\"/alive\"}", "spec.healthCheck",
          "without a port nothing is checked" },
        { "\"healthCheck\":{}" },
        { "\"configReload\":\"Signal\"", "spec.configReload", "Signal changes nothing without files" },
        { "\"configReload\":\"Signal\",\"configFiles\":[{\"mountPath\":\"/etc/x\",\"secretRef\":{\"name\":\"x\"}}]" },
        { TO("\"host\":\"localhost\""), "spec.access.to[1].host", "localhost is the pod itself" },
        { TO("\"host\":\"db.localhost\""), "spec.access.to[1].host", "is the pod itself" },
        { TO("\"host\":\"10.1.2.3\""), "spec.access.to[1].host", "write cidr: 10.1.2.3/32 instead" },
        { TO("\"host\":\"10.example.com\"") },
        { TO("\"cidr\":\"10.20.3.4/16\""), "spec.access.to[1].cidr", "is inside the range 10.20.0.0/16" },
        { TO("\"cidr\":\"10.20.31.0/20\""), "spec.access.to[1].cidr", "is inside the range 10.20.16.0/20" },
        { TO("\"cidr\":\"10.0.0.1/0\""), "spec.access.to[1].cidr", "is inside the range 0.0.0.0/0" },
        { TO("\"cidr\":\"2001:db8::1/32\""), "spec.access.to[1].cidr",
          "is inside the range 2001:db8::/32, which is what it is taken for; write that, or /128" },
        { TO("\"cidr\":\"10.20.16.0/20\"") },
        { TO("\"cidr\":\"10.20.3.4/32\"") },
        { TO("\"cidr\":\"2001:db8::1/128\"") },
        { TO("\"cidr\":\"0.0.0.0/0\"") },
        { TO("\"postgres\":\"shop\""), "spec.access.to[1].postgres", "no Postgres yet" },
        { TO("\"redis\":\"shop\"") },
};

START_TEST(what_can_hardly_work_is_a_warning)
{
        struct problems warnings;
        struct validated v;

        for (size_t i = 0; i < ARRAY_SIZE(unwise); i++) {
                warn(&v, unwise[i].spec, &warnings);
                v.spec->image = STR("x:1");
                problems_init(&warnings, &v.a);
                app_warn(v.spec, &warnings);
                ck_assert_msg(warnings.n == (unwise[i].message ? 1 : 0), "%s: %zu", unwise[i].spec,
                              warnings.n);
                if (unwise[i].message) {
                        ck_str_eq(warnings.all[0].path, unwise[i].path);
                        ck_assert_msg(strstr(warnings.all[0].message.data, unwise[i].message) != NULL,
                                      "%s: %s", unwise[i].spec, warnings.all[0].message.data);
                }
                release(&v);
        }
}
END_TEST

START_TEST(an_image_that_nothing_can_pull_is_refused)
{
        static const struct {
                const char *image;
                bool wrong;
        } images[] = {
                { "Shop", true },
                { "Shop:1", true },
                { "team/Shop:1", true },
                { "registry.example:5000/team/shoP:1", true },
                { "Registry.Example/sHop@sha256:ab", true },
                { "Registry.Example/shop:1", false },
                { "registry.example:5000/shop:V1-RC", false },
                { "shop:V1", false },
                { "shop@sha256:ABCD", false },
        };
        struct validated v;

        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
                validate(&v, "");
                v.spec->image = str_c(images[i].image);
                app_validate(v.spec, &v.problems);
                ck_assert_msg((v.problems.n == 1) == images[i].wrong, "%s", images[i].image);
                if (images[i].wrong) {
                        ck_str_eq(v.problems.all[0].path, "spec.image");
                        ck_assert_ptr_nonnull(strstr(v.problems.all[0].message.data, "lower case"));
                }
                release(&v);
        }
}
END_TEST

static int validate_again(void *arg)
{
        struct validated *v = arg;
        struct arena a = ARENA_INIT(1024 * 1024);
        struct problems problems;
        int r;

        problems_init(&problems, &a);
        app_validate(v->spec, &problems);
        app_warn(v->spec, &problems);
        (void)problems_text(&problems);
        r = problems_result(&problems);
        arena_release(&a);
        return r == -EINVAL ? 0 : r;
}

START_TEST(any_allocation_may_fail)
{
        struct validated v;

        validate(&v, "\"hosts\":[\"10.1.2.3\"],\"replicas\":1,\"autoscaling\":{}," TO(
                             "\"cidr\":\"10.1.2.3/8\"") ","
                                                        "\"resources\":{\"limits\":{\"memory\":64}}");
        torture(validate_again, &v, 0);
        release(&v);
}
END_TEST

static const TTest *const tests[] = {
        what_cannot_work_is_named,
        what_can_work_is_let_through,
        all_is_told_at_once,
        what_is_unwise_is_a_warning,
        what_can_hardly_work_is_a_warning,
        an_image_that_nothing_can_pull_is_refused,
        any_allocation_may_fail,
};
TEST_MAIN("app/validate", tests)
