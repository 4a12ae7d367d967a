/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/redis/internal.h"
#include "base/mem.h"
#include "crypto/digest.h"

#define PATH_BYTES_MAX 1024
#define SECRET_ARENA_MAX ((size_t)16 * 1024)

void redis_complain(struct redis *e, const struct error *complaint)
{
        if (e->handlers.complained)
                e->handlers.complained(e->handlers.arg, complaint);
}

void redis_cut_off(struct redis *e)
{
        struct error complaint = ERROR_INIT;

        if (!e->keeper || e->killed || e->cut_off)
                return;
        e->cut_off = true;
        keeper_kill(e->keeper);
        error_set(
                &complaint, -EPROTO,
                "the server was ended, since the connection to it broke (a reply that is none, or no memory): "
                "what was sent on it could be carried out late");
        redis_complain(e, &complaint);
}

/* --- starting ------------------------------------------------------------------------ */

/* What is there is loaded, whatever is wanted from now on: a server that is to keep an AOF
 * and finds none begins empty, beside the RDB. */
static enum redis_source source_to_load(const struct redis *e)
{
        bool aof = e->has_aof, rdb = e->has_rdb;
        enum redis_source wanted = redis_settings_source(&e->settings);
        enum redis_source noted = e->claims.disk.lineage[0] ? e->claims.disk.source : REDIS_NOTHING;

        if ((noted == REDIS_AOF && aof) || (noted == REDIS_RDB && rdb))
                return noted;
        /* Nobody knows: what is wanted, or else what is there. */
        if (wanted == REDIS_AOF && !aof && rdb)
                return REDIS_RDB;
        if (wanted == REDIS_RDB && !rdb && aof)
                return REDIS_AOF;
        return wanted;
}

static bool brings_data(const struct redis *e, enum redis_source source)
{
        bool there = source == REDIS_AOF ? e->has_aof : source == REDIS_RDB && e->has_rdb;

        /* What was noted of other files says nothing of these. */
        return there && (!e->has_state || (e->claims.disk.lineage[0] && e->claims.disk.source == source));
}

static int write_file(const char *path, struct str text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = 0;
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, text.data, text.len);
        if (n < 0)
                r = -errno;
        else if ((size_t)n != text.len)
                r = -ENOSPC;
        close(fd);
        return r;
}

static int write_conf(struct redis *e, enum redis_source source, const char *path)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CONF_BYTES_MAX);
        const struct redis_conf conf = {
                .data = e->config.data,
                .run = e->config.run,
                .tls = e->config.tls,
                .announce_host = e->self.host,
                .announce_port = e->self.port ? e->self.port : e->settings.port,
                .admin_hash = e->secret_hash,
                .source = source,
                .settings = &e->settings,
                .refused = e->bare ? NULL : e->refused,
                .users = e->bare            ? NULL
                         : e->users_refused ? &e->kept
                                            : &e->settings,
        };
        int r = redis_conf_write(&conf, &text);

        return r < 0 ? r : write_file(path, buf_str(&text));
}

static const char *find_program(const struct redis *e)
{
        static const char *const names[] = { "redis-server", "valkey-server" };
        struct str dir, rest = str_c(getenv("PATH"));

        if (e->config.program)
                return e->config.program;
        while (rest.data) {
                (void)str_cut(rest, ':', &dir, &rest);
                for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                        char path[PATH_BYTES_MAX];

                        snprintf(path, sizeof(path), "%.*s/%s", STR_FMT(dir), names[i]);
                        if (access(path, X_OK) == 0)
                                return names[i];
                }
        }
        return names[0];
}

static void on_ended(struct keeper *k, const struct keeper_end *end, void *arg);

static int run_server(struct redis *e, enum redis_source source, struct error *err)
{
        char conf[PATH_BYTES_MAX];
        const char *const argv[] = { find_program(e), conf, NULL };
        const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                    "LC_ALL=C", NULL };
        struct keeper_config config = { .argv = argv, .env = env, .directory = e->config.data };
        int r, lock = volume_lock(e->volume), output = -1;

        snprintf(conf, sizeof(conf), "%s/%s", e->config.run, REDIS_CONF_FILE);
        config.shared = MAX(lock, 0);
        (void)unlink(e->socket);
        r = write_conf(e, source, conf);
        if (r < 0)
                return error_set(err, r, "cannot write %s: %s", conf, strerror(-r));
        r = output_open(e->loop, &e->output, &output);
        if (r < 0)
                return error_set(err, r, "cannot make a pipe for the server: %s", strerror(-r));
        config.output = output;
        r = keeper_start(e->loop, &config, on_ended, e, &e->keeper, err);
        close(output);
        if (r < 0)
                output_close(&e->output);
        return r;
}

