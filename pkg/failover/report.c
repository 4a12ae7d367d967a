/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/report.h"

#include <errno.h>

#include "failover/fields.h"

void failover_report_init(struct failover_report *r)
{
        *r = (struct failover_report){ .outage_millis = FAILOVER_UNTOLD };
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                r->lag[m] = FAILOVER_UNTOLD;
}

bool failover_applied_equal(const struct failover_applied *a, const struct failover_applied *b)
{
        return a->needs_restart == b->needs_restart && strcmp(a->config, b->config) == 0 &&
               strcmp(a->pod, b->pod) == 0 && strcmp(a->refused.setting, b->refused.setting) == 0 &&
               strcmp(a->refused.words, b->refused.words) == 0 && a->lost.epoch == b->lost.epoch &&
               a->lost.bytes == b->lost.bytes && a->lost.exact == b->lost.exact;
}

/* Neither quotes nor backslashes, so that JSON makes it no longer. What is cut ends in dots. */
static void copy_plain(char *to, size_t max, struct str from)
{
        size_t n = MIN(from.len, max - 1);

        for (size_t i = 0; i < n; i++) {
                char c = from.data[i];

                to[i] = c == '"' || c == '\\' ? '\'' : c >= ' ' && c <= '~' ? c : '?';
        }
        to[n] = '\0';
        if (n < from.len)
                memcpy(to + n - 3, "...", 3);
}

void failover_refusal_set(struct failover_refusal *r, struct str setting, struct str words)
{
        copy_plain(r->setting, sizeof(r->setting), setting);
        copy_plain(r->words, sizeof(r->words), words);
}

/* --- to JSON ------------------------------------------------------------------------ */

static void put_refused(struct json_writer *w, const struct failover_refusal *refused)
{
        json_key(w, "refused");
        json_object(w);
        json_put_cstr(w, "setting", refused->setting);
        json_put_cstr(w, "words", refused->words);
        json_end(w);
}

static void put_lost(struct json_writer *w, const struct failover_missing *lost)
{
        json_key(w, "lost");
        json_object(w);
        json_put_int(w, "epoch", (int64_t)lost->epoch);
        json_put_int(w, "bytes", (int64_t)lost->bytes);
        json_put_bool(w, "exact", lost->exact);
        json_end(w);
}

void failover_applied_put(struct json_writer *w, const struct failover_applied *applied)
{
        if (applied->refused.setting[0])
                put_refused(w, &applied->refused);
        if (applied->lost.epoch)
                put_lost(w, &applied->lost);
}

static void put_member(struct json_writer *w, const struct failover_report *r, int member)
{
        const struct failover_applied *a = &r->applied[member];

        json_object(w);
        json_put_int(w, "member", member);
        json_put_cstr(w, "pod", a->pod);
        json_put_cstr(w, "config", a->config);
        if (a->needs_restart)
                json_put_bool(w, "needsRestart", true);
        failover_applied_put(w, a);
        if (r->lag[member] != FAILOVER_UNTOLD)
                json_put_int(w, "lag", r->lag[member]);
        json_end(w);
}

int failover_report_write(const struct failover_report *r, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_int(&w, "epoch", (int64_t)r->epoch);
        if (r->outage_millis != FAILOVER_UNTOLD)
                json_put_int(&w, "outageMillis", r->outage_millis);
        json_key(&w, "members");
        json_array(&w);
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (r->known & failover_only(m))
                        put_member(&w, r, m);
        json_end(&w);
        json_end(&w);
        return buf_error(out);
}

/* --- from JSON ---------------------------------------------------------------------- */

static uint64_t amount(yyjson_val *object, const char *key)
{
        return (uint64_t)MAX(json_get_int(object, key, 0), 0);
}

/* They are for people, so that nothing can be wrong with them: what is too long is cut, and
 * what cannot be read is not there. */
void failover_applied_read(const struct fields *f, struct failover_applied *ret)
{
        yyjson_val *refused = yyjson_obj_get(f->object, "refused");
        yyjson_val *lost = yyjson_obj_get(f->object, "lost");

        failover_refusal_set(&ret->refused, json_get_str(refused, "setting"), json_get_str(refused, "words"));
        ret->lost = (struct failover_missing){ .epoch = amount(lost, "epoch"),
                                               .bytes = amount(lost, "bytes"),
                                               .exact = json_get_bool(lost, "exact", false) };
}

static int64_t read_amount(const struct fields *f, const char *key)
{
        return fields_has(f, key) ? (int64_t)fields_number(f, key, INT64_MAX) : FAILOVER_UNTOLD;
}

static void read_member(const struct fields *f, struct failover_report *r)
{
        int member = fields_member(f, "member", FIELDS_REQUIRED);
        struct failover_applied *a = &r->applied[member];

        r->known |= failover_only(member);
        fields_text(f, "pod", a->pod, sizeof(a->pod));
        fields_text(f, "config", a->config, sizeof(a->config));
        a->needs_restart = fields_has(f, "needsRestart") && fields_bool(f, "needsRestart");
        failover_applied_read(f, a);
        r->lag[member] = read_amount(f, "lag");
}

static void read_report(const struct fields *f, struct failover_report *r)
{
        yyjson_val *members = yyjson_obj_get(f->object, "members"), *item;
        size_t i, n;

        r->epoch = fields_number(f, "epoch", INT64_MAX);
        r->outage_millis = read_amount(f, "outageMillis");
        if (!yyjson_is_arr(members))
                (void)fields_wrong(f, "members", "a list of members");
        yyjson_arr_foreach (members, i, n, item) {
                struct fields one;

                fields_init(&one, item, "report.members", f->err, f->failed);
                if (*f->failed)
                        return;
                read_member(&one, r);
        }
}

int failover_report_read(struct str json, struct failover_report *ret, struct error *err)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct failover_report report;
        struct fields f;
        int r = 0;

        failover_report_init(&report);
        fields_open(&f, json, FAILOVER_REPORT_BYTES_MAX, "report", &doc, err, &r);
        read_report(&f, &report);
        if (r == 0)
                *ret = report;
        return r;
}
