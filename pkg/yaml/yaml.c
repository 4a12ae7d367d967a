/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/yaml.h"

#include <errno.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "json/read.h"
#include "yaml/scalar.h"

#define ANCHORS_MAX 4096
#define SEEN_BYTES_MAX ((size_t)96 * 1024 * 1024) /* of the keys of YAML_NODES_MAX nodes */

/* &name: what an alias to it stands for. */
struct anchor {
        char *name;
        yyjson_mut_val *value; /* NULL while the parse is still inside it */
        size_t nodes;          /* in the value, itself included */
        unsigned height;       /* levels below it */
};

/* One key of one object, to find a duplicate without walking the object. */
struct seen_key {
        struct map_node node;
        yyjson_mut_val *key;
        size_t object;
};

/* What the parse of one value found out beside the value. */
struct extent {
        size_t nodes;
        unsigned height;
};

struct parse {
        yaml_parser_t parser;
        yyjson_mut_doc *doc; /* under way */
        struct anchor *anchors;
        size_t n_anchors;
        struct map seen;
        struct arena seen_memory;
        size_t n_objects;
        size_t n_nodes; /* in all documents */
        struct yaml_lines lines;
        struct error *err;
};

static unsigned line_of(const yaml_mark_t *mark)
{
        return (unsigned)mark->line + 1;
}

static int fail_at(struct parse *p, const yaml_event_t *at, int code, const char *what)
{
        return error_set(p->err, code, "line %u: %s", line_of(&at->start_mark), what);
}

static int out_of_memory(struct parse *p)
{
        return error_set(p->err, -ENOMEM, "out of memory");
}

/* What libyaml says is its own words; they read well enough behind a line. */
static int parser_failed(struct parse *p)
{
        const yaml_parser_t *y = &p->parser;
        const char *problem = y->problem ? y->problem : "not YAML";

        if (y->error == YAML_MEMORY_ERROR)
                return out_of_memory(p);
        if (y->error == YAML_READER_ERROR)
                return error_set(p->err, -EINVAL, "line %u: %s (byte %zu)", line_of(&y->mark), problem,
                                 y->problem_offset);
        if (y->context)
                return error_set(p->err, -EINVAL, "line %u: %s, %s", line_of(&y->problem_mark), problem,
                                 y->context);
        return error_set(p->err, -EINVAL, "line %u: %s", line_of(&y->problem_mark), problem);
}

static int next_event(struct parse *p, yaml_event_t *ret)
{
        return yaml_parser_parse(&p->parser, ret) ? 0 : parser_failed(p);
}

static int count_nodes(struct parse *p, const yaml_event_t *at, size_t n)
{
        if (n > YAML_NODES_MAX - p->n_nodes)
                return error_set(p->err, -EMSGSIZE, "line %u: more than %zu values", line_of(&at->start_mark),
                                 YAML_NODES_MAX);
        p->n_nodes += n;
        return yaml_lines_add(&p->lines, line_of(&at->start_mark), n) < 0 ? out_of_memory(p) : 0;
}

/* --- anchors ------------------------------------------------------------ */

static void anchors_clear(struct parse *p)
{
        for (size_t i = 0; i < p->n_anchors; i++)
                mem_free(p->anchors[i].name);
        p->n_anchors = 0;
}

/* *ret_index is SIZE_MAX where the value has no anchor. */
static int anchor_open(struct parse *p, const yaml_event_t *at, const yaml_char_t *name, size_t *ret_index)
{
        struct anchor *a;

        *ret_index = SIZE_MAX;
        if (!name)
                return 0;
        if (p->n_anchors == ANCHORS_MAX)
                return error_set(p->err, -EMSGSIZE, "line %u: more than %d anchors", line_of(&at->start_mark),
                                 ANCHORS_MAX);
        if (!p->anchors)
                p->anchors = mem_zalloc(ANCHORS_MAX * sizeof(struct anchor));
        if (!p->anchors)
                return out_of_memory(p);
        a = &p->anchors[p->n_anchors];
        *a = (struct anchor){ .name = mem_strndup((const char *)name, strlen((const char *)name)) };
        if (!a->name)
                return out_of_memory(p);
        *ret_index = p->n_anchors++;
        return 0;
}

