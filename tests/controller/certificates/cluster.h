/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper in a simulated cluster, with the webhook's two configurations and one
 * definition whose versions it converts.
 *
 *      begin(&c, seed);            the configurations as a manifest has them, no operator yet
 *      world_start(&c.w);          …
 *      check_well(&c);             what is served is trusted by all
 *      check_rest(&c);             and nothing is asked any more
 *      end(&c);
 */
#pragma once

#include "harness.h"

#include "../../pkg/crypto/client.h"

#include "base/base64.h"
#include "base/log.h"
#include "controller/certificates/keeper.h"
#include "kube/kinds.h"
#include "sim/world.h"
#include "sim/wrap.h"

#define SPACE "keelson-system"
#define NAME "keelson-webhook"
#define SECRET NAME "-tls"
#define CRD "apps.keelson.dev"
#define HOST NAME "." SPACE ".svc"

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

#define SERVICE(name, space) "\"service\":{\"name\":\"" name "\",\"namespace\":\"" space "\"}"
#define WEBHOOK(name, config) "{\"name\":\"" name "\",\"sideEffects\":\"None\",\"clientConfig\":{" config "}}"
#define CONFIGURATION(kind, webhooks)                                                                        \
        "{\"apiVersion\":\"admissionregistration.k8s.io/v1\",\"kind\":\"" kind                               \
        "\",\"metadata\":{\"namespace\":\"\",\"name\":\"" NAME "\"},\"webhooks\":[" webhooks "]}"
#define OURS SERVICE(NAME, SPACE)
#define VALIDATING                                                                                           \
        CONFIGURATION("ValidatingWebhookConfiguration",                                                      \
                      WEBHOOK("app.keelson.dev", OURS) "," WEBHOOK("environment.keelson.dev", OURS))
#define MUTATING CONFIGURATION("MutatingWebhookConfiguration", WEBHOOK("app.keelson.dev", OURS))
#define DEFINITION(conversion)                                                                               \
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":"    \
        "{\"namespace\":\"\",\"name\":\"" CRD "\"},\"spec\":{\"conversion\":" conversion "}}"
#define CONVERTING DEFINITION("{\"strategy\":\"Webhook\",\"webhook\":{\"clientConfig\":{" OURS "}}}")

struct cluster {
        struct world w;
        struct keeper keepers[WORLD_REPLICAS];
        struct arena arena;
};

static const struct str cluster_crds[] = { STR_INIT(CRD) };

static inline void apply(struct cluster *c, const struct kube_kind *kind, const char *json)
{
        sim_api_apply(&c->w.api, kind, json, "kubectl");
}

static inline void apply_all(struct cluster *c)
{
        apply(c, &validating_kind, VALIDATING);
        apply(c, &mutating_kind, MUTATING);
        apply(c, &kube_definition_kind, CONVERTING);
}

