/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates against one lease, over a network that delays and loses, on
 * machines that stop for a while, with clocks that run at different speeds and
 * show different times; some crash, some leave cleanly. At every instant of
 * the simulated time at most one may write, and the lease names it.
 *
 *      node --request--> [ delay | loss ] --> lease --reply--> [ delay | loss ] --> node
 */
#include "fake_lease.h"
#include "harness.h"

#define NODES_MAX 3
#define MESSAGES_MAX 64
#define STEP (25 * USEC_MSEC)
#define ROUGH_TIME (20 * USEC_MINUTE) /* with faults */
#define CALM_TIME (2 * USEC_MINUTE)   /* then without */
#define SEEDS 50

struct node {
        struct leader l;
        bool up;
        char identity[32];
        unsigned incarnation;
        usec_t clock_offset;
        int64_t clock_ppm; /* faster than true time by */
        usec_t wake;       /* its own clock */
        usec_t paused;     /* true time until which it does not run */
        usec_t starts;     /* true time at which it comes up, while it is down */
};

struct message {
        bool used, to_node;
        usec_t due;
        struct node *node;
        unsigned incarnation;
        uint64_t request;
        enum leader_method method;
        int status;
        char text[1536];
};

struct sim {
        struct rand rand;
        usec_t now; /* true time */
        bool rough;
        usec_t cut; /* true time until which no message passes */
        struct fake_lease api;
        struct node nodes[NODES_MAX];
        size_t n_nodes;
        usec_t renew_deadline;
        struct message messages[MESSAGES_MAX];
        struct buf reply;
        /* What came of it: */
        unsigned violations, starts, stops, crashes;
        usec_t led;
};

static bool chance(struct sim *s, unsigned per_million)
{
        return rand_below(&s->rand, 1000000) < per_million;
}

static usec_t between(struct sim *s, usec_t low, usec_t high)
{
        return low + (usec_t)rand_below(&s->rand, (uint64_t)(high - low) + 1);
}

static usec_t local_time(const struct sim *s, const struct node *n)
{
        return n->clock_offset + s->now + s->now * n->clock_ppm / 1000000;
}

/* --- the network ------------------------------------------------------------ */

static usec_t travel_time(struct sim *s)
{
        if (s->rough && chance(s, 50000))
                return between(s, USEC_SEC, 14 * USEC_SEC);
        return between(s, USEC_MSEC, 150 * USEC_MSEC);
}

static void post(struct sim *s, const struct message *m)
{
        if (s->now < s->cut || (s->rough && chance(s, 80000)))
                return;
        for (size_t i = 0; i < MESSAGES_MAX; i++) {
                if (s->messages[i].used)
                        continue;
                s->messages[i] = *m;
                s->messages[i].used = true;
                s->messages[i].due = s->now + travel_time(s);
                return;
        }
        ck_abort_msg("more than %d messages under way", MESSAGES_MAX);
}

static void step_node(struct sim *s, struct node *n, const struct leader_event *event)
{
        struct leader_actions a;
        struct message m = { .node = n, .incarnation = n->incarnation };

        leader_step(&n->l, event, local_time(s, n), &a);
        n->wake = a.wake;
        s->starts += a.change == LEADER_STARTED;
        if (a.change == LEADER_STOPPED) {
                s->stops++;
                n->up = false;
                n->starts = s->now + between(s, 0, 30 * USEC_SEC);
        }
        if (a.method == LEADER_NOTHING)
                return;
        ck_assert_uint_lt(a.body.len, sizeof(m.text));
        memcpy(m.text, a.body.data, a.body.len);
        m.method = a.method;
        m.request = a.request;
        post(s, &m);
}

static void arrive_at_server(struct sim *s, struct message *m)
{
        m->status = fake_lease_serve(&s->api, m->method, str_c(m->text), &s->reply);
        ck_assert_uint_lt(s->reply.len, sizeof(m->text));
        memcpy(m->text, s->reply.data, s->reply.len + 1);
        m->to_node = true;
        post(s, m);
}

static void arrive_at_node(struct sim *s, const struct message *m)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct leader_event event = { .type = LEADER_REPLY, .request = m->request, .status = m->status };

        if (!m->node->up || m->node->incarnation != m->incarnation)
                return;
        ck_assert_int_eq(json_parse(str_c(m->text), &doc, NULL), 0);
        event.body = yyjson_doc_get_root(doc);
        event.wall = local_time(s, m->node);
        step_node(s, m->node, &event);
}

/* The next message that has arrived; what waits for a paused node stays in its socket. */
static struct message *next_message(struct sim *s)
{
        struct message *next = NULL;

        for (size_t i = 0; i < MESSAGES_MAX; i++) {
                struct message *m = &s->messages[i];

                if (!m->used || m->due > s->now || (m->to_node && s->now < m->node->paused))
                        continue;
                if (!next || m->due < next->due)
                        next = m;
        }
        return next;
}

static void deliver(struct sim *s)
{
        struct message *next, m;

        while ((next = next_message(s))) {
                m = *next;
                next->used = false;
                if (m.to_node)
                        arrive_at_node(s, &m);
                else
                        arrive_at_server(s, &m);
        }
}

/* --- the machines ------------------------------------------------------------- */

static void start_node(struct sim *s, struct node *n)
{
        struct leader_config config = {
                .namespace = STR("ops"),
                .name = STR("keelson"),
                .lease_duration = LEADER_LEASE_DURATION,
                .renew_deadline = LEADER_RENEW_DEADLINE,
                .retry_period = LEADER_RETRY_PERIOD,
        };

        leader_release(&n->l);
        n->incarnation++;
        snprintf(n->identity, sizeof(n->identity), "node-%d_%u", (int)(n - s->nodes), n->incarnation);
        config.identity = str_c(n->identity);
        ck_assert_int_eq(leader_init(&n->l, &config, rand_next(&s->rand), NULL), 0);
        n->l.config.renew_deadline = s->renew_deadline; /* past leader_init, which refuses unsafe ones */
        n->up = true;
        n->wake = 0;
}

