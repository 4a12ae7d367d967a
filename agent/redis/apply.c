/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>

#include "agent/redis/internal.h"
#include "base/hash.h"

#define RULES_MAX 96 /* words of one user's rules */

static void complain_about(struct redis *e, const char *list, struct str name, struct str answer)
{
        struct error complaint = ERROR_INIT;
        char path[128];

        snprintf(path, sizeof(path), "redis.%s.%.*s", list, (int)MIN(name.len, REDIS_NAME_MAX), name.data);
        error_set_at(&complaint, -EINVAL, str_c(path), ENGINE_REFUSED "%.*s",
                     (int)MIN(answer.len, (size_t)300), answer.data ? answer.data : "");
        redis_complain(e, &complaint);
}

static bool says(struct str text, const char *word)
{
        return text.data && memmem(text.data, text.len, word, strlen(word));
}

static void setting_answered(struct redis *e, size_t i, struct str error)
{
        if (i >= e->settings.n_config)
                return;
        if (says(error, "immutable") || says(error, "read-only")) {
                e->immutable[i] = true;
                return;
        }
        e->refused[i] = true;
        complain_about(e, "config", e->settings.config[i].name, error);
}

static void set_user(struct redis *e, enum redis_item_kind kind, size_t index, const struct redis_user *user);

/* One that runs has it as it was before; one that was started since gets that again. */
static void user_refused(struct redis *e, size_t index, struct str error)
{
        const struct redis_user *user = &e->settings.users[index];
        const struct redis_user *before = redis_settings_user(&e->kept, user->name);

        e->users_refused = true;
        complain_about(e, "users", user->name, error);
        if (before)
                set_user(e, REDIS_ITEM_OWN, 0, before);
}

void redis_refused_item(struct redis *e, const struct redis_item *item, struct str error)
{
        if (item->kind == REDIS_ITEM_SETTING)
                setting_answered(e, item->index, error);
        else if (item->kind == REDIS_ITEM_USER && item->index < e->settings.n_users)
                user_refused(e, item->index, error);
        else
                complain_about(e, "config", STR("(own)"), error);
}

static bool has_user(const struct redis_settings *s, struct str name)
{
        return redis_settings_user(s, name) != NULL;
}

/* --- users -------------------------------------------------------------------------- */

/* In one command, so that at no moment the user is without what it had. */
static void set_user(struct redis *e, enum redis_item_kind kind, size_t index, const struct redis_user *user)
{
        struct str words[8 + REDIS_PASSWORDS_MAX + RULES_MAX], word, rest = user->rules;
        char hashes[REDIS_PASSWORDS_MAX][REDIS_HASH_LEN + 2];
        size_t n = 0;

        words[n++] = STR("ACL");
        words[n++] = STR("SETUSER");
        words[n++] = user->name;
        words[n++] = STR("reset");
        words[n++] = STR("on");
        if (user->no_password && !user->n_hashes)
                words[n++] = STR("nopass");
        for (size_t i = 0; i < user->n_hashes; i++) {
                snprintf(hashes[i], sizeof(hashes[i]), "#%.*s", STR_FMT(user->hashes[i]));
                words[n++] = str_c(hashes[i]);
        }
        while (rest.data && n < ARRAY_SIZE(words)) {
                (void)str_cut(rest, ' ', &word, &rest);
                if (word.len)
                        words[n++] = word;
        }
        redis_batch_add(e, kind, index, words, n);
}

static void apply_users(struct redis *e)
{
        const struct str off[] = { STR("ACL"), STR("SETUSER"), STR(REDIS_DEFAULT), STR("reset"), STR("off") };
        bool has_default = false;

        for (size_t i = 0; i < e->settings.n_users; i++) {
                set_user(e, REDIS_ITEM_USER, i, &e->settings.users[i]);
                has_default |= str_eq_c(e->settings.users[i].name, REDIS_DEFAULT);
        }
        if (!has_default)
                redis_batch_add(e, REDIS_ITEM_OWN, 0, off, ARRAY_SIZE(off));
        for (size_t i = 0; i < e->n_gone; i++) {
                const struct str del[] = { STR("ACL"), STR("DELUSER"), str_c(e->gone[i]) };

                /* One may have come back. */
                if (!has_user(&e->settings, str_c(e->gone[i])))
                        redis_batch_add(e, REDIS_ITEM_GONE, 0, del, ARRAY_SIZE(del));
        }
}

/* --- settings ------------------------------------------------------------------------- */

static void set(struct redis *e, enum redis_item_kind kind, size_t index, struct str name, struct str value)
{
        const struct str words[] = { STR("CONFIG"), STR("SET"), name,
                                     str_n(value.data ? value.data : "", value.len) };

        redis_batch_add(e, kind, index, words, ARRAY_SIZE(words));
}

