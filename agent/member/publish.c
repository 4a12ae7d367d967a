/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/publish.h"

#include <stdio.h>

#include "json/read.h"
#include "json/write.h"

static const struct kube_kind slice_kind = {
        .group = STR_INIT("discovery.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("endpointslices"),
        .kind = STR_INIT("EndpointSlice"),
        .namespaced = true,
};

#define PUBLISH_SERVICE "kubernetes.io/service-name"

static void look(struct publisher *p);
static void go_on(struct publisher *p);
static void on_retry(struct loop_timer *timer, void *arg);

/* The timer keeps its place in the loop, so that setting it cannot fail. */
static void set_retry(struct publisher *p, usec_t due)
{
        int r = loop_timer_set(p->loop, &p->retry, due, on_retry, p);

        (void)r;
}

static void try_later(struct publisher *p, const struct error *why)
{
        p->known = false;
        p->n_failed++;
        if (!p->wanted)
                return;
        p->trouble(why, p->arg);
        set_retry(p, loop_now(p->loop) + p->pause);
        p->pause = MIN(2 * p->pause, PUBLISH_RETRY_MAX);
}

static void on_retry(struct loop_timer *timer _unused_, void *arg)
{
        struct publisher *p = arg;

        set_retry(p, USEC_NEVER);
        if (!p->wanted)
                p->wanted = p->kept;
        if (p->wanted && !p->request)
                look(p);
}

/* --- what is there ------------------------------------------------------------------ */

/* With all that kube-proxy goes by. */
static bool names_us(const struct publisher *p, yyjson_val *slice)
{
        yyjson_val *endpoints = yyjson_obj_get(slice, "endpoints"), *one = yyjson_arr_get_first(endpoints);
        yyjson_val *addresses = yyjson_obj_get(one, "addresses");
        yyjson_val *ports = yyjson_obj_get(slice, "ports"), *port, *labels;

        port = yyjson_arr_get_first(ports);
        labels = yyjson_obj_get(yyjson_obj_get(slice, "metadata"), "labels");
        return str_eq(json_get_str(labels, PUBLISH_SERVICE), p->config.cluster) &&
               yyjson_arr_size(endpoints) == 1 && yyjson_arr_size(addresses) == 1 &&
               yyjson_arr_size(ports) == 1 &&
               str_eq(json_val_str(yyjson_arr_get_first(addresses)), p->config.address) &&
               str_eq(json_get_str(yyjson_obj_get(one, "targetRef"), "uid"), p->config.uid) &&
               json_get_bool(yyjson_obj_get(one, "conditions"), "ready", false) &&
               str_eq(json_get_str(port, "name"), p->config.port_name) &&
               json_get_int(port, "port", 0) == p->port;
}

/* Does it say whose it is, and is that somebody who had this name before? */
static bool is_foreign(const struct publisher *p, yyjson_val *annotations)
{
        struct str uid = json_get_str(annotations, PUBLISH_OWNER);

        return uid.len && p->config.owner->uid[0] && !str_eq_c(uid, p->config.owner->uid);
}

/* An epoch that cannot be read is none: somebody has written there who had no business to. */
static uint64_t epoch_of(const struct publisher *p, yyjson_val *metadata)
{
        yyjson_val *annotations = yyjson_obj_get(metadata, "annotations");
        struct str text = json_get_str(annotations, PUBLISH_ANNOTATION);
        int64_t n;

        if (is_foreign(p, annotations))
                return 0;
        return text.data && str_to_int64(text, &n) == 0 && n > 0 ? (uint64_t)n : 0;
}

static void take_in(struct publisher *p, yyjson_val *slice)
{
        yyjson_val *metadata = yyjson_obj_get(slice, "metadata");

        p->there = true;
        p->known = true;
        p->epoch = epoch_of(p, metadata);
        p->ours = names_us(p, slice);
        snprintf(p->version, sizeof(p->version), "%.*s", STR_FMT(json_get_str(metadata, "resourceVersion")));
}

static void on_looked(const struct kube_reply *reply, void *arg)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct error err = ERROR_INIT;
        struct publisher *p = arg;

        p->request = NULL;
        if (reply->reason == KUBE_NOT_FOUND) {
                p->known = true;
                p->there = p->ours = false;
                p->epoch = 0;
        } else if (reply->error.code) {
                try_later(p, &reply->error);
                return;
        } else if (json_parse(reply->body, &doc, &err) < 0) {
                try_later(p, &err);
                return;
        } else {
                take_in(p, yyjson_doc_get_root(doc));
        }
        if (p->wanted)
                go_on(p);
}

