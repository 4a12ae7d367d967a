/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL's memory comes from mem_*, too, so that torture() makes its allocations
 * fail as well. To be included once in a program.
 *
 * With OpenSSL 3.0 only: 3.5 itself reads through NULL where memory is out.
 */
#pragma once

#include "harness.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static void *openssl_alloc(size_t n, const char *file _unused_, int line _unused_)
{
        return mem_alloc(n);
}

static void *openssl_realloc(void *p, size_t n, const char *file _unused_, int line _unused_)
{
        if (n)
                return mem_realloc(p, n);
        mem_free(p);
        return NULL;
}

static void openssl_free(void *p, const char *file _unused_, int line _unused_)
{
        mem_free(p);
}

/* Before main: it must be before OpenSSL's first allocation. */
__attribute__((constructor)) static void use_our_memory(void)
{
        if (OPENSSL_version_major() == 3 && OPENSSL_version_minor() == 0 &&
            !CRYPTO_set_mem_functions(openssl_alloc, openssl_realloc, openssl_free))
                abort();
}

/* The same as torture(). Before it counts, FN runs once and the queue of errors is
 * filled once, for OpenSSL keeps for ever what it then makes. */
static void torture_openssl(int (*fn)(void *), void *arg, int tolerated)
{
        ck_assert_int_eq(fn(arg), 0);
        for (int i = 0; i < 32; i++)
                ERR_raise_data(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT, "%0100d", i);
        ERR_clear_error();
        torture(fn, arg, tolerated);
}
