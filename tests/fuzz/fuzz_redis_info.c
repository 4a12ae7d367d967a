/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an answer to INFO. What is told of it is bounded, whatever it says.
 */
#include <stdlib.h>

#include "agent/redis/info.h"
#include "agent/redis/stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(buf_release) struct buf page = BUF_INIT(65536);
        struct redis_stats stats;
        struct redis_info info;

        redis_stats_read(str_n((const char *)data, size), &stats);
        redis_stats_write(&stats, true, &page);
        if (stats.n_databases > STATS_DATABASES_MAX || buf_error(&page) < 0)
                abort();
        if (redis_info_parse(str_n((const char *)data, size), &info) < 0)
                return 0;
        if (info.n_followers > REDIS_INFO_FOLLOWERS_MAX || !memchr(info.leader, '\0', sizeof(info.leader)) ||
            !memchr(info.replid, '\0', sizeof(info.replid)))
                abort();
        for (size_t i = 0; i < info.n_followers; i++)
                if (!memchr(info.followers[i].host, '\0', sizeof(info.followers[i].host)))
                        abort();
        return 0;
}
