/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as PEM with certificates and a key. What is read is written and read
 * again as the same; what is refused has a message; and one that says it is a CA and
 * that it has signed itself does not depend on how often it is asked.
 */
#include "crypto/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_certificate(const struct certificate *c)
{
        struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
        struct certificate other;
        struct error err = ERROR_INIT;

        if (certificate_write(c, &text) < 0)
                abort();
        if (certificate_parse(buf_str(&text), &other, &err) < 0)
                abort();
        if (!certificate_same(c, &other) || c->ca != other.ca || c->serves != other.serves ||
            c->n_names != other.n_names || c->not_before != other.not_before ||
            c->not_after != other.not_after)
                abort();
        if (certificate_signed_by(c, c) != certificate_signed_by(&other, &other) ||
            certificate_has_name(c, STR("a.b")) != certificate_has_name(&other, STR("a.b")))
                abort();
        certificate_release(&other);
        buf_release(&text);
}

static void check_key(struct str text)
{
        struct error err = ERROR_INIT;
        struct secret again = { 0 };
        struct key key, other;

        if (key_parse(text, &key, &err) < 0) {
                if (!err.code || !err.message[0])
                        abort();
                return;
        }
        if (key_write(&key, &again) < 0 || key_parse(secret_str(&again), &other, NULL) < 0)
                abort();
        key_release(&other);
        key_release(&key);
        secret_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str text = str_n((const char *)data, size);
        struct error err = ERROR_INIT;
        struct certificate c;
        size_t before;
        int r;

        if (memmem(data, size, "KEY", 3))
                check_key(text); /* slow */
        do {
                before = text.len;
                r = certificate_read(&text, &c, &err);
                if (r < 0 && (!err.code || !err.message[0]))
                        abort();
                if (r == 1) {
                        if (text.len >= before)
                                abort(); /* it would never end */
                        check_certificate(&c);
                        certificate_release(&c);
                }
        } while (r == 1);
        return 0;
}
