/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <sys/socket.h>

/* --- inside callbacks ------------------------------------------------------------ */

static void cancel_self(struct fetch *f)
{
        http_cancel(f->request);
}

static int cancel_self_in_data(struct fetch *f)
{
        http_cancel(f->request);
        return 0;
}

static void cancel_other(struct fetch *f)
{
        struct fetch *other = f->arg;

        if (!other->done)
                http_cancel(other->request);
        f->arg = NULL;
        other->arg = NULL;
        other->in_done = NULL;
}

static int cancel_other_in_data(struct fetch *f)
{
        if (f->arg)
                cancel_other(f);
        return 0;
}

START_TEST(cancelled_before_it_began)
{
        struct fetch f = { 0 };
        struct world w;

        setup(&w, NULL);
        begin(&w, &f, "/ok", (struct http_call){ .timeout = 1 });
        http_cancel(f.request);
        ck_assert_int_eq(loop_turn(w.loop, 0), 0);
        ck_assert_int_eq(loop_turn(w.loop, 0), 0);
        ck_assert_int_eq(f.done, 0);
        ck_assert_int_eq(w.server.n_requests, 0);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

START_TEST(cancelled_inside_its_own_callbacks)
{
        struct fetch headers = { .stream = true, .in_headers = cancel_self },
                     data = { .stream = true, .in_data = cancel_self_in_data },
                     done = { .in_done = cancel_self }, after = { 0 };
        struct world w;

        setup(&w, NULL);
        begin(&w, &headers, "/stream", (struct http_call){ 0 });
        turn_until(w.loop, headers.headers);
        begin(&w, &data, "/stream", (struct http_call){ 0 });
        turn_until(w.loop, data.body.len);
        begin(&w, &done, "/ok", (struct http_call){ 0 });
        turn_until(w.loop, done.done);
        fetch(&w, &after, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(after.result.status, 200);
        ck_assert_int_eq(headers.done, 0);
        ck_assert_uint_eq(headers.body.len, 0);
        ck_assert_int_eq(data.done, 0);
        ck_assert_int_eq(done.done, 1);
        fetch_release(&headers);
        fetch_release(&data);
        fetch_release(&done);
        fetch_release(&after);
        teardown(&w);
}
END_TEST

/* The next request may well be the same structure. */
START_TEST(what_comes_for_a_cancelled_one_is_nobodys)
{
        struct world w;

        setup(&w, NULL);
        for (int round = 0; round < 20; round++) {
                struct fetch cancelled = { .stream = true }, next = { .stream = true };

                begin(&w, &cancelled, "/silent", (struct http_call){ 0 });
                turn_until(w.loop, cancelled.body.len);
                http_cancel(cancelled.request);
                begin(&w, &next, "/ok", (struct http_call){ 0 });
                ck_assert_ptr_eq(next.request, cancelled.request);
                turn_until(w.loop, next.done);
                ck_assert_int_eq(next.result.status, 200);
                ck_str_eq(buf_str(&next.body), "hello");
                ck_assert_int_eq(cancelled.done, 0);
                fetch_release(&cancelled);
                fetch_release(&next);
        }
        teardown(&w);
}
END_TEST

START_TEST(cancelled_inside_the_callbacks_of_another)
{
        struct fetch in_data = { .stream = true, .in_data = cancel_other_in_data }, flying = { 0 },
                     after = { 0 };
        struct world w;

        setup(&w, &(struct http_config){ .max_connections = 2 });
        in_data.arg = &flying;
        begin(&w, &flying, "/mute", (struct http_call){ .idle_timeout = USEC_HOUR });
        fetch(&w, &in_data, "/stream", (struct http_call){ 0 });
        ck_assert_int_eq(in_data.result.error.code, 0);
        ck_assert_ptr_null(in_data.arg);
        fetch(&w, &after, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(flying.done, 0);
        fetch_release(&in_data);
        fetch_release(&flying);
        fetch_release(&after);
        teardown(&w);
}
END_TEST

/* Two requests whose ends are known to libcurl at the same time: done of the
 * first cancels the second, whose end must not come any more. */
START_TEST(cancelled_when_its_end_is_already_known)
{
        struct fetch a = { .in_done = cancel_other }, b = { .in_done = cancel_other };
        struct world w;

        setup(&w, &(struct http_config){ .max_connections = 2 });
        shutdown(w.server.listener, SHUT_RDWR); /* both fail at once */
        a.arg = &b;
        b.arg = &a;
        begin(&w, &a, "/", (struct http_call){ 0 });
        begin(&w, &b, "/", (struct http_call){ 0 });
        turn_until(w.loop, a.done || b.done);
        for (int i = 0; i < 5; i++)
                ck_assert_int_eq(loop_turn(w.loop, USEC_MSEC), 0);
        ck_assert_int_eq(a.done + b.done, 1);
        fetch_release(&a);
        fetch_release(&b);
        teardown(&w);
}
END_TEST

static void free_client(struct fetch *f)
{
        struct world *w = f->arg;

        http_client_freep(&w->client);
}

static int free_client_in_data(struct fetch *f)
{
        free_client(f);
        return 0;
}

START_TEST(the_client_may_be_freed_inside_any_callback)
{
        struct fetch who[] = {
                { .stream = true, .in_headers = free_client },
                { .stream = true, .in_data = free_client_in_data },
                { .stream = true, .in_done = free_client },
        };

        for (size_t i = 0; i < ARRAY_SIZE(who); i++) {
                struct fetch flying = { 0 }, queued = { 0 };
                struct world w;

                setup(&w, &(struct http_config){ .max_connections = 2 });
                who[i].arg = &w;
                begin(&w, &flying, "/mute", (struct http_call){ .idle_timeout = USEC_HOUR });
                begin(&w, &who[i], "/stream", (struct http_call){ 0 });
                begin(&w, &queued, "/ok", (struct http_call){ 0 });
                turn_until(w.loop, !w.client);
                for (int turn = 0; turn < 5; turn++)
                        ck_assert_int_eq(loop_turn(w.loop, USEC_MSEC), 0);
                ck_assert_int_eq(flying.done, 0);
                ck_assert_int_eq(queued.done, 0);
                ck_assert_int_eq(who[i].done, who[i].in_done ? 1 : 0);
                fetch_release(&who[i]);
                fetch_release(&flying);
                fetch_release(&queued);
                teardown(&w);
        }
}
END_TEST

static void start_next(struct fetch *f)
{
        struct fetch *next = f->arg;

        f->arg = NULL;
        if (next)
                ck_assert_int_eq(fetch_start(f->client, next,
                                             &(struct http_call){ .method = "GET", .url = str_c(next->arg) },
                                             NULL),
                                 0);
}

static int start_next_in_data(struct fetch *f)
{
        start_next(f);
        return 0;
}

START_TEST(a_request_may_start_inside_any_callback)
{
        struct fetch first[] = {
                { .stream = true, .in_headers = start_next },
                { .stream = true, .in_data = start_next_in_data },
                { .stream = true, .in_done = start_next },
        };
        struct world w;

        setup(&w, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
                struct fetch next = { .arg = w.url };

                first[i].arg = &next;
                begin(&w, &first[i], "/stream", (struct http_call){ 0 });
                turn_until(w.loop, first[i].done && next.done);
                ck_assert_int_eq(next.result.status, 200);
                fetch_release(&first[i]);
                fetch_release(&next);
        }
        teardown(&w);
}
END_TEST

START_TEST(freeing_the_client_is_silent)
{
        struct fetch flying = { 0 }, queued = { 0 };
        struct world w;

        setup(&w, NULL);
        begin(&w, &flying, "/mute", (struct http_call){ .timeout = USEC_HOUR });
        turn_until(w.loop, w.server.n_requests == 1);
        begin(&w, &queued, "/ok", (struct http_call){ .timeout = USEC_HOUR });
        http_client_freep(&w.client);
        ck_assert_int_eq(loop_turn(w.loop, 0), 0);
        ck_assert_int_eq(flying.done + queued.done, 0);
        fetch_release(&flying);
        fetch_release(&queued);
        teardown(&w);
}
END_TEST

static const TTest *const tests[] = {
        cancelled_before_it_began,
        cancelled_inside_its_own_callbacks,
        what_comes_for_a_cancelled_one_is_nobodys,
        cancelled_inside_the_callbacks_of_another,
        cancelled_when_its_end_is_already_known,
        the_client_may_be_freed_inside_any_callback,
        a_request_may_start_inside_any_callback,
        freeing_the_client_is_silent,
};
TEST_MAIN("http/callbacks over " SCHEME, tests)
