/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/claims.h"

#include "base/hash.h"
#include "cache/object.h"

/* --- words -------------------------------------------------------------------------- */

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_word(struct str a, struct str b)
{
        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++)
                if (lower(a.data[i]) != lower(b.data[i]))
                        return false;
        return true;
}

static uint64_t hash_word(struct str word)
{
        uint64_t hash = HASH_INIT;

        for (size_t i = 0; i < word.len; i++)
                hash = hash_add(hash, (unsigned char)lower(word.data[i]));
        return hash;
}

static bool has_word(const struct str *list, size_t n, struct str word)
{
        for (size_t i = 0; i < n; i++)
                if (same_word(list[i], word))
                        return true;
        return false;
}

bool claims_meet(const struct str *a, size_t n_a, const struct str *b, size_t n_b)
{
        for (size_t i = 0; i < n_a; i++)
                if (has_word(b, n_b, a[i]))
                        return true;
        return false;
}

/* Each once: an object that stood twice under a word would be met again and again. */
static size_t words_of(const struct cache_kind *kind, const void *state, struct str list[CACHE_CLAIMS_MAX])
{
        size_t n = kind->claims ? kind->claims(state, list) : 0, kept = 0;

        for (size_t i = 0; i < n; i++)
                if (!has_word(list, kept, list[i]))
                        list[kept++] = list[i];
        return kept;
}

size_t object_claims(const struct object *o, struct str list[CACHE_CLAIMS_MAX])
{
        return words_of(o->kind, o->state, list);
}

/* --- in the object's block ------------------------------------------------------------ */

static size_t size_of(size_t n)
{
        return n ? sizeof(struct claims) + n * sizeof(struct claim) : 0;
}

size_t claims_size(const struct cache_kind *kind, const void *state)
{
        struct str list[CACHE_CLAIMS_MAX];

        return size_of(words_of(kind, state, list));
}

/* Where there are N > 0. */
static struct claims *claims_at(const struct object *o, size_t n)
{
        size_t behind = o->kind->by_owner ? sizeof(struct owned_node) : 0;

        return (struct claims *)(void *)((char *)(uintptr_t)o + o->bytes - behind - size_of(n));
}

static struct claims *claims_of(const struct object *o, size_t *ret_n)
{
        struct str list[CACHE_CLAIMS_MAX];

        *ret_n = object_claims(o, list);
        return *ret_n ? claims_at(o, *ret_n) : NULL;
}

void claims_init(struct object *o, struct str created)
{
        struct str list[CACHE_CLAIMS_MAX];
        size_t n = object_claims(o, list);
        struct claims *claims;

        if (n == 0)
                return;
        claims = claims_at(o, n);
        if (clock_parse(created, &claims->created) < 0)
                claims->created = USEC_NEVER;
        for (size_t i = 0; i < n; i++)
                claims->items[i] = (struct claim){
                        .at = (uint32_t)((char *)&claims->items[i] - (char *)o),
                        .place = (uint32_t)i,
                };
}

/* --- the index ------------------------------------------------------------------------ */

static void unlink_first(struct cache *c, struct claims *claims, size_t n)
{
        for (size_t i = 0; i < n; i++)
                map_remove(&c->by_claim, &claims->items[i].node);
}

int claims_link(struct cache *c, struct object *o)
{
        struct str list[CACHE_CLAIMS_MAX];
        size_t n = object_claims(o, list);
        struct claims *claims = n ? claims_at(o, n) : NULL;
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                struct claim *one = &claims->items[i];

                r = map_insert(&c->by_claim, &one->node, hash_word(list[i]));
                if (r < 0)
                        unlink_first(c, claims, i);
        }
        return r;
}

void claims_unlink(struct cache *c, struct object *o)
{
        size_t n;
        struct claims *claims = claims_of(o, &n);

        unlink_first(c, claims, n);
}

/* That of WORD, which O has. */
static struct map_node *node_of(const struct object *o, struct str word)
{
        struct str list[CACHE_CLAIMS_MAX];
        size_t n = object_claims(o, list), i = 0;

        while (!same_word(list[i], word))
                i++;
        return &claims_at(o, n)->items[i].node;
}

static const struct object *object_of(const struct claim *claim)
{
        return (const struct object *)(const void *)((const char *)claim - claim->at);
}

static bool is_of(const struct claim *claim, struct str word)
{
        struct str list[CACHE_CLAIMS_MAX];

        (void)object_claims(object_of(claim), list);
        return same_word(list[claim->place], word);
}

const struct object *cache_claiming(const struct cache *c, const struct cache_kind *kind, struct str word,
                                    const struct object *after)
{
        struct map_node *n =
                after ? map_next(node_of(after, word)) : map_first(&c->by_claim, hash_word(word));

        for (; n; n = map_next(n)) {
                const struct claim *one = container_of(n, struct claim, node);

                if ((!kind || object_of(one)->kind == kind) && is_of(one, word))
                        return object_of(one);
        }
        return NULL;
}

/* --- two of them ------------------------------------------------------------------------ */

bool object_claims_before(const struct object *a, const struct object *b)
{
        size_t n_a, n_b;
        const struct claims *of_a = claims_of(a, &n_a), *of_b = claims_of(b, &n_b);
        usec_t created_a = of_a ? of_a->created : USEC_NEVER, created_b = of_b ? of_b->created : USEC_NEVER;
        int order;

        if (created_a != created_b)
                return created_a < created_b;
        order = str_cmp(a->namespace, b->namespace);
        return order ? order < 0 : str_cmp(a->name, b->name) < 0;
}

bool object_claims_equal(const struct object *a, const struct object *b)
{
        struct str of_a[CACHE_CLAIMS_MAX], of_b[CACHE_CLAIMS_MAX];
        size_t n_a = a ? object_claims(a, of_a) : 0, n_b = b ? object_claims(b, of_b) : 0;

        if (n_a != n_b)
                return false;
        if (n_a == 0)
                return true;
        if (claims_at(a, n_a)->created != claims_at(b, n_b)->created || a->deleting != b->deleting ||
            !object_same_uid(a, b) || !str_eq(a->owner->uid, b->owner->uid))
                return false;
        for (size_t i = 0; i < n_a; i++)
                if (!same_word(of_a[i], of_b[i]))
                        return false;
        return true;
}