static void set_own(struct redis *e, struct str name, struct str value)
{
        set(e, REDIS_ITEM_OWN, 0, name, value);
}

/* From what was loaded to what is wanted. The old files stay what a start would load until
 * the new ones are whole (claims.h). */
static void apply_persistence(struct redis *e)
{
        const struct redis_settings *s = &e->settings;
        enum redis_source wanted = redis_settings_source(s);
        const struct str save[] = { STR("BGSAVE") };

        set_own(e, STR("appendfsync"), str_c(redis_fsync_name(s->fsync)));
        set_own(e, STR("stop-writes-on-bgsave-error"), s->aof ? STR("no") : STR("yes"));
        set_own(e, STR("dbfilename"), wanted == REDIS_NOTHING ? STR(REDIS_UNKEPT_FILE) : STR(REDIS_RDB_FILE));
        set_own(e, STR("rdb-del-sync-files"), wanted == REDIS_NOTHING ? STR("yes") : STR("no"));
        set_own(e, STR("save"), s->save);
        set_own(e, STR("appendonly"), s->aof ? STR("yes") : STR("no"));
        if (wanted == REDIS_RDB && e->source == REDIS_AOF)
                redis_batch_add(e, REDIS_ITEM_GONE, 0, save, ARRAY_SIZE(save));
}

/* There may be newer settings by now. */
static void applied(struct redis *e, bool well)
{
        e->applying = false;
        if (!well)
                e->apply = true;
        else
                e->users_taken = !e->users_refused;
}

static uint64_t hash_setting(const struct redis_setting *s)
{
        return hash_str(hash_str(HASH_INIT, s->name), s->value);
}

static const struct redis_unfit *unfit_of(const struct redis *e, const struct redis_setting *setting)
{
        for (size_t i = 0; i < e->n_unfit; i++)
                if (e->unfit[i].setting == hash_setting(setting))
                        return &e->unfit[i];
        return NULL;
}

void redis_apply(struct redis *e)
{
        const struct redis_settings *s = &e->settings;

        e->apply = false;
        e->applying = true;
        e->users_refused = false;
        e->min_replicas = -1;
        redis_set_min_replicas(e);
        redis_batch_begin(e, applied);
        apply_users(e);
        set_own(e, STR("masteruser"), s->replication_password.len ? STR(REDIS_REPLICATION) : STR(""));
        set_own(e, STR("masterauth"), s->replication_password);
        apply_persistence(e);
        for (size_t i = 0; i < s->n_config; i++) {
                const struct redis_unfit *unfit = unfit_of(e, &s->config[i]);

                if (unfit)
                        complain_about(e, "config", s->config[i].name, str_c(unfit->why));
                else if (!e->immutable[i])
                        set(e, REDIS_ITEM_SETTING, i, s->config[i].name, s->config[i].value);
        }
        redis_batch_end(e);
}

/* --- certificates --------------------------------------------------------------------- */

static void tls_set(const struct redis_answer *answer, void *arg)
{
        struct redis *e = arg;
        struct error complaint = ERROR_INIT;

        if (answer->lost || !answer->error.data)
                return;
        e->tls_stamp = 0; /* perhaps it was half written: again */
        error_set(&complaint, -EINVAL, "the server does not take the certificates in %s: %.*s", e->config.tls,
                  (int)MIN(answer->error.len, (size_t)300), answer->error.data);
        redis_complain(e, &complaint);
}

/* Others replace the files, the server reads them when they are set. */
void redis_look_at_tls(struct redis *e, usec_t now)
{
        static const char *const files[] = { "ca.crt", "tls.crt", "tls.key" };
        char paths[ARRAY_SIZE(files)][512];
        uint64_t stamp = HASH_INIT;
        struct stat st;

        if (!e->settings.tls || !e->config.tls || !e->known || now < e->tls_looked + TLS_EVERY)
                return;
        e->tls_looked = now;
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                snprintf(paths[i], sizeof(paths[i]), "%s/%s", e->config.tls, files[i]);
                if (stat(paths[i], &st) < 0)
                        return;
                stamp = hash_add(hash_add(stamp, (uint64_t)st.st_ino), (uint64_t)st.st_mtim.tv_sec);
                stamp = hash_add(stamp, (uint64_t)st.st_mtim.tv_nsec);
        }
        if (stamp != e->tls_stamp) {
                const struct str words[] = { STR("CONFIG"),           STR("SET"),
                                             STR("tls-ca-cert-file"), str_c(paths[0]),
                                             STR("tls-cert-file"),    str_c(paths[1]),
                                             STR("tls-key-file"),     str_c(paths[2]) };

                e->tls_stamp = stamp;
                if (redis_link_send(&e->link, words, ARRAY_SIZE(words), tls_set, e) < 0)
                        e->tls_stamp = 0;
        }
}

