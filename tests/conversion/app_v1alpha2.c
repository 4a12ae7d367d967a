/* SPDX-License-Identifier: Apache-2.0 */
#include "app_v1alpha2.h"

#include "conversion/edit.h"

/* --- the image: registry:5000/shop:1.8.2@sha256:… ----------------------------------------- */

struct image {
        struct str repository, tag, digest; /* the latter two absent, if they are */
};

static struct image split_image(struct str text)
{
        struct image image = { 0 };
        size_t at;

        (void)str_cut(text, '@', &image.repository, &image.digest);
        at = image.repository.len;
        while (at > 0 && image.repository.data[at - 1] != ':' && image.repository.data[at - 1] != '/')
                at--;
        if (at > 0 && image.repository.data[at - 1] == ':') {
                image.tag = str_n(image.repository.data + at, image.repository.len - at);
                image.repository.len = at - 1;
        }
        return image;
}

static void put(struct conversion *c, yyjson_mut_val *object, const char *name, struct str text)
{
        if (text.data)
                yyjson_mut_obj_add_strn(c->doc, object, name, text.data, text.len);
}

static void image_to_parts(struct conversion *c, yyjson_mut_val *spec)
{
        struct str text = tree_str(yyjson_mut_obj_get(spec, "image"));
        struct image image = split_image(text);
        yyjson_mut_val *parts;

        if (!text.data)
                return;
        yyjson_mut_obj_remove_key(spec, "image");
        parts = yyjson_mut_obj_add_obj(c->doc, spec, "image");
        put(c, parts, "repository", image.repository);
        put(c, parts, "tag", image.tag);
        put(c, parts, "digest", image.digest);
}

static void image_to_text(struct conversion *c, yyjson_mut_val *spec)
{
        yyjson_mut_val *parts = edit_object(spec, "image");
        struct str repository = tree_str(yyjson_mut_obj_get(parts, "repository"));
        struct str tag = tree_str(yyjson_mut_obj_get(parts, "tag"));
        struct str digest = tree_str(yyjson_mut_obj_get(parts, "digest"));

        if (!repository.data)
                return; /* one of the parts alone, in an apply that others add to */
        yyjson_mut_obj_remove_key(spec, "image");
        put(c, spec, "image",
            arena_printf(c->arena, "%.*s%s%.*s%s%.*s", STR_FMT(repository), tag.data ? ":" : "", STR_FMT(tag),
                         digest.data ? "@" : "", STR_FMT(digest)));
}

/* --- both ways ------------------------------------------------------------------------------ */

/* An object that is made for what moves into it is not left empty. */
static void move_inside(struct conversion *c, yyjson_mut_val *spec, const char *from, const char *into,
                        const char *to)
{
        if (yyjson_mut_obj_get(spec, from))
                edit_move(c, spec, from, edit_make_object(c, spec, into), to);
}

static void move_outside(struct conversion *c, yyjson_mut_val *spec, const char *from_object,
                         const char *from, const char *to)
{
        yyjson_mut_val *object = edit_object(spec, from_object);

        if (object && yyjson_mut_obj_get(object, from))
                edit_move(c, object, from, spec, to);
        edit_drop_empty(spec, from_object);
}

static int from_hub(struct conversion *c, yyjson_mut_val *object)
{
        yyjson_mut_val *spec = edit_object(object, "spec");

        edit_rename(c, spec, "tier", "role");
        image_to_parts(c, spec);
        move_inside(c, spec, "replicas", "scale", "replicas");
        move_inside(c, spec, "autoscaling", "scale", "autoscaling");
        move_inside(c, spec, "drain", "lifecycle", "drain");
        move_inside(c, spec, "healthCheck", "lifecycle", "checks");
        edit_list_to_map(c, spec, "env", "name");
        edit_default(c, edit_object(spec, "strategy"), "progressDeadline", "10m");
        yyjson_mut_obj_remove_key(spec, "revisionHistoryLimit");
        return 0;
}

/* What the hub does not know. */
static void drop_purposes(yyjson_mut_val *env)
{
        yyjson_mut_val *name, *variable;
        size_t i, n;

        yyjson_mut_obj_foreach(env, i, n, name, variable) yyjson_mut_obj_remove_key(variable, "purpose");
}

static int to_hub(struct conversion *c, yyjson_mut_val *object)
{
        yyjson_mut_val *spec = edit_object(object, "spec");

        edit_rename(c, spec, "role", "tier");
        image_to_text(c, spec);
        move_outside(c, spec, "scale", "replicas", "replicas");
        move_outside(c, spec, "scale", "autoscaling", "autoscaling");
        move_outside(c, spec, "lifecycle", "drain", "drain");
        move_outside(c, spec, "lifecycle", "checks", "healthCheck");
        drop_purposes(edit_object(spec, "env"));
        edit_map_to_list(c, spec, "env", "name");
        edit_default(c, edit_object(spec, "strategy"), "progressDeadline", "5m");
        yyjson_mut_obj_remove_key(spec, "owner");
        return 0;
}

/* --- the kind --------------------------------------------------------------------------------- */

static const struct conversion_list lists[] = {
        { STR_INIT("spec.env"), STR_INIT("name") },
        { STR_INIT("spec.configFiles"), STR_INIT("mountPath") },
        { STR_INIT("status.conditions"), STR_INIT("type") },
};

static const struct conversion_version versions[] = {
        { .name = STR_INIT("v1alpha1"), .lists = lists, .n_lists = ARRAY_SIZE(lists) },
        { .name = STR_INIT("v1alpha2"),
          .to_hub = to_hub,
          .from_hub = from_hub,
          .lists = lists,
          .n_lists = ARRAY_SIZE(lists) },
};

const struct conversion_kind app_two_versions = { STR_INIT("keelson.dev"), STR_INIT("App"), versions,
                                                  ARRAY_SIZE(versions) };
