/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a kubeconfig. What is refused has a message of one line; what is
 * taken can be used: a server with a scheme, a certificate with its key.
 */
#include "kube/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct error err = ERROR_INIT;
        struct kube_config c;

        if (kube_config_parse(str_n((const char *)data, size), STR("/nonexistent/config"), &c, &err) < 0) {
                if (!err.code || !err.message[0] || strchr(err.message, '\n'))
                        abort();
                return 0;
        }
        if (!str_starts(c.server, STR("http")) || !c.client_cert_pem.data != !c.client_key_pem.data ||
            str_index(c.token, '\n') >= 0)
                abort();
        kube_config_release(&c);
        return 0;
}
