/* SPDX-License-Identifier: Apache-2.0
 *
 * Journeys of an App between its versions, and what must be so after each, whatever it
 * holds. For the tests of thousands of Apps and for the fuzzer: what is chosen at
 * random comes from a source of bytes, be that a seed or the fuzzer.
 */
#pragma once

#include "app_v1alpha2.h"

#define TRIPS_MEMORY_MAX ((size_t)256 * 1024 * 1024)

struct trips {
        struct arena arena;
        yyjson_mut_doc *doc;
        /* The source: bytes first, if there are any, then zeros; or numbers from a seed. */
        const uint8_t *bytes;
        size_t n_bytes;
        uint64_t seed; /* 0: only bytes */
        /* What went wrong, as text; the absent string: nothing. */
        struct str failure;
};

void trips_init(struct trips *t, const uint8_t *bytes, size_t n_bytes, uint64_t seed);
void trips_release(struct trips *t);

/* An App to begin with, of one of the two versions, and N random changes to it, none of
 * which need make sense. It keeps its apiVersion, kind and name. */
yyjson_mut_val *trips_app(struct trips *t, unsigned n_changes);

/* A note that anybody may have written. */
void trips_forge(struct trips *t, yyjson_mut_val *app);

/* There and back again, edited in the other version, there and back again. False, with
 * t->failure, if anything was lost. */
bool trips_go(struct trips *t, yyjson_mut_val *app);

/* As an API server holds it, as text. */
struct str trips_canonical(struct trips *t, yyjson_mut_val *app);

/* It in its other version, read again; NULL with t->failure. */
yyjson_mut_val *trips_convert(struct trips *t, yyjson_mut_val *app);
