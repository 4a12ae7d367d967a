/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows for the kinds and the controllers from how their watches fare.
 * Nothing is watched here: the test says what the reflectors would.
 */
#include "desk.h"

#include <errno.h>

#include "manager/watches.h"

static const struct str namespaces[] = { STR_INIT("a"), STR_INIT("b") };

static void nobody_cares(void *arg)
{
        (void)arg;
}

static void begin_watches(struct desk *d, struct watches *w, size_t n_namespaces)
{
        begin_empty(d);
        ck_assert_int_eq(watches_init(w, NULL, &d->m, namespaces, n_namespaces, 1, nobody_cares, NULL), 0);
}

static void end_watches(struct desk *d, struct watches *w)
{
        watches_release(w);
        end(d);
}

/* The I-th watch of the kind. */
static struct watch *watch_of(struct watches *w, const struct cache_kind *kind, size_t i)
{
        for (size_t at = 0; at < w->n; at++)
                if (w->items[at].kind == kind && i-- == 0)
                        return &w->items[at];
        ck_abort_msg("there is no such watch");
        return NULL;
}

static void fails(struct watches *w, const struct cache_kind *kind, size_t i, int code, const char *message)
{
        struct reflector *r = &watch_of(w, kind, i)->reflector;
        struct error err = ERROR_INIT;

        err.code = code;
        snprintf(err.message, sizeof(err.message), "%s", message);
        r->handlers.on_state(r, REFLECTOR_FAILING, &err, r->handlers.arg);
        watches_set_gates(w);
}

static void lists(struct watches *w, const struct cache_kind *kind, size_t i)
{
        struct reflector *r = &watch_of(w, kind, i)->reflector;
        struct error none = ERROR_INIT;

        r->handlers.on_list_begin(r, r->handlers.arg);
        ck_assert_int_eq(r->handlers.on_list_end(r, STR("5"), r->handlers.arg), 0);
        r->handlers.on_state(r, REFLECTOR_SYNCED, &none, r->handlers.arg);
        watches_set_gates(w);
}

static const char *refusal(const struct desk *d, const struct cache_kind *kind, const char *namespace)
{
        return d->m.refused(kind, str_c(namespace), d->m.refused_arg);
}

static enum gate_state gate(const struct desk *d, size_t controller, const char *namespace)
{
        return manager_gate(&d->m, controller, str_c(namespace))->state;
}

START_TEST(each_kind_is_watched_in_each_namespace)
{
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 2);
        /* Boxes, parts and crates, and what is told of notices; letters and copies are read on
         * demand, and to classes there is no right then. */
        ck_assert_uint_eq(w.n, 8);
        ck_assert_str_eq(watch_of(&w, &part_kind, 1)->name, "parts.test.example in b");
        end_watches(&d, &w);
        begin_watches(&d, &w, 0);
        ck_assert_uint_eq(w.n, 5);
        ck_assert_str_eq(watch_of(&w, &class_kind, 0)->name, "classes.test.example in all namespaces");
        ck_assert_str_eq(watch_of(&w, &part_kind, 0)->name, "parts.test.example in all namespaces");
        end_watches(&d, &w);
}
END_TEST

START_TEST(a_controller_waits_for_the_lists_of_its_kinds)
{
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 0);
        watches_set_gates(&w);
        ck_assert_int_eq(d.m.gates[0].state, GATE_CLOSED);
        lists(&w, &box_kind, 0);
        ck_assert_int_eq(d.m.gates[0].state, GATE_CLOSED);
        ck_assert(!watches_synced(&w));
        lists(&w, &part_kind, 0);
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN);
        ck_assert_int_eq(d.m.gates[1].state, GATE_CLOSED);
        lists(&w, &crate_kind, 0);
        ck_assert_int_eq(d.m.gates[1].state, GATE_CLOSED);
        fails(&w, &class_kind, 0, -EACCES, "grant it"); /* it does without */
        ck_assert_int_eq(d.m.gates[1].state, GATE_OPEN);
        lists(&w, &class_kind, 0);
        ck_assert_int_eq(d.m.gates[1].state, GATE_OPEN);
        ck_assert(watches_synced(&w));
        end_watches(&d, &w);
}
END_TEST

