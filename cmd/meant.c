/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/meant.h"

#include <stdio.h>
#include <strings.h>

#include "cmd/kinds.h"

#define LEAST ((size_t)2) /* letters that say enough */

struct str meant_kind(struct str kind)
{
        for (size_t i = 0; i < CMD_KINDS; i++) {
                struct str known = cmd_kinds[i]->kind->api.kind;
                size_t both = MIN(kind.len, known.len);

                if (both >= LEAST && strncasecmp(kind.data, known.data, both) == 0)
                        return known;
        }
        return STR_NULL;
}

struct str meant_api_version(struct str api_version, struct str kind, char to[64])
{
        if (!str_empty(api_version) && !str_starts(api_version, STR("keelson")))
                return STR_NULL;
        for (size_t i = 0; i < CMD_KINDS; i++) {
                const struct kube_kind *api = &cmd_kinds[i]->kind->api;

                if (!str_eq(kind, api->kind))
                        continue;
                snprintf(to, 64, "keelson.dev/%.*s", STR_FMT(api->version));
                return str_c(to);
        }
        return STR_NULL;
}