/* --- new settings ------------------------------------------------------------------------ */

/* Those too that it is started without, for it failed with them: another start would be no better. */
void redis_note_started_with(struct redis *e)
{
        e->n_started_with = 0;
        e->taken_away = false;
        for (size_t i = 0; i < e->settings.n_config; i++)
                e->started_with[e->n_started_with++] = hash_setting(&e->settings.config[i]);
}

bool redis_note_unfit(struct redis *e, struct str name, const char *why)
{
        struct redis_unfit *unfit = &e->unfit[e->n_unfit];

        for (size_t i = 0; e->n_unfit < REDIS_UNFIT_MAX && i < e->settings.n_config; i++) {
                const struct redis_setting *setting = &e->settings.config[i];

                if (!str_eq(setting->name, name) || e->refused[i])
                        continue;
                unfit->setting = hash_setting(setting);
                snprintf(unfit->why, sizeof(unfit->why), "%s", why);
                e->n_unfit++;
                e->refused[i] = true;
                complain_about(e, "config", name, str_c(unfit->why));
                return true;
        }
        return false;
}

static bool has_setting(const struct redis_settings *s, struct str name)
{
        for (size_t i = 0; i < s->n_config; i++)
                if (str_eq(s->config[i].name, name))
                        return true;
        return false;
}

static bool is_gone(const struct redis *e, struct str name)
{
        for (size_t i = 0; i < e->n_gone; i++)
                if (str_eq_c(name, e->gone[i]))
                        return true;
        return false;
}

/* What the server has and is no longer to have. A user can be deleted; of a setting nobody
 * knows what it would be without. */
static void note_what_goes(struct redis *e, const struct redis_settings *next)
{
        for (size_t i = 0; i < e->settings.n_config; i++)
                if (!e->refused[i] && !has_setting(next, e->settings.config[i].name))
                        e->taken_away = true;
        for (size_t i = 0; i < e->settings.n_users; i++) {
                struct str name = e->settings.users[i].name;

                if (has_user(next, name) || str_eq_c(name, REDIS_DEFAULT) || is_gone(e, name))
                        continue;
                /* More than that have come and gone in one run of the server. */
                if (e->n_gone == REDIS_USERS_MAX) {
                        e->taken_away = true;
                        continue;
                }
                snprintf(e->gone[e->n_gone++], sizeof(e->gone[0]), "%.*s", STR_FMT(name));
        }
}

int redis_configure(struct engine *engine, struct str json, struct error *complaint)
{
        struct redis *e = redis_of(engine);
        struct redis_settings next = { 0 };
        int r = redis_settings_parse(json, &next, complaint);

        if (r < 0 && !next.port)
                return r;
        /* Better those of yesterday than a client that cannot log in any more. */
        if (next.users_wrong && e->configured) {
                if (redis_settings_take_users(&next, &e->settings) < 0) {
                        redis_settings_release(&next);
                        return -ENOMEM;
                }
                error_prefix(complaint, "all users stay as they were, since this one");
        }
        if (e->configured)
                note_what_goes(e, &next);
        /* What belongs to a start: the file says it, not the connection. */
        if (e->configured && e->run && (next.port != e->settings.port || next.tls != e->settings.tls))
                e->taken_away = true;
        if (e->users_taken) {
                redis_settings_release(&e->kept);
                e->kept = e->settings;
        } else {
                redis_settings_release(&e->settings);
        }
        e->settings = next;
        e->users_taken = false;
        e->configured = e->apply = true;
        e->bare_wanted = false;
        for (size_t i = 0; i < REDIS_CONFIG_MAX; i++)
                e->refused[i] = i < next.n_config && unfit_of(e, &next.config[i]);
        memset(e->immutable, 0, sizeof(e->immutable));
        redis_soon(e);
        return r;
}

bool redis_settled(const struct engine *engine)
{
        const struct redis *e = redis_of_const(engine);

        return e->configured && (!e->keeper || (!e->apply && !e->applying));
}

bool redis_needs_restart(const struct engine *engine)
{
        const struct redis *e = redis_of_const(engine);

        if (!e->keeper)
                return false;
        for (size_t i = 0; i < e->settings.n_config; i++) {
                bool started = false;

                if (!e->immutable[i])
                        continue;
                for (size_t k = 0; k < e->n_started_with && !started; k++)
                        started = e->started_with[k] == hash_setting(&e->settings.config[i]);
                if (!started)
                        return true;
        }
        return e->taken_away;
}
