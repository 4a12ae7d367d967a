/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the engine's settings: whatever is taken from them makes a configuration
 * file of whole lines, each of which begins with a name.
 */
#include <stdlib.h>

#include "agent/redis/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const bool refused[REDIS_CONFIG_MAX];
        struct redis_settings s = { 0 };
        struct buf text = BUF_INIT(REDIS_CONF_BYTES_MAX);
        struct redis_conf conf = { .data = "/data",
                                   .run = "/run",
                                   .announce_host = "h",
                                   .admin_hash = "0",
                                   .settings = &s,
                                   .refused = refused };
        size_t lines = 0;

        if (redis_settings_parse(str_n((const char *)data, size), &s, NULL) == 0 || s.port) {
                int base;

                conf.refused = NULL;
                if (redis_conf_write(&conf, &text) < 0)
                        abort();
                for (size_t i = 0; i < text.len; i++)
                        lines += text.data[i] == '\n';
                base = (int)lines;
                buf_clear(&text);
                conf.refused = refused;
                if (redis_conf_write(&conf, &text) < 0)
                        abort();
                lines = 0;
                for (size_t i = 0; i < text.len; i++)
                        lines += text.data[i] == '\n';
                if (lines != (size_t)base + s.n_config)
                        abort();
        }
        redis_settings_release(&s);
        buf_release(&text);
        return 0;
}
