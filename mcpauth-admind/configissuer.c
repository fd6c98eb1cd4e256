/* SPDX-License-Identifier: Apache-2.0 */
/* Issuer URL [alg=] [rotate=] [overlap=] [bits=] */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "issuer/keystore.h"

#define DAY_US (INT64_C(86400) * 1000000)

static bool complain(char *why, size_t cap, const char *word, const char *mend)
{
    char shown[ADMIND_SHOWN_BYTES];

    admind_config_shown(shown, word);
    snprintf(why, cap, "Issuer: '%s' is not possible; write %s", shown, mend);
    return false;
}

static bool set_alg(admind_issuer_config_t *issuer, const char *value)
{
    mcpa_alg_t alg = mcpa_alg_find(mcpa_str(value));

    issuer->alg = alg;
    return alg == MCPA_ALG_RS256 || alg == MCPA_ALG_ES256 || alg == MCPA_ALG_EDDSA;
}

static bool set_bits(admind_issuer_config_t *issuer, const char *value)
{
    uint64_t bits;

    if (!mcpa_text_u64(mcpa_str(value), &bits) || (bits != 2048 && bits != 3072 && bits != 4096)) {
        return false;
    }
    issuer->bits = (unsigned)bits;
    return true;
}

/* Never shorter than the longest token lives, nor so short that more keys are old at a time than are kept. */
static bool set_rotate(admind_issuer_config_t *issuer, const char *value)
{
    return mcpa_text_duration(mcpa_str(value), &issuer->rotate_us) && issuer->rotate_us >= DAY_US && issuer->rotate_us <= 365 * DAY_US;
}

static bool set_overlap(admind_issuer_config_t *issuer, const char *value)
{
    return mcpa_text_duration(mcpa_str(value), &issuer->overlap_us) && issuer->overlap_us >= DAY_US && issuer->overlap_us <= 14 * DAY_US;
}

static const struct {
    const char *name;
    bool (*set)(admind_issuer_config_t *issuer, const char *value);
    const char *mend;
} options[] = {
    { "alg=", set_alg, "alg=RS256, alg=ES256 or alg=EdDSA" },
    { "rotate=", set_rotate, "rotate= with a duration from 24h to 365d" },
    { "overlap=", set_overlap, "overlap= with a duration from 24h, for so long may tokens live, to 14d" },
    { "bits=", set_bits, "bits=2048, bits=3072 or bits=4096, of RS256" },
};

static bool set_option(admind_issuer_config_t *issuer, const char *word, char *why, size_t cap)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        size_t len = strlen(options[i].name);

        if (strncmp(word, options[i].name, len) == 0) {
            return options[i].set(issuer, word + len) || complain(why, cap, word, options[i].mend);
        }
    }
    return complain(why, cap, word, "alg=, rotate=, overlap= or bits=");
}

bool admind_config_issuer(admind_config_t *config, char *const *words, size_t n_words, char *why, size_t cap)
{
    admind_issuer_config_t *issuer = &config->issuer;
    bool is_https;

    if (!mcpa_text_is_url(mcpa_str(words[0]), &is_https) || (!is_https && !mcpa_text_url_is_loopback(mcpa_str(words[0])))) {
        return complain(why, cap, words[0], "the https URL that MCPAuthIssuer has");
    }
    *issuer = (admind_issuer_config_t){ .alg = MCPA_ALG_RS256, .rotate_us = 7 * DAY_US, .overlap_us = DAY_US };
    for (size_t i = 1; i < n_words; i++) {
        if (!set_option(issuer, words[i], why, cap)) {
            return false;
        }
    }
    if (issuer->bits != 0 && issuer->alg != MCPA_ALG_RS256) {
        return complain(why, cap, "bits=", "it with alg=RS256 only");
    }
    issuer->bits = issuer->bits != 0 ? issuer->bits : 2048;
    issuer->url = strdup(words[0]);
    return issuer->url != NULL || complain(why, cap, words[0], "it again when there is memory");
}

bool admind_config_issuer_dir(const admind_config_t *config, char *path, size_t cap)
{
    int n = config->issuer_key_dir != NULL ? snprintf(path, cap, "%s", config->issuer_key_dir)
                                           : snprintf(path, cap, "%s/" ADMIND_KEYSTORE_DIR, config->state_dir);

    return n > 0 && (size_t)n < cap;
}
