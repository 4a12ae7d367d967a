/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/certificates/kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"

#define LABELS "{\"app.kubernetes.io/name\":\"keelson\",\"app.kubernetes.io/component\":\"webhook\"}"
#define WORDS_MAX ((size_t)4096) /* of a Secret's body, beside its data */

static void release_items(struct secret items[CERTIFICATES_ITEMS])
{
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                secret_release(&items[i]);
}

static void release_bundles(struct kept *k)
{
        for (size_t i = 0; i < k->n_bundles; i++)
                buf_release(&k->bundles[i].text);
        mem_free(k->bundles);
        k->bundles = NULL;
        k->n_bundles = 0;
}

static void forget(struct kept *k)
{
        release_items(k->items);
        release_bundles(k);
        k->uid[0] = '\0';
        k->there = false;
}

void kept_release(struct kept *k)
{
        forget(k);
        buf_release(&k->version);
        *k = (struct kept){ 0 };
}

/* Or none: what is known without its version would be written without a precondition. */
static int set_version(struct kept *k, struct str version)
{
        struct buf text = BUF_INIT(KEPT_VERSION_MAX);
        int r = buf_add_str(&text, version);

        if (r < 0) {
                buf_release(&text);
                return r;
        }
        buf_release(&k->version);
        k->version = text;
        return 0;
}

static void set_uid(struct kept *k, struct str uid)
{
        if (uid.len < sizeof(k->uid))
                snprintf(k->uid, sizeof(k->uid), "%.*s", STR_FMT(uid));
}

/* --- reading -------------------------------------------------------------------------- */

/* The version of OBJECT: 1, 0 if what is known is as new, or -EBADMSG. */
static int is_newer(const struct kept *k, yyjson_val *object, struct str *ret_version)
{
        *ret_version = json_get_str(yyjson_obj_get(object, "metadata"), "resourceVersion");
        if (str_empty(*ret_version) || ret_version->len > KEPT_VERSION_MAX)
                return -EBADMSG;
        return str_version_cmp(*ret_version, buf_str(&k->version)) > 0;
}

/* What is too long, or no base64, counts as absent: it can be no certificate. */
static int read_item(struct str text, struct secret *ret)
{
        size_t len, room = BASE64_DECODED_MAX(text.len);
        char *decoded;
        int r = 0;

        if (!text.data || room > SECRET_MAX + 3)
                return 0;
        decoded = mem_alloc(room);
        if (!decoded)
                return -ENOMEM;
        if (base64_decode(text, decoded, &len) == 0)
                r = secret_set(ret, str_n(decoded, len));
        explicit_bzero(decoded, room);
        mem_free(decoded);
        return r == -EMSGSIZE ? 0 : r;
}

int kept_put_secret(struct kept *k, yyjson_val *object)
{
        yyjson_val *data = yyjson_obj_get(object, "data");
        struct secret items[CERTIFICATES_ITEMS] = { 0 };
        struct str version;
        int r = is_newer(k, object, &version);

        if (r <= 0)
                return r;
        r = 0;
        for (size_t i = 0; r == 0 && i < CERTIFICATES_ITEMS; i++)
                r = read_item(json_get_str(data, certificates_keys[i].data), &items[i]);
        if (r == 0)
                r = set_version(k, version);
        if (r < 0) {
                release_items(items);
                return r;
        }
        forget(k);
        memcpy(k->items, items, sizeof(items));
        set_uid(k, json_get_str(yyjson_obj_get(object, "metadata"), "uid"));
        k->there = true;
        return 0;
}

static bool is_ours(yyjson_val *config, const struct kept_service *service)
{
        yyjson_val *named = yyjson_obj_get(config, "service");

        return named && str_eq(json_get_str(named, "name"), service->name) &&
               str_eq(json_get_str(named, "namespace"), service->namespace);
}

static int read_bundle(struct str text, struct buf *ret)
{
        size_t len;
        char *room;

        *ret = (struct buf)BUF_INIT(CERTIFICATE_TEXT_MAX);
        if (BASE64_DECODED_MAX(text.len) > CERTIFICATE_TEXT_MAX)
                return 0;
        room = buf_reserve(ret, BASE64_DECODED_MAX(text.len));
        if (!room)
                return -ENOMEM;
        if (base64_decode(text, room, &len) == 0)
                buf_commit(ret, len);
        return 0;
}

static int add_bundle(struct kept *k, yyjson_val *config)
{
        int r = read_bundle(json_get_str(config, "caBundle"), &k->bundles[k->n_bundles].text);

        k->n_bundles += r == 0;
        return r;
}

