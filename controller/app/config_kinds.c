/* SPDX-License-Identifier: Apache-2.0
 *
 * ConfigMaps and Secrets as the cache keeps them: by what their contents hash
 * to, and what is wrong with them.
 */
#include <errno.h>
#include <openssl/evp.h>

#include "base/hash.h"
#include "controller/app/config.h"
#include "crypto/digest.h"
#include "json/read.h"

/* --- contents ------------------------------------------------------------------- */

static int count_keys(yyjson_val *json)
{
        return (int)(yyjson_obj_size(yyjson_obj_get(json, "data")) +
                     yyjson_obj_size(yyjson_obj_get(json, "binaryData")));
}

/* Files that say by their name that they are JSON had better be. A Secret's are
 * in base64 and left alone: a message about them could tell what is in them. */
static struct str problem_of(struct str key, struct str value, bool secret, struct arena *a)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct error err = ERROR_INIT;
        int r = secret || !str_ends(key, STR(".json")) ? 0 : json_parse(value, &doc, &err);

        if (r == -ENOMEM)
                a->failed = true; /* nobody's mistake, and not to be remembered as one */
        if (r == 0 || r == -ENOMEM)
                return STR_NULL;
        return arena_printf(a, "key \"%.*s\" is not JSON: %s", STR_FMT(key), err.message);
}

static void add_entry(yyjson_val *key, yyjson_val *value, bool secret, struct config_state *state,
                      struct arena *a, EVP_MD_CTX *digest)
{
        struct str k = json_val_str(key), v = json_val_str(value);
        uint64_t lengths[2] = { k.len, v.len };

        /* Lengths between, or "ab" and "c" would be "a" and "bc". */
        EVP_DigestUpdate(digest, lengths, sizeof(lengths));
        EVP_DigestUpdate(digest, k.data, k.len);
        EVP_DigestUpdate(digest, v.data, v.len);
        state->entries.items[state->entries.n++] = (struct config_state_entries){
                .key = k, .hash = (int64_t)hash_str(HASH_INIT, v), .has_hash = true
        };
        if (!state->problem.data)
                state->problem = problem_of(k, v, secret, a);
}

static void add_entries(yyjson_val *object, bool secret, struct config_state *state, struct arena *a,
                        EVP_MD_CTX *digest)
{
        yyjson_obj_iter it = yyjson_obj_iter_with(object);
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&it)))
                add_entry(key, yyjson_obj_iter_get_val(key), secret, state, a, digest);
}

/* The API server gives the keys in order, so equal contents have equal digests. */
static int derive(yyjson_val *json, struct arena *a, void *ret)
{
        struct config_state *state = ret;
        bool secret = str_eq_c(json_get_str(json, "kind"), "Secret") || yyjson_obj_get(json, "type");
        EVP_MD_CTX *digest = EVP_MD_CTX_new();
        unsigned char bytes[EVP_MAX_MD_SIZE];
        int n = count_keys(json);

        state->entries.items = n ? arena_new_n(a, struct config_state_entries, (size_t)n) : NULL;
        if (!digest || (n && !state->entries.items) || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1) {
                EVP_MD_CTX_free(digest);
                return -ENOMEM;
        }
        add_entries(yyjson_obj_get(json, "data"), secret, state, a, digest);
        EVP_DigestUpdate(digest, "", 1);
        add_entries(yyjson_obj_get(json, "binaryData"), true, state, a, digest);
        EVP_DigestFinal_ex(digest, bytes, NULL);
        EVP_MD_CTX_free(digest);
        state->digest = arena_hex(a, bytes, DIGEST_BYTES);
        return a->failed ? -ENOMEM : 0;
}

/* --- kinds ------------------------------------------------------------------------ */

#define CONFIGMAP                                                                                            \
        .api = { .group = STR_INIT(""),                                                                      \
                 .version = STR_INIT("v1"),                                                                  \
                 .plural = STR_INIT("configmaps"),                                                           \
                 .kind = STR_INIT("ConfigMap"),                                                              \
                 .namespaced = true }
#define SECRET                                                                                               \
        .api = { .group = STR_INIT(""),                                                                      \
                 .version = STR_INIT("v1"),                                                                  \
                 .plural = STR_INIT("secrets"),                                                              \
                 .kind = STR_INIT("Secret"),                                                                 \
                 .namespaced = true }

const struct cache_kind app_configmap_kind = {
        CONFIGMAP,        .schema = &config_state_schema,
        .derive = derive, .label_selector = STR_INIT("app.kubernetes.io/managed-by=keelson"),
        .by_owner = true, .quiet = true,
};

const struct cache_kind app_secret_kind = {
        SECRET,        .schema = &config_state_schema, .derive = derive, .on_demand = true, .by_owner = true,
        .quiet = true,
};

const struct cache_kind app_configmap_source_kind = {
        CONFIGMAP,
        .schema = &config_state_schema,
        .derive = derive,
        .on_demand = true,
};

const struct cache_kind app_secret_source_kind = {
        SECRET,
        .schema = &config_state_schema,
        .derive = derive,
        .on_demand = true,
};
