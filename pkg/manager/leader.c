/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/leader.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "json/read.h"
#include "json/write.h"

/* client-go's JitterFactor: a candidate waits for 1 to 2.2 retry periods. */
#define JITTER_NUMERATOR 12
#define JITTER_DENOMINATOR 10

int leader_check_times(const struct leader_config *c, struct error *err)
{
        if (c->lease_duration < USEC_SEC || c->lease_duration % USEC_SEC || c->lease_duration > USEC_HOUR)
                return error_set(err, -EINVAL, "--lease-duration must be whole seconds, from 1s to 1h");
        if (c->renew_deadline >= c->lease_duration)
                return error_set(err, -EINVAL,
                                 "--renew-deadline must be shorter than --lease-duration, or two could lead");
        if (c->retry_period < USEC_MSEC ||
            c->retry_period * JITTER_NUMERATOR / JITTER_DENOMINATOR >= c->renew_deadline)
                return error_set(
                        err, -EINVAL,
                        "--retry-period must be from 1ms to less than --renew-deadline / 1.2, so that "
                        "a renewal is tried twice");
        return 0;
}

static int check_config(const struct leader_config *c, struct error *err)
{
        if (str_empty(c->namespace) || str_empty(c->name) || str_empty(c->identity))
                return error_set(err, -EINVAL,
                                 "leader election needs a namespace, a lease name and an identity");
        if (c->identity.len >= LEADER_IDENTITY_MAX)
                return error_set(err, -EINVAL, "the leader election identity is longer than %d bytes",
                                 LEADER_IDENTITY_MAX - 1);
        return leader_check_times(c, err);
}

int leader_init(struct leader *l, const struct leader_config *config, uint64_t seed, struct error *err)
{
        int r = check_config(config, err);

        if (r < 0)
                return r;
        *l = (struct leader){ .config = *config, .rand.state = seed };
        buf_init(&l->body, LEADER_BODY_MAX);
        buf_init(&l->lease.metadata, LEADER_BODY_MAX);
        buf_init(&l->lease.spec, LEADER_BODY_MAX);
        return 0;
}

void leader_release(struct leader *l)
{
        buf_release(&l->body);
        buf_release(&l->lease.metadata);
        buf_release(&l->lease.spec);
}

bool leader_may_write(const struct leader *l, usec_t now)
{
        return l->role == LEADER_LEADING && now - l->renewed < l->config.renew_deadline;
}

struct str leader_holder(const struct leader *l)
{
        return l->lease.holder[0] ? str_c(l->lease.holder) : STR_NULL;
}

static usec_t request_timeout(const struct leader *l)
{
        return l->config.renew_deadline / 2; /* so that a renewal can be tried again in time */
}

static usec_t candidate_delay(struct leader *l)
{
        usec_t jitter = l->config.retry_period * JITTER_NUMERATOR / JITTER_DENOMINATOR;

        return l->config.retry_period + (usec_t)rand_below(&l->rand, (uint64_t)jitter + 1);
}

/* Held by another, for all we know: a lease that we saw for less than its duration. */
static bool is_held(const struct leader *l, usec_t now)
{
        return l->lease.holder[0] && !l->lease.mine && now - l->lease.since < l->lease.duration;
}

/* Nothing is in flight any more; a reply that comes yet will be ignored. */
static void drop_request(struct leader *l)
{
        l->in_flight = LEADER_NOTHING;
        l->releases = false;
}

/* Tries again later, beginning with a look at the lease. */
static void retry_later(struct leader *l, usec_t now)
{
        drop_request(l);
        l->state = LEASE_UNKNOWN;
        if (l->role == LEADER_CANDIDATE)
                l->next = now + candidate_delay(l);
        else
                l->next = MAX(now, l->sent + l->config.retry_period);
}

static void lose(struct leader *l, usec_t now, struct leader_actions *ret)
{
        l->role = LEADER_CANDIDATE;
        ret->change = LEADER_LOST;
        retry_later(l, now);
}

static void finish(struct leader *l, struct leader_actions *ret)
{
        drop_request(l);
        l->role = LEADER_DONE;
        ret->change = LEADER_STOPPED;
}

/* --- what the lease says -------------------------------------------------- */

/* managedFields are long, and an update without them leaves them alone. */
static int copy_metadata(struct buf *out, yyjson_val *metadata)
{
        struct json_writer w;
        size_t i, n;
        yyjson_val *key, *value;

        json_writer_init(&w, out);
        json_object(&w);
        yyjson_obj_foreach (metadata, i, n, key, value) {
                if (str_eq_c(json_val_str(key), "managedFields"))
                        continue;
                json_key_str(&w, json_val_str(key));
                json_val(&w, value);
        }
        json_end(&w);
        return buf_error(out);
}

