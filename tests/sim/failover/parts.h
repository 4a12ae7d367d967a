/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the simulated cluster do for each other.
 */
#pragma once

#include "failover/sim.h"

/* --- hosts.c ----------------------------------------------------------------------- */

usec_t host_now(const struct sim *s, int host);
/* When its clock will show TIME, unless it is frozen meanwhile. */
usec_t host_when(const struct sim *s, int host, usec_t time);
void host_freeze(struct sim *s, int host);
void host_thaw(struct sim *s, int host);
bool linked(const struct sim *s, enum traffic kind, const struct pod *from, const struct pod *to);
bool reaches_api(const struct sim *s, const struct pod *p);
bool hears_api(const struct sim *s, const struct pod *p);
bool disk_frozen(const struct sim *s, const struct pod *p);
bool volume_takes(const struct sim *s, const struct pod *p);
static inline bool agent_stopped(const struct sim *s, const struct pod *p)
{
        return p->agent.frozen || s->hosts[p->host].frozen;
}
static inline bool server_stopped(const struct sim *s, const struct pod *p)
{
        return p->server.frozen || s->hosts[p->host].frozen ||
               (s->settings.keep == KEEP_ALWAYS && disk_frozen(s, p));
}

/* --- pods.c ----------------------------------------------------------------------------- */

enum new_volume {
        VOLUME_SAME, /* the same host; nothing of the former pod may be left */
        VOLUME_COPY, /* another host, with what the volume has now */
        VOLUME_EMPTY,
};

/* A pod of MEMBER; the one before is no longer current, which does not end it. */
struct pod *pod_new(struct sim *s, int member, enum new_volume volume);
void pod_start(struct sim *s, struct pod *p);
/* SIGTERM; it is killed half a minute later, and another one is made. */
void pod_end(struct sim *s, struct pod *p);
/* Everything in it dies, and its container is started again after DELAY, if it may. */
void pod_kill(struct sim *s, struct pod *p, usec_t delay);
/* It is no more, and another one comes after DELAY. */
void pod_replace(struct sim *s, struct pod *p, enum new_volume volume, usec_t delay);
struct pod *pod_current(struct sim *s, int member);
struct pod *pod_by_number(struct sim *s, uint64_t number);
/* Arms the kernel's timer; 0: disarms. UNTIL is of the host's clock. */
void knife_set(struct sim *s, struct pod *p, usec_t until);

/* --- agent.c: steps and effects; driver.c: looks, watches, policies ------------------------ */

void agent_start(struct sim *s, struct pod *p);
void agent_stop(struct sim *s, struct pod *p); /* it is no more */
void agent_take(struct sim *s, struct pod *p, const struct failover_event *e);
void agent_pump(struct sim *s, struct pod *p);
void driver_start(struct sim *s, struct pod *p);
void driver_server_gone(struct sim *s, struct pod *p);
void driver_order(struct sim *s, struct pod *p, const struct failover_effect *e);
void driver_kill(struct sim *s, struct pod *p, uint64_t number);
void driver_remember(struct sim *s, struct pod *p, const struct failover_copy *copy);
struct failover_copy driver_recall(const struct sim *s, const struct pod *p);
void driver_confirm_set(struct sim *s, struct pod *p);
void driver_look(struct sim *s, struct pod *p);
/* Starts the server, if it is down and the newest order wants it up. */
void driver_keep_up(struct sim *s, struct pod *p);
/* It is up: the newest order, if that is not what it was started as. */
void driver_server_up(struct sim *s, struct pod *p);

/* --- server.c ----------------------------------------------------------------------------------- */

void server_start(struct sim *s, struct pod *p);
/* SIGKILL: the end comes up to 50 ms later. */
void server_kill(struct sim *s, struct pod *p);
/* It ends by itself at once: a crash, or in its own way. */
void server_end(struct sim *s, struct pod *p, bool clean);
void server_freeze(struct sim *s, struct pod *p);
void server_thaw(struct sim *s, struct pod *p);
/* Does what waited while it stood still. */
void server_goes_on(struct sim *s, struct pod *p);
void server_ordered(struct sim *s, struct pod *p, const struct order *order);
void server_write(struct sim *s, struct pod *p, int client);
void server_look(struct sim *s, struct pod *p, struct failover_server *ret);
bool server_can_acknowledge(const struct sim *s, const struct pod *p);
uint64_t server_offset(const struct server *v);

/* --- replication.c ------------------------------------------------------------------------------- */

void follow_begin(struct sim *s, struct pod *p, const struct failover_id *whom);
void follow_end(struct sim *s, struct pod *p);
/* It has more than before: on to those who follow it. */
void replicate(struct sim *s, struct pod *p);
struct pod *pod_at(struct sim *s, const char *address);
/* Its process is gone. */
void replication_ends(struct sim *s, struct pod *p);
/* Asks those who follow it how far they are. */
void ask_for_acks(struct sim *s, struct pod *p);

/* --- lease.c ---------------------------------------------------------------------------------------- */

void api_read(struct sim *s, struct pod *p);
void api_write(struct sim *s, struct pod *p, const struct failover_effect *e);
void api_publish(struct sim *s, struct pod *p, uint64_t epoch);
void api_watch(struct sim *s, struct pod *p);
void api_tell_policy(struct sim *s, struct pod *p);
void api_down(struct sim *s, bool down);
void api_create_lease(struct sim *s);
void api_delete_lease(struct sim *s);
/* After it was deleted: nobody holds it, and it does not say who has what. */
void api_restore_lease(struct sim *s);
/* Does a member with data, on a volume that is kept, know how far epochs have come? */
bool api_epoch_is_remembered(const struct sim *s);
/* The operator sets another policy. */
void api_policy(struct sim *s);

/* --- net.c ------------------------------------------------------------------------------------------ */

void net_send(struct sim *s, struct pod *p, const struct failover_message *m);
/* To a pod whose address is known; NULL: nobody is there. */
void net_send_to(struct sim *s, struct pod *p, struct pod *to, const struct failover_message *m);

/* --- clients.c ---------------------------------------------------------------------------------------- */

void clients_start(struct sim *s);
/* What became of a client's write at PID: done, or refused. */
void client_answered(struct sim *s, const struct pod *p, int client, bool done);
void clients_see(struct sim *s);
/* From now on the longest time without an acknowledged write counts. */
void clients_count(struct sim *s);
