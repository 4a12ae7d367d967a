/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/member.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/log.h"
#include "loop/child.h"

int member_number(struct str cluster, struct str pod, int *ret)
{
        int64_t n;

        if (!str_starts(pod, cluster) || pod.len < cluster.len + 2 || pod.data[cluster.len] != '-')
                return -EINVAL;
        if (str_to_int64(str_n(pod.data + cluster.len + 1, pod.len - cluster.len - 1), &n) < 0 || n < 0 ||
            n >= FAILOVER_MEMBERS_MAX)
                return -EINVAL;
        *ret = (int)n;
        return 0;
}

/* --- what happens ------------------------------------------------------------------- */

static void take(struct member *m, const struct failover_event *e)
{
        if (m->started)
                driver_take(&m->driver, e);
}

/* What the operator is to know of it, once it is so. */
static void note_applied(struct member *m)
{
        const struct engine_ops *ops = m->engine->ops;
        struct failover_applied now = { 0 };

        if (!ops->settled(m->engine))
                return;
        now.needs_restart = member_needs_restart(m);
        now.refused = m->refused;
        now.lost = m->driver.f.missing;
        memcpy(now.config, m->settings.version, sizeof(now.config));
        reporter_applied(&m->reporter, &now);
        m->peers.applied = m->reporter.own;
}

static void on_looked(void *arg, const struct failover_server *server)
{
        note_applied(arg);
        take(arg, &(struct failover_event){ .type = FAILOVER_SERVER, .server = *server });
}

static void on_canary(void *arg, usec_t began, bool kept)
{
        take(arg, &(struct failover_event){ .type = FAILOVER_CANARY, .canary = { began, kept } });
}

static void hear_of(struct member *m, int member, uint64_t life, const char *address)
{
        if (member < 0 || member == m->self.member)
                return;
        peers_at(&m->peers, member, address);
        m->engine->ops->member_at(m->engine, member, life, address);
}

static void on_letter(const struct failover_letter *letter, void *arg)
{
        struct member *m = arg;

        if (letter->message.to != m->self.member || letter->message.from == m->self.member)
                return;
        hear_of(m, letter->message.from, letter->message.life, letter->address);
        reporter_heard(&m->reporter, letter->message.from, &letter->applied);
        if (letter->message.type == FAILOVER_PROMISE)
                reporter_asked(&m->reporter, letter->message.epoch, clock_now());
        take(m, &(struct failover_event){ .type = FAILOVER_MESSAGE, .message = letter->message });
}

/* A member that is made anew has another address, by which the leader's server knows its
 * follower, and nobody asks it anything: it says itself where it is, at each renewal until it
 * is in the set, and likewise what it has carried out, until the leader has written that
 * down. To the protocol that is an answer to nothing. */
static void show_up(struct member *m, const struct failover_record *r)
{
        struct failover_message here = {
                .type = FAILOVER_NO,
                .about = FAILOVER_PROMISE,
                .from = m->self.member,
                .to = r->holder.member,
                .life = m->self.incarnation,
                .epoch = r->epoch,
        };

        if (m->started && r->phase == FAILOVER_HELD && r->holder.member != m->self.member &&
            (!(r->in_sync & failover_only(m->self.member)) || reporter_has_news(&m->reporter)))
                peers_send(&m->peers, &here);
}

static void on_record(const struct failover_lease *lease, yyjson_val *object, void *arg)
{
        struct member *m = arg;
        yyjson_val *annotations = object ? json_get_path(object, "/metadata/annotations") : NULL;

        if (object) {
                news_take_owner(&m->news, object);
                reporter_saw(&m->reporter, &lease->record,
                             json_get_str(annotations, FAILOVER_REPORT_ANNOTATION), clock_now());
        }
        complaint_of_older_lease(m, &lease->record);
        hear_of(m, lease->record.holder.member, lease->record.holder.incarnation,
                lease->record.holder.address);
        driver_record(&m->driver, &lease->record, lease->version, lease->duration);
        show_up(m, &lease->record);
}

static void on_absent(void *arg)
{
        take(arg, &(struct failover_event){ .type = FAILOVER_ABSENT });
}

static void on_wrote(uint64_t id, enum failover_outcome outcome, const char *version, void *arg)
{
        struct failover_event e = { .type = FAILOVER_WROTE, .wrote = { .id = id, .outcome = outcome } };
        struct member *m = arg;
        uint64_t epoch = m->lease.sent_record.epoch;
        usec_t sent = m->lease.sent;

        memcpy(e.wrote.version, version, strnlen(version, sizeof(e.wrote.version) - 1));
        take(m, &e);
        if (outcome == FAILOVER_WRITTEN && m->driver.f.role == FAILOVER_LEADER)
                publisher_renewed(&m->publisher, epoch, sent);
}

