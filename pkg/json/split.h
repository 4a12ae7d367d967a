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
 * become valid: a bracket that closes nothing or another kind, a scalar where
 * an object must stand, a missing or extra comma between items.
 *
 * How the stream is cut into pieces makes no difference to the values. A value
 * that lies whole in one piece is not copied.
 */
#pragma once

#include "base/buf.h"

/* Deeper than any object of Kubernetes; a CRD's own schema comes closest. */
#define JSON_SPLIT_DEPTH_MAX 256

enum json_split_mode {
        JSON_SPLIT_VALUES, /* objects behind each other, white space between */
        JSON_SPLIT_LIST,   /* one object; the elements of its member "items" one by one, then the rest */
};

struct json_split {
        enum json_split_mode mode;
        struct buf value;    /* the value under way */
        struct buf envelope; /* list mode: all but the items */
        /* The scanner's state; split.c alone reads it. */
        int error; /* sticky */
        unsigned state;
        unsigned key_state;
        size_t key_at; /* where the string under way began in the envelope */
        bool in_string, escaped;
        unsigned depth;
        uint64_t arrays[JSON_SPLIT_DEPTH_MAX / 64]; /* bit d: the bracket at depth d is an array's */
};

/* Called for each whole value; ENVELOPE says that it is the rest of the list.
 * The bytes are valid during the call. A negative result ends the feed with
 * that result. It must not touch the splitter. */
typedef int json_split_fn(struct str value, bool envelope, void *arg);

/* MAX_VALUE is the cap of one value in bytes, and that of the envelope. */
void json_split_init(struct json_split *s, enum json_split_mode mode, size_t max_value);
void json_split_release(struct json_split *s);
/* For the next stream; keeps the memory. */
void json_split_clear(struct json_split *s, enum json_split_mode mode);

/* 0, -EBADMSG (not JSON), -EMSGSIZE (a value past the cap), -ENOMEM, or what FN
 * returned. After a failure every feed fails the same until json_split_clear. */
int json_split_feed(struct json_split *s, struct str data, json_split_fn *fn, void *arg) _must_check_;

/* At the end of the stream: 0, -EBADMSG if a value was cut in the middle (or in
 * list mode, if no list came at all), or the error of the feed. */
int json_split_finish(struct json_split *s) _must_check_;
