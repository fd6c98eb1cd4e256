/* SPDX-License-Identifier: Apache-2.0 */
/* Makes one key in a thread of its own: a large RSA key takes seconds, in which the loop has records to acknowledge. */
#ifndef ADMIND_ISSUER_KEYMAKER_H
#define ADMIND_ISSUER_KEYMAKER_H

#include "issuer/signkey.h"

typedef struct admind_keymaker admind_keymaker_t;

/* Begins. NULL: no memory or no thread. */
admind_keymaker_t *admind_keymaker_new(mcpa_alg_t alg, unsigned bits);
/* Whether it has ended. Then *key is the caller's, without pkey when none could be made; to be asked once. */
bool admind_keymaker_take(admind_keymaker_t *maker, admind_signkey_t *key);
/* Waits for the thread. */
void admind_keymaker_free(admind_keymaker_t **maker);

#endif
