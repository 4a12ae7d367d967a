/* SPDX-License-Identifier: Apache-2.0
 *
 * sim: the operator and its App controller in a simulated cluster. Runs seeds,
 * named cases, the crash roads, and all of them with a bug planted.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "app/run.h"
#include "sim/jobs.h"
#include "sim/options.h"

#define SEEDS 200        /* unless --count says otherwise */
#define SEEDS_PLANTED 40 /* within which a planted bug is to be caught */

static struct {
        uint64_t seed, count;
        const char *name; /* of a case; NULL: random runs */
        bool check_planted, history;
        unsigned workers;
} options;

static uint64_t n_passed, n_failed;

/* --- jobs: seeds, and each seed of each case ------------------------------------------- */

static void run_one_seed(uint64_t job)
{
        run_seed(options.seed + job);
}

static void repeat_seed(uint64_t job, char out[128])
{
        snprintf(out, 128, "--seed %llu%s%s", (unsigned long long)(options.seed + job),
                 planted ? " --planted " : "", planted ? planted_name(planted) : "");
}

/* The cases that are asked for. */
static const struct sim_case *wanted[SIM_CASES_MAX];
static size_t n_wanted;

static uint64_t seed_of(uint64_t job)
{
        return options.seed + job / n_wanted;
}

static void run_one_case(uint64_t job)
{
        const struct sim_case *c = wanted[job % n_wanted];

        sim_context("%s (%s), seed %llu", c->name, c->promise, (unsigned long long)seed_of(job));
        c->fn(seed_of(job));
}

static void repeat_case(uint64_t job, char out[128])
{
        snprintf(out, 128, "--case %s --seed %llu%s%s", wanted[job % n_wanted]->name,
                 (unsigned long long)seed_of(job), planted ? " --planted " : "",
                 planted ? planted_name(planted) : "");
}

static struct job_list seed_jobs(uint64_t count)
{
        return (struct job_list){ "seeds", count, run_one_seed, repeat_seed };
}

static struct job_list case_jobs(uint64_t count)
{
        return (struct job_list){ "cases", count * n_wanted, run_one_case, repeat_case };
}

/* A range of seeds counts as one test, each case as one; and so does each failure. */
static void run_jobs(const struct job_list *list, uint64_t n_tests)
{
        const struct job_settings settings = { .workers = options.workers };
        struct job_result result;

        jobs_run(list, &settings, &result);
        printf("%llu %s, %llu failed\n", (unsigned long long)list->n, list->what,
               (unsigned long long)result.n_failed);
        n_failed += result.n_failed;
        n_passed += n_tests - MIN(result.n_failed, n_tests);
}

/* In this process, told line by line. */
static void run_here(const struct job_list *list)
{
        sim_history = stdout;
        for (uint64_t job = 0; job < list->n; job++)
                list->run(job);
        n_passed = list->n;
}

static void want_cases(const char *name)
{
        for (size_t i = 0; i < sim_n_cases; i++)
                if (options_ask_for(name, sim_cases[i].name))
                        wanted[n_wanted++] = &sim_cases[i];
        if (!n_wanted)
                options_wrong("there is no case \"%s\"; see --list", name);
}

/* --- planted bugs ---------------------------------------------------------------------------- */

static bool is_caught(const struct job_list *list)
{
        const struct job_settings settings = { .workers = options.workers, .stop_after = 1, .silent = true };
        char arguments[128];
        struct job_result result;

        jobs_run(list, &settings, &result);
        if (!result.n_failed)
                return false;
        list->repeat(result.first, arguments);
        printf("planted bug %-16s caught: %.*s\n    by %s\n", planted_name(planted),
               (int)strcspn(result.why, "\n"), result.why, arguments);
        return true;
}

