/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/environment/environment.h"

int environment_reconcile(const struct view *view, struct plan *plan)
{
        const struct environment *env = view->self->state;
        struct str problem = STR_NULL;
        int r;

        if (view->self->deleting)
                return 0; /* owner references let the garbage collector clean up */
        if (env->spec && !view->report_only) {
                r = environment_check(env->spec, plan->arena, &problem);
                if (r == -EINVAL)
                        return environment_report(view, problem, plan); /* what holds goes on */
                if (r == 0)
                        r = environment_plan_children(view, env->spec, plan);
                if (r < 0)
                        return r;
        }
        return environment_report(view, problem, plan);
}
