/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <stdatomic.h>

#include <openssl/evp.h>

/* Found at the first call and kept for the life of the process. NULL: not found. */
static const EVP_MD *sha256(void)
{
    static _Atomic(EVP_MD *) kept; /* whoever is first writes it, once; the exchange orders what it points to before it */
    EVP_MD *found = atomic_load_explicit(&kept, memory_order_acquire), *none = NULL;

    if (found != NULL) {
        return found;
    }
    found = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (found != NULL && !atomic_compare_exchange_strong(&kept, &none, found)) {
        EVP_MD_free(found);
        found = none;
    }
    return found;
}

bool mcpa_sha256(unsigned char digest[MCPA_SHA256_BYTES], mcpa_str_t bytes)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = sha256();
    bool good = ctx != NULL && md != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
                EVP_DigestUpdate(ctx, bytes.ptr, bytes.len) == 1 && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}
