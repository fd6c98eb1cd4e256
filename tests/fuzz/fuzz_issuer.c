/* SPDX-License-Identifier: Apache-2.0 */
/* MCPAuthIssuer's words: input is the URL and the words, LF between them. What is taken is complete, and its normal form gives it
 * back. */
#include <stdlib.h>

#include "policy/issuer.h"

#define WORDS_MAX  16
#define BLOCKS_MAX 256
#define INPUT_MAX  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *blocks[BLOCKS_MAX];
static size_t n_blocks;

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void *allocate(void *ctx, size_t bytes)
{
    void *block = malloc(bytes);

    (void)ctx;
    must(block && n_blocks < BLOCKS_MAX);
    return blocks[n_blocks++] = block;
}

/* Cuts text in place. */
static size_t cut(char *text, char at, const char **words, size_t max)
{
    size_t n = 0;

    while (text && n < max) {
        char *end = strchr(text, at);

        words[n++] = text;
        if (end) {
            *end++ = '\0';
        }
        text = end;
    }
    return n;
}

static void must_come_back(const mcpa_issuer_t *issuer, bool development)
{
    char printed[4 * INPUT_MAX], copy[4 * INPUT_MAX], again[4 * INPUT_MAX], error[600];
    const char *words[WORDS_MAX];
    mcpa_issuer_t other;
    mcpa_out_t out;
    size_t n;

    mcpa_out_init(&out, printed, sizeof(printed));
    mcpa_issuer_print(&out, issuer);
    must(mcpa_out_status(&out) == MCPA_OK);
    memcpy(copy, printed, out.len + 1);
    n = out.len ? cut(copy, ' ', words, WORDS_MAX) : 0;
    must(mcpa_issuer_parse(&other, issuer->url, words, n, development, allocate, NULL, error, sizeof(error)));
    mcpa_out_init(&out, again, sizeof(again));
    mcpa_issuer_print(&out, &other);
    must(strcmp(printed, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[INPUT_MAX + 1], error[600];
    const char *words[WORDS_MAX];
    mcpa_issuer_t issuer;
    bool has_blank;
    size_t n;

    if (size > INPUT_MAX || (size && memchr(data, '\0', size))) {
        return 0;
    }
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    has_blank = strchr(text, ' ') != NULL; /* the printed words could not be told apart */
    n = cut(text, '\n', words, WORDS_MAX);
    for (int development = 0; development < 2; development++) {
        error[0] = '\0';
        if (!mcpa_issuer_parse(&issuer, words[0], words + 1, n - 1, development, allocate, NULL, error, sizeof(error))) {
            continue;
        }
        must(issuer.algs != 0 && issuer.skew_s >= 0 && issuer.skew_s <= MCPA_SKEW_MAX_S);
        must(issuer.scope_claim && issuer.subject_claim && issuer.client_claim && issuer.audience_claim);
        must((issuer.jwks != NULL) == (issuer.key_source != MCPA_KEYS_DISCOVER));
        must(!(issuer.algs & MCPA_ALGS_HMAC) == (issuer.key_source != MCPA_KEYS_SECRET));
        must(development || strncmp(issuer.url, "http:", 5) != 0);
        if (issuer.key_source != MCPA_KEYS_SECRET && !has_blank) {
            must_come_back(&issuer, development);
        }
    }
    while (n_blocks) {
        free(blocks[--n_blocks]);
    }
    return 0;
}
