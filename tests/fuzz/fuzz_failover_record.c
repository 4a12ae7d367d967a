/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the record of a Lease: what is read is written and read again as the same.
 */
#include "failover/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct failover_record record, again;
        struct buf text = BUF_INIT((size_t)64 * 1024), other = BUF_INIT((size_t)64 * 1024);
        struct error err = ERROR_INIT;

        if (failover_record_read(str_n((const char *)data, size), &record, &err) == 0) {
                if (failover_record_write(&record, &text) < 0 ||
                    failover_record_read(buf_str(&text), &again, &err) < 0 ||
                    failover_record_write(&again, &other) < 0 || !str_eq(buf_str(&text), buf_str(&other)))
                        abort();
        } else if (!err.message[0]) {
                abort();
        }
        buf_release(&text);
        buf_release(&other);
        return 0;
}
