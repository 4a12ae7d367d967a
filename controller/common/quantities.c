/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/common/quantities.h"

#include "json/write.h"
#include "kube/quantity.h"

/* 64 resources of a quota, with their names: the API server lets those be 316 long. */
#define QUANTITIES_BYTES_MAX ((size_t)256 * 1024)

struct str quantities_json(const struct schema_map *map, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(QUANTITIES_BYTES_MAX);
        struct json_writer w;

        if (map->n == 0)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_object(&w);
        for (size_t i = 0; i < map->n; i++) {
                json_key_str(&w, map->items[i].key);
                json_str(&w, quantity_stored(map->items[i].value, a));
        }
        json_end(&w);
        return arena_buf(a, &text);
}

struct str resources_json(const struct schema_map *requests, const struct schema_map *limits, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(2 * QUANTITIES_BYTES_MAX);
        struct json_writer w;

        if (requests->n == 0 && limits->n == 0)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_object(&w);
        if (requests->n)
                json_put_raw(&w, "requests", quantities_json(requests, a));
        if (limits->n)
                json_put_raw(&w, "limits", quantities_json(limits, a));
        json_end(&w);
        return a->failed ? STR_NULL : arena_buf(a, &text);
}
