/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static uint64_t asked;
static uint64_t live;
static uint64_t fail_at;

static int must_fail(void)
{
        return ++asked == fail_at;
}

static void *counted(void *p)
{
        live += p != NULL;
        return p;
}

void mem_fail_after(uint64_t n)
{
        fail_at = n ? asked + n : 0;
}

uint64_t mem_count(void)
{
        return asked;
}

uint64_t mem_live(void)
{
        return live;
}

void *mem_alloc(size_t n)
{
        return must_fail() ? NULL : counted(malloc(n ? n : 1));
}

void *mem_zalloc(size_t n)
{
        return mem_zalloc_n(n, 1);
}

void *mem_zalloc_n(size_t n, size_t size)
{
        size_t total;

        if (must_fail() || __builtin_mul_overflow(n, size, &total))
                return NULL;
        return counted(calloc(1, total ? total : 1));
}

void *mem_realloc(void *p, size_t n)
{
        void *q = must_fail() ? NULL : realloc(p, n ? n : 1);

        return p ? q : counted(q);
}

char *mem_strndup(const char *s, size_t n)
{
        char *copy = n < SIZE_MAX ? mem_alloc(n + 1) : NULL;

        if (!copy)
                return NULL;
        if (n)
                memcpy(copy, s, n);
        copy[n] = '\0';
        return copy;
}

void mem_free(void *p)
{
        live -= p != NULL;
        free(p);
}

void mem_freep(void *pp)
{
        void **p = pp;

        mem_free(*p);
        *p = NULL;
}

void mem_trim(void)
{
        (void)malloc_trim(0);
}