static void on_settled(struct loop_timer *timer, void *arg);

/* It was deleted by force, mostly, and is told to end in a moment, or was. Nothing that it waits
 * for would come of it then. */
static void on_lease_refused(void *arg)
{
        struct member *m = arg;

        if (!m->turned_away)
                log_warn("the API server does not know this pod any more: it was deleted by force, or its "
                         "token is not valid");
        m->turned_away = true;
        take(m, &(struct failover_event){ .type = FAILOVER_REFUSED });
        if (m->stopping)
                on_settled(&m->settle, m);
}

static void on_lease_trouble(const struct error *why, void *arg)
{
        struct member *m = arg;

        if (why && !m->lease_bad)
                log_warn("the Lease cannot be read or written", LOG_CSTR("error", why->message));
        else if (!why && m->lease_bad)
                log_info("the Lease can be read and written again");
        m->lease_bad = why != NULL;
        m->turned_away = m->turned_away && why;
}

static void on_published(enum publish_end end, uint64_t epoch, void *arg)
{
        struct member *m = arg;

        m->route_trouble = 0;
        if (end == PUBLISH_DONE)
                log_info("clients are routed to this member", LOG_INT("epoch", epoch),
                         LOG_CSTR("slice", m->publisher.name));
        else if (end == PUBLISH_SUPERSEDED)
                log_warn("a newer epoch is published already", LOG_INT("epoch", epoch));
}

/* It is tried again every now and then: the same reason is told once. */
static void on_publish_trouble(const struct error *why, void *arg)
{
        struct member *m = arg;
        uint64_t reason = hash_str(HASH_INIT, str_c(why->message));

        if (reason != m->route_trouble)
                log_warn("clients cannot be routed to this member yet; it is tried again",
                         LOG_CSTR("error", why->message));
        m->route_trouble = reason;
}

/* --- configuration ------------------------------------------------------------------ */

static int start_protocol(struct member *m, const struct settings *s)
{
        struct lease_config lease = { .client = m->client,
                                      .namespace = str_c(m->options->namespace),
                                      .name = str_c(m->options->cluster),
                                      .lease = s->lease,
                                      .self = &m->self,
                                      .seed = m->self.incarnation };
        struct lease_handlers handlers = { .record = on_record,
                                           .absent = on_absent,
                                           .went_back = complaint_of_lease_back,
                                           .wrote = on_wrote,
                                           .refused = on_lease_refused,
                                           .trouble = on_lease_trouble,
                                           .arg = m };
        struct failover_timing timing = failover_timing_of(s->lease);
        struct driver_ports ports;
        char lineage[FAILOVER_LINEAGE_MAX];
        uint64_t random[2];
        int r = member_ports(m, &ports);

        if (r < 0)
                return r;
        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return -EIO;
        snprintf(lineage, sizeof(lineage), "%016llx%016llx", (unsigned long long)random[0],
                 (unsigned long long)random[1]);
        m->peers.config.deadline = timing.renew;
        m->publisher.config.timeout = timing.lease;
        m->news.config.timeout = 2 * timing.lease;
        driver_init(&m->driver, &m->self, s->lease, lineage, m->engine, &ports);
        m->started = true;
        return lease_start(&m->lease, &lease, &handlers);
}

/* When there is a configuration, and the volume is ours. */
void member_begin(struct member *m)
{
        struct failover_event policy = { .type = FAILOVER_POLICY, .policy = m->settings.policy };
        int r;

        if (m->started || !m->configured || !m->opened)
                return;
        r = start_protocol(m, &m->settings);
        if (r < 0)
                loop_stop(m->loop, r);
        else
                take(m, &policy);
}

static void take_settings(struct member *m, const struct settings *s)
{
        m->configured = true;
        m->settings.policy = s->policy;
        memcpy(m->settings.version, s->version, sizeof(m->settings.version));
        m->settings.port = s->port;
        if (!m->started)
                m->settings.lease = s->lease;
        if (s->lease != m->settings.lease && s->lease != m->wanted_lease)
                log_warn("leaseMillis counts from the start of a member: this one goes on with the old value",
                         LOG_INT("leaseMillis", m->settings.lease / USEC_MSEC));
        m->wanted_lease = s->lease;
}

