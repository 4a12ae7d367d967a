/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/record.h"

#include <errno.h>
#include <stdio.h>

#include "failover/fields.h"

#define IDENTITY_MAX (FAILOVER_UID_MAX + 32)
#define LEASE_MAX (24 * USEC_HOUR)

/* --- to JSON ------------------------------------------------------------------------ */

static void put_holder(struct json_writer *w, const struct failover_id *id)
{
        json_key(w, "holder");
        json_object(w);
        json_put_int(w, "member", id->member);
        json_put_cstr(w, "uid", id->uid);
        fields_put_word(w, "incarnation", id->incarnation);
        json_put_cstr(w, "address", id->address);
        json_end(w);
}

static void put_start(struct json_writer *w, const struct failover_record *r)
{
        json_key(w, "start");
        json_object(w);
        json_put_int(w, "epoch", (int64_t)r->start.epoch);
        fields_put_position(w, &r->start.position);
        json_end(w);
}

int failover_record_write(const struct failover_record *r, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "phase", failover_phase_name(r->phase));
        json_put_int(&w, "epoch", (int64_t)r->epoch);
        if (r->holder.uid[0])
                put_holder(&w, &r->holder);
        if (r->handover_to != FAILOVER_NOBODY)
                json_put_int(&w, "handoverTo", r->handover_to);
        fields_put_set(&w, "inSync", r->in_sync);
        json_put_cstr(&w, "lineage", r->lineage);
        fields_put_position(&w, &r->position);
        json_put_int(&w, "floor", (int64_t)r->floor);
        json_put_bool(&w, "final", r->final);
        json_put_cstr(&w, "cause", failover_cause_name(r->cause));
        if (r->from != FAILOVER_NOBODY)
                json_put_int(&w, "from", r->from);
        json_put_int(&w, "lost", (int64_t)r->lost); /* earlier releases read no record without */
        if (r->loss != FAILOVER_LOSS_UNKNOWN)
                json_put_cstr(&w, "loss", failover_loss_name(r->loss));
        if (r->start.epoch)
                put_start(&w, r);
        json_put_int(&w, "request", (int64_t)r->request);
        json_put_int(&w, "consent", (int64_t)r->consent);
        json_end(&w);
        return buf_error(out);
}

/* --- from JSON ---------------------------------------------------------------------- */

static const char *phase_name(size_t i)
{
        return failover_phase_name((enum failover_phase)i);
}

static const char *cause_name(size_t i)
{
        return failover_cause_name((enum failover_cause)i);
}

static const char *loss_name(size_t i)
{
        return failover_loss_name((enum failover_loss)i);
}

static void read_holder(const struct fields *f, struct failover_record *r)
{
        struct fields holder;

        r->holder.member = FAILOVER_NOBODY;
        if (!fields_has(f, "holder")) {
                if (r->phase != FAILOVER_BOOTSTRAP)
                        (void)fields_wrong(f, "holder", "there, in any phase but Bootstrap");
                return;
        }
        fields_enter(f, "holder", &holder);
        r->holder.member = fields_member(&holder, "member", FIELDS_REQUIRED);
        fields_text(&holder, "uid", r->holder.uid, sizeof(r->holder.uid));
        r->holder.incarnation = fields_word(&holder, "incarnation");
        fields_text(&holder, "address", r->holder.address, sizeof(r->holder.address));
        if (!r->holder.uid[0])
                (void)fields_wrong(&holder, "uid", "the UID of a pod");
}

/* Neither loss nor start is in records of earlier releases. */
static void read_loss(const struct fields *f, struct failover_record *r)
{
        struct fields start;

        r->lost = fields_number(f, "lost", INT64_MAX);
        if (fields_has(f, "loss"))
                r->loss = (enum failover_loss)fields_name(f, "loss", loss_name, FAILOVER_LOSS_EVERYTHING + 1);
        if (!fields_has(f, "start"))
                return;
        fields_enter(f, "start", &start);
        r->start.epoch = fields_number(&start, "epoch", INT64_MAX);
        fields_position(&start, &r->start.position);
}

static void read_record(const struct fields *f, struct failover_record *r)
{
        r->phase = (enum failover_phase)fields_name(f, "phase", phase_name, FAILOVER_RELEASED + 1);
        r->epoch = fields_number(f, "epoch", INT64_MAX);
        read_holder(f, r);
        r->handover_to = fields_member(f, "handoverTo", FAILOVER_NOBODY);
        r->in_sync = fields_set(f, "inSync");
        fields_text(f, "lineage", r->lineage, sizeof(r->lineage));
        fields_position(f, &r->position);
        if (fields_has(f, "floor")) /* not in records of earlier releases */
                r->floor = fields_number(f, "floor", INT64_MAX);
        r->final = fields_bool(f, "final");
        r->cause = (enum failover_cause)fields_name(f, "cause", cause_name, FAILOVER_CAUSE_SHUTDOWN + 1);
        r->from = fields_member(f, "from", FAILOVER_NOBODY);
        read_loss(f, r);
        r->request = fields_number(f, "request", INT64_MAX);
        r->consent = fields_number(f, "consent", INT64_MAX);
}

