/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_failover: the failover protocol in a simulated cluster. Runs seeds and
 * named cases; docs/development/failover-simulator.md tells more.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "failover/cases.h"
#include "failover/run.h"
#include "sim/jobs.h"
#include "sim/options.h"

#define SEEDS 200
#define PLANTED_SEEDS UINT64_C(1000) /* before cases are tried */
#define PLANTED_RUNS 5               /* of each case */
#define LAST_SECONDS 20              /* of the history, with a failure */

static struct {
        uint64_t seed, count;
        const char *name; /* of a case; NULL: random runs */
        unsigned workers;
        bool history, stop_at_first;
        int last;
} options = { .last = LAST_SECONDS };

static struct sim *sim;
static const struct failover_case *wanted[CASES_MAX];
static size_t n_wanted;
static usec_t *outages; /* of each run of a case; shared by all processes */

/* --- one run ------------------------------------------------------------------------------ */

static void run_job_of(uint64_t job, struct sim *s)
{
        if (options.name)
                wanted[job % n_wanted]->fn(s, options.seed + job / n_wanted);
        else
                run_mixed(s, options.seed + job);
}

/* Whether it went well. */
static bool attempt(uint64_t job)
{
        bool well = false;

        sim->why[0] = '\0';
        if (!setjmp(sim->failed)) {
                run_job_of(job, sim);
                well = true;
        }
        return well;
}

static void print_history(const struct sim *s)
{
        const struct history *h = &s->history;
        size_t first = h->n > SIM_HISTORY_LINES ? h->n - SIM_HISTORY_LINES : 0;
        usec_t from = sim_now(s) - options.last * USEC_SEC;

        for (size_t i = first; i < h->n; i++)
                if (h->at[i % SIM_HISTORY_LINES] >= from)
                        fprintf(stderr, "%10.4f %s\n", (double)h->at[i % SIM_HISTORY_LINES] / USEC_SEC,
                                h->lines[i % SIM_HISTORY_LINES]);
}

/* Equal seeds give equal runs: the failed one is run again, and told this time. */
static void tell_again(uint64_t job)
{
        struct history *h = &sim->history;

        h->lines = calloc(SIM_HISTORY_LINES, SIM_LINE_MAX);
        h->at = calloc(SIM_HISTORY_LINES, sizeof(*h->at));
        if (!h->lines || !h->at)
                abort();
        h->on = true;
        sim_release(sim);
        if (attempt(job))
                fprintf(stderr, "and not when it was run again: the simulator is not deterministic\n");
        print_history(sim);
}

static void run_job(uint64_t job)
{
        char why[SIM_WHY_MAX];

        if (attempt(job)) {
                if (outages)
                        outages[job] = sim->outage;
                sim_release(sim);
                return;
        }
        memcpy(why, sim->why, sizeof(why));
        jobs_fails(why);
        if (!sim->history.live && !options.stop_at_first)
                tell_again(job);
        fprintf(stderr, "%s\n", why);
        fflush(NULL);
        _Exit(3);
}

static void repeat(uint64_t job, char out[128])
{
        if (options.name)
                snprintf(out, 128, "--failover --case %s --seed %llu", wanted[job % n_wanted]->name,
                         (unsigned long long)(options.seed + job / n_wanted));
        else
                snprintf(out, 128, "--failover --seed %llu", (unsigned long long)(options.seed + job));
}

/* --- options ------------------------------------------------------------------------------------- */

static void usage(void)
{
        printf("sim_failover: the failover protocol in a simulated cluster\n"
               "\n"
               "  sim_failover                     %d random runs\n"
               "  sim_failover --seed N --count M  those of these seeds\n"
               "  sim_failover --case NAME         a case, with these seeds; \"all\" for each of them\n"
               "  sim_failover --list              what there is\n"
               "  sim_failover --history           with all that happens on the standard output\n"
               "  sim_failover --last SECONDS      of the history are shown with a failure (%d)\n"
               "  sim_failover --planted           is built with a bug: says which oracle catches it\n"
               "  sim_failover --jobs N            so many processes at once\n",
               SEEDS, LAST_SECONDS);
}

static void want_cases(const char *name)
{
        for (size_t i = 0; i < failover_n_cases; i++)
                if (options_ask_for(name, failover_cases[i].name))
                        wanted[n_wanted++] = &failover_cases[i];
        if (!n_wanted)
                options_wrong("there is no case \"%s\"; see --list", name);
}

static void list_all(void)
{
        for (size_t i = 0; i < failover_n_cases; i++)
                printf("--failover --case %-22s %s\n", failover_cases[i].name, failover_cases[i].promise);
        exit(0);
}

