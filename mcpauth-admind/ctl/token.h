/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of token: what mint and rotate share of the local issuer's directory, and what mint makes of the command line. */
#ifndef CTL_TOKEN_H
#define CTL_TOKEN_H

#include "ctl/ctl.h"
#include "issuer/keyring.h"

#define CTL_JTI_BYTES      33 /* 128 bits in hex, and NUL */
#define CTL_LIFETIME_MAX_S 86400 /* an old key is published for so long at the least */

/* token.c: the keys of the local issuer, for its own user and root. false: it has complained. */
bool ctl_token_keys(const ctl_t *ctl, admind_keyring_t *ring);

/* tokenmint.c: a token (RFC 9068) of what --subject, --client, --audience, --scope, --lifetime and --claim say, signed by key. Times in s. false: why
 * (cap bytes) is a sentence. */
typedef struct ctl_minted {
    int64_t expires_s;
    char jti[CTL_JTI_BYTES];
} ctl_minted_t;
bool ctl_token_make(mcpa_out_t *token, ctl_minted_t *minted, const ctl_t *ctl, const admind_signkey_t *key, int64_t now_s, char *why, size_t cap);

ctl_exit_t ctl_token_mint(const ctl_t *ctl), ctl_token_inspect(const ctl_t *ctl), ctl_token_verify(const ctl_t *ctl);

#endif
