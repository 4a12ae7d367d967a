/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans as data, and what a controller can ask of its view.
 */
#include "pkg/cache/box.h"

#include "kube/owned.h"
#include "manager/controller.h"

#define PART "{\"kind\":\"Part\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"color\":\"red\"}}"
#define OWNER                                                                                                \
        ",\"ownerReferences\":[{\"kind\":\"Box\",\"name\":\"web\",\"uid\":\"u-web\",\"controller\":true}]"
#define OURS                                                                                                    \
        OWNER ",\"managedFields\":[{\"manager\":\"keelson\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:spec\":{" \
              "\"f:color\":{}}}}]"

static const struct cache_kind part_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("parts"), STR_INIT("Part"), true },
        .schema = &box_schema,
        .by_owner = true,
};
static const struct cache_kind scaled_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("scaled"), STR_INIT("Scaled"), true },
        .schema = &box_schema,
        .shared = STR_INIT("spec.size"),
};

struct planning {
        struct fixture f;
        struct arena arena;
        struct plan plan;
        struct view view;
};

static void begin(struct planning *p)
{
        setup(&p->f);
        arena_init(&p->arena, 1024 * 1024);
        put(&p->f, .name = "web", .uid = "u-web", .color = "red");
        p->view = (struct view){ .self = get(&p->f, "web"), .cache = &p->f.cache, .now = USEC_HOUR };
        plan_init(&p->plan, &p->arena);
}