static void read_option(int c)
{
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
        case 't':
                options.last = (int)options_number(optarg, "--last");
                break;
        case 'p':
                options.stop_at_first = true;
                break;
        case 'j':
                options.workers = options_workers(optarg);
                break;
        case 'l':
                list_all();
                break;
        case 'h':
                usage();
                exit(0);
        default:
                exit(2);
        }
}

static void read_options(int argc, char **argv)
{
        static const struct option long_options[] = {
                { "seed", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'n' },
                { "case", required_argument, NULL, 'c' }, { "history", no_argument, NULL, 'r' },
                { "last", required_argument, NULL, 't' }, { "planted", no_argument, NULL, 'p' },
                { "jobs", required_argument, NULL, 'j' }, { "list", no_argument, NULL, 'l' },
                { "help", no_argument, NULL, 'h' },       { 0 },
        };
        bool one;
        int c;

        options.workers = options_workers(NULL);
        while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
                read_option(c);
        if (optind < argc)
                options_wrong("unknown argument \"%s\"", argv[optind]);
        one = options.name || options.history || options.seed;
        options.count = options.count ? options.count : one ? 1 : SEEDS;
        options.seed = options.seed ? options.seed : 1;
        if (options.name)
                want_cases(options.name);
}

/* --- main ---------------------------------------------------------------------------------------------- */

static bool is_caught_by(struct job_list *list, uint64_t n, const char *what, struct job_result *ret)
{
        const struct job_settings settings = { .workers = options.workers, .stop_after = 1, .silent = true };

        list->n = n;
        list->what = what;
        jobs_run(list, &settings, ret);
        return ret->n_failed > 0;
}

static bool is_caught_by_a_case(struct job_list *list, struct job_result *ret)
{
        options.name = "all";
        want_cases(options.name);
        if (is_caught_by(list, PLANTED_RUNS * n_wanted, "runs of cases", ret))
                return true;
        options.name = NULL;
        return false;
}

/* A bug was built in: is it caught? By some seeds, by a case, since some need many things at a
 * time, or by all seeds. */
static int planted(struct job_list *list)
{
        uint64_t seeds = list->n;
        struct job_result result;
        char arguments[128];

        if (!is_caught_by(list, MIN(seeds, PLANTED_SEEDS), "seeds", &result) &&
            !is_caught_by_a_case(list, &result) && !is_caught_by(list, seeds, "seeds", &result)) {
                printf("not caught in %llu seeds, nor by a case\n", (unsigned long long)seeds);
                return 1;
        }
        list->repeat(result.first, arguments);
        printf("caught by %.*s\n    with %s\n", (int)strcspn(result.why, "\n"), result.why, arguments);
        return 0;
}

static void share_outages(uint64_t n)
{
        outages = mmap(NULL, n * sizeof(*outages), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (outages == MAP_FAILED)
                abort();
}

static void print_outages(void)
{
        usec_t *of_case = mem_new_n(usec_t, options.count);

        if (!of_case)
                abort();
        for (size_t i = 0; i < n_wanted; i++) {
                for (uint64_t n = 0; n < options.count; n++)
                        of_case[n] = outages[n * n_wanted + i];
                cases_print(wanted[i], of_case, options.count);
        }
        mem_free(of_case);
}

static void run_here(const struct job_list *list)
{
        sim->history.on = true;
        sim->history.live = stdout;
        for (uint64_t job = 0; job < list->n; job++)
                list->run(job);
}

int main(int argc, char **argv)
{
        struct job_list list = { .what = "seeds", .run = run_job, .repeat = repeat };
        struct job_result result = { 0 };
        struct job_settings settings = { 0 };
        uint64_t tests;

        setvbuf(stdout, NULL, _IOLBF, 0);
        read_options(argc, argv);
        sim = calloc(1, sizeof(*sim));
        if (!sim)
                abort();
        list.n = options.name ? options.count * n_wanted : options.count;
        list.what = options.name ? "runs of cases" : "seeds";
        settings.workers = options.workers;
        tests = options.name ? n_wanted : 1;
        if (options.stop_at_first)
                return planted(&list);
        if (options.name)
                share_outages(list.n);
        if (options.history)
                run_here(&list);
        else
                jobs_run(&list, &settings, &result);
        if (options.name)
                print_outages();
        printf("%llu %s of the failover protocol, %llu failed\n", (unsigned long long)list.n, list.what,
               (unsigned long long)result.n_failed);
        printf("sim: %llu passed, %llu failed\n", (unsigned long long)(tests - MIN(result.n_failed, tests)),
               (unsigned long long)result.n_failed);
        return result.n_failed ? 1 : 0;
}
