/* SPDX-License-Identifier: Apache-2.0 */
/* Seals, seal keys and exported seals as text: what is taken prints as it was, to the byte, so that nothing has two spellings. */
#include <stdint.h>
#include <stdlib.h>

#include "audit/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t text = { (const char *)data, size };
    char again[ADMIND_SEAL_LINE_BYTES], key_again[ADMIND_SEAL_KEY_BYTES];
    unsigned char mac[ADMIND_SEAL_BYTES];
    admind_seal_key_t key;
    admind_seal_t seal;
    uint64_t epoch;
    mcpa_out_t out;

    if (admind_seal_parse(&seal, text) == MCPA_OK) {
        mcpa_out_init(&out, again, sizeof(again));
        admind_seal_print(&out, &seal);
        must(mcpa_out_status(&out) == MCPA_OK && mcpa_str_eq(mcpa_out_get(&out), text));
        admind_seal_anchor_print(again, &seal);
        must(admind_seal_anchor_parse(&epoch, mac, mcpa_str(again)));
        must(epoch == seal.epoch && memcmp(mac, seal.mac, sizeof(mac)) == 0);
    }
    if (admind_seal_key_parse(&key, text)) {
        admind_seal_key_print(key_again, &key);
        must(mcpa_str_eqz(text, key_again));
        if (key.epoch == ADMIND_SEAL_EPOCH_MAX) {
            return 0;
        }
        admind_seal_key_evolve(&key);
        admind_seal_key_print(key_again, &key);
        must(admind_seal_key_parse(&key, mcpa_str(key_again)));
    }
    must(!admind_seal_anchor_parse(&epoch, mac, text) || size > 2 * ADMIND_SEAL_BYTES);
    return 0;
}
