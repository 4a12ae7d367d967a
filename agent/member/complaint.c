/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "agent/member/member.h"

#define NAMED_MAX (sizeof(((struct error *)NULL)->path) + sizeof("user "))

static struct str without(struct str s, const char *prefix)
{
        size_t n = strlen(prefix);

        return str_starts(s, str_c(prefix)) ? str_n(s.data + n, s.len - n) : s;
}

/* What a complaint is about, under the name that its user knows it by: "redis.config.maxmemory" is
 * "maxmemory", and "redis.users.shop" is "user shop". */
static void name_of(const struct member *m, const struct error *complaint, char ret[NAMED_MAX])
{
        const char *engine = m->options->engine_name;
        char config[64], users[64];
        struct str path = str_c(complaint->path);

        snprintf(config, sizeof(config), "%s.config.", engine);
        snprintf(users, sizeof(users), "%s.users.", engine);
        snprintf(ret, NAMED_MAX, "%s%s", str_starts(path, str_c(users)) ? "user " : "",
                 without(without(path, users), config).data);
}

/* The first one. That the server did not start with all of them names none, and gives way to one that
 * does. */
static void note_refusal(struct member *m, const char *name, const struct error *complaint)
{
        char all[64];

        snprintf(all, sizeof(all), "%s.config", m->options->engine_name);
        if (!m->refused.setting[0] || strcmp(m->refused.setting, all) == 0)
                failover_refusal_set(&m->refused, str_c(name),
                                     without(str_c(complaint->message), ENGINE_REFUSED));
}

/* The server ended, and nobody has asked it to. */
void complaint_of_crash(void *arg, const struct error *how)
{
        struct member *m = arg;
        char note[NEWS_NOTE_MAX];

        snprintf(note, sizeof(note), "%s: %.450s", m->options->pod, how->message);
        news_say(&m->news, true, "ServerCrashed", note);
}

void complaint_of_settings(struct member *m, const struct error *complaint)
{
        char note[NEWS_NOTE_MAX], name[NAMED_MAX];

        name_of(m, complaint, name);
        note_refusal(m, name, complaint);
        snprintf(note, sizeof(note), "%.160s%s%.300s; all else is applied", name, name[0] ? ": " : "",
                 complaint->message);
        news_say(&m->news, true, "ConfigRefused", note);
}

/* What names a setting is about them. */
void complaint_of_engine(void *arg, const struct error *complaint)
{
        struct member *m = arg;

        if (complaint->path[0])
                complaint_of_settings(m, complaint);
        else
                news_say(&m->news, true, "ServerTrouble", complaint->message);
}

static const char *volume_reason(int code)
{
        switch (code) {
        case -EBUSY:
                return "VolumeInUse";
        case -ENOSPC:
                return "VolumeFull";
        case -ENODEV:
                return "VolumeGone";
        default:
                return "VolumeUnusable";
        }
}

void complaint_of_volume(void *arg, const struct error *why)
{
        struct member *m = arg;

        if (why)
                news_say(&m->news, true, volume_reason(why->code), why->message);
        else if (m->volume.code)
                news_say(&m->news, false, "VolumeUsable", "the volume can be used and written");
        m->volume = why ? *why : (struct error)ERROR_INIT;
        m->opened = m->opened || !why;
        member_begin(m);
}

void complaint_of_lease_back(const struct failover_record *there, const struct failover_record *known,
                             void *arg)
{
        struct member *m = arg;
        char note[NEWS_NOTE_MAX];

        m->went_back++;
        snprintf(
                note, sizeof(note),
                "the Lease says epoch %llu again, and has said %llu (was etcd restored?); when nobody acts by "
                "it, what this member knows of epoch %llu counts again",
                (unsigned long long)there->epoch, (unsigned long long)known->epoch,
                (unsigned long long)known->epoch);
        news_say(&m->news, true, "LeaseWentBack", note);
}

/* An agent that was started since knows nothing but its volume. The protocol goes by the Lease:
 * whether that is right a person has to look at, in time. */
void complaint_of_older_lease(struct member *m, const struct failover_record *record)
{
        const struct failover_copy *kept = &m->driver.f.remembered;
        char note[NEWS_NOTE_MAX];

        if (m->looked_back)
                return;
        m->looked_back = true;
        if (kept->position.timeline <= record->epoch || strcmp(kept->lineage, record->lineage) != 0)
                return;
        m->went_back++;
        snprintf(note, sizeof(note),
                 "the volume of this member has data of epoch %llu, and the Lease says epoch %llu (was etcd "
                 "restored?): a member that came into the set since then may have newer data than those that "
                 "the Lease names",
                 (unsigned long long)kept->position.timeline, (unsigned long long)record->epoch);
        news_say(&m->news, true, "LeaseWentBack", note);
}
