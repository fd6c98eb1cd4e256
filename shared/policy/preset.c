/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/preset.h"

#define RSA_SHA256 MCPA_ALG_BIT(MCPA_ALG_RS256)

typedef struct preset {
    const char *name;
    mcpa_algs_t algs;
    const char *scope_claim;
    const char *client_claim;
    const char *audience_claim;
    const char *roles_claim;
    const char *const *require;
    const char *token_use;
    const char *jwks_suffix;
} preset_t;

/* What only an access token of that provider has: with 'typ' JWT or absent nothing else tells it from an ID token. */
static const char *const require_azp[] = { "azp", NULL };
static const char *const require_cid[] = { "cid", NULL };

/* Every one of them issues access tokens whose typ is JWT or absent, so all rows accept that (typ=any). */
static const preset_t presets[] = {
    /* auth0.com/docs/secure/tokens/access-tokens/access-token-profiles: iss "https://TENANT/" with its slash, aud the API's
     * identifier (an array with /userinfo when openid was asked for), scope, azp; in the RFC 9068 profile typ at+jwt, client_id,
     * jti. */
    { "auth0", RSA_SHA256 | MCPA_ALG_BIT(MCPA_ALG_PS256), "scope", "azp", "aud", NULL, NULL, NULL, NULL },
    /* developer.okta.com, API reference "OpenID Connect & OAuth 2.0", "Access token payload": custom authorization servers, iss
     * "https://ORG/oauth2/ID", aud "api://default" or what was set, scp an array, cid the client. Tokens of the org's own server
     * are for Okta's API only and not to be checked by others. */
    { "okta", RSA_SHA256, "scp", "cid", "aud", NULL, require_cid, NULL, NULL },
    /* keycloak.org/docs/latest/server_admin ("Client scopes", "Audience support"): iss "https://HOST/realms/REALM", typ JWT
     * (at+jwt by a switch of the client), scope, azp; aud only with an audience mapper. Roles: add
     * roles-claim=/realm_access/roles. The realm chooses the alg. Realms before release 25 put 'nonce' into access tokens, which
     * is refused here: it is what tells ID tokens. */
    { "keycloak", MCPA_ALGS_ASYMMETRIC, "scope", "azp", "aud", NULL, require_azp, NULL, NULL },
    /* learn.microsoft.com/entra/identity-platform/access-token-claims-reference: v2.0 tokens, iss ".../TENANT/v2.0", typ always
     * JWT, aud the API's client id (a GUID), scp a string (users), roles an array (applications), azp. For v1.0 tokens
     * (iss "https://sts.windows.net/TENANT/", aud "api://...") add client-claim=appid require=appid. */
    { "entra", RSA_SHA256, "scp", "azp", "aud", "roles", require_azp, NULL, NULL },
    /* docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html: no typ, no aud:
     * client_id names the app client, so MCPAuthAudience lists client ids; token_use "access" tells it from the ID token; scope
     * "server/name". */
    { "cognito", RSA_SHA256, "scope", "client_id", "client_id", NULL, NULL, "access", NULL },
    /* docs.cloud.google.com/docs/authentication/token-types and developers.google.com/identity/openid-connect/openid-connect:
     * access tokens are opaque; what can be checked here are ID tokens of service accounts (iss "https://accounts.google.com",
     * aud as asked for, azp, no scope). Those of a user's login carry at_hash or nonce and are refused. */
    { "google", RSA_SHA256, "scope", "azp", "aud", NULL, require_azp, NULL, NULL },
    /* supabase.com/docs/guides/auth/jwt-fields and /auth/signing-keys: iss "https://REF.supabase.co/auth/v1", aud
     * "authenticated", role the only statement of rights (so it counts as a scope), client_id for tokens of its OAuth server.
     * Keys stand at ISS/.well-known/jwks.json. */
    { "supabase", RSA_SHA256 | MCPA_ALG_BIT(MCPA_ALG_ES256) | MCPA_ALG_BIT(MCPA_ALG_EDDSA), "scope", "client_id", "aud", "role",
      NULL, NULL, "/.well-known/jwks.json" },
};
#define PRESETS (sizeof(presets) / sizeof(presets[0]))

static const preset_t *find(mcpa_str_t name)
{
    for (size_t i = 0; i < PRESETS; i++) {
        if (mcpa_str_eqz(name, presets[i].name)) {
            return &presets[i];
        }
    }
    return NULL;
}

bool mcpa_preset_apply(mcpa_issuer_t *issuer, mcpa_str_t name)
{
    const preset_t *preset = find(name);

    if (!preset) {
        return false;
    }
    issuer->preset = preset->name;
    issuer->key_source = preset->jwks_suffix ? MCPA_KEYS_URL : MCPA_KEYS_DISCOVER;
    issuer->algs = preset->algs;
    issuer->any_typ = true;
    issuer->scope_claim = preset->scope_claim;
    issuer->subject_claim = "sub";
    issuer->client_claim = preset->client_claim;
    issuer->audience_claim = preset->audience_claim;
    issuer->roles_claim = preset->roles_claim;
    issuer->require = preset->require;
    issuer->token_use = preset->token_use;
    return true;
}

const char *mcpa_preset_jwks_suffix(mcpa_str_t name)
{
    const preset_t *preset = find(name);

    return preset ? preset->jwks_suffix : NULL;
}

const char *const *mcpa_preset_names(void)
{
    static const char *const names[PRESETS + 1] = { "auth0", "okta", "keycloak", "entra", "cognito", "google", "supabase", NULL };

    return names;
}
