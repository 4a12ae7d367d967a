/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret.h"

#include <errno.h>
#include <openssl/crypto.h>

#include "base/mem.h"

int secret_set(struct secret *s, struct str value)
{
        char *copy = NULL;

        if (value.len > SECRET_MAX)
                return -EMSGSIZE;
        if (value.data) {
                copy = mem_strndup(value.data, value.len);
                if (!copy)
                        return -ENOMEM;
        }
        secret_release(s);
        *s = (struct secret){ copy, value.len };
        return 0;
}

void secret_release(struct secret *s)
{
        if (s->data)
                OPENSSL_cleanse(s->data, s->len); /* which no compiler takes away */
        mem_free(s->data);
        *s = (struct secret){ 0 };
}
