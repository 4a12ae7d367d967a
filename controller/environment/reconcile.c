/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/environment/environment.h"

int environment_reconcile(const struct view *view, struct plan *plan)
{
        const struct environment *env = view->self->state;
        struct problems problems;
        int r;

        if (view->self->deleting)
                return 0; /* owner references let the garbage collector clean up */
        problems_init(&problems, plan->arena);
        if (env->spec && !view->report_only)
                environment_validate(env->spec, &problems);
        r = problems_result(&problems);
        if (r == 0 && env->spec && !view->report_only)
                r = environment_plan_children(view, env->spec, plan);
        /* Where something is wrong, what holds goes on. */
        if (r < 0 && r != -EINVAL)
                return r;
        return environment_report(view, problems_text(&problems), plan);
}