static void anchor_close(struct parse *p, size_t index, yyjson_mut_val *value, struct extent extent)
{
        if (index == SIZE_MAX)
                return;
        p->anchors[index].value = value;
        p->anchors[index].nodes = extent.nodes;
        p->anchors[index].height = extent.height;
}

/* A name may be used again; the latest one counts. */
static struct anchor *anchor_find(struct parse *p, const yaml_char_t *name)
{
        for (size_t i = p->n_anchors; i-- > 0;)
                if (strcmp(p->anchors[i].name, (const char *)name) == 0)
                        return &p->anchors[i];
        return NULL;
}

static int read_alias(struct parse *p, const yaml_event_t *at, unsigned depth, yyjson_mut_val **ret,
                      struct extent *ret_extent)
{
        struct anchor *a = anchor_find(p, at->data.alias.anchor);
        int r;

        if (!a)
                return error_set(p->err, -EINVAL, "line %u: the alias *%s has no anchor before it",
                                 line_of(&at->start_mark), (const char *)at->data.alias.anchor);
        if (!a->value)
                return error_set(p->err, -EINVAL, "line %u: the alias *%s stands inside what it stands for",
                                 line_of(&at->start_mark), a->name);
        if (depth + a->height > YAML_DEPTH_MAX)
                return fail_at(p, at, -EMSGSIZE, "nested too deeply");
        r = count_nodes(p, at, a->nodes);
        if (r < 0)
                return r;
        *ret = yyjson_mut_val_mut_copy(p->doc, a->value);
        *ret_extent = (struct extent){ a->nodes, a->height };
        return *ret ? 0 : out_of_memory(p);
}

/* --- scalars ------------------------------------------------------------ */

static bool tag_is(const yaml_char_t *tag, const char *expected)
{
        return tag && strcmp((const char *)tag, expected) == 0;
}

static yyjson_mut_val *new_scalar(struct parse *p, const struct yaml_scalar *s, struct str text)
{
        switch (s->type) {
        case YAML_SCALAR_NULL:
                return yyjson_mut_null(p->doc);
        case YAML_SCALAR_BOOL:
                return yyjson_mut_bool(p->doc, s->boolean);
        case YAML_SCALAR_INT:
                return yyjson_mut_sint(p->doc, s->integer);
        case YAML_SCALAR_UINT:
                return yyjson_mut_uint(p->doc, s->natural);
        case YAML_SCALAR_REAL:
                return yyjson_mut_real(p->doc, s->real);
        case YAML_SCALAR_STRING:
                break;
        }
        return yyjson_mut_strncpy(p->doc, text.data, text.len);
}

static bool tag_fits(const yaml_char_t *tag, enum yaml_scalar_type type)
{
        switch (type) {
        case YAML_SCALAR_NULL:
                return tag_is(tag, YAML_NULL_TAG);
        case YAML_SCALAR_BOOL:
                return tag_is(tag, YAML_BOOL_TAG);
        case YAML_SCALAR_INT:
        case YAML_SCALAR_UINT:
                return tag_is(tag, YAML_INT_TAG) || tag_is(tag, YAML_FLOAT_TAG);
        case YAML_SCALAR_REAL:
                return tag_is(tag, YAML_FLOAT_TAG);
        case YAML_SCALAR_STRING:
                break;
        }
        return false;
}

