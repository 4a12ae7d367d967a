/* SPDX-License-Identifier: Apache-2.0
 *
 * An App that is too large to be carried out: which of its fields is it? The
 * environment is the only one that the schema lets become so.
 */
#include "controller/app/status.h"

/* From so much on it is the environment's doing. */
#define ENV_LARGE ((size_t)512 * 1024)

/* How long S is as JSON. */
static size_t json_len(struct str s)
{
        size_t n = 2;

        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.data[i];

                if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f')
                        n += 2;
                else
                        n += c < 0x20 ? 6 : 1;
        }
        return n;
}

struct str app_tell_size(const struct app_spec *spec, struct str message, struct arena *a)
{
        size_t plain = 0, escaped = 0;

        for (size_t i = 0; i < spec->env.n; i++) {
                plain += spec->env.items[i].name.len + spec->env.items[i].value.len;
                escaped += json_len(spec->env.items[i].name) + json_len(spec->env.items[i].value);
        }
        if (escaped < ENV_LARGE)
                return message;
        return arena_printf(a,
                            "spec.env: its %zu names and values are %zu KiB, which become %zu KiB as JSON "
                            "(a quote, a backslash and a line break take 2 bytes there, other control "
                            "characters 6), and that is too large to be carried out; put large values into a "
                            "ConfigMap or Secret and name it in spec.envFrom or spec.configFiles",
                            spec->env.n, plain / 1024, escaped / 1024);
}
