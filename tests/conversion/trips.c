/* SPDX-License-Identifier: Apache-2.0 */
#include "trips.h"

#define FORGED_DEPTH 4
#define VALUE_DEPTH 4
#define EDITS_MAX 4

#define META                                                                                                 \
        "\"kind\":\"App\",\"metadata\":{\"name\":\"shop\",\"namespace\":\"shop\",\"uid\":\"u-1\","           \
        "\"generation\":7,\"labels\":{\"a\":\"b\"},\"annotations\":{\"note\":\"kept\"},"                     \
        "\"managedFields\":[{\"manager\":\"kubectl\",\"fieldsV1\":{\"f:spec\":{\"f:port\":{}}}}]},"

static const char first[] =
        "{\"apiVersion\":\"keelson.dev/v1alpha1\"," META
        "\"spec\":{\"tier\":\"backend\",\"image\":\"registry.example:5000/shop/web:1.8.2@sha256:0123\","
        "\"port\":8080,\"env\":[{\"name\":\"B\",\"value\":\"2\"},{\"name\":\"A\",\"value\":\"$(B)\"},"
        "{\"name\":\"C\",\"value\":\"\"}],\"envFrom\":[{\"secretRef\":{\"name\":\"keys\"}}],"
        "\"configFiles\":[{\"mountPath\":\"/etc/b\",\"configMapRef\":{\"name\":\"b\"}},"
        "{\"mountPath\":\"/etc/a\",\"secretRef\":{\"name\":\"a\"}}],\"configReload\":\"Rollout\","
        "\"replicas\":2,\"autoscaling\":{\"minReplicas\":2,\"maxReplicas\":10},"
        "\"healthCheck\":{\"livePath\":\"/live\"},\"drain\":{\"delay\":\"5s\"},"
        "\"strategy\":{\"type\":\"RollingUpdate\",\"progressDeadline\":\"10m\",\"autoRollback\":true},"
        "\"revisionHistoryLimit\":10,\"hosts\":[\"shop.example.com\"]},"
        "\"status\":{\"observedGeneration\":7,\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}";

static const char second[] =
        "{\"apiVersion\":\"keelson.dev/v1alpha2\"," META
        "\"spec\":{\"role\":\"backend\",\"image\":{\"repository\":\"shop\",\"tag\":\"1\"},\"owner\":\"ann\","
        "\"env\":{\"A\":{\"value\":\"1\",\"purpose\":\"first\"},\"B\":{\"value\":\"2\"}},\"port\":80,"
        "\"scale\":{\"replicas\":2},\"lifecycle\":{\"checks\":{\"livePath\":\"/\"},\"drain\":{}},"
        "\"strategy\":{\"progressDeadline\":\"5m\"}},\"status\":{\"url\":\"http://shop\"}}";

/* What members are called, so that they meet each other. */
static const char *const names[] = {
        "role",   "tier",     "image",    "repository", "tag",   "digest",   "scale",
        "env",    "replicas", "strategy", "lifecycle",  "drain", "checks",   "autoscaling",
        "name",   "purpose",  "owner",    "value",      "port",  "metadata", "progressDeadline",
        "status", "spec",     "in",       "is",         "was",   "order",    "revisionHistoryLimit",
        "",       "a.b",      "kind",     "healthCheck"
};

static const char *const texts[] = { "",       "a",        "A",           "10m",     "5m",
                                     "shop:1", "shop@",    ":",           "a/b:c@d", "@x:y",
                                     "h:80/a", "h:80/a:b", "\xc3\xa4 \"", "[]",      "{\"a\":",
                                     "name",   "\n",       "undefined",   "1",       "true" };

/* --- the source ----------------------------------------------------------------------------- */

void trips_init(struct trips *t, const uint8_t *bytes, size_t n_bytes, uint64_t seed)
{
        yyjson_alc alc;

        *t = (struct trips){ .bytes = bytes, .n_bytes = n_bytes, .seed = seed };
        arena_init(&t->arena, TRIPS_MEMORY_MAX);
        alc = json_arena_alc(&t->arena);
        t->doc = yyjson_mut_doc_new(&alc);
}

void trips_release(struct trips *t)
{
        arena_release(&t->arena);
}