static int read_scalar(struct parse *p, const yaml_event_t *at, yyjson_mut_val **ret)
{
        const yaml_char_t *tag = at->data.scalar.tag;
        struct str text = str_n((const char *)at->data.scalar.value, at->data.scalar.length);
        struct yaml_scalar s = { .type = YAML_SCALAR_STRING };
        bool plain = at->data.scalar.plain_implicit;
        bool quoted = !plain && at->data.scalar.quoted_implicit;

        if (!quoted && !tag_is(tag, YAML_STR_TAG)) {
                if (yaml_scalar_resolve(text, &s) < 0)
                        return error_set(p->err, -EINVAL, "line %u: %.*s is not a number that JSON can hold",
                                         line_of(&at->start_mark), STR_FMT(text));
                if (!plain && !tag_fits(tag, s.type))
                        return error_set(p->err, -EINVAL, "line %u: the tag %s does not fit the value",
                                         line_of(&at->start_mark), (const char *)tag);
        }
        *ret = new_scalar(p, &s, text);
        return *ret ? 0 : out_of_memory(p);
}

/* --- objects and lists -------------------------------------------------- */

static int read_value(struct parse *p, yaml_event_t *at, unsigned depth, yyjson_mut_val **ret,
                      struct extent *ret_extent);

static int seen_add(struct parse *p, const yaml_event_t *at, yyjson_mut_val *key, size_t object)
{
        struct str name = str_n(yyjson_mut_get_str(key), yyjson_mut_get_len(key));
        uint64_t hash = hash_str(hash_add(HASH_INIT, object), name);
        struct seen_key *k;

        for (struct map_node *n = map_first(&p->seen, hash); n; n = map_next(n)) {
                k = container_of(n, struct seen_key, node);
                if (k->object == object && yyjson_mut_equals_strn(k->key, name.data, name.len))
                        return error_set(p->err, -EINVAL, "line %u: the key \"%.*s\" stands here twice",
                                         line_of(&at->start_mark), STR_FMT(name));
        }
        k = arena_new(&p->seen_memory, struct seen_key);
        if (!k)
                return out_of_memory(p);
        k->key = key;
        k->object = object;
        return map_insert(&p->seen, &k->node, hash) < 0 ? out_of_memory(p) : 0;
}

static int read_key(struct parse *p, const yaml_event_t *at, size_t object, yyjson_mut_val **ret)
{
        struct str text;
        size_t anchor;
        int r;

        if (at->type != YAML_SCALAR_EVENT)
                return fail_at(p, at, -EINVAL,
                               "a key must be a plain word, not a list, an object or an alias");
        text = str_n((const char *)at->data.scalar.value, at->data.scalar.length);
        if (at->data.scalar.plain_implicit && str_eq_c(text, "<<"))
                return fail_at(p, at, -EINVAL, "merge keys (<<) are not supported: write the fields out");
        r = count_nodes(p, at, 1);
        if (r < 0)
                return r;
        r = anchor_open(p, at, at->data.scalar.anchor, &anchor);
        if (r < 0)
                return r;
        *ret = yyjson_mut_strncpy(p->doc, text.data, text.len);
        if (!*ret)
                return out_of_memory(p);
        anchor_close(p, anchor, *ret, (struct extent){ 1, 0 });
        return seen_add(p, at, *ret, object);
}

static void extent_add(struct extent *e, struct extent child)
{
        e->nodes += child.nodes;
        e->height = MAX(e->height, child.height + 1);
}

/* Reads the value that begins with the next event. *ret_end: there was none,
 * the object or list ends here. */
static int read_next(struct parse *p, unsigned depth, yaml_event_type_t end, yyjson_mut_val **ret,
                     struct extent *ret_extent, bool *ret_end)
{
        yaml_event_t event;
        int r = next_event(p, &event);

        if (r < 0)
                return r;
        *ret_end = event.type == end;
        if (!*ret_end)
                r = read_value(p, &event, depth, ret, ret_extent);
        yaml_event_delete(&event);
        return r;
}