static int copy_spec(struct buf *out, yyjson_val *spec)
{
        struct json_writer w;

        json_writer_init(&w, out);
        if (spec)
                json_val(&w, spec);
        return buf_error(out);
}

static void copy_text(char *to, size_t size, struct str s)
{
        snprintf(to, size, "%.*s", STR_FMT(s));
}

static void swap_buf(struct buf *a, struct buf *b)
{
        struct buf tmp = *a;

        *a = *b;
        *b = tmp;
}

static void read_spec(struct leader *l, yyjson_val *spec, struct leader_actions *ret)
{
        struct leader_lease *lease = &l->lease;
        struct str holder = json_get_str(spec, "holderIdentity");
        int64_t seconds = json_get_int(spec, "leaseDurationSeconds", 0);
        char before[LEADER_IDENTITY_MAX];

        memcpy(before, lease->holder, sizeof(before));
        copy_text(lease->holder, sizeof(lease->holder), holder);
        ret->new_holder = !str_eq_c(str_c(before), lease->holder);
        copy_text(lease->acquired, sizeof(lease->acquired), json_get_str(spec, "acquireTime"));
        lease->mine = str_eq(holder, l->config.identity);
        lease->transitions = json_get_int(spec, "leaseTransitions", 0);
        /* A holder that did not say for how long is given as long as we would take. */
        lease->duration = l->config.lease_duration;
        if (seconds > 0 && seconds <= INT32_MAX)
                lease->duration = seconds * USEC_SEC;
}

/* Keeps what a reply showed, and since when the spec is as it is. On failure
 * nothing changes. */
static int observe(struct leader *l, yyjson_val *body, usec_t now, struct leader_actions *ret)
{
        _cleanup_(buf_release) struct buf metadata = BUF_INIT(LEADER_BODY_MAX);
        _cleanup_(buf_release) struct buf spec = BUF_INIT(LEADER_BODY_MAX);
        yyjson_val *meta_val = yyjson_obj_get(body, "metadata");
        yyjson_val *spec_val = yyjson_obj_get(body, "spec");
        int r;

        if (str_empty(json_get_str(meta_val, "resourceVersion")))
                return -EBADMSG;
        r = copy_metadata(&metadata, meta_val);
        if (r < 0)
                return r;
        r = copy_spec(&spec, spec_val);
        if (r < 0)
                return r;
        swap_buf(&l->lease.metadata, &metadata);
        l->state = LEASE_PRESENT;
        if (l->lease.spec.data && str_eq(buf_str(&spec), buf_str(&l->lease.spec)))
                return 0;
        swap_buf(&l->lease.spec, &spec);
        l->lease.since = now;
        read_spec(l, spec_val, ret);
        return 0;
}

/* --- replies -------------------------------------------------------------- */

static const char *verb(enum leader_method method)
{
        return method == LEADER_GET ? "get" : method == LEADER_CREATE ? "create" : "update";
}

static void report(const struct leader *l, const struct leader_event *event, struct leader_actions *ret)
{
        struct str message = json_get_str(event->body, "message");

        if (event->status == 0)
                error_set(&ret->failure, -EIO, "cannot %s lease %.*s/%.*s: no answer", verb(l->in_flight),
                          STR_FMT(l->config.namespace), STR_FMT(l->config.name));
        else
                error_set(&ret->failure, -EREMOTEIO, "cannot %s lease %.*s/%.*s: HTTP %d%s%.*s",
                          verb(l->in_flight), STR_FMT(l->config.namespace), STR_FMT(l->config.name),
                          event->status, str_empty(message) ? "" : ": ", STR_FMT(message));
}

static void report_bad_lease(const struct leader *l, int code, struct leader_actions *ret)
{
        const char *why = code == -ENOMEM     ? "out of memory"
                          : code == -EMSGSIZE ? "it is too large"
                                              : "the reply is not a Lease";

        error_set(&ret->failure, code, "cannot read lease %.*s/%.*s: %s", STR_FMT(l->config.namespace),
                  STR_FMT(l->config.name), why);
}

