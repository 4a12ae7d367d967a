/* SPDX-License-Identifier: Apache-2.0 */
#include "conversion/convert.h"

#include <errno.h>

#include "conversion/note.h"

/* An object on its way. */
struct journey {
        struct conversion c;
        const struct conversion_kind *kind;
        yyjson_mut_val *metadata;
        yyjson_mut_val *body; /* the rest: spec, status */
};

/* What is the API server's and none of a version's. */
static const char *const envelope[] = { "apiVersion", "kind", "metadata" };

const struct conversion_version *conversion_version_find(const struct conversion_kind *kind, struct str name)
{
        for (size_t i = 0; i < kind->n_versions; i++)
                if (str_eq(kind->versions[i].name, name))
                        return &kind->versions[i];
        return NULL;
}

/* 0, or why memory ran out. */
static int check_memory(const struct arena *a, struct error *err)
{
        if (a->full)
                return error_set(err, -EMSGSIZE, "takes more memory than a conversion may");
        return a->failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}

/* A version's function has cut a character in two, or there is no memory. */
static int cannot_write(const struct journey *j)
{
        int r = check_memory(j->c.arena, j->c.err);

        return r < 0 ? r : error_set(j->c.err, -EINVAL, "does not become JSON");
}

/* --- the notes in the annotations --------------------------------------------------------- */

static yyjson_mut_val *annotations_of(const struct journey *j)
{
        return yyjson_mut_obj_get(j->metadata, "annotations");
}

static struct str annotation_of(const struct journey *j, const struct conversion_version *version)
{
        return arena_printf(j->c.arena, CONVERSION_NOTE_PREFIX "%.*s", STR_FMT(version->name));
}

/* The note that speaks of VERSION. */
static struct str remove_note(struct journey *j, const struct conversion_version *version)
{
        struct str name = annotation_of(j, version);
        yyjson_mut_val *annotations = annotations_of(j);
        struct str text = tree_str(yyjson_mut_obj_remove_keyn(annotations, name.data, name.len));

        if (annotations && yyjson_mut_obj_size(annotations) == 0)
                yyjson_mut_obj_remove_key(j->metadata, "annotations");
        return text;
}

/* NULL if there is none; one that cannot be read is none, since anyone may have
 * written it. */
static yyjson_mut_val *take_note(struct journey *j, const struct conversion_version *version)
{
        struct str text = remove_note(j, version);
        yyjson_mut_val *note;
        yyjson_doc *read;

        if (str_empty(text) || text.len > CONVERSION_NOTE_MAX ||
            json_parse_arena(text, j->c.arena, &read, NULL) < 0)
                return NULL;
        note = tree_of(j->c.doc, yyjson_doc_get_root(read));
        return tree_sort(note, j->c.arena, NULL) < 0 ? NULL : note;
}

static int put_note(struct journey *j, const struct conversion_version *version, yyjson_mut_val *note)
{
        const yyjson_alc alc = json_arena_alc(j->c.arena);
        struct str name = annotation_of(j, version);
        yyjson_mut_val *annotations = annotations_of(j);
        size_t len = 0;
        char *text = yyjson_mut_val_write_opts(note, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);

        if (!text)
                return cannot_write(j);
        if (len > CONVERSION_NOTE_MAX)
                return error_set(
                        j->c.err, -EMSGSIZE,
                        "what other versions cannot express takes %zu bytes, and an annotation must not "
                        "have more than %zu; make it smaller, or use %.*s",
                        len, CONVERSION_NOTE_MAX, STR_FMT(version->name));
        if (!annotations)
                annotations = yyjson_mut_obj_add_obj(j->c.doc, j->metadata, "annotations");
        yyjson_mut_obj_remove_keyn(annotations, name.data, name.len);
        yyjson_mut_obj_add(annotations, yyjson_mut_strn(j->c.doc, name.data, name.len),
                           yyjson_mut_strn(j->c.doc, text, len));
        return 0;
}

/* --- one step, from the hub or to it ------------------------------------------------------ */

static int call(struct journey *j, conversion_fn *fn, yyjson_mut_val *body)
{
        int r = fn(&j->c, body);

        if (r == 0)
                r = check_memory(j->c.arena, j->c.err);
        return r < 0 ? r : tree_sort(body, j->c.arena, j->c.err);
}