static int read_list(struct parse *p, unsigned depth, yyjson_mut_val *list, struct extent *extent)
{
        for (;;) {
                yyjson_mut_val *item = NULL;
                struct extent child;
                bool end;
                int r = read_next(p, depth + 1, YAML_SEQUENCE_END_EVENT, &item, &child, &end);

                if (r < 0 || end)
                        return r;
                (void)yyjson_mut_arr_append(list, item);
                extent_add(extent, child);
        }
}

static int read_object(struct parse *p, unsigned depth, yyjson_mut_val *object, struct extent *extent)
{
        size_t id = p->n_objects++;

        for (;;) {
                yyjson_mut_val *key = NULL, *value = NULL;
                struct extent child;
                yaml_event_t event;
                bool end;
                int r = next_event(p, &event);

                if (r < 0)
                        return r;
                end = event.type == YAML_MAPPING_END_EVENT;
                if (!end)
                        r = read_key(p, &event, id, &key);
                yaml_event_delete(&event);
                if (r < 0 || end)
                        return r;
                r = read_next(p, depth + 1, YAML_NO_EVENT, &value, &child, &end);
                if (r < 0)
                        return r;
                (void)yyjson_mut_obj_add(object, key, value);
                extent->nodes++;
                extent_add(extent, child);
        }
}

static int read_collection(struct parse *p, const yaml_event_t *at, unsigned depth, yyjson_mut_val **ret,
                           struct extent *extent)
{
        bool is_list = at->type == YAML_SEQUENCE_START_EVENT;
        bool implicit = is_list ? at->data.sequence_start.implicit : at->data.mapping_start.implicit;
        const yaml_char_t *tag = is_list ? at->data.sequence_start.tag : at->data.mapping_start.tag;

        if (!implicit && tag && !tag_is(tag, is_list ? YAML_SEQ_TAG : YAML_MAP_TAG))
                return error_set(p->err, -EINVAL, "line %u: the tag %s is not supported",
                                 line_of(&at->start_mark), (const char *)tag);
        if (depth >= YAML_DEPTH_MAX)
                return fail_at(p, at, -EMSGSIZE, "nested too deeply");
        *ret = is_list ? yyjson_mut_arr(p->doc) : yyjson_mut_obj(p->doc);
        if (!*ret)
                return out_of_memory(p);
        return is_list ? read_list(p, depth, *ret, extent) : read_object(p, depth, *ret, extent);
}

static const yaml_char_t *anchor_name(const yaml_event_t *at)
{
        switch (at->type) {
        case YAML_SCALAR_EVENT:
                return at->data.scalar.anchor;
        case YAML_SEQUENCE_START_EVENT:
                return at->data.sequence_start.anchor;
        case YAML_MAPPING_START_EVENT:
                return at->data.mapping_start.anchor;
        default:
                return NULL;
        }
}

static int read_value(struct parse *p, yaml_event_t *at, unsigned depth, yyjson_mut_val **ret,
                      struct extent *ret_extent)
{
        struct extent extent = { .nodes = 1 };
        yyjson_mut_val *value = NULL;
        size_t anchor;
        int r;

        if (at->type == YAML_ALIAS_EVENT)
                return read_alias(p, at, depth, ret, ret_extent);
        r = count_nodes(p, at, 1);
        if (r < 0)
                return r;
        r = anchor_open(p, at, anchor_name(at), &anchor);
        if (r < 0)
                return r;
        if (at->type == YAML_SCALAR_EVENT)
                r = read_scalar(p, at, &value);
        else
                r = read_collection(p, at, depth, &value, &extent);
        if (r < 0)
                return r;
        anchor_close(p, anchor, value, extent);
        *ret = value;
        *ret_extent = extent;
        return 0;
}

/* --- documents ---------------------------------------------------------- */

/* "---" followed by nothing: libyaml reports one empty plain scalar. */
static bool is_nothing(const yaml_event_t *at)
{
        return at->type == YAML_SCALAR_EVENT && at->data.scalar.length == 0 &&
               at->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !at->data.scalar.anchor &&
               !at->data.scalar.tag;
}

