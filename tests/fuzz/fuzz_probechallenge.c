/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate of a server that need not be friendly: all that is found lies within the value, each name once. */
#include <stdlib.h>

#include "base/text.h"
#include "ctl/probechallenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static bool is_within(mcpa_str_t part, mcpa_str_t whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t value = { (const char *)data, size };
    ctl_challenge_t challenge;

    ctl_challenge_parse(&challenge, value);
    must(challenge.n <= CTL_CHALLENGE_PARAMS_MAX);
    must(challenge.is_bearer || (challenge.n == 0 && challenge.fault == CTL_CHALLENGE_SOUND));
    for (size_t i = 0; i < challenge.n; i++) {
        must(mcpa_text_is_token(challenge.params[i].name));
        must(is_within(challenge.params[i].name, value) && is_within(challenge.params[i].value, value));
        must(memchr(challenge.params[i].value.ptr, '\\', challenge.params[i].value.len) == NULL ||
             challenge.fault != CTL_CHALLENGE_SOUND);
        for (size_t k = 0; k < i; k++) {
            must(!mcpa_str_ieq(challenge.params[i].name, challenge.params[k].name));
        }
    }
    return 0;
}
