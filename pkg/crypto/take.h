/* SPDX-License-Identifier: Apache-2.0
 *
 * Between certificate.c and issue.c; nobody else includes it.
 */
#pragma once

#include "crypto/certificate.h"

/* X509, which it takes and on failure frees, with what is asked about it. 0, -ENOMEM
 * or -EINVAL. */
int certificate_take(struct x509_st *x509, struct certificate *ret, struct error *err) _must_check_;