int failover_record_read(struct str json, struct failover_record *ret, struct error *err)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct failover_record record = { 0 };
        struct fields f;
        int r = 0;

        fields_open(&f, json, FIELDS_TEXT_MAX, "record", &doc, err, &r);
        read_record(&f, &record);
        if (r == 0)
                *ret = record;
        return r;
}

/* --- the Lease ----------------------------------------------------------------------- */

static void write_identity(const struct failover_id *holder, char out[IDENTITY_MAX])
{
        snprintf(out, IDENTITY_MAX, "%d/%s/%016llx", holder->member, holder->uid,
                 (unsigned long long)holder->incarnation);
}

static int64_t transitions_of(const struct failover_record *r)
{
        return (int64_t)MIN(r->epoch, (uint64_t)INT32_MAX);
}

bool failover_lease_names(yyjson_val *lease, const struct failover_record *record)
{
        yyjson_val *spec = yyjson_obj_get(lease, "spec");
        char identity[IDENTITY_MAX];

        write_identity(&record->holder, identity);
        return str_eq_c(json_get_str(spec, "holderIdentity"), identity) &&
               json_get_int(spec, "leaseTransitions", -1) == transitions_of(record);
}

int failover_lease_read(yyjson_val *lease, struct failover_lease *ret, struct error *err)
{
        yyjson_val *metadata = yyjson_obj_get(lease, "metadata");
        struct str version = json_get_str(metadata, "resourceVersion");
        struct str json = json_get_str(yyjson_obj_get(metadata, "annotations"), FAILOVER_ANNOTATION);
        int64_t seconds = json_get_int(yyjson_obj_get(lease, "spec"), "leaseDurationSeconds", 0);
        int r;

        if (str_empty(version) || version.len >= FAILOVER_VERSION_MAX)
                return error_set(err, -EINVAL,
                                 "metadata.resourceVersion of the Lease is missing or too long");
        if (!json.data)
                return error_set(err, -EINVAL,
                                 "the Lease has no annotation " FAILOVER_ANNOTATION
                                 ": it is not one of a database; delete it if it should be");
        r = failover_record_read(json, &ret->record, err);
        if (r < 0)
                return r;
        memset(ret->version, 0, sizeof(ret->version));
        memcpy(ret->version, version.data, version.len);
        ret->duration = seconds > 0 && seconds <= LEASE_MAX / USEC_SEC ? seconds * USEC_SEC : 0;
        return 0;
}

static void put_annotation(struct json_writer *w, const char *key, struct buf *text)
{
        if (buf_error(text) < 0)
                w->out->error = w->out->error ? w->out->error : buf_error(text);
        json_put_str(w, key, buf_str(text));
        buf_clear(text);
}

static void put_annotations(struct json_writer *w, const struct failover_record *record,
                            const struct failover_report *report)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(FIELDS_TEXT_MAX);

        json_key(w, "annotations");
        json_object(w);
        (void)failover_record_write(record, &text);
        put_annotation(w, FAILOVER_ANNOTATION, &text);
        if (report) {
                (void)failover_report_write(report, &text);
                put_annotation(w, FAILOVER_REPORT_ANNOTATION, &text);
        }
        json_end(w);
}

static void put_spec(struct json_writer *w, const struct failover_record *r, usec_t lease, usec_t wall)
{
        char stamp[CLOCK_RFC3339_MAX], identity[IDENTITY_MAX];

        clock_format(wall, true, stamp);
        write_identity(&r->holder, identity);
        json_key(w, "spec");
        json_object(w);
        if (r->holder.uid[0])
                json_put_cstr(w, "holderIdentity", identity);
        json_put_int(w, "leaseDurationSeconds", (lease + USEC_SEC - 1) / USEC_SEC);
        json_put_int(w, "leaseTransitions", transitions_of(r));
        json_put_cstr(w, "renewTime", stamp);
        json_end(w);
}

int failover_lease_patch(const struct failover_record *record, const struct failover_report *report,
                         usec_t lease, usec_t wall, const char *version, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_key(&w, "metadata");
        json_object(&w);
        json_put_cstr(&w, "resourceVersion", version);
        put_annotations(&w, record, report);
        json_end(&w);
        put_spec(&w, record, lease, wall);
        json_end(&w);
        return buf_error(out);
}

int failover_lease_create(const struct failover_record *record, const struct failover_lease_meta *meta,
                          usec_t lease, usec_t wall, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "apiVersion", "coordination.k8s.io/v1");
        json_put_cstr(&w, "kind", "Lease");
        json_key(&w, "metadata");
        json_object(&w);
        json_put_str(&w, "name", meta->name);
        if (meta->labels.data)
                json_put_raw(&w, "labels", meta->labels);
        if (meta->owners.data)
                json_put_raw(&w, "ownerReferences", meta->owners);
        put_annotations(&w, record, NULL);
        json_end(&w);
        put_spec(&w, record, lease, wall);
        json_end(&w);
        return buf_error(out);
}
