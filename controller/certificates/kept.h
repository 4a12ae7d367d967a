/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects that the keeper keeps, as JSON: what it reads of them and what it
 * writes into them. One is the Secret; the others trust it: the configurations of
 * the webhook, and definitions (CRDs) whose versions it converts.
 *
 *      Secret                           data["ca.crt"] …                      items
 *      …WebhookConfiguration            webhooks[i].clientConfig.caBundle     bundles
 *      CustomResourceDefinition         spec.conversion.webhook.clientConfig.caBundle
 *
 * Only bundles beside our own Service count: a webhook that is called by a URL, or at
 * somebody else's Service, has a certificate that is not ours.
 *
 * How it is written, always as of the resourceVersion that was read:
 *
 * - A Secret that is not there is created, which two cannot do; one that is there gets a
 *   merge patch, so that what others put beside our keys stays.
 * - A bundle gets a JSON patch of that one field. By a server-side apply we would own the
 *   item of the list besides; and then the API server refuses a manifest in which a
 *   webhook is no more, since what is left of the item is none. So a manifest without
 *   bundles, applied again, neither takes ours away nor conflicts.
 */
#pragma once

#include <yyjson.h>

#include "controller/certificates/certificates.h"
#include "kube/path.h"

#define KEPT_VERSION_MAX ((size_t)1024)         /* bytes of a resourceVersion */
#define KEPT_BODY_MAX ((size_t)3 * 1024 * 1024) /* that an API server takes */
#define KEPT_BUNDLES_MAX                                                                                     \
        (CERTIFICATES_BUNDLES_MAX + 1) /* of one object: enough to see that they are too many */
#define KEPT_POINTER_MAX 64
#define KEPT_UID_MAX 64 /* a UUID has 36; what is longer is none */

struct kept_service {
        struct str namespace, name;
};

struct kept_bundle {
        char at[KEPT_POINTER_MAX]; /* JSON Pointer */
        struct buf text;           /* decoded; empty: there is none, or what is there is none */
};

/* The zero value is an object of which nothing is known. */
struct kept {
        bool there;
        struct buf version;     /* this is as of then */
        char uid[KEPT_UID_MAX]; /* of the Secret; "" where it is not there */
        struct secret items[CERTIFICATES_ITEMS];
        struct kept_bundle *bundles;
        size_t n_bundles;
};

/* Overwrites the keys; then it is the zero value. */
void kept_release(struct kept *k);

/* Takes in what an event or a reply shows, unless it is older than what is known. 0;
 * -ENOMEM; -EBADMSG for what is no object. */
int kept_put_secret(struct kept *k, yyjson_val *object) _must_check_;
int kept_put_trust(struct kept *k, yyjson_val *object, const struct kept_service *service) _must_check_;

/* It was not there at VERSION; nothing, if something newer is known. 0 or -ENOMEM. */
int kept_gone(struct kept *k, struct str version) _must_check_;

/* The body that makes the Secret NAME hold ITEMS: for a create, or a merge patch
 * where it is there. Look at the buffer's error. It holds keys: kept_wipe it. */
void kept_write_secret(const struct kept *k, struct str namespace, struct str name,
                       const struct secret items[CERTIFICATES_ITEMS], struct buf *out);
void kept_wipe(struct buf *body);

/* Is any of its bundles another than BUNDLE? */
bool kept_differs(const struct kept *k, struct str bundle);

/* The JSON patch that sets those. Look at the buffer's error. */
void kept_write_bundles(const struct kept *k, struct str bundle, struct buf *out);
