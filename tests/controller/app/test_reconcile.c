/* SPDX-License-Identifier: Apache-2.0
 *
 * All combinations of what an App may be in, and what must hold in each.
 */
#include "cluster.h"

#include "controller/app/config.h"

enum config { NO_CONFIG, GOOD_CONFIG, ABSENT_CONFIG, BAD_CONFIG, ORIGINALS, SIGNALLED, N_CONFIGS };
enum { N_ROLLOUTS = PAST_ITS_DEADLINE + 1 };
enum trouble { NO_TROUBLE, PASSING, STAYING, N_TROUBLES };

struct combination {
        enum config config;
        enum rollout rollout;
        enum trouble trouble;
        bool good_before; /* another revision has been good */
        bool rolls_back;
        bool scaled; /* by an autoscaler */
        bool worker; /* has no port */
        char name[160];
};

static size_t n_seen[3]; /* Ready, Reconciling, Stalled: that all of them came about */

static char *spec_of(const struct combination *x, const char *image, bool with_config)
{
        static const char *const configs[N_CONFIGS] = {
                [NO_CONFIG] = "",
                [GOOD_CONFIG] = ",\"envFrom\":[{\"configMapRef\":{\"name\":\"good\"}},{\"secretRef\":{"
                                "\"name\":\"good\"}}]",
                [ABSENT_CONFIG] = ",\"envFrom\":[{\"configMapRef\":{\"name\":\"good\"}},{\"secretRef\":{"
                                  "\"name\":\"absent\"}}]",
                [BAD_CONFIG] =
                        ",\"configFiles\":[{\"mountPath\":\"/x\",\"configMapRef\":{\"name\":\"bad\"}}]",
                [ORIGINALS] = ",\"configReload\":\"None\",\"envFrom\":[{\"configMapRef\":{\"name\":"
                              "\"good\"}}]",
                [SIGNALLED] = ",\"configReload\":\"Signal\",\"envFrom\":[{\"secretRef\":{\"name\":"
                              "\"good\"}}],\"configFiles\":[{\"mountPath\":\"/x\",\"configMapRef\":{"
                              "\"name\":\"good\"}}]",
        };

        return print_("\"image\":\"%s\"%s%s%s%s", image, with_config ? configs[x->config] : "",
                      x->rolls_back ? "" : ",\"strategy\":{\"autoRollback\":false}",
                      x->scaled ? ",\"autoscaling\":{\"minReplicas\":2,\"maxReplicas\":4,"
                                  "\"targetCPUUtilization\":70},\"resources\":{\"requests\":{\"cpu\":\"1\"}}"
                                : ",\"replicas\":2",
                      x->worker ? "" : ",\"port\":8080");
}

static struct failure failure_of(enum trouble trouble)
{
        switch (trouble) {
        case PASSING:
                return (struct failure){ STR("Retrying"), STR("it is away"), false };
        case STAYING:
                return (struct failure){ STR("Forbidden"), STR("it may not"), true };
        case NO_TROUBLE:
        case N_TROUBLES:
                break;
        }
        return (struct failure){ 0 };
}

/* --- what must hold ------------------------------------------------------------------------ */

static bool is_true(struct cluster *c, const char *type)
{
        return str_eq(condition_at(c, type, "status"), STR("True"));
}

/* The three phases are one of three, and say the same of why. */
static void check_conditions(struct cluster *c, const struct combination *x)
{
        static const char *const phases[] = { "Ready", "Reconciling", "Stalled" };
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
                if (!is_true(c, phases[i]))
                        continue;
                n++;
                n_seen[i]++;
                ck_assert_msg(
                        str_eq(condition_at(c, phases[i], "reason"), condition_at(c, "Ready", "reason")),
                        "%s", x->name);
                ck_assert_msg(condition_at(c, phases[i], "message").len > 0, "%s", x->name);
        }
        ck_assert_msg(n == 1, "%s: %zu phases at once in %s", x->name, n, c->status);
        ck_assert_msg(int_at(parse_(c, c->status), "/observedGeneration") == c->generation, "%s", x->name);
}

static char *whole_plan(const struct cluster *c)
{
        size_t bytes;
        char *text = NULL;
        FILE *out = open_memstream(&text, &bytes);

        ck_assert_ptr_nonnull(out);
        list_for_each (link, &c->f.plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);

                fprintf(out, "%d %.*s %.*s %.*s %.*s\n", (int)e->type, STR_FMT(e->name), STR_FMT(e->json),
                        STR_FMT(e->reason), STR_FMT(e->message));
        }
        fprintf(out, "%lld\n", (long long)c->f.plan.wake);
        fclose(out);
        return text;
}

