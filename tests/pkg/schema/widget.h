/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the engine share: a WidgetSet out of JSON, and into it.
 */
#pragma once

#include "harness.h"
#include "json/read.h"
#include "schema/schema.h"
#include "widget.gen.h"

#define WIDGET_ARENA_MAX ((size_t)1024 * 1024)

/* Decodes TEXT; the document is gone when this returns. */
static inline int widget_decode_as(const struct schema *s, const char *text, enum schema_flags flags,
                                   struct arena *a, void *ret, struct error *err)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        int r = json_parse(str_c(text), &doc, err);

        if (r < 0)
                return r;
        return schema_decode(s, yyjson_doc_get_root(doc), STR("spec"), flags, a, (void **)ret, err);
}

static inline struct widget_set_spec *widget_decode(const char *text, struct arena *a)
{
        struct widget_set_spec *spec = NULL;
        struct error err = ERROR_INIT;
        int r = widget_decode_as(&widget_set_spec_schema, text, SCHEMA_STRICT, a, &spec, &err);

        ck_assert_msg(r == 0, "%s: %s: %s", text, err.path, err.message);
        return spec;
}

/* A spec with every field set, in the order of the table. */
#define WIDGET_FULL                                                                                          \
        "{\"name\":\"shop\",\"size\":-5,\"count\":7,\"big\":9007199254740993,\"enabled\":false,"             \
        "\"debug\":false,\"tier\":\"worker\",\"targetCPUUtilization\":70,"                                   \
        "\"podIPs\":[\"10.0.0.1\",\"10.0.0.2\"],\"s3\":\"\",\"default\":\"d\",\"port\":8080,"                \
        "\"memory\":\"1Gi\",\"timeout\":\"5m\",\"labels\":{\"a\":\"b\",\"c\":\"\"},"                         \
        "\"limits\":{\"cpu\":\"500m\"},\"anything\":{\"x\":[1,1.5,null,{\"y\":\"\\n\"}]},"                   \
        "\"numbers\":[3,0],\"flags\":[true,false],\"modes\":[\"Fast\"],"                                     \
        "\"env\":[{\"name\":\"a\",\"from\":\"there\",\"order\":1},{\"name\":\"b\",\"from\":\"here\"}],"      \
        "\"healthCheck\":{\"livePath\":\"/l\",\"retries\":0,\"nested\":{\"deep\":\"up\"}},"                  \
        "\"storage\":{\"size\":\"2Gi\",\"zones\":[]},\"nothing\":{}}"

/* The least that decodes. */
#define WIDGET_LEAST "{\"name\":\"ab\",\"size\":0}"
