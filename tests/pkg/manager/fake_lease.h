/* SPDX-License-Identifier: Apache-2.0
 *
 * An API server that has one Lease, for the tests of the leader election: it
 * checks what is asked of it as the real one does (names, versions).
 */
#pragma once

#include "base/buf.h"
#include "harness.h"
#include "json/read.h"
#include "manager/leader.h"

struct fake_lease {
        bool there;
        uint64_t version;
        char spec[1024]; /* JSON */
        char holder[64]; /* its holderIdentity, as last written */
        unsigned writes; /* that were taken */
};

#define FAKE_METADATA                                                                                        \
        "\"metadata\":{\"name\":\"keelson\",\"namespace\":\"ops\",\"labels\":{\"team\":\"web \\\"1\\\"\"},"  \
        "\"uid\":\"u-1\",\"resourceVersion\":\"%llu\",\"managedFields\":[{\"manager\":\"x\"}]}"

/* A reply's text; the caller parses it. */
static inline void fake_lease_write(const struct fake_lease *f, struct buf *out)
{
        buf_clear(out);
        buf_printf(out,
                   "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\"," FAKE_METADATA
                   ",\"spec\":%s}",
                   (unsigned long long)f->version, f->spec);
}

static inline int fake_lease_status(struct buf *out, int code, const char *reason)
{
        buf_clear(out);
        buf_printf(out, "{\"kind\":\"Status\",\"code\":%d,\"message\":\"%s\"}", code, reason);
        return code;
}

static inline void fake_lease_take(struct fake_lease *f, yyjson_val *body)
{
        char *spec = yyjson_val_write(yyjson_obj_get(body, "spec"), 0, NULL);

        ck_assert_ptr_nonnull(spec);
        ck_assert_uint_lt(strlen(spec), sizeof(f->spec));
        memcpy(f->spec, spec, strlen(spec) + 1);
        free(spec);
        snprintf(f->holder, sizeof(f->holder), "%.*s",
                 STR_FMT(json_get_str(yyjson_obj_get(body, "spec"), "holderIdentity")));
        f->there = true;
        f->version++;
        f->writes++;
}

/* Serves one request: HTTP's status, and the reply in OUT. */
static inline int fake_lease_serve(struct fake_lease *f, enum leader_method method, struct str body,
                                   struct buf *out)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        yyjson_val *root, *metadata;
        char version[32];

        if (method == LEADER_GET) {
                if (!f->there)
                        return fake_lease_status(out, 404, "not found");
                fake_lease_write(f, out);
                return 200;
        }
        ck_assert_int_eq(json_parse(body, &doc, NULL), 0);
        root = yyjson_doc_get_root(doc);
        metadata = yyjson_obj_get(root, "metadata");
        ck_assert(str_eq_c(json_get_str(root, "apiVersion"), "coordination.k8s.io/v1"));
        ck_assert(str_eq_c(json_get_str(root, "kind"), "Lease"));
        ck_assert(str_eq_c(json_get_str(metadata, "name"), "keelson"));
        ck_assert(str_eq_c(json_get_str(metadata, "namespace"), "ops"));
        if (method == LEADER_CREATE) {
                ck_assert_ptr_null(yyjson_obj_get(metadata, "resourceVersion"));
                if (f->there)
                        return fake_lease_status(out, 409, "already exists");
                fake_lease_take(f, root);
                fake_lease_write(f, out);
                return 201;
        }
        if (!f->there)
                return fake_lease_status(out, 404, "not found");
        snprintf(version, sizeof(version), "%llu", (unsigned long long)f->version);
        if (!str_eq_c(json_get_str(metadata, "resourceVersion"), version))
                return fake_lease_status(out, 409, "the object has been modified");
        /* What others put into the metadata stays. */
        ck_assert(str_eq_c(json_get_str(yyjson_obj_get(metadata, "labels"), "team"), "web \"1\""));
        ck_assert_ptr_null(yyjson_obj_get(metadata, "managedFields"));
        fake_lease_take(f, root);
        fake_lease_write(f, out);
        return 200;
}

/* A string of the spec. */
static inline bool fake_lease_says(const struct fake_lease *f, const char *key, const char *value)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_int_eq(json_parse(str_c(f->spec), &doc, NULL), 0);
        return str_eq_c(json_get_str(yyjson_doc_get_root(doc), key), value);
}

static inline int64_t fake_lease_number(const struct fake_lease *f, const char *key)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_int_eq(json_parse(str_c(f->spec), &doc, NULL), 0);
        return json_get_int(yyjson_doc_get_root(doc), key, -1);
}