static int read_webhooks(struct kept *k, yyjson_val *webhooks, const struct kept_service *service)
{
        yyjson_val *webhook;
        size_t i, n;

        yyjson_arr_foreach (webhooks, i, n, webhook) {
                yyjson_val *config = yyjson_obj_get(webhook, "clientConfig");
                int r;

                if (!is_ours(config, service))
                        continue;
                if (k->n_bundles == KEPT_BUNDLES_MAX)
                        break;
                snprintf(k->bundles[k->n_bundles].at, KEPT_POINTER_MAX, "/webhooks/%zu/clientConfig/caBundle",
                         i);
                r = add_bundle(k, config);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_conversion(struct kept *k, yyjson_val *object, const struct kept_service *service)
{
        yyjson_val *config = json_get_path(object, "/spec/conversion/webhook/clientConfig");

        if (!is_ours(config, service))
                return 0;
        snprintf(k->bundles[0].at, KEPT_POINTER_MAX, "/spec/conversion/webhook/clientConfig/caBundle");
        return add_bundle(k, config);
}

/* How many there may be, so that they are allocated at once. */
static size_t count_webhooks(yyjson_val *webhooks)
{
        return webhooks ? MIN(yyjson_arr_size(webhooks), (size_t)KEPT_BUNDLES_MAX) : 1;
}

int kept_put_trust(struct kept *k, yyjson_val *object, const struct kept_service *service)
{
        yyjson_val *webhooks = yyjson_obj_get(object, "webhooks");
        struct kept read = { 0 };
        struct str version;
        int r = is_newer(k, object, &version);

        if (r <= 0)
                return r;
        read.bundles = mem_new_n(struct kept_bundle, count_webhooks(webhooks));
        if (!read.bundles)
                return -ENOMEM;
        r = webhooks ? read_webhooks(&read, webhooks, service) : read_conversion(&read, object, service);
        if (r == 0)
                r = set_version(k, version);
        if (r < 0) {
                release_bundles(&read);
                return r;
        }
        forget(k);
        k->bundles = read.bundles;
        k->n_bundles = read.n_bundles;
        k->there = true;
        return 0;
}

int kept_gone(struct kept *k, struct str version)
{
        int r;

        if (str_version_cmp(version, buf_str(&k->version)) < 0)
                return 0;
        r = set_version(k, version);
        if (r == 0)
                forget(k);
        return r;
}

/* --- writing -------------------------------------------------------------------------- */

static void put_base64(struct json_writer *w, struct str data)
{
        json_raw(w, STR("\"")); /* the writer's comma, and no more */
        base64_encode(w->out, data);
        buf_add_char(w->out, '"');
}

static void put_data(struct json_writer *w, const struct secret items[CERTIFICATES_ITEMS], bool nulls)
{
        json_key(w, "data");
        json_object(w);
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++) {
                if (!items[i].data && !nulls)
                        continue;
                json_key_str(w, certificates_keys[i]);
                if (items[i].data)
                        put_base64(w, secret_str(&items[i]));
                else
                        json_null(w);
        }
        json_end(w);
}

/* At once: where it grew, keys would stay behind. */
static void make_room(struct buf *out, const struct secret items[CERTIFICATES_ITEMS])
{
        size_t n = WORDS_MAX;

        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                n += items[i].len / 3 * 4 + 4;
        (void)buf_reserve(out, n); /* its error stays */
}

void kept_write_secret(const struct kept *k, struct str namespace, struct str name,
                       const struct secret items[CERTIFICATES_ITEMS], struct buf *out)
{
        struct json_writer w;

        make_room(out, items);
        json_writer_init(&w, out);
        json_object(&w);
        if (!k->there) {
                json_put_cstr(&w, "apiVersion", "v1");
                json_put_cstr(&w, "kind", "Secret");
                json_put_cstr(&w, "type", "kubernetes.io/tls");
        }
        json_key(&w, "metadata");
        json_object(&w);
        if (k->there) {
                json_put_str(&w, "resourceVersion", buf_str(&k->version));
        } else {
                json_put_str(&w, "name", name);
                json_put_str(&w, "namespace", namespace);
                json_put_raw(&w, "labels", STR(LABELS));
        }
        json_end(&w);
        put_data(&w, items, k->there);
        json_end(&w);
}

void kept_wipe(struct buf *body)
{
        if (body->data)
                explicit_bzero(body->data, body->size);
        buf_release(body);
}

bool kept_differs(const struct kept *k, struct str bundle)
{
        for (size_t i = 0; i < k->n_bundles; i++)
                if (!str_eq(buf_str(&k->bundles[i].text), bundle))
                        return true;
        return false;
}

static void begin_operation(struct json_writer *w, const char *op, const char *path)
{
        json_object(w);
        json_put_cstr(w, "op", op);
        json_put_cstr(w, "path", path);
        json_key(w, "value");
}

void kept_write_bundles(const struct kept *k, struct str bundle, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_array(&w);
        /* A precondition: the server takes it for the version that this is a patch of. */
        begin_operation(&w, "replace", "/metadata/resourceVersion");
        json_str(&w, buf_str(&k->version));
        json_end(&w);
        for (size_t i = 0; i < k->n_bundles; i++) {
                if (str_eq(buf_str(&k->bundles[i].text), bundle))
                        continue;
                begin_operation(&w, "add", k->bundles[i].at);
                put_base64(&w, bundle);
                json_end(&w);
        }
        json_end(&w);
}
