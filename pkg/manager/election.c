/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/election.h"

#include <errno.h>
#include <sys/random.h>

#include "base/log.h"
#include "json/read.h"
#include "kube/kinds.h"

static void step(struct election *e, struct leader_event event);

static void on_timer(struct loop_timer *timer, void *arg)
{
        struct election *e = arg;

        (void)timer;
        step(e, (struct leader_event){ .type = LEADER_TICK });
}

static void on_reply(const struct kube_reply *reply, void *arg)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct election *e = arg;
        struct leader_event event = { .type = LEADER_REPLY, .request = e->number, .status = reply->status };

        e->request = NULL;
        /* A body that cannot be read is one that is missing: the machine copes. */
        if (reply->body.len && json_parse(reply->body, &doc, NULL) == 0)
                event.body = yyjson_doc_get_root(doc);
        if (reply->error.code && reply->status != 404 && reply->status != 409)
                log_warn("the Lease could not be read or written", LOG_CSTR("error", reply->error.message));
        step(e, event);
}

static void send_request(struct election *e, const struct leader_actions *actions)
{
        static const enum kube_verb verbs[] = {
                [LEADER_GET] = KUBE_GET, [LEADER_CREATE] = KUBE_CREATE, [LEADER_UPDATE] = KUBE_UPDATE
        };
        const struct leader_config *config = &e->leader.config;
        struct kube_call call = {
                .verb = verbs[actions->method],
                .kind = &kube_lease_kind,
                .namespace = config->namespace,
                .name = actions->method == LEADER_CREATE ? STR_NULL : config->name,
                .body = actions->method == LEADER_GET ? STR_NULL : actions->body,
                .field_manager = actions->method == LEADER_GET ? STR_NULL : STR(KEELSON_FIELD_MANAGER),
                .timeout = actions->timeout,
        };
        struct error err = ERROR_INIT;

        if (e->request)
                kube_cancel(e->request);
        e->request = NULL;
        e->number = actions->request;
        /* An attempt that could not be sent runs into its time-out and is made again. */
        if (kube_call(e->client, &call, on_reply, e, &e->request, &err) < 0)
                log_warn("the Lease could not be asked for", LOG_CSTR("error", err.message));
}

static void step(struct election *e, struct leader_event event)
{
        struct leader_actions actions;

        event.wall = clock_wall();
        leader_step(&e->leader, &event, clock_now(), &actions);
        if (actions.failure.code)
                log_debug("no success with the Lease", LOG_CSTR("error", actions.failure.message));
        if (actions.new_holder)
                log_info("the Lease has a new holder", LOG_STR("holder", leader_holder(&e->leader)));
        if (actions.method != LEADER_NOTHING)
                send_request(e, &actions);
        if (actions.wake == USEC_NEVER)
                loop_timer_stop(&e->timer);
        else if (loop_timer_set(kube_client_loop(e->client), &e->timer, actions.wake, on_timer, e) < 0)
                log_error("out of memory: leader election has lost its timer");
        if (actions.change != LEADER_SAME)
                e->changed(e, actions.change, e->arg);
}

int election_init(struct election *e, struct kube_client *client, struct leader_config config,
                  struct str hostname,
                  void (*changed)(struct election *e, enum leader_change change, void *arg), void *arg,
                  struct error *err)
{
        uint8_t random[16];
        uint64_t seed;

        *e = (struct election){ .client = client, .changed = changed, .arg = arg };
        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return error_set(err, -EIO, "no random bytes for the identity in leader election");
        memcpy(&seed, random, sizeof(seed));
        config.identity = str_n(e->identity, leader_identity(hostname, random, e->identity));
        return leader_init(&e->leader, &config, seed, err);
}

void election_release(struct election *e)
{
        if (e->request)
                kube_cancel(e->request);
        loop_timer_stop(&e->timer);
        leader_release(&e->leader);
}

void election_start(struct election *e)
{
        step(e, (struct leader_event){ .type = LEADER_TICK });
}

void election_stop(struct election *e)
{
        step(e, (struct leader_event){ .type = LEADER_STOP });
}

usec_t election_write_time(const struct election *e)
{
        const struct leader *l = &e->leader;
        usec_t now = clock_now();

        /* No other can lead before the lease has stood unchanged for its whole
         * duration, counted from our last renewal at the earliest. */
        return leader_may_write(l, now) ? l->renewed + l->config.lease_duration - now : 0;
}