/* From 0 to N - 1. (The numbers of a seed: splitmix64.) */
static size_t choose(struct trips *t, size_t n)
{
        uint64_t z;

        if (t->n_bytes) {
                t->n_bytes--;
                return *t->bytes++ % n;
        }
        if (!t->seed)
                return 0;
        t->seed += UINT64_C(0x9e3779b97f4a7c15);
        z = t->seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return (size_t)((z ^ (z >> 31)) % n);
}

static struct str write(struct trips *t, yyjson_mut_val *value)
{
        const yyjson_alc alc = json_arena_alc(&t->arena);
        size_t len = 0;
        char *text = yyjson_mut_val_write_opts(value, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);

        return text ? str_n(text, len) : STR_NULL;
}

/* --- random changes --------------------------------------------------------------------------- */

static yyjson_mut_val *random_value_below(struct trips *t, unsigned depth)
{
        yyjson_mut_val *made;

        switch (choose(t, depth < VALUE_DEPTH ? 8 : 5)) {
        case 0:
                return yyjson_mut_null(t->doc);
        case 1:
                return yyjson_mut_bool(t->doc, choose(t, 2) == 0);
        case 2:
                return yyjson_mut_sint(t->doc, (int64_t)choose(t, 5) - 2);
        case 3:
                return yyjson_mut_real(t->doc, 0.5 * (double)choose(t, 4));
        case 4:
                return yyjson_mut_arr(t->doc);
        case 5:
                made = yyjson_mut_obj(t->doc);
                yyjson_mut_obj_add_val(t->doc, made, names[choose(t, ARRAY_SIZE(names))],
                                       random_value_below(t, depth + 1));
                return made;
        default:
                return yyjson_mut_str(t->doc, texts[choose(t, ARRAY_SIZE(texts))]);
        }
}

static yyjson_mut_val *random_value(struct trips *t)
{
        return random_value_below(t, 0);
}

/* One of the containers in ROOT: it goes down as long as the source says so. */
static yyjson_mut_val *random_container(struct trips *t, yyjson_mut_val *root)
{
        while (yyjson_mut_is_ctn(root)) {
                size_t n = yyjson_mut_get_len(root), at = choose(t, n + 1);
                yyjson_mut_val *below;

                if (at == n)
                        return root;
                if (yyjson_mut_is_arr(root)) {
                        below = yyjson_mut_arr_get(root, at);
                } else {
                        yyjson_mut_obj_iter i;

                        yyjson_mut_obj_iter_init(root, &i);
                        for (size_t k = 0; k < at; k++)
                                yyjson_mut_obj_iter_next(&i);
                        below = yyjson_mut_obj_iter_get_val(yyjson_mut_obj_iter_next(&i));
                }
                if (!yyjson_mut_is_ctn(below))
                        return root;
                root = below;
        }
        return root;
}

static void change_list(struct trips *t, yyjson_mut_val *list)
{
        size_t n = yyjson_mut_arr_size(list);

        switch (choose(t, 5)) {
        case 0:
                yyjson_mut_arr_append(list, random_value(t));
                return;
        case 1:
                if (n)
                        yyjson_mut_arr_remove(list, choose(t, n));
                return;
        case 2:
                if (n)
                        yyjson_mut_arr_append(list,
                                              tree_copy(t->doc, yyjson_mut_arr_get(list, choose(t, n))));
                return;
        case 3:
                if (n)
                        yyjson_mut_arr_replace(list, choose(t, n), random_value(t));
                return;
        default:
                yyjson_mut_arr_rotate(list, n ? choose(t, n) : 0);
        }
}

static const char *random_member(struct trips *t, yyjson_mut_val *object)
{
        size_t n = yyjson_mut_obj_size(object), at = n ? choose(t, n) : 0, i, max;
        yyjson_mut_val *key, *value;

        yyjson_mut_obj_foreach(object, i, max, key, value) if (i == at) return yyjson_mut_get_str(key);
        return "absent";
}

static void put(struct trips *t, yyjson_mut_val *object, const char *name, yyjson_mut_val *value)
{
        yyjson_mut_obj_remove_key(object, name);
        yyjson_mut_obj_add_val(t->doc, object, name, value);
}

static void change_object(struct trips *t, yyjson_mut_val *object)
{
        const char *name = random_member(t, object), *other = names[choose(t, ARRAY_SIZE(names))];
        yyjson_mut_val *value;

        switch (choose(t, 4)) {
        case 0:
                yyjson_mut_obj_remove_key(object, name);
                return;
        case 1:
                put(t, object, name, random_value(t));
                return;
        case 2:
                put(t, object, other, random_value(t));
                return;
        default:
                value = yyjson_mut_obj_remove_key(object, name);
                if (value)
                        put(t, object, other, value);
        }
}