static void start_later(struct redis *e)
{
        e->backoff = e->backoff ? MIN(2 * e->backoff, RESTART_MAX) : RESTART_MIN;
        e->not_before = clock_now() + e->backoff;
}

static void start(struct redis *e)
{
        enum redis_source source = source_to_load(e);
        struct error err = ERROR_INIT;

        e->prepared = false;
        e->bare = e->bare_wanted;
        e->source = source;
        e->run++;
        e->killed = e->halting = e->counted = e->cut_off = false;
        redis_run_begins(e, brings_data(e, source));
        redis_note_started_with(e);
        if (run_server(e, source, &err) < 0) {
                redis_complain(e, &err);
                start_later(e);
        }
}

/* --- ending --------------------------------------------------------------------------- */

/* The line of its file that the server shows before it says what is wrong with it:
 * >>> 'databases "lots"' */
static struct str setting_at_fault(const char *line)
{
        struct str s = str_c(line), name;

        if (!str_starts(s, STR(">>> '")))
                return STR_NULL;
        s = str_n(s.data + 5, s.len - 5);
        (void)str_cut(s, ' ', &name, &s);
        return name;
}

/* A word that the server does not take keeps it from starting: it is started without that. Where
 * it names none, without all that users have set, which is then set one by one. */
static bool look_at_failed_start(struct redis *e)
{
        const char *why = output_line(&e->output, 0), *line = output_line(&e->output, 1);
        struct error complaint = ERROR_INIT;

        if (e->loaded || e->killed || e->halting || !e->last_end.known || e->last_end.exit_code <= 0)
                return false;
        if (e->bare || (!e->settings.n_config && !e->settings.n_users))
                return false;
        if (redis_note_unfit(e, setting_at_fault(line), why))
                return true;
        e->bare_wanted = true;
        error_set_at(&complaint, -EINVAL, STR("redis.config"),
                     "the server did not start with these settings (%s, exit code %d); it is started without "
                     "them, and they are set one by one",
                     why, e->last_end.exit_code);
        redis_complain(e, &complaint);
        return true;
}

/* Unless we have done it, or the deadline, in which case the protocol tells why. */
static void tell_crash(struct redis *e)
{
        struct error how = ERROR_INIT;

        if (e->killed || e->halting || e->cut_off || e->last_end.expired || !e->handlers.crashed)
                return;
        redis_put_crash(e, &how);
        e->handlers.crashed(e->handlers.arg, &how);
}

static void close_links(struct redis *e)
{
        redis_link_close(&e->link);
        redis_link_close(&e->waiter);
        e->known = e->looking = e->waiting = e->waiter_known = false;
}

/* Nothing of it can acknowledge anything any more. */
static void count_as_ended(struct redis *e)
{
        e->carried = MAX(e->carried, e->kill_number);
        if (e->goal.set && e->goal.what != FAILOVER_HALT)
                return;
        e->carried = MAX(e->carried, e->goal.number);
        e->goal.done = true;
}

static void on_ended(struct keeper *k, const struct keeper_end *end, void *arg)
{
        struct redis *e = arg;
        bool expected = e->killed || e->halting;
        bool clean = e->halting && !e->killed && end->known && end->exit_code == 0;

        e->keeper = NULL;
        e->last_end = *end;
        e->ends++;
        output_close(&e->output);
        if (!look_at_failed_start(e))
                tell_crash(e);
        keeper_free(k);
        close_links(e);
        e->loaded = false;
        if (!expected)
                start_later(e);
        e->goal.done = false;
        count_as_ended(e);
        e->killed = e->halting = e->counted = false;
        if (!clean) {
                redis_tell_down(e);
                redis_soon(e);
                return;
        }
        redis_claims_ended(&e->claims, e->has_data, e->settings.save.len > 0);
        e->ended = clock_now();
        e->canary_due = 0;
        redis_soon(e);
}

/* --- orders ------------------------------------------------------------------------------- */

static void order(struct engine *engine, enum failover_order what, uint64_t number,
                  const struct failover_id *whom, uint64_t epoch _unused_)
{
        struct redis *e = redis_of(engine);

        if (what == FAILOVER_STAND && !(e->goal.set && e->goal.what == FAILOVER_STAND))
                e->stood_since = clock_now();
        e->goal = (struct redis_goal){ .set = true, .what = what, .number = number };
        if (what == FAILOVER_FOLLOW && whom)
                redis_place_read(whom->address, &e->goal.leader);
        redis_soon(e);
}