START_TEST(a_kind_that_may_not_be_listed_is_known_as_such_until_it_is_listed)
{
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 0);
        lists(&w, &box_kind, 0);
        ck_assert_ptr_null(watches_first_failure(&w));
        fails(&w, &part_kind, 0, -EACCES, "grant it");
        ck_assert_str_eq(refusal(&d, &part_kind, "a"), "grant it");
        ck_assert_ptr_eq(watches_first_failure(&w), watch_of(&w, &part_kind, 0));
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN); /* its children are left alone, all else goes on */
        fails(&w, &part_kind, 0, -EHOSTUNREACH, "no answer");
        ck_assert_ptr_null(refusal(&d, &part_kind, "a"));
        ck_assert_int_eq(d.m.gates[0].state, GATE_CLOSED);
        lists(&w, &part_kind, 0);
        ck_assert_ptr_null(refusal(&d, &part_kind, "a"));
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN);
        end_watches(&d, &w);
}
END_TEST

START_TEST(what_is_refused_in_one_namespace_is_so_there_and_nowhere_else)
{
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 2);
        fails(&w, &part_kind, 0, -EACCES, "grant it in a");
        fails(&w, &part_kind, 1, -EACCES, "grant it in b");
        ck_assert_str_eq(refusal(&d, &part_kind, "a"), "grant it in a");
        ck_assert_str_eq(refusal(&d, &part_kind, "b"), "grant it in b");
        lists(&w, &part_kind, 0);
        ck_assert_ptr_null(refusal(&d, &part_kind, "a"));
        ck_assert_str_eq(refusal(&d, &part_kind, "b"), "grant it in b");
        lists(&w, &part_kind, 1);
        ck_assert_ptr_null(refusal(&d, &part_kind, "b"));
        end_watches(&d, &w);
}
END_TEST

START_TEST(a_namespace_in_which_all_is_refused_holds_up_no_other)
{
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 2);
        watches_set_gates(&w);
        ck_assert_int_eq(gate(&d, 0, "a"), GATE_CLOSED);
        ck_assert_int_eq(gate(&d, 0, "b"), GATE_CLOSED);
        fails(&w, &box_kind, 0, -EACCES, "grant it in a");
        fails(&w, &part_kind, 0, -EACCES, "grant it in a");
        lists(&w, &box_kind, 1);
        ck_assert_int_eq(gate(&d, 0, "b"), GATE_CLOSED);
        lists(&w, &part_kind, 1);
        ck_assert_int_eq(gate(&d, 0, "b"), GATE_OPEN);
        ck_assert_int_eq(gate(&d, 0, "a"), GATE_CLOSED);
        ck_assert_int_eq(gate(&d, 1, "b"), GATE_CLOSED); /* crates are to come */
        ck_assert(!watches_synced(&w));
        lists(&w, &box_kind, 0);
        lists(&w, &part_kind, 0);
        ck_assert_int_eq(gate(&d, 0, "a"), GATE_OPEN);
        end_watches(&d, &w);
}
END_TEST

/* Crates claim their colours, and an older one may be in the other namespace. */
START_TEST(what_is_claimed_in_one_namespace_is_awaited_in_all)
{
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 2);
        lists(&w, &crate_kind, 1);
        ck_assert_int_eq(gate(&d, 1, "b"), GATE_CLOSED);
        fails(&w, &crate_kind, 0, -EHOSTUNREACH, "no answer");
        ck_assert_int_eq(gate(&d, 1, "b"), GATE_CLOSED);
        /* That will not come to an end. */
        fails(&w, &crate_kind, 0, -EACCES, "grant it in a");
        ck_assert_int_eq(gate(&d, 1, "b"), GATE_OPEN);
        ck_assert_int_eq(gate(&d, 1, "a"), GATE_CLOSED);
        lists(&w, &crate_kind, 0);
        ck_assert_int_eq(gate(&d, 1, "a"), GATE_OPEN);
        ck_assert_int_eq(gate(&d, 1, "b"), GATE_OPEN);
        /* Boxes claim nothing. */
        lists(&w, &box_kind, 1);
        lists(&w, &part_kind, 1);
        ck_assert_int_eq(gate(&d, 0, "b"), GATE_OPEN);
        end_watches(&d, &w);
}
END_TEST

