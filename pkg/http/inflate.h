/* SPDX-License-Identifier: Apache-2.0
 *
 * A gzip body (RFC 1952) as it comes, by zlib. An answer that grows without end is
 * stopped by who takes the bytes: they come in pieces.
 */
#pragma once

#include "base/str.h"

struct inflater;

/* 0 or -ENOMEM. It takes 40 KiB. */
int inflater_new(struct inflater **ret) _must_check_;
void inflater_free(struct inflater *i); /* NULL is fine */

/* Gives TAKE what DATA unpacks to, piece by piece, until that returns other than 0, which
 * is then returned as well; I must stay meanwhile. 0, -ENOMEM, or
 * -EBADMSG for what is not gzip, also behind its end. */
int inflater_feed(struct inflater *i, struct str data, int (*take)(struct str piece, void *arg), void *arg)
        _must_check_;

/* Whether the end has come; also of no data at all. */
bool inflater_is_done(const struct inflater *i);
