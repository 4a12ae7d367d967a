/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/cases.h"

static void case_kill(struct sim *s, uint64_t seed)
{
        struct settings t = settings_plain(3);

        run_begin(s, &t, seed);
        clients_count(s);
        fault_crash(s, run_leader(s));
        sim_run(s, 10 * USEC_SEC);
        run_calm(s);
        run_settles(s);
        run_rests(s);
}

const struct failover_case failover_cases[] = {
        { "kill", "the server's process is killed", case_kill, USEC_SEC },
};
const size_t failover_n_cases = ARRAY_SIZE(failover_cases);

void cases_report(const struct failover_case *c, const struct sim *s, bool figures)
{
        (void)figures;
        printf("%s %.3f\n", c->name, (double)s->outage / USEC_SEC);
}