/* The lease was read: write it now, wait for its holder, or stop leading. */
static void decide(struct leader *l, usec_t now, struct leader_actions *ret)
{
        if (l->role == LEADER_LEADING && l->lease.holder[0] && !l->lease.mine) {
                error_set(&ret->failure, -EBUSY, "lease %.*s/%.*s was taken by %s",
                          STR_FMT(l->config.namespace), STR_FMT(l->config.name), l->lease.holder);
                lose(l, now, ret);
        } else if (l->role == LEADER_CANDIDATE && is_held(l, now)) {
                retry_later(l, now);
        } else {
                l->next = now;
        }
}

static void on_get(struct leader *l, const struct leader_event *event, usec_t now, struct leader_actions *ret)
{
        int r;

        if (event->status == 200) {
                r = observe(l, event->body, now, ret);
                if (r < 0) {
                        report_bad_lease(l, r, ret);
                        retry_later(l, now);
                        return;
                }
                l->perhaps_mine = l->lease.mine;
        } else if (event->status == 404) {
                l->state = LEASE_ABSENT;
                l->perhaps_mine = false;
        } else {
                report(l, event, ret);
                retry_later(l, now);
                return;
        }
        drop_request(l);
        decide(l, now, ret);
}

/* Somebody wrote in between. Who leads or releases looks at once, but not
 * twice in a row, so as not to spin with another one that does the same. */
static void on_conflict(struct leader *l, usec_t now)
{
        bool again = l->conflicted;

        retry_later(l, now);
        l->conflicted = true;
        if (l->role != LEADER_CANDIDATE && !again)
                l->next = now;
}

static void on_written(struct leader *l, const struct leader_event *event, usec_t now,
                       struct leader_actions *ret)
{
        int r = observe(l, event->body, now, ret);

        if (r < 0) {
                report_bad_lease(l, r, ret);
                retry_later(l, now);
                return;
        }
        if (l->releases) {
                finish(l, ret);
                return;
        }
        drop_request(l);
        l->conflicted = false;
        l->next = now;
        if (l->role == LEADER_RELEASING)
                return;
        if (!l->lease.mine) {
                retry_later(l, now); /* something between us and the API server changed it */
                return;
        }
        /* A reply past request_timeout is not looked at, so this is still good for a while. */
        l->renewed = l->sent;
        l->next = l->sent + l->config.retry_period;
        if (l->role == LEADER_CANDIDATE) {
                l->role = LEADER_LEADING;
                ret->change = LEADER_STARTED;
        }
}

static void on_reply(struct leader *l, const struct leader_event *event, usec_t now,
                     struct leader_actions *ret)
{
        if (l->in_flight == LEADER_NOTHING || event->request != l->request)
                return;
        if (l->in_flight == LEADER_GET) {
                on_get(l, event, now, ret);
        } else if (event->status == 200 || event->status == 201) {
                on_written(l, event, now, ret);
        } else if (event->status == 409 || (event->status == 404 && l->in_flight == LEADER_UPDATE)) {
                on_conflict(l, now);
        } else {
                report(l, event, ret);
                retry_later(l, now);
        }
}

/* --- requests --------------------------------------------------------------- */

static void write_metadata(const struct leader *l, struct json_writer *w)
{
        json_key(w, "metadata");
        if (l->in_flight == LEADER_UPDATE) {
                json_raw(w, buf_str(&l->lease.metadata));
                return;
        }
        json_object(w);
        json_put_str(w, "name", l->config.name);
        json_put_str(w, "namespace", l->config.namespace);
        json_end(w);
}

static void write_spec(const struct leader *l, struct json_writer *w, struct str now)
{
        const struct leader_lease *lease = &l->lease;
        bool update = l->in_flight == LEADER_UPDATE;
        bool keep = update && lease->mine && !l->releases && lease->acquired[0];
        int64_t transitions = update ? lease->transitions + (lease->mine ? 0 : 1) : 0;

        json_key(w, "spec");
        json_object(w);
        json_put_str(w, "holderIdentity", l->releases ? STR("") : l->config.identity);
        json_put_int(w, "leaseDurationSeconds", l->releases ? 1 : l->config.lease_duration / USEC_SEC);
        json_put_str(w, "acquireTime", keep ? str_c(lease->acquired) : now);
        json_put_str(w, "renewTime", now);
        json_put_int(w, "leaseTransitions", transitions);
        json_end(w);
}

static int write_body(struct leader *l, usec_t wall)
{
        char now[CLOCK_RFC3339_MAX];
        size_t len = clock_format(wall, true, now);
        struct json_writer w;

        json_writer_init(&w, &l->body);
        json_object(&w);
        json_put_cstr(&w, "apiVersion", "coordination.k8s.io/v1");
        json_put_cstr(&w, "kind", "Lease");
        write_metadata(l, &w);
        write_spec(l, &w, str_n(now, len));
        json_end(&w);
        return buf_error(&l->body);
}