static void look(struct publisher *p)
{
        struct kube_call call = { .verb = KUBE_GET,
                                  .kind = &slice_kind,
                                  .namespace = p->config.namespace,
                                  .name = str_c(p->name),
                                  .timeout = p->config.timeout,
                                  .max_body = PUBLISH_BODY_MAX };
        struct error err = ERROR_INIT;

        if (kube_call(p->config.client, &call, on_looked, p, &p->request, &err) < 0)
                try_later(p, &err);
}

/* --- what is written ---------------------------------------------------------------- */

/* Only at its making: to change it takes a right to delete it. Without blockOwnerDeletion,
 * which takes a right to the owner. */
static void write_owner(struct json_writer *w, const struct news_owner *owner)
{
        json_key(w, "ownerReferences");
        json_array(w);
        json_object(w);
        json_put_cstr(w, "apiVersion", owner->api_version);
        json_put_cstr(w, "kind", owner->kind);
        json_put_cstr(w, "name", owner->name);
        json_put_cstr(w, "uid", owner->uid);
        json_end(w);
        json_end(w);
}

static void write_metadata(struct json_writer *w, const struct publisher *p)
{
        const struct news_owner *owner = p->config.owner;
        char epoch[24];

        snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)p->wanted);
        json_key(w, "metadata");
        json_object(w);
        if (p->there)
                json_put_cstr(w, "resourceVersion", p->version);
        else
                json_put_cstr(w, "name", p->name);
        if (!p->there && owner->uid[0])
                write_owner(w, owner);
        json_key(w, "labels");
        json_object(w);
        json_put_str(w, PUBLISH_SERVICE, p->config.cluster);
        json_put_cstr(w, "endpointslice.kubernetes.io/managed-by", "agent.keelson.dev");
        json_end(w);
        json_key(w, "annotations");
        json_object(w);
        json_put_cstr(w, PUBLISH_ANNOTATION, epoch);
        if (owner->uid[0])
                json_put_cstr(w, PUBLISH_OWNER, owner->uid);
        json_end(w);
        json_end(w);
}

static void write_endpoint(struct json_writer *w, const struct publisher *p)
{
        json_key(w, "endpoints");
        json_array(w);
        json_object(w);
        json_key(w, "addresses");
        json_array(w);
        json_str(w, p->config.address);
        json_end(w);
        json_key(w, "conditions");
        json_object(w);
        json_put_bool(w, "ready", true);
        json_put_bool(w, "serving", true);
        json_put_bool(w, "terminating", false);
        json_end(w);
        json_key(w, "targetRef");
        json_object(w);
        json_put_cstr(w, "kind", "Pod");
        json_put_str(w, "namespace", p->config.namespace);
        json_put_str(w, "name", p->config.pod);
        json_put_str(w, "uid", p->config.uid);
        json_end(w);
        json_end(w);
        json_end(w);
}

static void write_port(struct json_writer *w, const struct publisher *p)
{
        json_key(w, "ports");
        json_array(w);
        json_object(w);
        json_put_str(w, "name", p->config.port_name);
        json_put_cstr(w, "protocol", "TCP");
        json_put_int(w, "port", p->port);
        json_end(w);
        json_end(w);
}

static void write_slice(struct buf *out, const struct publisher *p)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        if (!p->there) {
                json_put_cstr(&w, "apiVersion", "discovery.k8s.io/v1");
                json_put_cstr(&w, "kind", "EndpointSlice");
                json_put_cstr(&w, "addressType", str_index(p->config.address, ':') < 0 ? "IPv4" : "IPv6");
        }
        write_metadata(&w, p);
        write_endpoint(&w, p);
        write_port(&w, p);
        json_end(&w);
}

