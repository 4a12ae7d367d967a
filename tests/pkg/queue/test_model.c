/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

/* --- against a naive model --------------------------------------------------------- */

#define KEYS 12

/* One key, as the header describes it. */
struct model {
        enum queue_state state;
        bool again;
        usec_t due; /* USEC_NEVER: does not wait */
        unsigned failures;
        uint64_t place; /* of a ready one: the lowest is next */
        struct queue_item *item;
};

static uint64_t places;

static void model_ready(struct model *m)
{
        if (m->state == QUEUE_ACTIVE)
                m->again = true;
        if (m->state != QUEUE_IDLE)
                return;
        m->state = QUEUE_READY;
        m->place = ++places;
}

/* Those that are due become ready, the earliest first. */
static void model_wake(struct model *models, usec_t now)
{
        for (;;) {
                struct model *first = NULL;

                for (size_t i = 0; i < KEYS; i++)
                        if (models[i].due <= now && (!first || models[i].due < first->due))
                                first = &models[i];
                if (!first)
                        return;
                first->due = USEC_NEVER;
                model_ready(first);
        }
}

static struct model *model_next(struct model *models)
{
        struct model *next = NULL;

        for (size_t i = 0; i < KEYS; i++)
                if (models[i].state == QUEUE_READY && (!next || models[i].place < next->place))
                        next = &models[i];
        return next;
}

static void check(const struct queue *q, const struct model *models, usec_t now)
{
        usec_t next = USEC_NEVER;
        size_t ready = 0, active = 0, known = 0;

        for (size_t i = 0; i < KEYS; i++) {
                const struct model *m = &models[i];

                ready += m->state == QUEUE_READY;
                active += m->state == QUEUE_ACTIVE;
                known += m->state != QUEUE_IDLE || m->failures || m->due != USEC_NEVER;
                next = MIN(next, m->due);
        }
        if (ready)
                next = now;
        ck_assert_uint_eq(q->n_ready, ready);
        ck_assert_uint_eq(q->n_active, active);
        ck_assert_uint_eq(q->items.count, known);
        ck_assert_int_eq(queue_next(q, now), next);
}

static void step(struct queue *q, struct model *models, struct rand *rand, usec_t now)
{
        size_t i = rand_below(rand, KEYS);
        char name[] = { (char)('a' + i), '\0' };
        struct model *m = &models[i];
        struct queue_item *item;
        usec_t due;

        switch (rand_below(rand, 5)) {
        case 0:
                add(q, name, now);
                model_ready(m);
                break;
        case 1:
                /* No two at the same time, so that there is one order. */
                due = now + (usec_t)rand_below(rand, 1000) * KEYS * 2 + (usec_t)i * 2;
                due += due & 1;
                for (size_t j = 0; j < KEYS; j++)
                        if (j != i && models[j].due == due)
                                return;
                add_at(q, name, due);
                m->due = MIN(m->due, due);
                break;
        case 2:
                model_wake(models, now);
                m = model_next(models);
                item = queue_get(q, now);
                ck_assert_int_eq(item != NULL, m != NULL);
                if (!item)
                        break;
                ck_assert_int_eq(item->key.name.data[0], (char)('a' + (m - models)));
                m->state = QUEUE_ACTIVE;
                m->again = false;
                m->item = item;
                break;
        case 3:
                if (m->state != QUEUE_ACTIVE)
                        break;
                queue_done(q, m->item, now);
                m->failures = 0;
                m->state = QUEUE_IDLE;
                if (m->again)
                        model_ready(m);
                break;
        case 4:
                if (m->state != QUEUE_ACTIVE)
                        break;
                queue_done_failed(q, m->item, now, 0);
                m->failures++;
                m->state = QUEUE_IDLE;
                m->due = m->item->delay.due;
                ck_assert_int_gt(m->due, now);
                ck_assert_int_le(m->due, now + (m->again ? QUEUE_BACKOFF_FIRST : QUEUE_BACKOFF_MAX));
                ck_assert_uint_eq(m->item->failures, m->failures);
                break;
        }
        check(q, models, now);
}

START_TEST(it_does_what_the_model_does)
{
        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct model models[KEYS] = { 0 };
                struct rand rand = { .state = seed };
                struct queue q;
                usec_t now = 0;

                for (size_t i = 0; i < KEYS; i++)
                        models[i].due = USEC_NEVER;
                queue_init(&q, seed);
                for (int i = 0; i < 2000; i++) {
                        now += (usec_t)rand_below(&rand, 4) * 1000;
                        step(&q, models, &rand, now);
                }
                queue_release(&q);
                ck_assert_uint_eq(mem_live(), 0);
        }
}
END_TEST

static const TTest *const tests[] = {
        it_does_what_the_model_does,
};
TEST_MAIN("queue/model", tests)