static void change(struct trips *t, yyjson_mut_val *app)
{
        yyjson_mut_val *at = random_container(t, yyjson_mut_obj_get(app, choose(t, 8) ? "spec" : "status"));

        if (yyjson_mut_is_arr(at))
                change_list(t, at);
        else if (at)
                change_object(t, at);
        else
                put(t, app, "spec", random_value(t));
}

yyjson_mut_val *trips_app(struct trips *t, unsigned n_changes)
{
        yyjson_doc *doc = NULL;
        yyjson_mut_val *app;

        if (json_parse_arena(str_c(choose(t, 2) ? second : first), &t->arena, &doc, NULL) < 0)
                return NULL;
        app = tree_of(t->doc, yyjson_doc_get_root(doc));
        for (unsigned i = 0; i < n_changes; i++)
                change(t, app);
        return app;
}

static yyjson_mut_val *random_note(struct trips *t, unsigned depth)
{
        static const char *const roots[] = { "spec", "metadata", "apiVersion", "status" };
        yyjson_mut_val *note = yyjson_mut_obj(t->doc), *in;

        if (choose(t, 16) == 0)
                return random_value(t);
        if (depth == FORGED_DEPTH || choose(t, 3) == 0) {
                if (choose(t, 3) == 0)
                        yyjson_mut_obj_add_val(t->doc, note, "was", random_value(t));
                if (choose(t, 4))
                        yyjson_mut_obj_add_val(t->doc, note, "is", random_value(t));
                return note;
        }
        in = yyjson_mut_obj_add_obj(t->doc, note, "in");
        for (size_t n = choose(t, 4); n > 0; n--)
                put(t, in, depth ? names[choose(t, ARRAY_SIZE(names))] : roots[choose(t, ARRAY_SIZE(roots))],
                    random_note(t, depth + 1));
        if (choose(t, 4) == 0)
                yyjson_mut_obj_add_val(t->doc, note, "order", random_value(t));
        return note;
}

void trips_forge(struct trips *t, yyjson_mut_val *app)
{
        yyjson_mut_val *annotations = yyjson_mut_obj_get(yyjson_mut_obj_get(app, "metadata"), "annotations");
        struct str text = write(t, random_note(t, 0));

        if (choose(t, 16) == 0)
                text.len /= 2; /* and no JSON any more */
        while (text.len && (unsigned char)text.data[text.len - 1] >= 0x80)
                text.len--; /* but whole characters */
        put(t, annotations,
            choose(t, 2) ? CONVERSION_NOTE_PREFIX "v1alpha1" : CONVERSION_NOTE_PREFIX "v1alpha2",
            yyjson_mut_strn(t->doc, text.data, text.len));
}

/* --- journeys --------------------------------------------------------------------------------- */

static bool fail(struct trips *t, const char *what, struct str expected, struct str got)
{
        t->failure = arena_printf(&t->arena, "%s:\n  %.*s\n  %.*s", what, STR_FMT(expected), STR_FMT(got));
        return false;
}

struct str trips_canonical(struct trips *t, yyjson_mut_val *app)
{
        struct error err = ERROR_INIT;

        if (tree_sort(app, &t->arena, &err) < 0)
                fail(t, "it cannot be sorted", str_c(err.message), str_c(err.path));
        return write(t, app);
}

static struct str spec_and_status(struct trips *t, yyjson_mut_val *app)
{
        yyjson_mut_val *copy = tree_copy(t->doc, app);

        yyjson_mut_obj_remove_key(copy, "metadata");
        return trips_canonical(t, copy);
}

yyjson_mut_val *trips_convert(struct trips *t, yyjson_mut_val *app)
{
        const struct conversion_version *v = app_two_versions.versions;
        bool is_hub = str_ends(tree_str(yyjson_mut_obj_get(app, "apiVersion")), v[0].name);
        struct str before = write(t, app), after = STR_NULL;
        struct error err = ERROR_INIT;
        yyjson_doc *doc;
        int r = json_parse_arena(before, &t->arena, &doc, &err);

        if (r == 0)
                r = conversion_convert(&app_two_versions, &v[!is_hub], &v[is_hub], yyjson_doc_get_root(doc),
                                       &t->arena, &after, &err);
        if (r == 0)
                r = json_parse_arena(after, &t->arena, &doc, &err);
        if (r == 0)
                return tree_of(t->doc, yyjson_doc_get_root(doc));
        fail(t, "it cannot be converted", before, arena_printf(&t->arena, "%s: %s", err.path, err.message));
        return NULL;
}

