/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stories of config share: an App that uses the ConfigMap "settings", the
 * Secret "db", or both.
 */
#pragma once

#include "cluster.h"

#include "controller/app/config.h"

#define IMAGE "\"image\":\"x:1\",\"replicas\":2"
#define FROM_MAP IMAGE ",\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}}]"
#define FROM_SECRET IMAGE ",\"envFrom\":[{\"secretRef\":{\"name\":\"db\"}}]"
#define FROM_BOTH                                                                                            \
        IMAGE ",\"envFrom\":[{\"secretRef\":{\"name\":\"db\"}},{\"configMapRef\":{\"name\":\"settings\"}}]"
#define FILES(more)                                                                                          \
        IMAGE ",\"configFiles\":[{\"configMapRef\":{\"name\":\"settings\"},\"mountPath\":\"/etc/x\"" more "}]"

#define PASSWORD "aHVudGVyMg=="
#define DB "\"type\":\"Opaque\",\"data\":{\"PASSWORD\":\"" PASSWORD "\"}"

/* With the originals in place, and all at rest. */
static inline void begin_settled(struct cluster *c, const char *spec)
{
        begin_cluster(c, spec);
        c->never_told = PASSWORD;
        set_object(c, "configmaps", "settings", "\"data\":{\"A\":\"1\"}");
        set_object(c, "secrets", "db", DB);
        settle(c);
        ck_condition(c, "Ready", "True", "Ready");
}

/* The minute is over: what was read is read again. */
static inline void read_again(struct cluster *c)
{
        c->f.view.now += VIEW_READ_AGE;
        settle(c);
}

static inline void copy_str(char out[300], struct str s)
{
        snprintf(out, 300, "%.*s", STR_FMT(s));
}
