/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/openssl.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>

char crypto_no_password[] = "";

BIO *crypto_open(struct str text)
{
        /* A pointer of NULL is an error to OpenSSL, an empty text is none. */
        return text.len > INT_MAX ? NULL : BIO_new_mem_buf(text.data ? text.data : "", (int)text.len);
}

int crypto_error(struct error *err, int code, const char *what)
{
        const unsigned long last = ERR_peek_last_error();
        const char *reason = last ? ERR_reason_error_string(last) : NULL;
        unsigned long why;
        bool memory = false;

        /* What ran out of memory is at the front, what failed for it behind. */
        while ((why = ERR_get_error()))
                memory = memory || ERR_GET_REASON(why) == ERR_R_MALLOC_FAILURE;
        ERR_clear_error(); /* and the names of files beside it */
        if (memory)
                return error_set(err, -ENOMEM, "%s: no memory", what);
        return reason ? error_set(err, code, "%s: %s", what, reason) : error_set(err, code, "%s", what);
}
