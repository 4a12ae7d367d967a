/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/settings.h"

#include <errno.h>

#include "base/mem.h"
#include "failover/fields.h"

void settings_init(struct settings *s)
{
        *s = (struct settings){ 0 };
        buf_init(&s->engine, SETTINGS_BYTES_MAX);
}

void settings_release(struct settings *s)
{
        if (s->engine.data)
                explicit_bzero(s->engine.data, s->engine.size);
        buf_release(&s->engine);
}

static void read_members(const struct fields *f, struct settings *s)
{
        uint64_t n = fields_number(f, "members", FAILOVER_MEMBERS_MAX);

        if (n == 0)
                (void)fields_wrong(f, "members", "from 1 to 9");
        s->policy.members = failover_first((int64_t)n);
        if (fields_has(f, "fenced"))
                s->policy.fenced = fields_set(f, "fenced");
}

static void read_requests(const struct fields *f, struct settings *s)
{
        struct fields part;

        s->policy.request_to = s->policy.consent = FAILOVER_NOBODY;
        if (fields_has(f, "handover")) {
                fields_enter(f, "handover", &part);
                s->policy.request = fields_number(&part, "number", INT64_MAX);
                s->policy.request_to = fields_member(&part, "to", FAILOVER_NOBODY);
        }
        if (fields_has(f, "consent")) {
                fields_enter(f, "consent", &part);
                s->policy.consent_number = fields_number(&part, "number", INT64_MAX);
                s->policy.consent = fields_member(&part, "member", FIELDS_REQUIRED);
        }
}

static void read_times(const struct fields *f, struct settings *s)
{
        s->lease = (usec_t)fields_number(f, "leaseMillis", SETTINGS_LEASE_MAX / USEC_MSEC) * USEC_MSEC;
        if (s->lease < SETTINGS_LEASE_MIN)
                (void)fields_wrong(f, "leaseMillis", "from 500 to 120000");
}

static void read_engine(const struct fields *f, const char *engine, struct settings *s)
{
        struct fields part;
        struct json_writer w;

        fields_enter(f, engine, &part);
        s->port = (uint16_t)fields_number(&part, "port", UINT16_MAX);
        if (s->port == 0)
                (void)fields_wrong(&part, "port", "from 1 to 65535");
        if (*f->failed)
                return;
        json_writer_init(&w, &s->engine);
        json_val(&w, part.object);
        *f->failed = buf_error(&s->engine);
}

int settings_read(struct str json, const char *engine, struct settings *ret, struct error *err)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct settings s;
        struct fields f;
        int r = 0;

        settings_init(&s);
        fields_open(&f, json, SETTINGS_BYTES_MAX, "config.json", &doc, err, &r);
        read_members(&f, &s);
        if (fields_has(&f, "version"))
                fields_text(&f, "version", s.version, sizeof(s.version));
        s.policy.durable = fields_bool(&f, "durable");
        read_times(&f, &s);
        read_requests(&f, &s);
        read_engine(&f, engine, &s);
        if (r < 0) {
                settings_release(&s);
                return r;
        }
        settings_release(ret);
        *ret = s;
        return 0;
}
