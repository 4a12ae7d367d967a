/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutants of examples/ and of tests/e2e/bad, and what is said of them.
 */
#pragma once

#include "children.h"
#include "corpus.h"
#include "mutants.h"

#define SEEDS_MAX 512
#define CHILDREN_MAX ((size_t)4 * 1024 * 1024)

static char *seeds[SEEDS_MAX];
static size_t n_seeds;

static inline void keep_seed(const char *file _unused_, struct str text _unused_, yyjson_val *resource)
{
        if (!verdict_kind(resource) || !yyjson_is_obj(yyjson_obj_get(resource, "spec")))
                return;
        ck_assert_uint_lt(n_seeds, SEEDS_MAX);
        seeds[n_seeds++] = yyjson_val_write(resource, 0, NULL);
}

/* Every other mutant is of an example, the others of what is wrong already. */
static inline void read_seeds(void)
{
        n_seeds = 0;
        each(EXAMPLES_DIR, STR("keelson.dev/"), keep_seed);
        each(BAD_DIR, STR("keelson.dev/"), keep_seed);
}

static inline void free_seeds(void)
{
        for (size_t i = 0; i < n_seeds; i++)
                free(seeds[i]);
}

#define EXAMPLES 4

static inline yyjson_doc *mutant_of(uint64_t number)
{
        const char *seed = seeds[number % 2 ? number / 2 % EXAMPLES : number / 2 % n_seeds];
        yyjson_doc *doc = yyjson_read(seed, strlen(seed), 0), *mutant;
        const struct admission_kind *kind = verdict_kind(yyjson_doc_get_root(doc));
        const struct schema *spec = kind == &app_admission     ? &app_spec_schema
                                    : kind == &redis_admission ? &redis_spec_schema
                                                               : &environment_spec_schema;

        mutant = make_mutant(number, spec, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        return mutant;
}

/* "spec.port: …" */
static inline bool names_a_field(const char *verdict)
{
        const char *colon = strstr(verdict, ": ");

        return colon && verdict[0] >= 'a' && verdict[0] <= 'z';
}

/* It would do in a namespace whose Environment has other figures, which only the operator knows. */
static inline bool depends_on_environment(yyjson_val *app, const char *verdict)
{
        yyjson_val *scaling = json_get_path(app, "/spec/autoscaling");

        if (strstr(verdict, "; spec."))
                return false;
        return strstr(verdict, "is 1; set both so that minReplicas") ||
               strstr(verdict, "so nothing could ever be written") ||
               strstr(verdict, "less than the data may take") ||
               (strstr(verdict, "is a part of what the pods request") &&
                !yyjson_obj_get(scaling, "targetCPUUtilization") &&
                !yyjson_obj_get(scaling, "targetMemoryUtilization"));
}

/* Its verdict, and if it is fine its children. */
static inline bool judge(uint64_t number, yyjson_val *mutant, char verdict[VERDICT_MAX], struct buf *children)
{
        static char other[VERDICT_MAX];
        char *text = yyjson_val_write(mutant, 0, NULL);
        bool fine;

        verdict_offline(mutant, verdict);
        fine = !*verdict;
        ck_assert_msg(fine || names_a_field(verdict), "%llu: %s: names no field: %s",
                      (unsigned long long)number, text, verdict);
        if (fine) {
                verdict_webhook(mutant, other);
                ck_assert_msg(!*other, "%llu: %s: only the webhook says %s", (unsigned long long)number, text,
                              other);
                verdict_operator(mutant, other);
                if (depends_on_environment(mutant, other)) {
                        free(text);
                        return true;
                }
                ck_assert_msg(!*other, "%llu: %s: only the operator says %s", (unsigned long long)number,
                              text, other);
                children_of(mutant, children);
        }
        free(text);
        return fine;
}
