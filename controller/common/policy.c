/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/common/policy.h"

void policy_begin_list(struct json_writer *w, const char *key)
{
        json_key(w, key);
        json_array(w);
}

void policy_put_pods(struct json_writer *w, const char *kind, struct str instance)
{
        json_object(w);
        json_key(w, "podSelector");
        json_object(w);
        json_key(w, "matchLabels");
        json_object(w);
        json_put_cstr(w, "app.kubernetes.io/name", kind);
        json_put_str(w, "app.kubernetes.io/instance", instance);
        json_end(w);
        json_end(w);
        json_end(w);
}

void policy_put_block(struct json_writer *w, struct str cidr, const char *except)
{
        json_object(w);
        json_key(w, "ipBlock");
        json_object(w);
        json_put_str(w, "cidr", cidr);
        if (except)
                json_put_raw(w, "except", str_c(except));
        json_end(w);
        json_end(w);
}

void policy_put_port(struct json_writer *w, const char *protocol, int64_t port)
{
        json_object(w);
        json_put_cstr(w, "protocol", protocol);
        json_put_int(w, "port", port);
        json_end(w);
}

/* The same in every policy, so it is not put together each time. */
#define BLOCK(cidr) ",{\"ipBlock\":{\"cidr\":\"" cidr "\"}}"
static const struct str resolvers = STR_INIT(
        "[{\"namespaceSelector\":{}}" BLOCK("10.0.0.0/8") BLOCK("100.64.0.0/10") BLOCK("169.254.0.0/16")
                BLOCK("172.16.0.0/12") BLOCK("192.168.0.0/16") BLOCK("fc00::/7") BLOCK("fe80::/10") "]");
#undef BLOCK

void policy_put_dns(struct json_writer *w)
{
        json_object(w);
        json_put_raw(w, "to", resolvers);
        policy_begin_list(w, "ports");
        policy_put_port(w, "UDP", 53);
        policy_put_port(w, "TCP", 53);
        json_end(w);
        json_end(w);
}