/* Each must be caught by its case, or by one of some seeds. */
static void check_planted(void)
{
        for (int bug = 1; bug < PLANTED_COUNT; bug++) {
                struct job_list list = seed_jobs(options.count);
                const char *name = planted_case((enum planted_bug)bug);

                planted = (enum planted_bug)bug;
                if (name) {
                        n_wanted = 0;
                        want_cases(name);
                        n_wanted = 1; /* the one of that very name is the first */
                        list = case_jobs(options.count);
                }
                if (is_caught(&list)) {
                        n_passed++;
                } else {
                        n_failed++;
                        printf("FAILED: planted bug %s is not noticed\n", planted_name(planted));
                }
        }
}

/* --- options ------------------------------------------------------------------------------------ */

static void usage(void)
{
        printf("sim: the operator and its App controller in a simulated cluster\n"
               "\n"
               "  sim                       %d random runs\n"
               "  sim --seed N --count M    those of these seeds\n"
               "  sim --case NAME           a case, with these seeds; \"all\" for each of them\n"
               "  sim --list                what --case and --planted know\n"
               "  sim --history             with all that happens on the standard output\n"
               "  sim --planted NAME        with a bug put in on purpose\n"
               "  sim --check-planted       each planted bug must be caught within --count seeds\n"
               "                            (default %d), or by its case\n"
               "  sim --jobs N              so many processes at once\n",
               SEEDS, SEEDS_PLANTED);
}

static void list_all(void)
{
        for (size_t i = 0; i < sim_n_cases; i++)
                printf("--case %-24s %s\n", sim_cases[i].name, sim_cases[i].promise);
        for (int bug = 1; bug < PLANTED_COUNT; bug++)
                printf("--planted %s\n", planted_name((enum planted_bug)bug));
}

static void plant(const char *name)
{
        for (int bug = 0; bug < PLANTED_COUNT; bug++)
                if (strcmp(planted_name((enum planted_bug)bug), name) == 0) {
                        planted = (enum planted_bug)bug;
                        return;
                }
        options_wrong("there is no planted bug \"%s\"; see --list", name);
}

static void set_defaults(void)
{
        bool one = options.name || options.history || options.seed;

        if (!options.count)
                options.count = options.check_planted ? SEEDS_PLANTED : one ? 1 : SEEDS;
        if (!options.seed)
                options.seed = 1;
}

static void read_options(int argc, char **argv)
{
        static const struct option long_options[] = {
                { "seed", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'n' },
                { "case", required_argument, NULL, 'c' }, { "list", no_argument, NULL, 'l' },
                { "history", no_argument, NULL, 'r' },    { "planted", required_argument, NULL, 'p' },
                { "jobs", required_argument, NULL, 'j' }, { "check-planted", no_argument, NULL, 'k' },
                { "help", no_argument, NULL, 'h' },       { 0 },
        };
        int c;

        options.workers = options_workers(NULL);
        while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                switch (c) {
                case 's':
                        options.seed = options_number(optarg, "--seed");
                        break;
                case 'n':
                        options.count = options_number(optarg, "--count");
                        break;
                case 'c':
                        options.name = optarg;
                        break;
                case 'r':
                        options.history = true;
                        break;
                case 'p':
                        plant(optarg);
                        break;
                case 'j':
                        options.workers = options_workers(optarg);
                        break;
                case 'k':
                        options.check_planted = true;
                        break;
                case 'l':
                        list_all();
                        exit(0);
                case 'h':
                        usage();
                        exit(0);
                default:
                        exit(2);
                }
        }
        if (optind < argc)
                options_wrong("unknown argument \"%s\"", argv[optind]);
        set_defaults();
}

/* --- main ------------------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
        struct job_list list;

        setvbuf(stdout, NULL, _IOLBF, 0);
        read_options(argc, argv);
        if (options.check_planted) {
                check_planted();
        } else {
                if (options.name)
                        want_cases(options.name);
                list = options.name ? case_jobs(options.count) : seed_jobs(options.count);
                if (options.history)
                        run_here(&list);
                else
                        run_jobs(&list, options.name ? list.n : 1);
        }
        printf("sim: %llu passed, %llu failed\n", (unsigned long long)n_passed, (unsigned long long)n_failed);
        return n_failed ? 1 : 0;
}