static void end(struct publisher *p, enum publish_end how)
{
        uint64_t epoch = p->wanted;

        p->wanted = 0;
        p->known = false; /* what was seen now may be another's later */
        p->pause = PUBLISH_RETRY;
        p->kept = epoch;
        set_retry(p, loop_now(p->loop) + PUBLISH_CHECK);
        p->ended(how, epoch, p->arg);
}

static void on_written(const struct kube_reply *reply, void *arg)
{
        struct publisher *p = arg;

        p->request = NULL;
        p->known = false; /* the version is another one now */
        if (reply->reason == KUBE_CONFLICT && p->wanted && p->pause == PUBLISH_RETRY) {
                p->pause *= 2; /* somebody was faster: at once, but once only */
                look(p);
                return;
        }
        if (reply->error.code) {
                try_later(p, &reply->error);
                return;
        }
        p->n_written++;
        p->published = p->writing;
        if (p->wanted == p->writing)
                end(p, PUBLISH_DONE);
        else if (p->wanted)
                look(p);
}

static bool is_superseded(struct publisher *p)
{
        if (p->epoch <= p->wanted)
                return false;
        if (strcmp(p->newer, p->version) != 0) {
                memcpy(p->newer, p->version, sizeof(p->newer));
                p->newer_seen = clock_now();
                p->newer_is_false = false;
        }
        return !p->newer_is_false;
}

static void go_on(struct publisher *p)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(PUBLISH_BODY_MAX);
        struct error err = ERROR_INIT;
        struct kube_call call = { .verb = p->there ? KUBE_MERGE_PATCH : KUBE_CREATE,
                                  .kind = &slice_kind,
                                  .namespace = p->config.namespace,
                                  .name = p->there ? str_c(p->name) : STR_NULL,
                                  .field_manager = STR("keelson-agent"),
                                  .timeout = p->config.timeout,
                                  .max_body = PUBLISH_BODY_MAX };

        if (is_superseded(p)) {
                end(p, PUBLISH_SUPERSEDED);
                return;
        }
        if (p->there && p->epoch == p->wanted && p->ours) {
                p->published = p->wanted;
                end(p, PUBLISH_STANDS);
                return;
        }
        write_slice(&body, p);
        p->writing = p->wanted;
        call.body = buf_str(&body);
        if (buf_error(&body) < 0 || kube_call(p->config.client, &call, on_written, p, &p->request, &err) < 0)
                try_later(p, &err);
}

/* --- the interface ------------------------------------------------------------------ */

int publisher_start(struct publisher *p, const struct publisher_config *config,
                    void (*ended)(enum publish_end end, uint64_t epoch, void *arg),
                    void (*trouble)(const struct error *why, void *arg), void *arg)
{
        *p = (struct publisher){ .config = *config,
                                 .loop = kube_client_loop(config->client),
                                 .ended = ended,
                                 .trouble = trouble,
                                 .arg = arg,
                                 .pause = PUBLISH_RETRY };
        snprintf(p->name, sizeof(p->name), "%.*s-primary", STR_FMT(config->cluster));
        return loop_timer_set(p->loop, &p->retry, USEC_NEVER, on_retry, p);
}

void publisher_stop(struct publisher *p)
{
        if (!p->loop)
                return;
        if (p->request)
                kube_cancel(p->request);
        loop_timer_stop(&p->retry);
        p->request = NULL;
        p->loop = NULL;
}

void publisher_prepare(struct publisher *p)
{
        p->known = false;
        if (!p->request)
                look(p);
}

void publisher_publish(struct publisher *p, uint64_t epoch, uint16_t port)
{
        p->wanted = epoch;
        p->port = port;
        p->pause = PUBLISH_RETRY;
        if (p->request) /* goes on when that is answered */
                return;
        if (p->known)
                go_on(p);
        else
                look(p);
}

void publisher_renewed(struct publisher *p, uint64_t epoch, usec_t sent)
{
        if (epoch != p->kept || !p->newer[0] || p->newer_is_false || sent <= p->newer_seen)
                return;
        p->newer_is_false = true;
        set_retry(p, loop_now(p->loop));
}

void publisher_call_off(struct publisher *p)
{
        p->newer[0] = 0;
        p->wanted = p->kept = 0;
        set_retry(p, USEC_NEVER);
}