static int freeze(struct parse *p, yyjson_mut_val *root, yyjson_doc **ret)
{
        yyjson_mut_doc_set_root(p->doc, root);
        *ret = yyjson_mut_doc_imut_copy(p->doc, &json_alc);
        return *ret ? 0 : out_of_memory(p);
}

/* The tree of the value that starts with AT; *ret stays NULL for an empty document. */
static int read_root(struct parse *p, yaml_event_t *at, yyjson_doc **ret)
{
        yyjson_mut_val *root = NULL;
        struct extent extent;
        int r;

        if (is_nothing(at))
                return 0;
        p->doc = yyjson_mut_doc_new(&json_alc);
        if (!p->doc)
                return out_of_memory(p);
        r = read_value(p, at, 0, &root, &extent);
        if (r == 0)
                r = freeze(p, root, ret);
        yyjson_mut_doc_free(p->doc);
        p->doc = NULL;
        anchors_clear(p);
        map_release(&p->seen);
        map_init(&p->seen);
        arena_clear(&p->seen_memory);
        return r;
}

/* Behind the start of a document: its value and its end. */
static int read_document(struct parse *p, yaml_document_fn *fn, void *arg)
{
        yyjson_doc *doc = NULL;
        yaml_event_t event;
        int r = next_event(p, &event);

        if (r < 0)
                return r;
        r = read_root(p, &event, &doc);
        yaml_event_delete(&event);
        if (r < 0)
                return r;
        if (!next_event(p, &event)) {
                yaml_event_delete(&event);
                return doc ? fn(doc, &p->lines, arg, p->err) : 0;
        }
        yyjson_doc_free(doc);
        return parser_failed(p);
}

static int read_stream(struct parse *p, yaml_document_fn *fn, void *arg)
{
        for (;;) {
                yaml_event_t event;
                yaml_event_type_t type;
                int r = next_event(p, &event);

                if (r < 0)
                        return r;
                type = event.type;
                p->lines.first = line_of(&event.start_mark);
                p->lines.n = 0;
                yaml_event_delete(&event);
                if (type == YAML_STREAM_END_EVENT)
                        return 0;
                if (type == YAML_DOCUMENT_START_EVENT)
                        r = read_document(p, fn, arg);
                if (r < 0)
                        return r;
        }
}

int yaml_parse_all(struct str text, yaml_document_fn *fn, void *arg, struct error *err)
{
        struct parse p = { .err = err };
        int r;

        if (text.len > YAML_BYTES_MAX)
                return error_set(err, -EMSGSIZE, "larger than %zu bytes", YAML_BYTES_MAX);
        if (!yaml_parser_initialize(&p.parser))
                return out_of_memory(&p);
        yaml_parser_set_input_string(&p.parser, (const unsigned char *)(text.data ? text.data : ""),
                                     text.len);
        map_init(&p.seen);
        arena_init(&p.seen_memory, SEEN_BYTES_MAX);
        r = read_stream(&p, fn, arg);
        arena_release(&p.seen_memory);
        map_release(&p.seen);
        anchors_clear(&p);
        mem_free(p.anchors);
        yaml_lines_release(&p.lines);
        yaml_parser_delete(&p.parser);
        return r;
}

static int keep_one(yyjson_doc *doc, const struct yaml_lines *lines, void *arg, struct error *err)
{
        yyjson_doc **only = arg;

        if (!*only) {
                *only = doc;
                return 0;
        }
        yyjson_doc_free(doc);
        return error_set(err, -EINVAL, "line %u: a second document, where only one may stand", lines->first);
}

int yaml_parse(struct str text, yyjson_doc **ret, struct error *err)
{
        yyjson_doc *only = NULL;
        int r = yaml_parse_all(text, keep_one, &only, err);

        if (r == 0 && !only)
                r = json_parse(STR("null"), &only, err);
        if (r < 0) {
                yyjson_doc_free(only);
                return r;
        }
        *ret = only;
        return 0;
}
