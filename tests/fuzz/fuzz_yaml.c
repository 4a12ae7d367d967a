/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as YAML: one document, and a file of many. What parses must also
 * write as JSON.
 */
#include <errno.h>

#include "base/mem.h"
#include "yaml/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(yyjson_doc *doc, const struct yaml_lines *lines _unused_, void *arg _unused_,
                 struct error *err _unused_)
{
        char *json = yyjson_write(doc, 0, NULL);

        if (!json)
                abort();
        free(json);
        yyjson_doc_free(doc);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str text = str_n((const char *)data, size);
        struct error err = ERROR_INIT;
        yyjson_doc *doc;

        if (yaml_parse(text, &doc, &err) == 0)
                (void)check(doc, NULL, NULL, NULL);
        else if (!err.code || !err.message[0])
                abort();
        if (yaml_parse_all(text, check, NULL, NULL) == -ENOMEM)
                abort();
        return 0;
}
