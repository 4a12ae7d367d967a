/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"

#include <openssl/evp.h>

struct str digest_hex(struct str text, size_t n, struct arena *a)
{
        unsigned char bytes[EVP_MAX_MD_SIZE];

        if (!text.data || EVP_Digest(text.data, text.len, bytes, NULL, EVP_sha256(), NULL) != 1) {
                a->failed = true;
                return STR_NULL;
        }
        return arena_hex(a, bytes, MIN(n, DIGEST_BYTES));
}