static void brings(struct watches *w, const struct cache_kind *kind, size_t i, const char *text)
{
        struct reflector *r = &watch_of(w, kind, i)->reflector;
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_int_eq(json_parse(str_c(text), &doc, NULL), 0);
        ck_assert_int_eq(
                r->handlers.on_object(r, REFLECTOR_LISTED, yyjson_doc_get_root(doc), r->handlers.arg), 0);
}

/* It is read all the same, only later. */
START_TEST(what_is_announced_is_waited_for_by_nobody)
{
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 0);
        ck_assert(watch_of(&w, &notice_kind, 0)->reflector.config.metadata_only);
        ck_assert(!watch_of(&w, &part_kind, 0)->reflector.config.metadata_only);
        lists(&w, &box_kind, 0);
        lists(&w, &part_kind, 0);
        lists(&w, &crate_kind, 0);
        lists(&w, &class_kind, 0);
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN);
        ck_assert(watches_synced(&w));
        fails(&w, &notice_kind, 0, -EACCES, "grant it");
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN);
        ck_assert(watches_synced(&w));
        ck_assert_ptr_null(refusal(&d, &notice_kind, "a"));
        ck_assert_ptr_null(watches_first_failure(&w));
        lists(&w, &notice_kind, 0);
        end_watches(&d, &w);
}
END_TEST

/* What a list that did not fit has brought so far fills the memory, and where the
 * server has less by now the next one fits without it. */
START_TEST(what_is_held_is_given_up_where_a_list_does_not_fit)
{
        static const char box[] = "{\"metadata\":{\"namespace\":\"a\",\"name\":\"b\",\"uid\":\"u\","
                                  "\"resourceVersion\":\"9\"}}";
        struct reflector *r;
        struct watches w;
        struct desk d;

        begin_watches(&d, &w, 0);
        lists(&w, &part_kind, 0);
        lists(&w, &box_kind, 0);
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN);
        brings(&w, &box_kind, 0, box);
        r = &watch_of(&w, &box_kind, 0)->reflector;
        fails(&w, &box_kind, 0, -EHOSTUNREACH, "no answer");
        r->handlers.on_list_begin(r, r->handlers.arg);
        ck_assert_uint_eq(cache_total(&d.m.cache, &box_kind)->objects, 1);
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN);
        fails(&w, &box_kind, 0, -ENOMEM, "out of memory");
        r->handlers.on_list_begin(r, r->handlers.arg);
        ck_assert_uint_eq(cache_total(&d.m.cache, &box_kind)->objects, 0);
        ck_assert_int_eq(d.m.gates[0].state, GATE_CLOSED);
        /* And again, although it fails for the same reason, which is not told twice. */
        brings(&w, &box_kind, 0, box);
        r->handlers.on_list_begin(r, r->handlers.arg);
        ck_assert_uint_eq(cache_total(&d.m.cache, &box_kind)->objects, 0);
        lists(&w, &box_kind, 0);
        ck_assert_int_eq(d.m.gates[0].state, GATE_OPEN);
        end_watches(&d, &w);
}
END_TEST

static const TTest *const tests[] = {
        each_kind_is_watched_in_each_namespace,
        a_controller_waits_for_the_lists_of_its_kinds,
        a_kind_that_may_not_be_listed_is_known_as_such_until_it_is_listed,
        what_is_refused_in_one_namespace_is_so_there_and_nowhere_else,
        a_namespace_in_which_all_is_refused_holds_up_no_other,
        what_is_claimed_in_one_namespace_is_awaited_in_all,
        what_is_announced_is_waited_for_by_nobody,
        what_is_held_is_given_up_where_a_list_does_not_fit,
};
TEST_MAIN("manager/watches", tests)
