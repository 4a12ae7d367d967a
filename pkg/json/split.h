/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts a stream of bytes into whole JSON values without building a tree, so
 * that a list of ten thousand objects costs the memory of one.
 *
 *      watch:  {"type":"ADDED","object":{…}}\n{"type":…}\n
 *              `----------- one value ------'
 *
 *      list:   {"kind":"PodList","metadata":{…},"items":[{…},{…}],"metadata":{…}}
 *                                               one ^    ^ another
 *              and at the end the envelope without its items:
 *              {"kind":"PodList","metadata":{…},"items":[]}
 *
 * It finds the ends of values by brackets and quotes; that each value is valid
 * JSON is left to the reader that parses it. It fails cleanly on what cannot
 * become valid (a stray closing bracket, a scalar where an object must stand).
 */
#pragma once

#include "base/buf.h"

enum json_split_mode {
        JSON_SPLIT_VALUES, /* objects behind each other, white space between */
        JSON_SPLIT_LIST,   /* one object; the elements of its member "items" one by one, then the rest */
};

struct json_split {
        enum json_split_mode mode;
        struct buf value;    /* the value under way */
        struct buf envelope; /* list mode: all but the items */
        size_t max_depth;
        /* The scanner's state; split.c alone reads it. */
        unsigned depth;
        unsigned state;
        unsigned key_state;
        bool in_string, escaped, in_items, done;
        char key[8];
};

/* ITEM is called for each whole value; ENVELOPE says that it is the rest of the
 * list. A negative result of it ends the feed with that result. */
typedef int json_split_fn(struct str value, bool envelope, void *arg);

/* Caps: bytes of one value, and bytes of the envelope. */
void json_split_init(struct json_split *s, enum json_split_mode mode, size_t max_value);
void json_split_release(struct json_split *s);
/* For the next stream. */
void json_split_clear(struct json_split *s, enum json_split_mode mode);

/* 0, -EBADMSG (not JSON), -EMSGSIZE (a value past the cap), -ENOMEM, or what FN returned. */
int json_split_feed(struct json_split *s, struct str data, json_split_fn *fn, void *arg) _must_check_;

/* At the end of the stream: 0, or -EBADMSG if a value was cut in the middle. */
int json_split_finish(struct json_split *s) _must_check_;