static void trouble(struct sim *s, struct node *n)
{
        if (chance(s, 400))
                n->paused = s->now + between(s, USEC_SEC, 40 * USEC_SEC);
        if (n->up && chance(s, 100)) {
                s->crashes++;
                n->up = false;
                n->starts = s->now + between(s, 0, 30 * USEC_SEC);
        }
        if (n->up && s->now >= n->paused && chance(s, 100))
                step_node(s, n, &(struct leader_event){ .type = LEADER_STOP, .wall = local_time(s, n) });
}

static void run_node(struct sim *s, struct node *n)
{
        if (s->rough)
                trouble(s, n);
        if (!n->up && s->now >= n->starts)
                start_node(s, n);
        if (n->up && s->now >= n->paused && local_time(s, n) >= n->wake)
                step_node(s, n, &(struct leader_event){ .type = LEADER_TICK, .wall = local_time(s, n) });
}

/* Asked of paused ones too: they may wake up and write at this very instant. */
static unsigned count_leaders(struct sim *s)
{
        unsigned leaders = 0;

        for (size_t i = 0; i < s->n_nodes; i++) {
                struct node *n = &s->nodes[i];

                if (!n->up || !leader_may_write(&n->l, local_time(s, n)))
                        continue;
                leaders++;
                s->violations += !str_eq_c(str_c(n->identity), s->api.holder);
        }
        s->violations += leaders > 1;
        s->led += leaders ? STEP : 0;
        return leaders;
}

static void run_for(struct sim *s, usec_t duration)
{
        for (usec_t end = s->now + duration; s->now < end; s->now += STEP) {
                if (s->rough && chance(s, 60))
                        s->cut = s->now + between(s, USEC_SEC, 30 * USEC_SEC);
                deliver(s);
                count_leaders(s);
                for (size_t i = 0; i < s->n_nodes; i++) {
                        run_node(s, &s->nodes[i]);
                        count_leaders(s);
                }
        }
}

static void sim_init(struct sim *s, uint64_t seed, size_t n_nodes, usec_t renew_deadline)
{
        memset(s, 0, sizeof(*s));
        s->rand.state = seed;
        s->n_nodes = n_nodes;
        s->renew_deadline = renew_deadline;
        buf_init(&s->reply, LEADER_BODY_MAX);
        for (size_t i = 0; i < n_nodes; i++) {
                s->nodes[i].clock_offset = between(s, 0, 1000 * USEC_HOUR);
                s->nodes[i].clock_ppm = between(s, -50000, 50000);
                s->nodes[i].starts = between(s, 0, 5 * USEC_SEC);
        }
}

static void sim_release(struct sim *s)
{
        for (size_t i = 0; i < s->n_nodes; i++)
                leader_release(&s->nodes[i].l);
        buf_release(&s->reply);
}

/* --- tests ----------------------------------------------------------------------- */

static void check_many_seeds(size_t n_nodes)
{
        static struct sim s;
        unsigned starts = 0, stops = 0, crashes = 0;
        usec_t led = 0;

        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                sim_init(&s, seed, n_nodes, LEADER_RENEW_DEADLINE);
                s.rough = true;
                run_for(&s, ROUGH_TIME);
                led += s.led;
                s.rough = false;
                run_for(&s, CALM_TIME);
                ck_assert_msg(s.violations == 0, "seed %llu: %u violations", (unsigned long long)seed,
                              s.violations);
                ck_assert_msg(count_leaders(&s) == 1, "seed %llu: nobody leads", (unsigned long long)seed);
                starts += s.starts;
                stops += s.stops;
                crashes += s.crashes;
                sim_release(&s);
        }
        /* That it was rough, and that somebody led most of the time nevertheless. */
        ck_assert_uint_gt(starts, 10 * SEEDS);
        ck_assert_uint_gt(stops, SEEDS);
        ck_assert_uint_gt(crashes, SEEDS);
        ck_assert_int_gt(led, SEEDS * ROUGH_TIME / 2);
}

START_TEST(test_two_candidates)
{
        check_many_seeds(2);
}
END_TEST

START_TEST(test_three_candidates)
{
        check_many_seeds(3);
}
END_TEST

START_TEST(test_calm)
{
        static struct sim s;

        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                sim_init(&s, seed, 3, LEADER_RENEW_DEADLINE);
                run_for(&s, 10 * USEC_MINUTE);
                ck_assert_uint_eq(s.violations, 0);
                ck_assert_uint_eq(s.starts, 1); /* the first one stays */
                ck_assert_int_gt(s.led, 9 * USEC_MINUTE);
                sim_release(&s);
        }
}
END_TEST

/* The simulation must be able to see two leaders: give it a holder that keeps
 * on past the duration of its lease. */
START_TEST(test_the_check_finds_violations)
{
        static struct sim s;
        unsigned violations = 0;

        for (uint64_t seed = 1; seed <= 10; seed++) {
                sim_init(&s, seed, 2, 25 * USEC_SEC);
                s.rough = true;
                run_for(&s, ROUGH_TIME);
                violations += s.violations;
                sim_release(&s);
        }
        ck_assert_uint_gt(violations, 0);
}
END_TEST

static const TTest *const tests[] = {
        test_two_candidates,
        test_three_candidates,
        test_calm,
        test_the_check_finds_violations,
};

TEST_MAIN("manager/leader_sim", tests)