/* Nothing but the view goes in. */
static void check_pure(struct cluster *c, const struct combination *x)
{
        char *first, *second;

        look(c);
        first = whole_plan(c);
        look(c);
        second = whole_plan(c);
        ck_assert_msg(strcmp(first, second) == 0, "%s: %s\nis not\n%s", x->name, first, second);
        free(first);
        free(second);
}

/* What is said is what is so. */
static void check_truth(struct cluster *c, const struct combination *x)
{
        bool wrong = x->config == ABSENT_CONFIG || x->config == BAD_CONFIG;
        bool rolls_back = x->rollout == PAST_ITS_DEADLINE && x->good_before && x->rolls_back && !wrong;

        if (x->trouble == STAYING) {
                ck_assert_msg(is_true(c, "Stalled"), "%s", x->name);
                ck_str_eq(condition_at(c, "Stalled", "reason"), "Forbidden");
        } else if (x->trouble == PASSING) {
                ck_assert_msg(is_true(c, "Reconciling"), "%s", x->name);
        } else if (wrong) {
                ck_assert_msg(is_true(c, "Stalled"), "%s", x->name);
                ck_assert_msg(!c->deployment || x->good_before, "%s", x->name);
        } else {
                ck_assert_msg(is_true(c, "Ready") == (x->rollout == ROLLED_OUT), "%s", x->name);
                ck_assert_msg(has_part(str_c(c->status), "\"failedRevision\"") == rolls_back, "%s", x->name);
                ck_assert_msg(str_eq_c(deployment_at(c, "/spec/template/spec/containers/0/image"), "x:1") ==
                                      rolls_back,
                              "%s", x->name);
        }
        if (wrong && x->good_before)
                ck_str_eq(deployment_at(c, "/spec/template/spec/containers/0/image"), "x:1");
}

/* --- all of them ----------------------------------------------------------------------------- */

static void try(const struct combination *x)
{
        char *before = spec_of(x, "x:1", false), *after = spec_of(x, "x:2", true);
        struct cluster c;

        begin_cluster(&c, x->good_before ? before : after);
        c.never_told = "c2VzYW1l";
        c.f.view.image = STR("keelson:1");
        set_object(&c, "configmaps", "good", "\"data\":{\"A\":\"1\"}");
        set_object(&c, "configmaps", "bad", "\"data\":{\"a.json\":\"{\"}");
        set_object(&c, "secrets", "good", "\"type\":\"Opaque\",\"data\":{\"P\":\"c2VzYW1l\"}");
        if (x->good_before) {
                settle(&c);
                ck_assert_msg(is_true(&c, "Ready"), "%s", x->name);
                change_spec(&c, after);
        }
        c.rollout = x->rollout;
        c.f.view.failure = failure_of(x->trouble);
        for (int i = 0; i < STEPS_MAX; i++) {
                size_t statuses = c.n_statuses;

                check_pure(&c, x);
                step(&c);
                if (c.n_statuses > statuses)
                        check_conditions(&c, x);
                free_docs(&c);
                if (c.n_changes == 0)
                        break;
        }
        ck_assert_msg(c.n_changes == 0, "%s: it does not settle", x->name);
        check_truth(&c, x);
        /* It goes: its children are left to the garbage collector. */
        put(&c.f, &app_kind,
            "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-app\",\"resourceVersion\":"
            "\"99999\",\"deletionTimestamp\":\"" WALL_TEXT "\"},\"spec\":{\"image\":\"x:3\"}}");
        look(&c);
        ck_assert_msg(c.f.plan.n_effects == 0, "%s", x->name);
        end_cluster(&c);
        free(before);
        free(after);
}

START_TEST(in_every_combination_it_says_what_is_so_and_comes_to_rest)
{
        struct combination x;

        for (int i = 0; i < N_CONFIGS * N_ROLLOUTS * N_TROUBLES * 16; i++) {
                int rest = i;

                x.good_before = rest & 1;
                x.rolls_back = rest & 2;
                x.scaled = rest & 4;
                x.worker = rest & 8;
                rest /= 16;
                x.config = (enum config)(rest % N_CONFIGS);
                rest /= N_CONFIGS;
                x.rollout = (enum rollout)(rest % N_ROLLOUTS);
                x.trouble = (enum trouble)(rest / N_ROLLOUTS);
                snprintf(
                        x.name, sizeof(x.name),
                        "config %d, rollout %d, trouble %d, good before %d, rolls back %d, scaled %d, worker "
                        "%d",
                        x.config, x.rollout, x.trouble, x.good_before, x.rolls_back, x.scaled, x.worker);
                try(&x);
        }
        for (size_t i = 0; i < ARRAY_SIZE(n_seen); i++)
                ck_assert_uint_gt(n_seen[i], 0);
}
END_TEST

static const TTest *const tests[] = {
        in_every_combination_it_says_what_is_so_and_comes_to_rest,
};
TEST_MAIN("app/reconcile", tests)
