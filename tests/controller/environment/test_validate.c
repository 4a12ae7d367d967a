/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/environment.h"

#include <stdio.h>

#include "harness.h"
#include "json/read.h"

#define MEMORY_MAX ((size_t)1024 * 1024)

struct validated {
        struct arena a;
        yyjson_doc *doc;
        struct problems problems;
};

/* REST: the spec beside the profile. */
static int validate(struct validated *v, const char *rest)
{
        struct error err = ERROR_INIT;
        char json[4096];
        void *spec;
        int r;

        snprintf(json, sizeof(json), "{\"profile\":\"production\"%s%s}", *rest ? "," : "", rest);
        *v = (struct validated){ .a = ARENA_INIT(MEMORY_MAX) };
        r = json_parse(str_c(json), &v->doc, NULL);
        if (r == 0)
                r = schema_decode(&environment_spec_schema, yyjson_doc_get_root(v->doc), STR("spec"), 0,
                                  &v->a, &spec, &err);
        ck_assert_msg(r == 0 || r == -12, "%s: %s", rest, err.message);
        if (r == 0) {
                problems_init(&v->problems, &v->a);
                environment_validate(spec, &v->problems);
                r = problems_result(&v->problems);
        }
        return r;
}

static void release(struct validated *v)
{
        yyjson_doc_free(v->doc);
        arena_release(&v->a);
}

#define OVERRIDE(rest) "\"overrides\":[{\"tier\":\"worker\"},{\"tier\":\"backend\"," rest "}]"

static const char *const fine[] = {
        "",
        "\"quota\":{\"hard\":{\"requests.cpu\":\"4\",\"limits.memory\":\"16Gi\",\"pods\":20,"
        "\"hugepages-2Mi\":\"1Gi\",\"requests.hugepages-1Gi\":\"1Gi\",\"count/deployments.apps\":5,"
        "\"requests.nvidia.com/gpu\":1,\"gold.storageclass.storage.k8s.io/requests.storage\":\"1Ti\"}}",
        "\"limitRange\":{\"defaultRequest\":{\"cpu\":\"100m\"},\"default\":{\"cpu\":\"0.1\",\"memory\":\"1Gi\"},"
        "\"max\":{\"cpu\":1,\"memory\":\"1024Mi\"}}",
        OVERRIDE(
                "\"replicas\":0,\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"1000m\"}}"),
        OVERRIDE("\"autoscaling\":{\"minReplicas\":3,\"maxReplicas\":3,\"scaleDownCooldown\":\"1h\"}"),
        "\"routing\":{\"gateway\":{\"name\":\"shared\"}}",
        "\"routing\":{\"ingressClassName\":\"nginx\"}",
};

START_TEST(what_works_is_let_through)
{
        struct validated v;

        for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
                ck_assert_msg(validate(&v, fine[i]) == 0, "%s: %.*s", fine[i],
                              STR_FMT(problems_text(&v.problems)));
                release(&v);
        }
}
END_TEST

static const struct {
        const char *spec, *path, *message;
} troubles[] = {
        { "\"quota\":{\"hard\":{\"cpus\":\"4\"}}", "spec.quota.hard", "is no resource that a quota knows" },
        { "\"quota\":{\"hard\":{\"/x\":\"4\"}}", "spec.quota.hard", "is no resource that a quota knows" },
        { "\"quota\":{\"hard\":{\"pods\":-1}}", "spec.quota.hard.pods", "-1 is less than nothing" },
        { "\"quota\":{\"hard\":{\"count/pods\":\"9223372036854776\"}}", "spec.quota.hard.count/pods",
          "9223372036854776 is past all counting" },
        { "\"quota\":{\"hard\":{\"memory\":\"lots\"}}", "spec.quota.hard.memory",
          "must be a quantity such as 500m, 2 or 1Gi (is \"lots\")" },
        { "\"limitRange\":{\"max\":{\"cpu\":\"1e400\"}}", "spec.limitRange.max.cpu",
          "1e400 is past all counting" },
        { "\"limitRange\":{\"default\":{\"cpu\":\"-1\"}}", "spec.limitRange.default.cpu",
          "less than nothing" },
        { "\"limitRange\":{\"defaultRequest\":{\"cpu\":\"x\"}}", "spec.limitRange.defaultRequest.cpu",
          "must be a quantity" },
        { "\"limitRange\":{\"defaultRequest\":{\"cpu\":\"2\"},\"default\":{\"cpu\":\"1500m\"}}",
          "spec.limitRange.defaultRequest.cpu", "2 is more than default, which is 1500m" },
        { "\"limitRange\":{\"default\":{\"memory\":\"2Gi\"},\"max\":{\"memory\":\"1Gi\"}}",
          "spec.limitRange.default.memory", "2Gi is more than max, which is 1Gi" },
        { "\"limitRange\":{\"defaultRequest\":{\"memory\":\"2Gi\"},\"max\":{\"memory\":\"1Gi\"}}",
          "spec.limitRange.defaultRequest.memory", "2Gi is more than max, which is 1Gi" },
        { OVERRIDE("\"resources\":{\"requests\":{\"cpu\":\"1e400\"}}"),
          "spec.overrides[1].resources.requests.cpu", "1e400 is past all counting" },
        { OVERRIDE("\"resources\":{\"limits\":{\"cpu\":\"-1\"}}"), "spec.overrides[1].resources.limits.cpu",
          "less than nothing" },
        { OVERRIDE("\"resources\":{\"requests\":{\"cpu\":\"2\"},\"limits\":{\"cpu\":\"1\"}}"),
          "spec.overrides[1].resources.requests.cpu", "2 is more than the limit, which is 1" },
        { OVERRIDE("\"replicas\":2,\"autoscaling\":{}"), "spec.overrides[1].replicas",
          "excludes autoscaling" },
        { OVERRIDE("\"autoscaling\":{\"minReplicas\":4,\"maxReplicas\":3}"),
          "spec.overrides[1].autoscaling.minReplicas", "4 is more than maxReplicas, which is 3" },
        { OVERRIDE("\"autoscaling\":{\"scaleDownCooldown\":\"61m\"}"),
          "spec.overrides[1].autoscaling.scaleDownCooldown", "between 0s and 1h" },
        { "\"routing\":{\"gateway\":{\"name\":\"shared\"},\"ingressClassName\":\"nginx\"}",
          "spec.routing.ingressClassName", "excludes gateway" },
};

