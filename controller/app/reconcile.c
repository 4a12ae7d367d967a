/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/app/app.h"

int app_reconcile(const struct view *view, struct plan *plan)
{
        const struct app *app = view->self->state;
        int r;

        if (view->self->deleting)
                return 0; /* owner references let the garbage collector clean up */
        if (app->spec) {
                r = app_plan_children(view, app->spec, plan);
                if (r < 0)
                        return r;
        }
        return app_report(view, plan);
}
