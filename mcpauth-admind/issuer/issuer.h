/* SPDX-License-Identifier: Apache-2.0 */
/* The local issuer, for those who have no other: the daemon makes its keys, turns them, and publishes their public parts; mcpauthctl signs tokens with
 * what is in the directory. It answers no requests for tokens. The loop's thread. */
#ifndef ADMIND_ISSUER_ISSUER_H
#define ADMIND_ISSUER_ISSUER_H

#include "config.h"
#include "loop.h"

typedef struct admind_issuer admind_issuer_t;

typedef struct admind_issuer_state {
    bool has_key;      /* to sign with */
    int64_t age_us;    /* of that key, since it began to sign; of none, how long it has been missing */
    int64_t rotate_us; /* how old it is meant to become */
} admind_issuer_state_t;

/* Loads the keys of the directory, or makes the first ones, which may take a moment. The configuration must have an issuer. NULL: no memory. What
 * is wrong with the keys is logged and tried again: there is none until then. */
admind_issuer_t *admind_issuer_new(admind_loop_t *loop, const admind_config_t *config);
void admind_issuer_free(admind_issuer_t **issuer);
/* The JWK Set, until the loop's next round; {NULL,0}: there are no keys. */
mcpa_str_t admind_issuer_published(const admind_issuer_t *issuer);
void admind_issuer_state(const admind_issuer_t *issuer, admind_issuer_state_t *state);

#endif