static inline void begin_empty(struct cluster *c, uint64_t seed)
{
        static const struct kube_kind *const kinds[] = { &kube_secret_kind, &validating_kind, &mutating_kind,
                                                         &kube_definition_kind };
        const struct keeper_options options = { .service = STR(NAME),
                                                .crds = cluster_crds,
                                                .n_crds = ARRAY_SIZE(cluster_crds) };

        log_setup(getenv("KEELSON_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, LOG_TEXT);
        world_init(&c->w, NULL, 0, seed);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                c->w.kinds[c->w.n_kinds++] = kinds[i];
        for (size_t i = 0; i < WORLD_REPLICAS; i++) {
                ck_assert_int_eq(keeper_init(&c->keepers[i], &options, NULL), 0);
                c->w.op[i].peer = &c->keepers[i].peer;
        }
        arena_init(&c->arena, (size_t)16 * 1024 * 1024);
}

static inline void begin(struct cluster *c, uint64_t seed)
{
        begin_empty(c, seed);
        apply_all(c);
}

static inline void end(struct cluster *c)
{
        arena_release(&c->arena);
        world_release(&c->w);
        ck_assert_uint_eq(mem_live(), 0);
}

/* With all that there should be. */
static inline void begin_made(struct cluster *c)
{
        begin(c, 1);
        world_start(&c->w);
        world_run(&c->w, USEC_MINUTE);
}

/* --- what there is ------------------------------------------------------------------------ */

static inline struct str decoded(struct cluster *c, struct str text)
{
        char *room;
        size_t len;

        if (!text.data)
                return STR_NULL;
        room = arena_alloc(&c->arena, BASE64_DECODED_MAX(text.len));
        ck_assert_ptr_nonnull(room);
        ck_assert_int_eq(base64_decode(text, room, &len), 0);
        return str_n(room, len);
}

/* "ca.crt" */
static inline struct str item(struct cluster *c, const char *key)
{
        char pointer[64];

        snprintf(pointer, sizeof(pointer), "/data/%s", key);
        return decoded(c, sim_api_str(&c->w.api, &kube_secret_kind, SPACE, SECRET, pointer));
}

static const struct {
        const struct kube_kind *kind;
        const char *name, *at;
} places[] = {
        { &validating_kind, NAME, "/webhooks/0/clientConfig/caBundle" },
        { &validating_kind, NAME, "/webhooks/1/clientConfig/caBundle" },
        { &mutating_kind, NAME, "/webhooks/0/clientConfig/caBundle" },
        { &kube_definition_kind, CRD, "/spec/conversion/webhook/clientConfig/caBundle" },
};

static inline struct str bundle(struct cluster *c, size_t i)
{
        return decoded(c, sim_api_str(&c->w.api, places[i].kind, "", places[i].name, places[i].at));
}

static inline bool has(struct str text, struct str part)
{
        return text.data && part.data && memmem(text.data, text.len, part.data, part.len);
}

/* Of what it keeps; Events only tell of it. */
static inline uint64_t calls_of(const struct cluster *c, enum call_type type)
{
        return c->w.n_calls[type] - c->w.n_event_calls[type];
}

static inline uint64_t calls(const struct cluster *c)
{
        uint64_t n = 0;

        for (size_t i = 0; i < WORLD_CALL_TYPES; i++)
                n += calls_of(c, (enum call_type)i);
        return n;
}

/* Does each that trusts take that certificate, the time being right? */
static inline void check_served(struct cluster *c, struct str served, const char *when)
{
        const usec_t wall = world_wall(&c->w) - c->w.wall_offset;

        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                const int verdict = client_verdict(bundle(c, i), served, HOST, wall);

                ck_assert_msg(verdict == X509_V_OK, "%s: %s %s: %s", when, places[i].kind->kind.data,
                              places[i].at, X509_verify_cert_error_string(verdict));
        }
}

static inline void check_well(struct cluster *c, const char *when)
{
        struct key key;

        ck_assert_msg(item(c, "tls.crt").len > 0, "%s: there is no certificate", when);
        ck_assert_int_eq(key_parse(item(c, "tls.key"), &key, NULL), 0);
        key_release(&key);
        check_served(c, item(c, "tls.crt"), when);
}

/* After a grace, when the old has left. */
static inline void check_rest(struct cluster *c)
{
        uint64_t before;

        world_run(&c->w, CERTIFICATES_GRACE + 2 * USEC_MINUTE);
        before = calls(c);
        world_run(&c->w, 3 * USEC_HOUR);
        ck_assert_uint_eq(calls(c), before);
}

/* --- what happens -------------------------------------------------------------------------- */

static inline void empty_bundle(struct cluster *c)
{
        sim_api_patch(
                &c->w.api, &validating_kind, "", NAME,
                "{\"webhooks\":[{\"name\":\"environment.keelson.dev\",\"clientConfig\":{\"caBundle\":null}}]}",
                "kubectl-edit");
        ck_assert_ptr_null(bundle(c, 1).data);
}

static inline void delete_secret(struct cluster *c)
{
        sim_api_delete(&c->w.api, &kube_secret_kind, SPACE, SECRET);
}
