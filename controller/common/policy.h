/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the rules of a NetworkPolicy, as several controllers write them.
 */
#pragma once

#include "json/write.h"

/* "KEY": [ */
void policy_begin_list(struct json_writer *w, const char *key);

/* {"podSelector": {"matchLabels": …}}: the pods of one of our resources in this namespace.
 * KIND is what it is in the labels: "app". */
void policy_put_pods(struct json_writer *w, const char *kind, struct str instance);

/* {"ipBlock": …}; EXCEPT is JSON, or NULL. */
void policy_put_block(struct json_writer *w, struct str cidr, const char *except);

void policy_put_port(struct json_writer *w, const char *protocol, int64_t port);

/* A whole rule, outwards to DNS: any pod of the cluster, and what is no public address,
 * since a cluster's DNS may run on the nodes themselves. */
void policy_put_dns(struct json_writer *w);
