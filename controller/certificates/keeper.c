/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/certificates/keeper.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "kube/kinds.h"
#include "manager/event.h"

/* Writes that failed in a row, which will do better by themselves. */
#define FAILURES_PASSING 2
#define NOTE_MAX 512

static const struct kube_kind validating_kind = {
        .group = STR_INIT("admissionregistration.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("validatingwebhookconfigurations"),
        .kind = STR_INIT("ValidatingWebhookConfiguration"),
};
static const struct kube_kind mutating_kind = {
        .group = STR_INIT("admissionregistration.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("mutatingwebhookconfigurations"),
        .kind = STR_INIT("MutatingWebhookConfiguration"),
};

static const struct metric_desc expiry_desc = {
        .name = "keelson_certificate_expiry_timestamp_seconds",
        .help = "When the webhook's certificate expires; 0: none, or this replica does not lead.",
        .type = METRIC_GAUGE,
        .labels = { "certificate" },
};
static const struct metric_desc writes_desc = {
        .name = "keelson_certificate_writes_total",
        .help = "Writes of the webhook's certificates and of those that trust them.",
        .type = METRIC_COUNTER,
        .labels = { "resource", "result" },
};
static const struct metric_desc troubled_desc = {
        .name = "keelson_certificate_problem",
        .help = "1 while something about the webhook's certificates is due and cannot be done; the log says why.",
        .type = METRIC_GAUGE,
};

static void look(struct keeper *k);

static bool is_secret(const struct keeper *k, const struct keeper_object *o)
{
        return o == &k->objects[0];
}

/* --- time ---------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer, void *arg);

/* The timer is always set, so that this cannot fail. */
static int set_timer(struct keeper *k, usec_t when)
{
        return loop_timer_set(kube_client_loop(k->config.client), &k->timer, when, on_timer, k);
}

static void look_at(struct keeper *k, usec_t when)
{
        if (set_timer(k, when) < 0)
                log_error("out of memory: the certificates have lost their timer");
}

static void on_timer(struct loop_timer *timer, void *arg)
{
        struct keeper *k = arg;

        (void)timer;
        look_at(k, USEC_NEVER);
        look(k);
}

/* At the end of this turn, however much it brings. */
static void look_soon(struct keeper *k)
{
        if (k->leading)
                look_at(k, clock_now());
}

/* --- what is told ------------------------------------------------------------------------------ */

/* The Secret is what they are about, also where it is not there yet. */
static void tell_event(struct keeper *k, bool warning, struct str reason, const char *note)
{
        const struct keeper_object *secret = &k->objects[0];
        const struct event_about about = {
                .kind = secret->config.kind,
                .namespace = secret->config.namespace,
                .name = secret->config.name,
                .uid = str_c(secret->kept.uid),
                .version = secret->kept.there ? buf_str(&secret->kept.version) : STR_NULL,
        };

        event_send_about(k->config.manager, &about, warning, reason, str_c(note));
}

static void tell_written(struct keeper *k, const struct keeper_object *o)
{
        char note[NOTE_MAX];

        snprintf(note, sizeof(note), "%.*s %.*s was written: %s", STR_FMT(o->config.kind->kind),
                 STR_FMT(o->config.name), o->reason);
        tell_event(k, false, o->event, note);
}

static void set_problem(struct keeper *k, const char *problem)
{
        metric_set(metric_only(k->troubled), problem != NULL);
        if (strncmp(k->problem, problem ? problem : "", sizeof(k->problem) - 1) == 0)
                return;
        snprintf(k->problem, sizeof(k->problem), "%s", problem ? problem : "");
        if (problem) {
                log_error("the webhook's certificates need help", LOG_CSTR("problem", problem));
                tell_event(k, true, STR("CertificatesNeedHelp"), problem);
        } else {
                log_info("the webhook's certificates need no help any more");
        }
}

static double expiry_of(struct str pem)
{
        struct certificate c;
        double at;

        if (str_empty(pem) || certificate_parse(pem, &c, NULL) < 0)
                return 0;
        at = (double)c.not_after / (double)USEC_SEC;
        certificate_release(&c);
        return at;
}

static void tell_expiry(struct keeper *k)
{
        const struct secret *items = k->objects[0].kept.items;

        metric_set(metric_with(k->expiry, STR("ca")), expiry_of(secret_str(&items[CERTIFICATES_CA_CRT])));
        metric_set(metric_with(k->expiry, STR("serving")),
                   expiry_of(secret_str(&items[CERTIFICATES_TLS_CRT])));
}

/* --- writing ---------------------------------------------------------------------------------------- */

/* The step counts what it asked for as written. What was not is due at once: the pauses
 * between two attempts are the object's. */
static void make_due(struct keeper *k, const struct keeper_object *o)
{
        if (is_secret(k, o))
                k->memory.secret_from = 0;
        else
                k->memory.bundle_from = 0;
}

static void write_secret(struct keeper_object *o, const struct certificates_result *result)
{
        struct buf body = BUF_INIT(KEPT_BODY_MAX);

        kept_write_secret(&o->kept, o->config.namespace, o->config.name, result->items, &body);
        keeper_object_write(o, o->kept.there ? CALL_PATCH : CALL_CREATE, &body, result->secret_reason,
                            result->secret_event);
        kept_wipe(&body);
}

static void write_bundles(struct keeper_object *o, const struct certificates_result *result)
{
        struct buf body = BUF_INIT(KEPT_BODY_MAX);

        kept_write_bundles(&o->kept, buf_str(&result->bundle), &body);
        keeper_object_write(o, CALL_PATCH_AT, &body, result->bundle_reason, STR("BundleWritten"));
        buf_release(&body);
}

static void write_all(struct keeper *k, const struct certificates_result *result)
{
        struct keeper_object *secret = &k->objects[0];

        if (result->secret_reason && keeper_object_may_write(secret))
                write_secret(secret, result);
        else if (result->secret_reason)
                make_due(k, secret);
        for (size_t i = 1; result->bundle_reason && i < k->n_objects; i++) {
                struct keeper_object *o = &k->objects[i];

                if (!kept_differs(&o->kept, buf_str(&result->bundle)))
                        continue;
                if (keeper_object_may_write(o))
                        write_bundles(o, result);
                else if (!o->write)
                        make_due(k, o);
        }
}

/* Of one of the objects. */
static void on_news(struct keeper_object *o, enum keeper_news news, void *arg)
{
        struct keeper *k = arg;

        if (news == KEEPER_WRITTEN)
                tell_written(k, o);
        if (news == KEEPER_FAILED)
                make_due(k, o);
        else if (is_secret(k, o))
                tell_expiry(k);
        look_soon(k);
}

/* --- looking ------------------------------------------------------------------------------------------ */

static bool is_in_view(const struct keeper *k)
{
        for (size_t i = 0; i < k->n_objects; i++)
                if (!k->objects[i].listed)
                        return false;
        return true;
}

/* What there is. How many bundles there are, which may be more than have room. */
static size_t gather(const struct keeper *k, struct str bundles[CERTIFICATES_BUNDLES_MAX],
                     struct certificates_have *ret)
{
        size_t n = 0;

        *ret = (struct certificates_have){
                .bundles = bundles,
                .names = k->names,
                .n_names = KEEPER_NAMES,
                .now = clock_now(),
                .wall = clock_wall(),
        };
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                ret->items[i] = secret_str(&k->objects[0].kept.items[i]);
        for (size_t i = 1; i < k->n_objects; i++)
                for (size_t j = 0; j < k->objects[i].kept.n_bundles; j++, n++)
                        if (n < CERTIFICATES_BUNDLES_MAX)
                                bundles[n] = buf_str(&k->objects[i].kept.bundles[j].text);
        return ret->n_bundles = n;
}

static bool is_due(const struct keeper *k, const struct keeper_object *o,
                   const struct certificates_result *result)
{
        if (o->write)
                return true;
        if (is_secret(k, o))
                return result->secret_reason;
        return result->bundle_reason && kept_differs(&o->kept, buf_str(&result->bundle));
}

static bool is_paused(const struct keeper_object *o)
{
        return o->retry_at > clock_now();
}

/* The step would try again what is due after its own pauses. Where that waits for a longer
 * one, nothing else is so urgent. */
static usec_t next_look(const struct keeper *k, const struct certificates_result *result)
{
        usec_t wake = result->wake;

        for (size_t i = 0; i < k->n_objects; i++)
                if (is_paused(&k->objects[i]) && is_due(k, &k->objects[i], result))
                        wake = MAX(wake, clock_now() + USEC_MINUTE);
        for (size_t i = 0; i < k->n_objects; i++)
                if (is_paused(&k->objects[i]))
                        wake = MIN(wake, k->objects[i].retry_at);
        return wake;
}

/* What is due and not done: for a reason of the step's, or since it is refused. */
static const char *first_problem(const struct keeper *k, const struct certificates_result *result)
{
        if (result->problem)
                return result->problem;
        for (size_t i = 0; i < k->n_objects; i++) {
                const struct keeper_object *o = &k->objects[i];

                if (o->failures > FAILURES_PASSING && o->failure.code && is_due(k, o, result))
                        return o->failure.message;
        }
        return NULL;
}

static void step(struct keeper *k, const struct certificates_have *have)
{
        struct certificates_result result = { 0 };
        struct error err = ERROR_INIT;

        if (certificates_step(have, &k->memory, &result, &err) < 0) {
                set_problem(k, err.message);
                result.wake = have->now + USEC_MINUTE;
        } else {
                set_problem(k, first_problem(k, &result));
                write_all(k, &result);
        }
        look_at(k, next_look(k, &result));
        certificates_result_release(&result);
}

static bool start_all(struct keeper *k)
{
        for (size_t i = 0; i < k->n_objects; i++)
                if (keeper_object_start(&k->objects[i]) < 0)
                        return false;
        return true;
}

static const char *first_failure(const struct keeper *k)
{
        for (size_t i = 0; i < k->n_objects; i++)
                if (k->objects[i].failing && !k->objects[i].listed)
                        return "what they are about cannot be read; the log names the watch that fails";
        return NULL;
}

static void look(struct keeper *k)
{
        struct str bundles[CERTIFICATES_BUNDLES_MAX];
        struct certificates_have have;

        if (!k->leading)
                return;
        if (!start_all(k)) {
                look_at(k, clock_now() + KEEPER_BACKOFF_MIN);
                return;
        }
        if (!is_in_view(k)) {
                set_problem(k, first_failure(k));
                return;
        }
        if (k->objects[0].write)
                return; /* what becomes of the Secret matters to everything else */
        if (gather(k, bundles, &have) > 0)
                step(k, &have);
        else
                set_problem(k, NULL); /* there is no webhook that calls our Service */
}

/* --- its life ------------------------------------------------------------------------------------------- */

static void forget(struct keeper *k)
{
        for (size_t i = 0; i < k->n_objects; i++)
                keeper_object_stop(&k->objects[i]);
        k->memory = (struct certificates_memory){ 0 };
        look_at(k, USEC_NEVER);
        k->problem[0] = '\0';
        metric_set(metric_only(k->troubled), 0);
        tell_expiry(k);
}

static void keeper_lead(struct peer *p, bool leading)
{
        struct keeper *k = container_of(p, struct keeper, peer);

        k->leading = leading;
        if (leading)
                look_soon(k);
        else
                forget(k);
}

static void add_object(struct keeper *k, const struct kube_kind *kind, struct str name)
{
        const struct keeper_object_config config = {
                .kind = kind,
                .namespace = kind->namespaced ? k->config.namespace : STR_NULL,
                .name = name,
                .service = k->n_objects > 0 ? &k->service : NULL,
                .client = k->config.client,
                .transport = k->config.transport,
                .writes = k->writes,
                .seed = rand_next(&k->rand),
                .heard = on_news,
                .arg = k,
        };

        keeper_object_init(&k->objects[k->n_objects++], &config);
}

/* As clients in the cluster may call it; the API server uses the second one. */
static void make_names(struct keeper *k)
{
        static const char *const tails[KEEPER_NAMES] = { "", ".svc", ".svc.cluster.local" };

        for (size_t i = 0; i < KEEPER_NAMES; i++) {
                snprintf(k->service_names[i], sizeof(k->service_names[i]), "%.*s.%.*s%s",
                         STR_FMT(k->options.service), STR_FMT(k->config.namespace), tails[i]);
                k->names[i] = str_c(k->service_names[i]);
        }
}

static int add_metrics(struct keeper *k)
{
        int r = 0;

        if (k->config.metrics)
                r = metrics_add(k->config.metrics, &expiry_desc, &k->expiry);
        if (k->config.metrics && r == 0)
                r = metrics_add(k->config.metrics, &writes_desc, &k->writes);
        if (k->config.metrics && r == 0)
                r = metrics_add(k->config.metrics, &troubled_desc, &k->troubled);
        return r;
}

static int keeper_start(struct peer *p, const struct peer_config *config, struct error *err)
{
        struct keeper *k = container_of(p, struct keeper, peer);
        int r;

        k->config = *config;
        k->service = (struct kept_service){ config->namespace, k->options.service };
        k->rand.state = config->seed;
        k->n_objects = 0;
        r = add_metrics(k);
        if (r == 0)
                r = set_timer(k, USEC_NEVER);
        if (r < 0)
                return error_set(err, r, "out of memory at the start");
        make_names(k);
        add_object(k, &kube_secret_kind, str_c(k->secret_name));
        add_object(k, &validating_kind, k->options.service);
        add_object(k, &mutating_kind, k->options.service);
        for (size_t i = 0; i < k->options.n_crds; i++)
                add_object(k, &kube_definition_kind, k->options.crds[i]);
        return 0;
}

static void keeper_stop(struct peer *p)
{
        struct keeper *k = container_of(p, struct keeper, peer);

        for (size_t i = 0; i < k->n_objects; i++)
                keeper_object_release(&k->objects[i]);
        loop_timer_stop(&k->timer);
        k->n_objects = 0;
}

int keeper_init(struct keeper *k, const struct keeper_options *options, struct error *err)
{
        if (str_empty(options->service) || options->service.len > KEEPER_NAME_MAX)
                return error_set(err, -EINVAL,
                                 "the name of the webhook's Service must have 1 to %d characters",
                                 KEEPER_NAME_MAX);
        if (options->n_crds > KEEPER_CRDS_MAX)
                return error_set(err, -EINVAL, "there are more than %d definitions", KEEPER_CRDS_MAX);
        *k = (struct keeper){
                .peer = { .start = keeper_start, .lead = keeper_lead, .stop = keeper_stop },
                .options = *options,
        };
        snprintf(k->secret_name, sizeof(k->secret_name), "%.*s-tls", STR_FMT(options->service));
        return 0;
}
