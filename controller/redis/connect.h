/* SPDX-License-Identifier: Apache-2.0
 *
 * What a Redis and an App that connects to it have agreed on.
 */
#pragma once

#define REDIS_PORT 6379

/* Behind a Redis's name: the Secret with what it takes to connect, the one with the same as
 * variables, and the Service of those that only read. */
#define REDIS_APP_SUFFIX "-app"
#define REDIS_ENV_SUFFIX "-env"
#define REDIS_READS_SUFFIX "-ro"

/* Where an App's pods have a folder for each Redis, and in it, with TLS, the key of -app that has
 * the CA. */
#define REDIS_FILES_DIR "/etc/keelson/redis"
#define REDIS_CA_FILE "ca.crt"
