/* SPDX-License-Identifier: Apache-2.0 */
#include "images/webapp/request.h"

#include <errno.h>

static const struct {
        struct str path;
        enum route route;
} routes[] = {
        { STR_INIT("/"), ROUTE_HELLO },
        { STR_INIT("/health/live"), ROUTE_LIVE },
        { STR_INIT("/health/ready"), ROUTE_READY },
        { STR_INIT("/burn"), ROUTE_BURN },
        { STR_INIT("/slow"), ROUTE_SLOW },
        { STR_INIT("/metrics"), ROUTE_METRICS },
        { STR_INIT("/config"), ROUTE_CONFIG },
};

enum route route_of(struct str method, struct str path)
{
        if (!str_eq(method, STR("GET")) && !str_eq(method, STR("HEAD")))
                return ROUTE_METHOD;
        for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
                if (str_eq(path, routes[i].path))
                        return routes[i].route;
        if (!str_empty(setting_name(path)))
                return ROUTE_SETTING;
        return str_starts(path, STR("/env/")) ? ROUTE_ENV : ROUTE_NONE;
}

struct str setting_name(struct str path)
{
        static const struct str head = STR_INIT("/config/");

        return str_starts(path, head) ? str_n(path.data + head.len, path.len - head.len) : STR("");
}

const char *route_name(enum route route)
{
        static const char *const names[ROUTE_N] = { "hello",   "live",   "ready",   "env",  "burn",  "slow",
                                                    "metrics", "config", "setting", "none", "method" };

        return names[route];
}

static bool is_name_char(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool env_name(struct str path, char out[ENV_NAME_MAX + 1])
{
        static const struct str head = STR_INIT("/env/");
        struct str name;

        if (!str_starts(path, head))
                return false;
        name = str_n(path.data + head.len, path.len - head.len);
        if (name.len > ENV_NAME_MAX || !str_starts(name, STR(ENV_PREFIX)))
                return false;
        for (size_t i = 0; i < name.len; i++)
                if (!is_name_char(name.data[i]))
                        return false;
        memcpy(out, name.data, name.len);
        out[name.len] = '\0';
        return true;
}

int parse_ms(struct str text, int64_t max, int64_t *ret)
{
        int64_t ms = 0;
        int r;

        if (!text.data) {
                *ret = 0;
                return 0;
        }
        r = str_to_int64(text, &ms);
        if (r == -ERANGE && text.data[0] != '-')
                ms = max;
        else if (r < 0 || ms < 0)
                return -EINVAL;
        *ret = MIN(ms, max);
        return 0;
}
