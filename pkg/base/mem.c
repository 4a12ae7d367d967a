/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

static uint64_t asked;
static uint64_t fail_at;

static int must_fail(void)
{
        return ++asked == fail_at;
}

void mem_fail_after(uint64_t n)
{
        fail_at = n ? asked + n : 0;
}

uint64_t mem_count(void)
{
        return asked;
}

void *mem_alloc(size_t n)
{
        return must_fail() ? NULL : malloc(n ? n : 1);
}

void *mem_zalloc(size_t n)
{
        return must_fail() ? NULL : calloc(1, n ? n : 1);
}

void *mem_realloc(void *p, size_t n)
{
        return must_fail() ? NULL : realloc(p, n ? n : 1);
}

char *mem_strndup(const char *s, size_t n)
{
        char *copy = mem_alloc(n + 1);

        if (!copy)
                return NULL;
        if (n)
                memcpy(copy, s, n);
        copy[n] = '\0';
        return copy;
}

void mem_free(void *p)
{
        free(p);
}

void mem_freep(void *pp)
{
        void **p = pp;

        free(*p);
        *p = NULL;
}
