/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes (RFC 6749 section 3.3): exact, case-sensitive words. A model adds which broader scope implies which narrower ones, and
 * aliases that old tokens spell. Built at configuration time, read-only afterwards. */
#ifndef MCPA_POLICY_SCOPE_H
#define MCPA_POLICY_SCOPE_H

#include "base/bytes.h"
#include "base/json.h"
#include "base/limits.h"

typedef struct mcpa_scope_model mcpa_scope_model_t;

/* A model with the defaults mcp:admin > mcp:tools.exec > mcp:tools.read. NULL when memory ran out. At most MCPA_SCOPES_MAX rules. */
mcpa_scope_model_t *mcpa_scope_model_new(void);
void mcpa_scope_model_free(mcpa_scope_model_t **model);
/* "broad implies narrow"; transitive. MCPA_EMALFORMED: not a scope-token; MCPA_EDUPLICATE: would make a circle (aliases
 * count); MCPA_ETOOBIG. The same pair again is MCPA_OK and changes nothing. */
mcpa_status_t mcpa_scope_model_imply(mcpa_scope_model_t *model, mcpa_str_t broad, mcpa_str_t narrow) MCPA_MUST_CHECK;
/* A token that carries 'legacy' is read as if it carried 'current' too. */
mcpa_status_t mcpa_scope_model_alias(mcpa_scope_model_t *model, mcpa_str_t legacy, mcpa_str_t current) MCPA_MUST_CHECK;
/* Calls fn for every pair, in order of declaration; is_alias tells the kind. For the policy snapshot. */
void mcpa_scope_model_each(const mcpa_scope_model_t *model,
                           void (*fn)(void *ctx, bool is_alias, mcpa_str_t first, mcpa_str_t second), void *ctx);

/* The scopes a token grants, as words that borrow from the claim. */
typedef struct mcpa_scopes {
    size_t count;
    mcpa_str_t words[MCPA_SCOPES_MAX];
} mcpa_scopes_t;

/* From a scope claim: a space-delimited string, or (allow_array) an array of strings as Entra, Okta and Keycloak's roles give. Duplicates are dropped.
 * NULL claim: no scopes, MCPA_OK. Anything else, control characters, tabs, over the limits: an error. An array's element that is printable but no
 * scope-token (a role named "Power User") is left out: no rule can name it. Adds to what is there. */
mcpa_status_t mcpa_scopes_add_claim(mcpa_scopes_t *scopes, const mcpa_json_t *claim, bool allow_array) MCPA_MUST_CHECK;
/* Whether 'granted' (with hierarchy and aliases; model may be NULL: none) covers 'needed'. */
bool mcpa_scopes_cover(const mcpa_scopes_t *granted, const mcpa_scope_model_t *model, mcpa_str_t needed);
/* Whether every scope of the space-delimited list is covered; an empty list is. */
bool mcpa_scopes_cover_all(const mcpa_scopes_t *granted, const mcpa_scope_model_t *model, mcpa_str_t needed_list);
/* The words joined by single spaces. */
void mcpa_scopes_print(mcpa_out_t *out, const mcpa_scopes_t *scopes);
/* Appends those words of the space-delimited list (NULL: none) that 'out', which has such a list alone, does not have yet. False: no room. */
bool mcpa_scope_text_add(mcpa_out_t *out, const char *scopes);

#endif
