/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata documents: the first line is the configured issuer, the rest what its host answered. Whatever it is, keys are only
 * ever taken from the issuer's own host by https (or the listed exception), and addresses to ask stay on the issuer's host. */
#include <stdlib.h>

#include "base/text.h"
#include "keys/discovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_uri(mcpa_str_t uri, mcpa_str_t issuer, bool loopback)
{
    mcpa_str_t host = admind_discovery_host(uri), own = admind_discovery_host(issuer);
    bool is_https = false, issuer_https = false;

    must(mcpa_text_is_url(uri, &is_https) && mcpa_text_is_url(issuer, &issuer_https));
    must(host.len > 0 && own.len > 0);
    must(is_https || (loopback && !issuer_https && mcpa_text_url_is_loopback(uri)));
    must(mcpa_str_ieq(host, own) || mcpa_str_ieq(host, MCPA_STR("www.googleapis.com")) ||
         mcpa_str_ieq(host, MCPA_STR("login.microsoftonline.com")) || mcpa_str_ieq(host, MCPA_STR("login.windows.net")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t text = { (const char *)data, size };
    const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
    mcpa_str_t issuer = { text.ptr, end != NULL ? (size_t)(end - text.ptr) : size };
    mcpa_str_t document = { end != NULL ? end + 1 : "", end != NULL ? size - issuer.len - 1 : 0 };

    for (size_t i = 0; i < ADMIND_DISCOVERY_TRIES + 1; i++) {
        char memory[4096];
        mcpa_out_t out;

        mcpa_out_init(&out, memory, sizeof(memory));
        if (admind_discovery_url(&out, issuer, i)) {
            bool is_https;

            must(i < ADMIND_DISCOVERY_TRIES && mcpa_text_is_url(mcpa_out_get(&out), &is_https));
            must(mcpa_str_eq(admind_discovery_host(mcpa_out_get(&out)), admind_discovery_host(issuer)));
        }
    }
    for (int loopback = 0; loopback < 2; loopback++) {
        char memory[2048];
        const char *error = NULL;
        mcpa_out_t out;

        mcpa_out_init(&out, memory, sizeof(memory));
        if (admind_discovery_read(&out, document, issuer, loopback == 1, &error)) {
            must(error == NULL);
            check_uri(mcpa_out_get(&out), issuer, loopback == 1);
        } else {
            must(error != NULL && error[0] != '\0');
        }
    }
    return 0;
}