void redis_end_server(struct redis *e)
{
        if (!e->keeper)
                return;
        keeper_kill(e->keeper);
        e->killed = true;
        e->counted = false;
        e->kill_until = clock_now() + DYING_MAX;
}

static void kill_server(struct engine *engine, uint64_t number)
{
        struct redis *e = redis_of(engine);

        redis_end_server(e);
        e->kill_number = number;
        e->goal = (struct redis_goal){ .number = number };
        redis_soon(e);
}

static int arm(struct engine *engine, usec_t until)
{
        struct redis *e = redis_of(engine);

        return e->keeper ? keeper_arm(e->keeper, until) : -ESRCH;
}

static void disarm(struct engine *engine)
{
        struct redis *e = redis_of(engine);
        int r = e->keeper ? keeper_disarm(e->keeper) : 0;

        /* One that stands still ends at the deadline; one that is late has the word by then. */
        if (r < 0 && r != -ETIMEDOUT)
                keeper_kill(e->keeper);
}

static void begin_halt(struct redis *e)
{
        if (e->halting || e->killed)
                return;
        e->halting = true;
        e->kill_until = clock_now() + e->settings.stop_grace;
        /* A stopped process does not hear SIGTERM. */
        if (keeper_signal(e->keeper, SIGTERM) < 0 || keeper_signal(e->keeper, SIGCONT) < 0)
                keeper_kill(e->keeper);
}

static void look_at_end(struct redis *e, usec_t now)
{
        if (e->halting && now >= e->kill_until) {
                keeper_kill(e->keeper);
                e->kill_until = USEC_NEVER;
        }
        /* It touches a volume that stands still, and will not come back from there. */
        if (e->killed && !e->counted && now >= e->kill_until) {
                e->counted = true;
                e->kill_until = USEC_NEVER;
                count_as_ended(e);
                redis_tell_down(e);
        }
}

/* Does the goal ask for a server where there is none? */
static bool asks_for_server(const struct redis *e)
{
        return e->goal.set && (e->goal.what == FAILOVER_STAND || e->goal.what == FAILOVER_FOLLOW);
}

static bool is_start_due(const struct redis *e, usec_t now)
{
        return !e->keeper && !e->ended && !e->away && asks_for_server(e) && e->configured &&
               now >= e->not_before;
}

static void look_at_process(struct redis *e, usec_t now)
{
        redis_tell_ended(e, now);
        if (e->ended)
                return;
        if (is_start_due(e, now) && e->prepared) {
                start(e);
        } else if (!e->keeper && !asks_for_server(e) && !e->goal.done && e->goal.number) {
                /* Nothing is there to be killed, halted, or to lead. */
                count_as_ended(e);
                if (e->goal.set && e->goal.what != FAILOVER_HALT)
                        e->goal.done = true;
                redis_tell_down(e);
        } else if (e->keeper && e->goal.set && e->goal.what == FAILOVER_HALT &&
                   !redis_lingers_before_end(e, now)) {
                begin_halt(e);
        }
        if (e->keeper)
                look_at_end(e, now);
}

/* --- the tick ---------------------------------------------------------------------------------- */

static void on_tick(struct loop_timer *timer, void *arg);

static void set_tick(struct redis *e, usec_t now)
{
        bool connecting = e->keeper && !e->loaded;
        usec_t due = MIN(now + (connecting ? CONNECT_EVERY : LOOK_EVERY), MAX(e->look_due, now + LOOK_SOON));

        if (e->linger_until)
                due = MIN(due, MAX(MIN(e->linger_until, e->linger_close), now + LOOK_SOON));
        if (e->halting || e->killed)
                due = MIN(due, MAX(e->kill_until, now + USEC_MSEC));
        if (!e->keeper)
                due = now + LOOK_EVERY;
        if (!e->keeper && e->goal.set)
                due = MIN(due, MAX(e->not_before, now + USEC_MSEC));
        /* It is set ever since the beginning, and moving it cannot fail. */
        int r = loop_timer_set(e->loop, &e->tick, due, on_tick, e);

        (void)r;
}

static void do_what_is_due(struct redis *e)
{
        usec_t now = clock_now();

        if (e->link.broken)
                redis_cut_off(e);
        look_at_process(e, now);
        redis_advance(e);
        redis_linger(e, now);
        if (e->known && !e->looking && now >= e->look_due)
                redis_look(e);
        redis_look_at_tls(e, now);
        redis_look_at_stats(e, now);
        redis_use_volume(e, is_start_due(e, now), now);
        set_tick(e, now);
}

static void on_tick(struct loop_timer *timer _unused_, void *arg)
{
        do_what_is_due(arg);
}

