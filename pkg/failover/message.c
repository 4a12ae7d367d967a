/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/message.h"

#include <errno.h>

#include "failover/fields.h"

static const char *type_name(size_t i)
{
        static const char *const names[] = { "Promise", "Seal", "Yes", "No", "Ended" };

        return names[i];
}

static const char *data_name(size_t i)
{
        static const char *const names[] = { "Unknown", "None", "Cold", "Warm" };

        return names[i];
}

static bool is_answer(const struct failover_message *m)
{
        return m->type == FAILOVER_YES || m->type == FAILOVER_NO;
}

static bool has_copy(const struct failover_message *m)
{
        return m->type == FAILOVER_YES && m->about == FAILOVER_SEAL;
}

static void put_copy(struct json_writer *w, const struct failover_copy *c)
{
        json_key(w, "copy");
        json_object(w);
        json_put_cstr(w, "data", data_name(c->data));
        json_put_cstr(w, "lineage", c->lineage);
        fields_put_position(w, &c->position);
        json_end(w);
}

int failover_letter_write(const struct failover_letter *letter, struct buf *out)
{
        const struct failover_message *m = &letter->message;
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "type", type_name(m->type));
        if (is_answer(m))
                json_put_cstr(&w, "about", type_name(m->about));
        json_put_int(&w, "from", m->from);
        json_put_int(&w, "to", m->to);
        fields_put_word(&w, "life", m->life);
        fields_put_word(&w, "round", m->round);
        json_put_int(&w, "epoch", (int64_t)m->epoch);
        json_put_cstr(&w, "address", letter->address);
        if (letter->applied.config[0]) {
                json_put_cstr(&w, "pod", letter->applied.pod);
                json_put_cstr(&w, "config", letter->applied.config);
        }
        if (letter->applied.needs_restart)
                json_put_bool(&w, "needsRestart", true);
        failover_applied_put(&w, &letter->applied);
        if (has_copy(m))
                put_copy(&w, &m->copy);
        json_end(&w);
        return buf_error(out);
}

static void read_copy(const struct fields *f, struct failover_copy *c)
{
        struct fields copy;

        fields_enter(f, "copy", &copy);
        c->data = (enum failover_data)fields_name(&copy, "data", data_name, FAILOVER_DATA_WARM + 1);
        fields_text(&copy, "lineage", c->lineage, sizeof(c->lineage));
        fields_position(&copy, &c->position);
}

static void read_applied(const struct fields *f, struct failover_applied *a)
{
        if (fields_has(f, "pod"))
                fields_text(f, "pod", a->pod, sizeof(a->pod));
        if (fields_has(f, "config"))
                fields_text(f, "config", a->config, sizeof(a->config));
        a->needs_restart = fields_has(f, "needsRestart") && fields_bool(f, "needsRestart");
        failover_applied_read(f, a);
}

static void read_letter(const struct fields *f, struct failover_letter *letter)
{
        struct failover_message *m = &letter->message;

        m->type = (enum failover_message_type)fields_name(f, "type", type_name, FAILOVER_ENDED + 1);
        if (is_answer(m)) /* to one of the two questions */
                m->about = (enum failover_message_type)fields_name(f, "about", type_name, FAILOVER_SEAL + 1);
        m->from = fields_member(f, "from", FIELDS_REQUIRED);
        m->to = fields_member(f, "to", FIELDS_REQUIRED);
        m->life = fields_word(f, "life");
        m->round = fields_word(f, "round");
        m->epoch = fields_number(f, "epoch", INT64_MAX);
        fields_text(f, "address", letter->address, sizeof(letter->address));
        read_applied(f, &letter->applied);
        if (has_copy(m))
                read_copy(f, &m->copy);
}

int failover_letter_read(struct str json, struct failover_letter *ret, struct error *err)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct failover_letter letter = { 0 };
        struct fields f;
        int r = 0;

        fields_open(&f, json, FAILOVER_MESSAGE_BYTES_MAX, "message", &doc, err, &r);
        read_letter(&f, &letter);
        if (r == 0)
                *ret = letter;
        return r;
}