static void end(struct planning *p)
{
        arena_release(&p->arena);
        cache_release(&p->f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}

static struct effect *effect_at(const struct plan *p, size_t place)
{
        list_for_each (link, &p->effects) {
                struct effect *e = container_of(link, struct effect, link);

                if (e->place == place)
                        return e;
        }
        ck_abort_msg("there is no effect %zu", place);
        return NULL;
}

static void put_part(struct planning *p, const char *version, const char *color, const char *meta)
{
        ck_assert_int_eq(put_kind(&p->f, &part_kind, CACHE_FROM_WATCH,
                                  &(struct spec){ .name = "web",
                                                  .uid = "u-part",
                                                  .version = version,
                                                  .spec = color,
                                                  .meta = meta }),
                         0);
}

/* --- plans ---------------------------------------------------------------------------------- */

START_TEST(effects_are_kept_in_their_order)
{
        char name[] = "web", json[] = PART, reason[] = "Turned";
        struct planning p;

        begin(&p);
        plan_apply(&p.plan, &part_kind, str_c(name), str_c(json));
        plan_copy(&p.plan, &part_kind, STR("copy"), STR("{}"), p.view.self);
        plan_delete(&p.plan, p.view.self);
        plan_read(&p.plan, &part_kind, STR("read"));
        plan_status(&p.plan, STR("{}"));
        plan_event(&p.plan, true, str_c(reason), STR("why"));
        name[0] = json[2] = reason[0] = 'x'; /* nothing is borrowed */
        ck_assert_int_eq(p.plan.error, 0);
        ck_assert_uint_eq(p.plan.n_effects, 6);
        ck_assert_int_eq(effect_at(&p.plan, 0)->type, EFFECT_APPLY);
        ck_str_eq(effect_at(&p.plan, 0)->name, "web");
        ck_str_eq(effect_at(&p.plan, 0)->json, PART);
        ck_assert_int_eq(effect_at(&p.plan, 1)->type, EFFECT_COPY);
        ck_assert_ptr_eq(effect_at(&p.plan, 1)->source_kind, &box_kind);
        ck_str_eq(effect_at(&p.plan, 1)->source, "web");
        ck_str_eq(effect_at(&p.plan, 1)->version, "10");
        ck_assert_int_eq(effect_at(&p.plan, 2)->type, EFFECT_DELETE);
        ck_str_eq(effect_at(&p.plan, 2)->uid, "u-web");
        ck_str_eq(effect_at(&p.plan, 2)->version, "10");
        ck_assert_int_eq(effect_at(&p.plan, 3)->type, EFFECT_READ);
        ck_assert_int_eq(effect_at(&p.plan, 4)->type, EFFECT_STATUS);
        ck_assert_int_eq(effect_at(&p.plan, 5)->type, EFFECT_EVENT);
        ck_str_eq(effect_at(&p.plan, 5)->reason, "Turned");
        ck_assert(effect_at(&p.plan, 5)->warning);
        end(&p);
}
END_TEST

START_TEST(the_earliest_wake_up_counts)
{
        struct planning p;

        begin(&p);
        ck_assert_int_eq(p.plan.wake, USEC_NEVER);
        plan_wake(&p.plan, 50);
        plan_wake(&p.plan, 70);
        ck_assert_int_eq(p.plan.wake, 50);
        plan_wake(&p.plan, 20);
        ck_assert_int_eq(p.plan.wake, 20);
        end(&p);
}
END_TEST

START_TEST(too_many_effects_are_an_error_that_stays)
{
        struct planning p;

        begin(&p);
        for (int i = 0; i < PLAN_EFFECTS_MAX; i++)
                plan_read(&p.plan, &part_kind, STR("a"));
        ck_assert_int_eq(p.plan.error, 0);
        plan_apply(&p.plan, &part_kind, STR("web"), STR(PART));
        ck_assert_int_eq(p.plan.error, -E2BIG);
        plan_wake(&p.plan, 1);
        ck_assert_int_eq(p.plan.error, -E2BIG);
        ck_assert_uint_eq(p.plan.n_effects, PLAN_EFFECTS_MAX);
        end(&p);
}
END_TEST

/* --- views ----------------------------------------------------------------------------------- */

START_TEST(a_child_is_one_that_the_resource_controls)
{
        const struct object *child;
        struct planning p;

        begin(&p);
        ck_assert_ptr_null(view_child(&p.view, &part_kind, STR("web")));
        put_part(&p, "10", NULL, "");
        ck_assert_ptr_null(view_child(&p.view, &part_kind, STR("web")));
        ck_assert_ptr_nonnull(view_lookup(&p.view, &part_kind, STR("web"))); /* whoever owns it */
        ck_assert_ptr_null(view_next_child(&p.view, &part_kind, NULL));
        put_part(&p, "11", NULL, OWNER);
        child = view_child(&p.view, &part_kind, STR("web"));
        ck_assert_ptr_nonnull(child);
        ck_assert_ptr_eq(view_next_child(&p.view, &part_kind, NULL), child);
        ck_assert_ptr_null(view_next_child(&p.view, &part_kind, child));
        /* Of an older resource of the name. */
        put_part(&p, "12", NULL,
                 ",\"ownerReferences\":[{\"kind\":\"Box\",\"name\":\"web\",\"uid\":\"u-old\",\"controller\":"
                 "true}]");
        ck_assert_ptr_null(view_child(&p.view, &part_kind, STR("web")));
        ck_assert_ptr_null(view_next_child(&p.view, &part_kind, NULL));
        end(&p);
}
END_TEST

START_TEST(what_is_not_as_planned_is_pending)
{
        struct planning p;

        begin(&p);
        ck_assert_ptr_null(view_pending(&p.view, &p.plan));
        plan_apply(&p.plan, &part_kind, STR("web"), STR(PART));
        ck_assert_ptr_eq(view_pending(&p.view, &p.plan), effect_at(&p.plan, 0));
        ck_assert_ptr_null(view_applied(&p.view, &p.plan, &part_kind, STR("web")));
        put_part(&p, "10", "{\"color\":\"blue\"}", OURS);
        ck_assert_ptr_nonnull(view_pending(&p.view, &p.plan));
        put_part(&p, "11", "{\"color\":\"red\"}", OURS);
        ck_assert_ptr_null(view_pending(&p.view, &p.plan));
        ck_assert_ptr_nonnull(view_applied(&p.view, &p.plan, &part_kind, STR("web")));
        put_part(&p, "12", "{\"color\":\"red\"}",
                 ",\"deletionTimestamp\":\"2024-01-01T00:00:00Z\"" OURS); /* it goes */
        ck_assert_ptr_nonnull(view_pending(&p.view, &p.plan));
        end(&p);
}
END_TEST

START_TEST(a_status_that_is_held_is_no_effect)
{
        struct planning p;
        const void *red, *blue;

        begin(&p);
        put(&p.f, .name = "other", .color = "blue");
        red = get(&p.f, "web")->state;
        blue = get(&p.f, "other")->state;
        plan_status_of(&p.plan, &box_schema, red, red);
        ck_assert_uint_eq(p.plan.n_effects, 0);
        plan_status_of(&p.plan, &box_schema, red, blue);
        plan_status_of(&p.plan, &box_schema, red, NULL);
        ck_assert_uint_eq(p.plan.n_effects, 2);
        ck_assert_ptr_nonnull(
                memmem(effect_at(&p.plan, 0)->json.data, effect_at(&p.plan, 0)->json.len, "red", 3));
        ck_assert(str_eq(effect_at(&p.plan, 0)->json, effect_at(&p.plan, 1)->json));
        ck_assert_int_eq(p.plan.error, 0);
        end(&p);
}
END_TEST

/* The server will say what is wrong with it. */
START_TEST(a_child_that_is_not_json_never_stands)
{
        struct apply_options versioned = { .versioned = true };
        struct planning p;

        begin(&p);
        put_part(&p, "11", "{\"color\":\"red\"}", OURS);
        plan_apply(&p.plan, &part_kind, STR("web"), STR("{\"kind\":"));
        ck_assert_ptr_null(view_applied(&p.view, &p.plan, &part_kind, STR("web")));
        ck_assert_int_eq(p.plan.error, 0);
        plan_apply_with(&p.plan, &part_kind, STR("web"), STR("{\"kind\":"), &versioned);
        ck_assert_int_lt(p.plan.error, 0);
        end(&p);
}
END_TEST

START_TEST(a_child_that_was_applied_is_known_by_its_text)
{
        const struct object *child;
        struct effect *e;
        struct planning p;

        begin(&p);
        put_part(&p, "11", "{\"color\":\"red\"}", OURS);
        child = cache_get(&p.f.cache, &part_kind, STR("shop"), STR("web"));
        plan_apply(&p.plan, &part_kind, STR("web"), STR("{\"spec\":{\"color\":\"blue\"}}"));
        plan_apply(&p.plan, &part_kind, STR("web"), STR("{\"spec\":{\"color\":\"blue\"}}"));
        e = effect_at(&p.plan, 0);
        ck_assert(!effect_holds(e, child));
        cache_note_desired(&p.f.cache, child, e->whole); /* the server calls blue red */
        ck_assert(effect_holds(e, child));
        e = effect_at(&p.plan, 1);
        ck_assert(effect_holds(e, child));
        ck_assert_uint_eq(e->desired, 0); /* nobody looked inside */
        end(&p);
}
END_TEST

/* Its value is the live one, whatever that is. */
START_TEST(what_others_say_does_not_tell_children_apart)
{
        static const char small[] = "{\"spec\":{\"color\":\"red\",\"size\":1}}",
                          large[] = "{\"spec\":{\"color\":\"red\",\"size\":9}}";
        struct apply_options versioned = { .versioned = true };
        struct planning p;

        begin(&p);
        plan_apply(&p.plan, &scaled_kind, STR("web"), str_c(small));
        plan_apply(&p.plan, &scaled_kind, STR("web"), str_c(large));
        plan_apply_with(&p.plan, &scaled_kind, STR("web"), str_c(small), &versioned);
        plan_apply_with(&p.plan, &scaled_kind, STR("web"), str_c(large), &versioned);
        ck_assert_uint_ne(effect_at(&p.plan, 0)->whole, effect_at(&p.plan, 1)->whole);
        ck_assert_uint_eq(effect_at(&p.plan, 2)->whole, effect_at(&p.plan, 3)->whole);
        end(&p);
}
END_TEST

START_TEST(a_shared_field_that_is_to_change_is_pending)
{
        struct apply_options changed = { .changed = true };
        struct planning p;

        begin(&p);
        put_part(&p, "11", "{\"color\":\"red\"}", OURS);
        plan_apply_with(&p.plan, &part_kind, STR("web"), STR(PART), &changed);
        ck_assert_ptr_nonnull(view_pending(&p.view, &p.plan));
        ck_assert_ptr_null(view_applied(&p.view, &p.plan, &part_kind, STR("web")));
        end(&p);
}
END_TEST

START_TEST(a_copy_is_as_planned_once_it_is_there)
{
        struct planning p;

        begin(&p);
        plan_copy(&p.plan, &part_kind, STR("web"), STR(PART), p.view.self);
        ck_assert_ptr_nonnull(view_pending(&p.view, &p.plan));
        put_part(&p, "11", "{\"color\":\"blue\"}", OWNER);
        ck_assert_ptr_null(view_pending(&p.view, &p.plan));
        end(&p);
}
END_TEST

START_TEST(what_is_to_be_deleted_is_pending_until_it_is_gone)
{
        yyjson_doc *doc = make(&(struct spec){ .name = "web", .uid = "u-part", .version = "20" });
        struct planning p;

        begin(&p);
        put_part(&p, "11", "{\"color\":\"red\"}", OWNER);
        plan_delete(&p.plan, view_child(&p.view, &part_kind, STR("web")));
        ck_assert_int_eq(view_pending(&p.view, &p.plan)->type, EFFECT_DELETE);
        ck_assert_int_eq(cache_delete(&p.f.cache, &part_kind, yyjson_doc_get_root(doc)), 0);
        ck_assert_ptr_null(view_pending(&p.view, &p.plan));
        yyjson_doc_free(doc);
        end(&p);
}
END_TEST

START_TEST(an_api_is_served_once_it_was_listed)
{
        struct planning p;

        begin(&p);
        ck_assert(!view_served(&p.view, &part_kind));
        ck_assert_int_eq(cache_set_served(&p.f.cache, &part_kind, true), 0);
        ck_assert(!view_served(&p.view, &part_kind)); /* what there is is not known */
        cache_list_begin(&p.f.cache, &part_kind, STR_NULL);
        ck_assert_int_eq(cache_list_end(&p.f.cache, &part_kind, STR_NULL, STR("5")), 0);
        ck_assert(view_served(&p.view, &part_kind));
        ck_assert_int_eq(cache_set_served(&p.f.cache, &part_kind, false), 0);
        ck_assert(!view_served(&p.view, &part_kind));
        end(&p);
}
END_TEST

/* --- without memory ----------------------------------------------------------------------- */

static int plan_all(void *arg)
{
        struct planning *p = arg;
        struct arena arena = ARENA_INIT(1024 * 1024);
        struct plan plan;
        int r;

        plan_init(&plan, &arena);
        plan_apply(&plan, &scaled_kind, STR("web"), STR(PART));
        plan_copy(&plan, &part_kind, STR("copy"), STR("{}"), p->view.self);
        plan_delete(&plan, p->view.self);
        plan_read(&plan, &part_kind, STR("read"));
        plan_status(&plan, STR("{}"));
        plan_event(&plan, true, STR("Turned"), STR("why"));
        r = plan.error;
        if (r == 0)
                ck_assert_uint_eq(plan.n_effects, 6);
        arena_release(&arena);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct planning p;

        begin(&p);
        torture(plan_all, &p, 0);
        end(&p);
}
END_TEST

static const TTest *const tests[] = {
        effects_are_kept_in_their_order,
        the_earliest_wake_up_counts,
        too_many_effects_are_an_error_that_stays,
        a_status_that_is_held_is_no_effect,
        a_child_that_is_not_json_never_stands,
        a_child_that_was_applied_is_known_by_its_text,
        what_others_say_does_not_tell_children_apart,
        a_child_is_one_that_the_resource_controls,
        what_is_not_as_planned_is_pending,
        a_shared_field_that_is_to_change_is_pending,
        a_copy_is_as_planned_once_it_is_there,
        what_is_to_be_deleted_is_pending_until_it_is_gone,
        an_api_is_served_once_it_was_listed,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("manager/plan", tests)