/* What a note adds may not be what is not a version's. */
static void strip(yyjson_mut_val *body)
{
        for (size_t i = 0; i < ARRAY_SIZE(envelope); i++)
                yyjson_mut_obj_remove_key(body, envelope[i]);
}

/* What is lost on the way from FROM is what does not come back. */
static int keep_what_is_lost(struct journey *j, const struct conversion_version *from, conversion_fn *back,
                             yyjson_mut_val *original)
{
        yyjson_mut_val *returned = tree_copy(j->c.doc, j->body), *note;
        int r = call(j, back, returned);

        if (r < 0)
                return r;
        note = note_make(&j->c, from, returned, original);
        return note ? put_note(j, from, note) : 0;
}

static int step(struct journey *j, const struct conversion_version *from, const struct conversion_version *to)
{
        bool up = from->to_hub != NULL;
        yyjson_mut_val *original = tree_copy(j->c.doc, j->body), *note;
        int r = call(j, up ? from->to_hub : to->from_hub, j->body);

        if (r < 0)
                return r;
        note = take_note(j, to);
        if (note) {
                j->body = note_apply(&j->c, to, j->body, note);
                strip(j->body);
        }
        (void)remove_note(j, from); /* of an earlier journey; what is so now replaces it */
        return keep_what_is_lost(j, from, up ? from->from_hub : to->to_hub, original);
}

/* --- all of it ---------------------------------------------------------------------------- */

static int open_object(struct journey *j, yyjson_val *object)
{
        yyjson_mut_val *root = tree_of(j->c.doc, object), *annotations;
        int r;

        if (tree_is_deeper(root, CONVERSION_DEPTH_MAX))
                return error_set(j->c.err, -EINVAL, "more than %d objects and lists within each other",
                                 CONVERSION_DEPTH_MAX);
        r = tree_sort(root, j->c.arena, j->c.err);
        if (r < 0)
                return r;
        j->body = root;
        j->metadata = yyjson_mut_obj_get(root, "metadata");
        if (!yyjson_mut_is_obj(j->metadata))
                return error_set_at(j->c.err, -EINVAL, STR("metadata"), "must be an object");
        strip(j->body);
        annotations = annotations_of(j);
        if (yyjson_mut_is_null(annotations))
                yyjson_mut_obj_remove_key(j->metadata, "annotations");
        else if (annotations && !yyjson_mut_is_obj(annotations))
                return error_set_at(j->c.err, -EINVAL, STR("metadata.annotations"), "must be an object");
        return check_memory(j->c.arena, j->c.err);
}

static int write_object(struct journey *j, const struct conversion_version *to, struct str *ret)
{
        const yyjson_alc alc = json_arena_alc(j->c.arena);
        yyjson_mut_doc *doc = j->c.doc;
        struct str version =
                arena_printf(j->c.arena, "%.*s/%.*s", STR_FMT(j->kind->group), STR_FMT(to->name));
        size_t len = 0;
        char *text;
        int r;

        yyjson_mut_obj_add_strn(doc, j->body, envelope[0], version.data, version.len);
        yyjson_mut_obj_add_strn(doc, j->body, envelope[1], j->kind->kind.data, j->kind->kind.len);
        yyjson_mut_obj_add_val(doc, j->body, envelope[2], j->metadata);
        r = tree_sort(j->body, j->c.arena, j->c.err);
        if (r < 0)
                return r;
        text = yyjson_mut_val_write_opts(j->body, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
        if (!text)
                return cannot_write(j);
        r = check_memory(j->c.arena, j->c.err);
        if (r < 0)
                return r;
        *ret = str_n(text, len);
        return 0;
}

int conversion_convert(const struct conversion_kind *kind, const struct conversion_version *from,
                       const struct conversion_version *to, yyjson_val *object, struct arena *a,
                       struct str *ret, struct error *err)
{
        const struct conversion_version *hub = &kind->versions[0];
        const yyjson_alc alc = json_arena_alc(a);
        struct journey j = { .c = { yyjson_mut_doc_new(&alc), a, err }, .kind = kind };
        int r = open_object(&j, object);

        if (r == 0 && from != hub && from != to)
                r = step(&j, from, hub);
        if (r == 0 && to != hub && from != to)
                r = step(&j, hub, to);
        if (r == 0)
                r = write_object(&j, to, ret);
        return r == -ENOMEM ? check_memory(a, err) : r;
}