START_TEST(each_trouble_is_told_with_its_field)
{
        struct validated v;

        for (size_t i = 0; i < ARRAY_SIZE(troubles); i++) {
                ck_assert_msg(validate(&v, troubles[i].spec) == -22, "%s", troubles[i].spec);
                ck_assert_msg(v.problems.n == 1, "%s: %.*s", troubles[i].spec,
                              STR_FMT(problems_text(&v.problems)));
                ck_str_eq(v.problems.all[0].path, troubles[i].path);
                ck_assert_msg(strstr(v.problems.all[0].message.data, troubles[i].message), "%s: %s",
                              troubles[i].spec, v.problems.all[0].message.data);
                release(&v);
        }
}
END_TEST

START_TEST(all_of_it_is_told_at_once)
{
        struct validated v;

        ck_assert_int_eq(validate(&v,
                                  "\"quota\":{\"hard\":{\"pods\":\"x\"}},"
                                  "\"overrides\":[{\"tier\":\"worker\",\"replicas\":1,\"autoscaling\":{}}]"),
                         -22);
        ck_assert_uint_eq(v.problems.n, 2);
        release(&v);
}
END_TEST

static const struct {
        const char *rest, *path, *message;
} unwise[] = {
        { "\"quota\":{\"hard\":{\"requests.cpu\":\"8\",\"limits.cpu\":\"4\"}}",
          "spec.quota.hard.requests.cpu", "8 is more than limits.cpu, which is 4" },
        { "\"quota\":{\"hard\":{\"memory\":\"8Gi\",\"limits.memory\":\"4Gi\"}}", "spec.quota.hard.memory",
          "8Gi is more than limits.memory" },
        { "\"quota\":{\"hard\":{\"requests.cpu\":\"4\",\"limits.cpu\":\"4\",\"requests.memory\":\"4Gi\"}}",
          NULL, NULL },
        { "\"quota\":{\"hard\":{\"pods\":0}}", "spec.quota.hard.pods", "lets no pod start" },
        { "\"quota\":{\"hard\":{\"count/pods\":\"0\"}}", "spec.quota.hard.count/pods", "lets no pod start" },
        { "\"quota\":{\"hard\":{\"limits.memory\":16}}", "spec.quota.hard.limits.memory",
          "16 is less than 4Mi" },
        { "\"limitRange\":{\"max\":{\"memory\":\"1000m\"}}", "spec.limitRange.max.memory",
          "fractions of a byte" },
        { OVERRIDE("\"resources\":{\"requests\":{\"memory\":\"64\"}}"),
          "spec.overrides[1].resources.requests.memory", "64 is less than 4Mi" },
};

static int warn_once(void *arg)
{
        struct validated v;
        struct problems warnings;
        struct environment env;
        struct error err = ERROR_INIT;
        size_t i = *(size_t *)arg;
        void *spec;
        int r = validate(&v, unwise[i].rest);

        if (r == 0)
                r = schema_decode(&environment_spec_schema, yyjson_doc_get_root(v.doc), STR("spec"), 0, &v.a,
                                  &spec, &err);
        if (r == 0) {
                env = (struct environment){ .spec = spec };
                problems_init(&warnings, &v.a);
                environment_admission.validate(&env, NULL, &v.problems, &warnings);
                r = problems_result(&warnings);
        }
        if (r == 0 || r == -22) {
                ck_assert_uint_eq(v.problems.n, 0);
                ck_assert_msg(warnings.n == (unwise[i].message ? 1 : 0), "%s: %zu", unwise[i].rest,
                              warnings.n);
        }
        if (r == -22) {
                ck_str_eq(warnings.all[0].path, unwise[i].path);
                ck_assert_msg(strstr(warnings.all[0].message.data, unwise[i].message) != NULL, "%s: %s",
                              unwise[i].rest, warnings.all[0].message.data);
        }
        release(&v);
        return r == -22 ? 0 : r;
}

START_TEST(what_can_hardly_work_is_a_warning)
{
        for (size_t i = 0; i < ARRAY_SIZE(unwise); i++)
                torture(warn_once, &i, 0);
}
END_TEST

static int validate_once(void *arg)
{
        struct validated v;
        int r = validate(&v, arg);

        release(&v);
        return r == -22 ? 0 : r;
}

START_TEST(survives_a_lack_of_memory)
{
        for (size_t i = 0; i < ARRAY_SIZE(troubles); i++)
                torture(validate_once, (void *)(uintptr_t)troubles[i].spec, 0);
}
END_TEST

static const TTest *const tests[] = {
        what_works_is_let_through,         each_trouble_is_told_with_its_field, all_of_it_is_told_at_once,
        what_can_hardly_work_is_a_warning, survives_a_lack_of_memory,
};
TEST_MAIN("environment/validate", tests)
