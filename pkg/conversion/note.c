/* SPDX-License-Identifier: Apache-2.0 */
#include "conversion/note.h"

#include <stdlib.h>

/* Where in the object we are: a member of what is above. In an item of a list the name
 * is absent. */
struct place {
        const struct place *above;
        struct str name;
};

struct noting {
        struct conversion *c;
        const struct conversion_version *version;
};

/* --- an object and a list map are read alike -------------------------------------------- */

struct member {
        struct str key;
        yyjson_mut_val *name; /* of an object's member */
        yyjson_mut_val *value;
        size_t rank; /* in a list */
};

struct members {
        struct member *all; /* by key */
        size_t n;
};

static int by_key(const void *a, const void *b)
{
        return str_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static int by_rank(const void *a, const void *b)
{
        size_t x = ((const struct member *)a)->rank, y = ((const struct member *)b)->rank;

        return (x > y) - (x < y);
}

static bool members_reserve(struct noting *w, struct members *m, size_t n)
{
        m->all = arena_new_n(w->c->arena, struct member, n);
        m->n = 0;
        return m->all != NULL;
}

static bool read_object(struct noting *w, yyjson_mut_val *object, struct members *ret)
{
        yyjson_mut_val *key, *value;
        size_t i, n;

        if (!members_reserve(w, ret, yyjson_mut_obj_size(object)))
                return false;
        yyjson_mut_obj_foreach(object, i, n, key, value) ret->all[ret->n++] =
                (struct member){ tree_str(key), key, value, i };
        return true;
}

/* False, too, if it is not what the CRD says: an item without a key, or a key twice. */
static bool read_list(struct noting *w, yyjson_mut_val *list, struct str key, struct members *ret)
{
        yyjson_mut_val *value;
        size_t i, n;

        if (!members_reserve(w, ret, yyjson_mut_arr_size(list)))
                return false;
        yyjson_mut_arr_foreach(list, i, n, value)
        {
                struct str name = tree_str(yyjson_mut_obj_getn(value, key.data, key.len));

                if (!name.data)
                        return false;
                ret->all[ret->n++] = (struct member){ name, NULL, value, i };
        }
        qsort(ret->all, ret->n, sizeof(*ret->all), by_key);
        for (i = 1; i < ret->n; i++)
                if (by_key(&ret->all[i - 1], &ret->all[i]) == 0)
                        return false;
        return true;
}

/* Is PLACE the one that PATH ("spec.env") names? */
static bool is_at(const struct place *place, struct str path)
{
        for (; place && place->above; place = place->above) {
                size_t n = place->name.len;

                if (!n || !str_ends(path, place->name))
                        return false;
                path.len -= n;
                if (path.len && path.data[--path.len] != '.')
                        return false;
        }
        return path.len == 0;
}

/* The field that tells the items of the list there apart, or the absent string. */
static struct str key_of(const struct noting *w, const struct place *place)
{
        for (size_t i = 0; i < w->version->n_lists; i++)
                if (is_at(place, w->version->lists[i].path))
                        return w->version->lists[i].key;
        return STR_NULL;
}

/* --- making ------------------------------------------------------------------------------- */

static yyjson_mut_val *difference(struct noting *w, yyjson_mut_val *back, yyjson_mut_val *original,
                                  const struct place *place);

static yyjson_mut_val *whole(struct noting *w, yyjson_mut_val *back, yyjson_mut_val *original)
{
        yyjson_mut_doc *doc = w->c->doc;
        yyjson_mut_val *note;

        if (tree_same(back, original))
                return NULL;
        note = yyjson_mut_obj(doc);
        if (original)
                yyjson_mut_obj_add_val(doc, note, "is", tree_copy(doc, original));
        if (back)
                yyjson_mut_obj_add_val(doc, note, "was", tree_copy(doc, back));
        return note;
}

static void note_member(struct noting *w, yyjson_mut_val **in, const struct member *back,
                        const struct member *original, const struct place *above)
{
        const struct member *either = back ? back : original;
        const struct place place = { above, either->name ? either->key : STR_NULL };
        yyjson_mut_val *note =
                difference(w, back ? back->value : NULL, original ? original->value : NULL, &place);

        if (!note)
                return;
        if (!*in)
                *in = yyjson_mut_obj(w->c->doc);
        yyjson_mut_obj_add(*in, yyjson_mut_strn(w->c->doc, either->key.data, either->key.len), note);
}

/* The notes of all members, or NULL. */
static yyjson_mut_val *note_members(struct noting *w, const struct members *back,
                                    const struct members *original, const struct place *place)
{
        yyjson_mut_val *in = NULL;
        size_t b = 0, o = 0;

        while (b < back->n || o < original->n) {
                const struct member *x = b < back->n ? &back->all[b] : NULL;
                const struct member *y = o < original->n ? &original->all[o] : NULL;
                int c = !x ? 1 : !y ? -1 : by_key(x, y);

                note_member(w, &in, c <= 0 ? x : NULL, c >= 0 ? y : NULL, place);
                b += c <= 0;
                o += c >= 0;
        }
        return in;
}

static bool same_order(const struct members *back, const struct members *original)
{
        if (back->n != original->n)
                return false;
        for (size_t i = 0; i < back->n; i++)
                if (by_key(&back->all[i], &original->all[i]) != 0 ||
                    back->all[i].rank != original->all[i].rank)
                        return false;
        return true;
}

static yyjson_mut_val *order_of(struct noting *w, struct members *m)
{
        yyjson_mut_val *order = yyjson_mut_arr(w->c->doc);

        qsort(m->all, m->n, sizeof(*m->all), by_rank);
        for (size_t i = 0; i < m->n; i++)
                yyjson_mut_arr_append(order,
                                      yyjson_mut_strn(w->c->doc, m->all[i].key.data, m->all[i].key.len));
        return order;
}

static yyjson_mut_val *inside(struct noting *w, yyjson_mut_val *in, yyjson_mut_val *order)
{
        yyjson_mut_val *note;

        if (!in && !order)
                return NULL;
        note = yyjson_mut_obj(w->c->doc);
        if (in)
                yyjson_mut_obj_add_val(w->c->doc, note, "in", in);
        if (order)
                yyjson_mut_obj_add_val(w->c->doc, note, "order", order);
        return note;
}

static yyjson_mut_val *difference(struct noting *w, yyjson_mut_val *back, yyjson_mut_val *original,
                                  const struct place *place)
{
        struct members b, o;
        yyjson_mut_val *in;
        struct str key;

        if (yyjson_mut_is_obj(back) && yyjson_mut_is_obj(original)) {
                if (!read_object(w, back, &b) || !read_object(w, original, &o))
                        return NULL;
                return inside(w, note_members(w, &b, &o, place), NULL);
        }
        if (!yyjson_mut_is_arr(back) || !yyjson_mut_is_arr(original))
                return whole(w, back, original);
        key = key_of(w, place);
        if (!key.data || !read_list(w, back, key, &b) || !read_list(w, original, key, &o))
                return whole(w, back, original);
        in = note_members(w, &b, &o, place);
        return inside(w, in, same_order(&b, &o) ? NULL : order_of(w, &o));
}

yyjson_mut_val *note_make(struct conversion *c, const struct conversion_version *version,
                          yyjson_mut_val *back, yyjson_mut_val *original)
{
        struct noting w = { c, version };
        const struct place root = { NULL, STR_NULL };

        return difference(&w, back, original, &root);
}

/* --- applying ----------------------------------------------------------------------------- */

static yyjson_mut_val *mend(struct noting *w, yyjson_mut_val *back, yyjson_mut_val *note,
                            const struct place *place);

/* BACK's members and, in their places, those of which IN has a note. */
static bool mend_members(struct noting *w, const struct members *back, const struct members *in,
                         const struct place *above, struct members *ret)
{
        size_t b = 0, i = 0;

        if (!members_reserve(w, ret, back->n + in->n))
                return false;
        while (b < back->n || i < in->n) {
                const struct member *x = b < back->n ? &back->all[b] : NULL;
                const struct member *y = i < in->n ? &in->all[i] : NULL;
                int c = !x ? 1 : !y ? -1 : by_key(x, y);
                struct member m = c <= 0 ? *x : (struct member){ y->key, y->name, NULL, back->n + i };
                const struct place place = { above, m.name ? m.key : STR_NULL };

                if (c >= 0)
                        m.value = mend(w, m.value, y->value, &place);
                if (m.value)
                        ret->all[ret->n++] = m;
                b += c <= 0;
                i += c >= 0;
        }
        return true;
}

static yyjson_mut_val *mend_object(struct noting *w, yyjson_mut_val *back, yyjson_mut_val *in,
                                   const struct place *place)
{
        struct members b, i, mended;

        if (!read_object(w, back, &b) || !read_object(w, in, &i) || !mend_members(w, &b, &i, place, &mended))
                return back;
        yyjson_mut_obj_clear(back);
        for (size_t at = 0; at < mended.n; at++) {
                struct member *m = &mended.all[at];

                yyjson_mut_obj_add(back, yyjson_mut_strn(w->c->doc, m->key.data, m->key.len), m->value);
        }
        return back;
}

/* Those that ORDER names go first, as it names them; then the others, as they stood. */
static void put_in_order(struct members *m, yyjson_mut_val *order)
{
        size_t n_order = yyjson_mut_arr_size(order), i, n;
        yyjson_mut_val *name;

        for (i = 0; i < m->n; i++)
                m->all[i].rank += n_order;
        yyjson_mut_arr_foreach(order, i, n, name)
        {
                const struct member wanted = { .key = tree_str(name) };
                struct member *found = m->n ? bsearch(&wanted, m->all, m->n, sizeof(*m->all), by_key) : NULL;

                if (found)
                        found->rank = i;
        }
        qsort(m->all, m->n, sizeof(*m->all), by_rank);
}

static yyjson_mut_val *mend_list(struct noting *w, yyjson_mut_val *back, yyjson_mut_val *note,
                                 const struct place *place)
{
        struct members b, i, mended;
        struct str key = key_of(w, place);

        if (!key.data || !read_list(w, back, key, &b) || !read_object(w, yyjson_mut_obj_get(note, "in"), &i))
                return back;
        for (size_t at = 0; at < i.n; at++)
                i.all[at].name = NULL;
        if (!mend_members(w, &b, &i, place, &mended))
                return back;
        put_in_order(&mended, yyjson_mut_obj_get(note, "order"));
        yyjson_mut_arr_clear(back);
        for (size_t at = 0; at < mended.n; at++)
                yyjson_mut_arr_append(back, mended.all[at].value);
        return back;
}

/* What stands there now: BACK, or what the note has instead. NULL: nothing. */
static yyjson_mut_val *mend(struct noting *w, yyjson_mut_val *back, yyjson_mut_val *note,
                            const struct place *place)
{
        yyjson_mut_val *in = yyjson_mut_obj_get(note, "in");

        if (in || yyjson_mut_obj_get(note, "order")) {
                if (yyjson_mut_is_obj(back) && yyjson_mut_is_obj(in))
                        return mend_object(w, back, in, place);
                return yyjson_mut_is_arr(back) ? mend_list(w, back, note, place) : back;
        }
        if (!yyjson_mut_is_obj(note) || !tree_same(back, yyjson_mut_obj_get(note, "was")))
                return back; /* edited */
        return yyjson_mut_obj_get(note, "is");
}

yyjson_mut_val *note_apply(struct conversion *c, const struct conversion_version *version,
                           yyjson_mut_val *back, yyjson_mut_val *note)
{
        struct noting w = { c, version };
        const struct place root = { NULL, STR_NULL };
        yyjson_mut_val *mended = mend(&w, back, note, &root);

        return yyjson_mut_is_obj(mended) ? mended : back;
}