bool member_needs_restart(const struct member *m)
{
        return m->wanted_lease != m->settings.lease || m->engine->ops->needs_restart(m->engine);
}

static void on_config(const struct settings *s, void *arg)
{
        struct member *m = arg;
        struct failover_event policy = { .type = FAILOVER_POLICY, .policy = s->policy };
        struct error complaint = ERROR_INIT;
        int r = m->engine->ops->configure(m->engine, buf_str(&s->engine), &complaint);

        m->refused = (struct failover_refusal){ 0 };
        if (r < 0)
                complaint_of_settings(m, &complaint);
        take_settings(m, s);
        log_info("configured", LOG_INT("members", __builtin_popcount(s->policy.members)));
        take(m, &policy);
        member_begin(m);
}

static void on_config_trouble(const struct error *why, void *arg)
{
        struct member *m = arg;

        m->config_bad = why != NULL;
        if (why)
                log_warn(m->started ? "the configuration cannot be read; the last one stays"
                                    : "the configuration cannot be read; nothing is started without",
                         LOG_CSTR("error", why->message));
        else
                log_info("the configuration can be read again");
}

/* --- signals ------------------------------------------------------------------------ */

static void on_settled(struct loop_timer *timer _unused_, void *arg)
{
        take(arg, &(struct failover_event){ .type = FAILOVER_STOP });
}

static bool is_alone(const struct member *m)
{
        return !(m->settings.policy.members & ~failover_only(m->self.member));
}

static void on_stop(struct member *m, uint32_t number)
{
        log_info(m->stopping ? "told to stop once more: at once" : "told to stop", LOG_INT("signal", number));
        if (m->stopping || !m->started) {
                loop_stop(m->loop, m->started ? -ECANCELED : 0);
                return;
        }
        m->stopping = true;
        if (is_alone(m) || m->turned_away ||
            loop_timer_set(m->loop, &m->settle, clock_now() + MEMBER_SETTLE, on_settled, m) < 0)
                on_settled(&m->settle, m);
}

static void on_signal(struct loop_signal *source _unused_, const struct signalfd_siginfo *info, void *arg)
{
        if (info->ssi_signo == SIGCHLD)
                child_reap_orphans();
        else
                on_stop(arg, info->ssi_signo);
}

static int start_signals(struct member *m)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGCHLD);
        return loop_signal_start(m->loop, &m->signals, &set, on_signal, m);
}

/* --- life --------------------------------------------------------------------------- */

static int connect_client(struct member *m, struct error *err)
{
        struct kube_config config;
        int r = kube_config_load(str_c(m->options->kubeconfig), &config, err);

        if (r < 0)
                return r;
        r = kube_client_new(m->loop, &config, &m->client, err);
        if (r < 0)
                kube_config_release(&config);
        return r;
}

static int start_peers(struct member *m, struct error *err)
{
        const struct member_options *o = m->options;
        struct peers_config config = { .hosts = o->hosts ? o->hosts : m->names,
                                       .names = m->names,
                                       .address = m->self.address,
                                       .deadline = USEC_SEC };
        int r;

        peers_init(&m->peers, m->loop, &config);
        r = trust_start(m, err);
        if (r == 0)
                r = mailbox_start(m->loop, &m->mailbox, str_c(o->listen), &m->identities, on_letter, m, err);
        m->peers.config.port = m->mailbox.port; /* that of all */
        return r;
}

static int start_engine(struct member *m, struct error *err)
{
        const struct member_options *o = m->options;
        struct engine_config config = { .cluster = o->cluster,
                                        .member = m->self.member,
                                        .address = m->self.address,
                                        .data = o->data,
                                        .run = o->run,
                                        .tls = o->tls,
                                        .program = o->program };
        struct engine_handlers handlers = { .looked = on_looked,
                                            .canary = on_canary,
                                            .complained = complaint_of_engine,
                                            .crashed = complaint_of_crash,
                                            .volume = complaint_of_volume,
                                            .arg = m };

        return o->engine(m->loop, &config, &handlers, &m->engine, err);
}

