/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an answer to INFO. What is told of it is bounded, whatever it says.
 */
#include <stdlib.h>

#include "agent/redis/info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct redis_info info;

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
