/* SPDX-License-Identifier: Apache-2.0 */
/* The pure half of notify.h: signature and verdict. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "alerts/notify.h"
#include "base/limits.h"

#define SECRET_PREFIX "whsec_"

/* The key bytes: decoded where the secret says so and is sound base64, else as written. Returns their number. */
static size_t key_of(unsigned char key[MCPA_SECRET_MAX_BYTES + 4], mcpa_str_t secret)
{
    mcpa_str_t encoded;
    int n;

    if (mcpa_str_starts(secret, MCPA_STR(SECRET_PREFIX))) {
        encoded = (mcpa_str_t){ secret.ptr + sizeof(SECRET_PREFIX) - 1, secret.len - (sizeof(SECRET_PREFIX) - 1) };
        n = encoded.len > 0 && encoded.len % 4 == 0 && encoded.len <= MCPA_SECRET_MAX_BYTES
                ? EVP_DecodeBlock(key, (const unsigned char *)encoded.ptr, (int)encoded.len)
                : -1;
        if (n > 0) { /* EVP_DecodeBlock counts the padding as zero bytes */
            n -= encoded.ptr[encoded.len - 1] == '=' ? 1 : 0;
            n -= encoded.ptr[encoded.len - 2] == '=' ? 1 : 0;
            return (size_t)n;
        }
    }
    memcpy(key, secret.ptr, secret.len);
    return secret.len;
}

bool admind_notify_sign(char *memory, size_t cap, mcpa_str_t secret, const char *id, int64_t timestamp_s, mcpa_str_t body)
{
    unsigned char key[MCPA_SECRET_MAX_BYTES + 4], digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    char head[160];
    size_t key_len;
    char *text;
    int n = snprintf(head, sizeof(head), "%s.%lld.", id, (long long)timestamp_s);

    if (n < 0 || (size_t)n >= sizeof(head) || cap < 64 || secret.len == 0 || secret.len > MCPA_SECRET_MAX_BYTES) {
        return false;
    }
    text = malloc((size_t)n + body.len);
    if (text == NULL) {
        return false;
    }
    memcpy(text, head, (size_t)n);
    if (body.len > 0) {
        memcpy(text + n, body.ptr, body.len);
    }
    key_len = key_of(key, secret);
    if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, (size_t)n + body.len, digest, &digest_len) == NULL) {
        digest_len = 0;
    }
    OPENSSL_cleanse(key, sizeof(key));
    free(text);
    if (digest_len != 32) {
        return false;
    }
    memcpy(memory, "v1,", 3);
    EVP_EncodeBlock((unsigned char *)memory + 3, digest, (int)digest_len); /* 44 characters and a NUL */
    return true;
}

admind_delivery_t admind_notify_judge(long status)
{
    if (status >= 200 && status <= 299) {
        return ADMIND_DELIVERED;
    }
    return status == 0 || status == 408 || status == 429 || (status >= 500 && status <= 599) ? ADMIND_RETRY : ADMIND_GIVE_UP;
}