static int start_api(struct member *m, struct error *err)
{
        const struct member_options *o = m->options;
        struct publisher_config route = { .client = m->client,
                                          .namespace = str_c(o->namespace),
                                          .cluster = str_c(o->cluster),
                                          .port_name = str_c(o->engine_name),
                                          .pod = str_c(o->pod),
                                          .uid = str_c(o->uid),
                                          .address = str_c(m->self.address),
                                          .owner = &m->news.owner };
        struct news_config news = { .client = m->client,
                                    .namespace = str_c(o->namespace),
                                    .pod = str_c(o->pod),
                                    .uid = str_c(o->uid),
                                    .cluster = str_c(o->cluster) };
        struct config_handlers config = { .changed = on_config, .trouble = on_config_trouble, .arg = m };
        int r;

        news_init(&m->news, &news);
        r = publisher_start(&m->publisher, &route, on_published, on_publish_trouble, m);
        if (r == 0)
                r = config_start(&m->config, m->client, str_c(o->namespace), str_c(o->cluster),
                                 o->engine_name, m->self.incarnation, &config);
        return r < 0 ? error_set(err, r, "out of memory at the start") : 0;
}

static int identify(struct member *m, struct error *err)
{
        const struct member_options *o = m->options;

        if (member_number(str_c(o->cluster), str_c(o->pod), &m->self.member) < 0)
                return error_set(err, -EINVAL,
                                 "POD_NAME: \"%s\" is no member of %s: it must be %s-N, N from 0 to %d",
                                 o->pod, o->cluster, o->cluster, FAILOVER_MEMBERS_MAX - 1);
        if (strlen(o->uid) >= FAILOVER_UID_MAX || !o->uid[0])
                return error_set(err, -EINVAL, "POD_UID: it must have 1 to %d characters",
                                 FAILOVER_UID_MAX - 1);
        if (strlen(o->address) >= FAILOVER_ADDRESS_MAX || !o->address[0])
                return error_set(err, -EINVAL, "POD_IP: it must be the address of the pod");
        snprintf(m->self.uid, sizeof(m->self.uid), "%s", o->uid);
        snprintf(m->self.address, sizeof(m->self.address), "%s", o->address);
        snprintf(m->names, sizeof(m->names), "%s-#.%s-members.%s.svc", o->cluster, o->cluster, o->namespace);
        if (getrandom(&m->self.incarnation, sizeof(m->self.incarnation), 0) != sizeof(m->self.incarnation))
                return error_set(err, -EIO, "the kernel has no random numbers");
        m->self.incarnation |= 1; /* 0 is nobody's */
        reporter_init(&m->reporter, m->self.member, m->self.uid);
        return 0;
}

static int start(struct member *m, struct error *err)
{
        int r = connect_client(m, err);

        if (r == 0)
                r = start_engine(m, err);
        if (r == 0)
                r = start_peers(m, err);
        if (r == 0)
                r = health_start(m, err);
        if (r == 0)
                r = start_api(m, err);
        if (r < 0)
                return r;
        log_info("started", LOG_CSTR("cluster", m->options->cluster), LOG_INT("member", m->self.member),
                 LOG_CSTR("version", m->options->version), LOG_CSTR("engine", m->engine->ops->name),
                 LOG_STR("server", kube_client_config(m->client)->server));
        return 0;
}

/* The server first: nobody is left to look after it. */
static void release(struct member *m)
{
        m->started = false;
        if (m->engine)
                m->engine->ops->free(m->engine);
        config_stop(&m->config);
        lease_stop(&m->lease);
        publisher_stop(&m->publisher);
        mailbox_stop(&m->mailbox);
        if (m->peers.loop)
                peers_release(&m->peers);
        identity_source_release(&m->identities);
        server_free(m->health);
        metrics_free(m->metrics);
        loop_timer_stop(&m->wake);
        loop_timer_stop(&m->files);
        loop_timer_stop(&m->settle);
        loop_signal_stop(&m->signals);
        if (m->client)
                kube_client_free(m->client);
        loop_free(m->loop);
}

int member_run(const struct member_options *options, struct error *err)
{
        static struct member m; /* large, and one a process */
        int r;

        m = (struct member){ .options = options };
        r = identify(&m, err);
        if (r < 0)
                return r;
        r = loop_new(&m.loop);
        if (r < 0)
                return error_set(err, r, "cannot make the event loop: %s", strerror(-r));
        /* First of all: as process 1 of a container we would not even be ended by one
         * that comes before, and it would be lost. */
        r = start_signals(&m);
        if (r < 0)
                (void)error_set(err, r, "cannot take signals: %s", strerror(-r));
        else
                r = start(&m, err);
        if (r == 0) {
                r = loop_run(m.loop);
                if (r == -ECANCELED)
                        (void)error_set(err, r, "stopped at once, without a hand-over");
                else if (r < 0)
                        (void)error_set(err, r, "the event loop failed: %s", strerror(-r));
        }
        release(&m);
        if (r == 0)
                log_info("stopped");
        log_context("role", STR_NULL);
        return r;
}
