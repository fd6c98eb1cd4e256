/* SPDX-License-Identifier: Apache-2.0 */
/* What known providers put into their access tokens: one row each in preset.c, with the provider's page it was taken from. */
#ifndef MCPA_POLICY_PRESET_H
#define MCPA_POLICY_PRESET_H

#include "policy/policy.h"

/* Sets the preset's fields in issuer: preset, algs, any_typ, claims, token_use, key source. All strings are static; jwks is not touched. false when
 * the name is unknown. */
bool mcpa_preset_apply(mcpa_issuer_t *issuer, mcpa_str_t name);
/* For providers whose keys are not found by discovery: what follows the issuer's URL in the address of its JWK Set; else NULL. */
const char *mcpa_preset_jwks_suffix(mcpa_str_t name);
/* The names, NULL-terminated, for messages and docs. */
const char *const *mcpa_preset_names(void);

#endif