static void send_request(struct leader *l, enum leader_method method, usec_t now, usec_t wall,
                         struct leader_actions *ret)
{
        int r;

        buf_clear(&l->body);
        l->in_flight = method;
        l->releases = l->role == LEADER_RELEASING && method == LEADER_UPDATE;
        l->sent = now;
        if (method != LEADER_GET) {
                r = write_body(l, wall);
                if (r < 0) {
                        report_bad_lease(l, r, ret);
                        retry_later(l, now);
                        return;
                }
                l->perhaps_mine = true;
        }
        ret->method = method;
        ret->request = ++l->request;
        ret->body = buf_str(&l->body);
        ret->timeout = request_timeout(l);
}

/* Does what the state of the lease asks for; where another holds it, we are waiting and not here. */
static void attempt(struct leader *l, usec_t now, usec_t wall, struct leader_actions *ret)
{
        bool releasing = l->role == LEADER_RELEASING;

        if (l->state == LEASE_UNKNOWN)
                send_request(l, LEADER_GET, now, wall, ret);
        else if (releasing && (l->state == LEASE_ABSENT || !l->lease.mine))
                finish(l, ret);
        else
                send_request(l, l->state == LEASE_ABSENT ? LEADER_CREATE : LEADER_UPDATE, now, wall, ret);
}

/* --- stepping ----------------------------------------------------------------- */

static void on_stop(struct leader *l, usec_t now, struct leader_actions *ret)
{
        if (l->role == LEADER_RELEASING || l->role == LEADER_DONE)
                return;
        l->role = LEADER_RELEASING;
        l->give_up = now + l->config.renew_deadline;
        if (!l->perhaps_mine) {
                finish(l, ret);
                return;
        }
        /* A write that is under way is waited for: only then is the version known. */
        if (l->in_flight == LEADER_GET)
                retry_later(l, now);
        if (l->in_flight == LEADER_NOTHING)
                l->next = now;
}

/* What the passing of time brings, before anything else is looked at. */
static void on_time(struct leader *l, usec_t now, struct leader_actions *ret)
{
        if (l->role == LEADER_LEADING && !leader_may_write(l, now)) {
                error_set(&ret->failure, -ETIMEDOUT, "lease %.*s/%.*s could not be renewed in time",
                          STR_FMT(l->config.namespace), STR_FMT(l->config.name));
                lose(l, now, ret);
        } else if (l->role == LEADER_RELEASING && now >= l->give_up) {
                finish(l, ret);
        } else if (l->in_flight != LEADER_NOTHING && now - l->sent >= request_timeout(l)) {
                report(l, &(struct leader_event){ 0 }, ret);
                retry_later(l, now);
        }
}

static usec_t next_wake(const struct leader *l)
{
        usec_t wake = l->in_flight == LEADER_NOTHING ? l->next : l->sent + request_timeout(l);

        if (l->role == LEADER_DONE)
                return USEC_NEVER;
        if (l->role == LEADER_LEADING)
                wake = MIN(wake, l->renewed + l->config.renew_deadline);
        if (l->role == LEADER_RELEASING)
                wake = MIN(wake, l->give_up);
        return wake;
}

void leader_step(struct leader *l, const struct leader_event *event, usec_t now, struct leader_actions *ret)
{
        *ret = (struct leader_actions){ 0 };
        on_time(l, now, ret);
        if (event->type == LEADER_REPLY)
                on_reply(l, event, now, ret);
        else if (event->type == LEADER_STOP)
                on_stop(l, now, ret);
        if (l->role != LEADER_DONE && l->in_flight == LEADER_NOTHING && now >= l->next)
                attempt(l, now, event->wall, ret);
        ret->wake = next_wake(l);
}

/* --- names ----------------------------------------------------------------------- */

size_t leader_identity(struct str hostname, const uint8_t random[16], char out[LEADER_IDENTITY_MAX])
{
        uint8_t u[UUID_BYTES];
        char text[UUID_TEXT];
        int n;

        memcpy(u, random, sizeof(u));
        u[6] = (uint8_t)((u[6] & 0x0f) | 0x40); /* version 4 (RFC 9562) */
        u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
        hostname.len = MIN(hostname.len, (size_t)253);
        uuid_unpack(u, text);
        n = snprintf(out, LEADER_IDENTITY_MAX, "%.*s_%.*s", STR_FMT(hostname), UUID_TEXT, text);
        return (size_t)n;
}