static void on_soon(struct loop_defer *defer _unused_, void *arg)
{
        do_what_is_due(arg);
}

void redis_soon(struct redis *e)
{
        loop_defer_set(e->loop, &e->soon, on_soon, e);
}

/* --- the rest of the seam -------------------------------------------------------------------------- */

static void recall(const struct engine *engine, struct failover_copy *ret)
{
        const struct redis_state *disk = &redis_of_const(engine)->claims.disk;

        *ret = (struct failover_copy){ 0 };
        if (!disk->lineage[0])
                return;
        ret->data = FAILOVER_DATA_COLD;
        ret->position = disk->position;
        memcpy(ret->lineage, disk->lineage, sizeof(ret->lineage));
}

static void member_at(struct engine *engine, int member, uint64_t life, const char *address)
{
        struct redis *e = redis_of(engine);

        if (member < 0 || member >= FAILOVER_MEMBERS_MAX)
                return;
        redis_place_read(address, &e->members[member].place);
        e->members[member].life = life;
}

static void remember(struct engine *engine, const struct failover_copy *copy)
{
        redis_claims_remember(&redis_of(engine)->claims, copy);
}

static void set_confirmed(struct engine *engine, failover_set in_sync)
{
        struct redis *e = redis_of(engine);

        e->in_sync = in_sync;
        redis_set_min_replicas(e);
}

static void free_engine(struct engine *engine)
{
        struct redis *e = redis_of(engine);

        close_links(e);
        keeper_free(e->keeper);
        output_close(&e->output);
        volume_free(e->volume);
        loop_timer_stop(&e->tick);
        loop_defer_stop(&e->soon);
        redis_settings_release(&e->settings);
        redis_settings_release(&e->kept);
        explicit_bzero(e->secret, sizeof(e->secret));
        mem_free(e);
}

static const struct engine_ops ops = {
        .name = "redis",
        .order = order,
        .kill = kill_server,
        .arm = arm,
        .disarm = disarm,
        .recall = recall,
        .member_at = member_at,
        .remember = remember,
        .set_confirmed = set_confirmed,
        .configure = redis_configure,
        .needs_restart = redis_needs_restart,
        .settled = redis_settled,
        .metrics = redis_metrics,
        .describe = redis_describe,
        .free = free_engine,
};

/* --- making one ------------------------------------------------------------------------------------- */

static int make_secret(struct redis *e)
{
        _cleanup_(arena_release) struct arena a = ARENA_INIT(SECRET_ARENA_MAX);
        unsigned char bytes[SECRET_LEN / 2];
        struct str hash;

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(e->secret + 2 * i, 3, "%02x", bytes[i]);
        hash = digest_hex(str_c(e->secret), DIGEST_BYTES, &a);
        if (!hash.data)
                return -ENOMEM;
        snprintf(e->secret_hash, sizeof(e->secret_hash), "%.*s", STR_FMT(hash));
        return 0;
}

static int begin(struct redis *e, struct error *err)
{
        int n = snprintf(e->socket, sizeof(e->socket), "%s/%s", e->config.run, REDIS_SOCKET_FILE);
        int r;

        /* sun_path of unix(7). */
        if (n >= 108)
                return error_set(err, -ENAMETOOLONG, "the folder %s has too long a name for a socket in it",
                                 e->config.run);
        r = make_secret(e);
        if (r < 0)
                return error_set(err, r, "no random password can be made: %s", strerror(-r));
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return error_set(err, -errno, "cannot become who reaps orphans: %s", strerror(errno));
        r = loop_timer_set(e->loop, &e->tick, clock_now(), on_tick, e);
        if (r == 0)
                r = volume_new(e->loop, e->config.data, redis_volume_done, e, &e->volume);
        return r < 0 ? error_set(err, r, "cannot begin to watch %s: %s", e->config.data, strerror(-r)) : 0;
}

int redis_engine_new(struct loop *l, const struct engine_config *config,
                     const struct engine_handlers *handlers, struct engine **ret, struct error *err)
{
        struct redis *e = mem_new(struct redis);
        int r;

        if (!e)
                return error_set(err, -ENOMEM, "no memory for the engine");
        e->engine.ops = &ops;
        e->loop = l;
        e->config = *config;
        e->handlers = *handlers;
        e->min_replicas = -1;
        e->volume_trouble = VOLUME_UNTOLD;
        redis_place_read(config->address, &e->self);
        r = begin(e, err);
        if (r < 0) {
                free_engine(&e->engine);
                return r;
        }
        *ret = &e->engine;
        return 0;
}
