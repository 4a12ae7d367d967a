/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what a server says to INFO: the few fields by which its state is judged.
 *
 *      # Replication
 *      role:slave
 *      master_host:10.0.0.7
 *      slave0:ip=10.0.0.9,port=6379,state=online,offset=1234,lag=0
 *
 * Lines that are not known are passed over, so that other versions and other
 * servers of the kind are read as well. A field that is missing has the value zero.
 */
#pragma once

#include "base/str.h"

#define REDIS_INFO_FOLLOWERS_MAX 16 /* of more, the first ones */
#define REDIS_ADDRESS_MAX 256
#define REDIS_REPLID_MAX 41 /* 40 digits and a NUL */

struct redis_follower {
        char host[REDIS_ADDRESS_MAX]; /* as it announces itself */
        uint16_t port;
        bool online;
        uint64_t offset; /* confirmed */
        uint64_t lag;    /* seconds since it last confirmed */
};

struct redis_info {
        bool loading;
        /* replication */
        bool follows; /* role:slave */
        char leader[REDIS_ADDRESS_MAX];
        uint16_t leader_port;
        bool link_up, copying;
        uint64_t followed_offset; /* slave_repl_offset */
        uint64_t offset;          /* master_repl_offset */
        char replid[REDIS_REPLID_MAX];
        struct redis_follower followers[REDIS_INFO_FOLLOWERS_MAX];
        size_t n_followers;
        /* persistence */
        bool aof, aof_rewriting, aof_fsync_pending;
        bool aof_write_failed, aof_rewrite_failed;
        bool rdb_saving, rdb_failed;
        int64_t rdb_saved; /* when, in seconds, by its clock */
};

/* 0; -EBADMSG: no role in it, so it is no answer to INFO. */
int redis_info_parse(struct str text, struct redis_info *ret) _must_check_;