/* All but the annotations, which hold the notes. */
static struct str metadata_of(struct trips *t, yyjson_mut_val *app)
{
        yyjson_mut_val *copy = tree_copy(t->doc, yyjson_mut_obj_get(app, "metadata"));

        yyjson_mut_obj_remove_key(copy, "annotations");
        return trips_canonical(t, copy);
}

/* WHOLE: its notes, too, are as they were. */
static yyjson_mut_val *there_and_back(struct trips *t, yyjson_mut_val *app, bool whole,
                                      yyjson_mut_val **ret_other)
{
        yyjson_mut_val *other = trips_convert(t, app), *returned = other ? trips_convert(t, other) : NULL;
        struct str expected, got;

        if (!returned)
                return NULL;
        *ret_other = other;
        if (!str_eq(metadata_of(t, app), metadata_of(t, other)))
                fail(t, "the metadata changed", metadata_of(t, app), metadata_of(t, other));
        expected = whole ? trips_canonical(t, app) : spec_and_status(t, app);
        got = whole ? write(t, returned) : spec_and_status(t, returned);
        if (!str_eq(expected, got))
                fail(t, "it came back changed", expected, got);
        return t->failure.data ? NULL : returned;
}

/* An object's plain form in its other version, without what any note says. */
static yyjson_mut_val *plain(struct trips *t, yyjson_mut_val *app)
{
        yyjson_mut_val *copy = tree_copy(t->doc, app);

        yyjson_mut_obj_remove_key(yyjson_mut_obj_get(copy, "metadata"), "annotations");
        copy = trips_convert(t, copy);
        yyjson_mut_obj_remove_key(copy, "metadata");
        return copy;
}

/* What differs BEFORE an edit and AFTER it must be so in ARRIVED as well, which has what
 * notes say besides. Lists are put together by item, be they maps then or not, which
 * other tests look at. */
static bool arrives(struct trips *t, yyjson_mut_val *before, yyjson_mut_val *after, yyjson_mut_val *arrived)
{
        yyjson_mut_val *key, *value;
        size_t i, n;

        if (tree_same(before, after) || (yyjson_mut_is_arr(before) && yyjson_mut_is_ctn(after)) ||
            (yyjson_mut_is_obj(before) && yyjson_mut_is_arr(after)))
                return true;
        if (!yyjson_mut_is_obj(before) || !yyjson_mut_is_obj(after) || !yyjson_mut_is_obj(arrived))
                return tree_same(after, arrived) ||
                       fail(t, "an edit was lost", write(t, after), write(t, arrived));
        yyjson_mut_obj_foreach(before, i, n, key, value)
        {
                const char *name = yyjson_mut_get_str(key);

                if (!arrives(t, value, yyjson_mut_obj_get(after, name), yyjson_mut_obj_get(arrived, name)))
                        return false;
        }
        yyjson_mut_obj_foreach(after, i, n, key, value)
        {
                const char *name = yyjson_mut_get_str(key);

                if (!yyjson_mut_obj_get(before, name) &&
                    !arrives(t, NULL, value, yyjson_mut_obj_get(arrived, name)))
                        return false;
        }
        return true;
}

/* Edits OTHER, which came from an App without a note, at random. */
static bool edit(struct trips *t, yyjson_mut_val *other)
{
        yyjson_mut_val *before = plain(t, other), *after, *arrived;

        for (size_t n = choose(t, EDITS_MAX) + 1; n > 0; n--)
                change(t, other);
        arrived = trips_convert(t, other);
        after = plain(t, other);
        return arrived && arrives(t, before, after, arrived);
}

bool trips_go(struct trips *t, yyjson_mut_val *app)
{
        yyjson_mut_val *notes = yyjson_mut_obj_get(yyjson_mut_obj_get(app, "metadata"), "annotations");
        bool forged = yyjson_mut_obj_size(notes) > 1;
        yyjson_mut_val *other;

        if (!there_and_back(t, app, !forged, &other) || !edit(t, other))
                return false;
        /* The notes of what was edited are void now, and are gone after the first journey. */
        other = there_and_back(t, other, false, &app);
        return other && there_and_back(t, other, true, &app) != NULL;
}
