/* SPDX-License-Identifier: Apache-2.0 */
/* token mint: an access token (RFC 9068) of the local issuer, for an administrator to hand out. */
#include "ctl/token.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/b64url.h"
#include "base/limits.h"
#include "base/text.h"

#define CLAIMS_BYTES   6144 /* in base64url, with header and signature, a token that httpd takes by default */
#define HEADER_BYTES   256
#define LIFETIME_S     3600
#define CLAIM_NAME_MAX 64

static bool refuse(char *why, size_t cap, const char *what, const char *mend)
{
    snprintf(why, cap, "%s; %s", what, mend);
    return false;
}

static bool refuse_long(char *why, size_t cap)
{
    return refuse(why, cap, "the token would be longer than httpd takes", "say less");
}

static bool is_text(const char *value)
{
    return value != NULL && value[0] != '\0' && strlen(value) <= MCPA_CLAIM_MAX_BYTES && mcpa_text_is_utf8(mcpa_str(value)) &&
           mcpa_text_is_printable(mcpa_str(value));
}

static bool are_scopes(const char *scopes)
{
    mcpa_str_t rest = mcpa_str(scopes), word;
    size_t n = 0;

    while (mcpa_text_next_word(&rest, &word)) {
        if (!mcpa_text_is_scope_token(word) || ++n > MCPA_SCOPES_MAX) {
            return false;
        }
    }
    return n > 0;
}

static bool read_lifetime(const ctl_t *ctl, int64_t *seconds)
{
    int64_t us = LIFETIME_S * INT64_C(1000000);

    if (ctl->lifetime != NULL && !mcpa_text_duration(mcpa_str(ctl->lifetime), &us)) {
        return false;
    }
    *seconds = us / 1000000;
    return *seconds > 0 && *seconds <= CTL_LIFETIME_MAX_S;
}

/* NAME=TEXT, or NAME:=JSON. */
static bool put_claim(mcpa_jsonw_t *w, const char *claim)
{
    const char *equals = strchr(claim, '=');
    size_t len = equals == NULL ? 0 : (size_t)(equals - claim);
    bool is_json = len > 0 && claim[len - 1] == ':';
    char name[CLAIM_NAME_MAX + 1];
    mcpa_json_t *json = NULL;

    len -= is_json ? 1 : 0;
    if (len == 0 || len > CLAIM_NAME_MAX) {
        return false;
    }
    snprintf(name, sizeof(name), "%.*s", (int)len, claim);
    if (!is_text(name)) {
        return false;
    }
    if (!is_json) {
        mcpa_jsonw_z(w, name, equals + 1);
        return mcpa_text_is_utf8(mcpa_str(equals + 1));
    }
    if (mcpa_json_parse(&json, mcpa_str(equals + 1), MCPA_JSON_MAX_DEPTH, MCPA_JSON_MAX_VALUES) != MCPA_OK) {
        return false;
    }
    mcpa_json_free(&json);
    mcpa_jsonw_raw(w, name, mcpa_str(equals + 1));
    return true;
}

static bool make_jti(char jti[CTL_JTI_BYTES])
{
    unsigned char bytes[(CTL_JTI_BYTES - 1) / 2];

    if (getentropy(bytes, sizeof(bytes)) != 0) {
        return false;
    }
    mcpa_hex(jti, bytes, sizeof(bytes));
    return true;
}

/* Everything that the command line said is looked at before anything is made of it. */
static bool check(const ctl_t *ctl, int64_t *lifetime_s, char *why, size_t cap)
{
    if (!is_text(ctl->subject)) {
        return refuse(why, cap, "whose token it is was not said", "write --subject SUB, printable and at most 2048 bytes long");
    }
    if (!is_text(ctl->audience)) {
        return refuse(why, cap, "what it is for was not said", "write --audience URL: MCPAuthResource of the Location");
    }
    if (ctl->client != NULL && !is_text(ctl->client)) {
        return refuse(why, cap, "--client is not printable, or longer than 2048 bytes", "write --client ID");
    }
    if (ctl->scope != NULL && !are_scopes(ctl->scope)) {
        return refuse(why, cap, "--scope is no list of scopes", "write --scope 'mcp:tools.read mcp:tools.exec'");
    }
    return read_lifetime(ctl, lifetime_s) || refuse(why, cap, "--lifetime is out of range", "write a duration from 1s to 24h, such as 10min");
}

static bool put_claims(mcpa_jsonw_t *w, const ctl_minted_t *minted, const ctl_t *ctl, int64_t now_s)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "iss", ctl->issuer);
    mcpa_jsonw_z(w, "sub", ctl->subject);
    mcpa_jsonw_z(w, "aud", ctl->audience);
    mcpa_jsonw_z(w, "client_id", ctl->client != NULL ? ctl->client : "mcpauthctl");
    if (ctl->scope != NULL) {
        mcpa_jsonw_z(w, "scope", ctl->scope);
    }
    mcpa_jsonw_int(w, "iat", now_s);
    mcpa_jsonw_int(w, "exp", minted->expires_s);
    mcpa_jsonw_z(w, "jti", minted->jti);
    for (size_t i = 0; i < CTL_MANY && ctl->claims[i] != NULL; i++) {
        if (!put_claim(w, ctl->claims[i])) {
            return false;
        }
    }
    mcpa_jsonw_close_object(w);
    return true;
}

static bool is_own(const char *claim)
{
    static const char *const own[] = { "iss", "sub", "aud", "client_id", "scope", "iat", "exp", "nbf", "jti" };
    size_t len = strcspn(claim, ":=");

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (len == strlen(own[i]) && strncmp(claim, own[i], len) == 0) {
            return true;
        }
    }
    return false;
}

/* A claim said twice is told by the reader that httpd has. */
static bool make_claims(mcpa_out_t *out, ctl_minted_t *minted, const ctl_t *ctl, int64_t now_s, char *why, size_t cap)
{
    mcpa_json_t *json = NULL;
    mcpa_jsonw_t w;

    for (size_t i = 0; i < CTL_MANY && ctl->claims[i] != NULL; i++) {
        if (is_own(ctl->claims[i])) {
            return refuse(why, cap, "--claim is for others than the registered ones", "those have options of their own");
        }
    }
    mcpa_jsonw_init(&w, out);
    if (!put_claims(&w, minted, ctl, now_s)) {
        return refuse(why, cap, "a --claim is none", "write --claim NAME=TEXT or --claim NAME:=JSON");
    }
    if (mcpa_out_status(out) != MCPA_OK) {
        return refuse_long(why, cap);
    }
    if (mcpa_json_parse(&json, mcpa_out_get(out), MCPA_JSON_MAX_DEPTH, MCPA_JSON_MAX_VALUES) != MCPA_OK) {
        return refuse(why, cap, "the claims are no JSON object that httpd takes", "say each --claim once");
    }
    mcpa_json_free(&json);
    return true;
}

bool ctl_token_make(mcpa_out_t *token, ctl_minted_t *minted, const ctl_t *ctl, const admind_signkey_t *key, int64_t now_s, char *why, size_t cap)
{
    char header[HEADER_BYTES], claims[CLAIMS_BYTES];
    mcpa_out_t head, body;
    int64_t lifetime_s;
    size_t len;

    mcpa_out_init(&head, header, sizeof(header));
    mcpa_out_init(&body, claims, sizeof(claims));
    mcpa_out_printf(&head, "{\"alg\":\"%s\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", mcpa_alg_name(key->alg), key->kid);
    if (!check(ctl, &lifetime_s, why, cap)) {
        return false;
    }
    minted->expires_s = now_s + lifetime_s;
    if (!make_jti(minted->jti)) {
        return refuse(why, cap, "the system gives no random bytes", "try again");
    }
    if (!make_claims(&body, minted, ctl, now_s, why, cap)) {
        return false;
    }
    mcpa_b64url_encode(token, head.ptr, head.len);
    mcpa_out_char(token, '.');
    mcpa_b64url_encode(token, body.ptr, body.len);
    len = token->len;
    mcpa_out_char(token, '.');
    if (mcpa_out_status(token) != MCPA_OK) {
        return refuse_long(why, cap);
    }
    if (admind_signkey_sign(token, key, (mcpa_str_t){ token->ptr, len })) {
        return true;
    }
    return mcpa_out_status(token) != MCPA_OK ?
           refuse_long(why, cap) :
           refuse(why, cap, "the token cannot be signed", "look whether the daemon has a key: mcpauth_issuer_key_age_seconds");
}

static void show(const ctl_t *ctl, mcpa_str_t token, const ctl_minted_t *minted, const char *kid, int64_t now_s)
{
    char memory[MCPA_TOKEN_DEFAULT_BYTES + 1024], stamp[25];
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (!ctl->json) {
        printf("%.*s\n", MCPA_STR_ARG(token));
        return;
    }
    mcpa_text_rfc3339(stamp, minted->expires_s * 1000000);
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_str(&w, "access_token", token);
    mcpa_jsonw_z(&w, "token_type", "Bearer");
    mcpa_jsonw_int(&w, "expires_in", minted->expires_s - now_s);
    mcpa_jsonw_z(&w, "expires", stamp);
    mcpa_jsonw_z(&w, "jti", minted->jti);
    mcpa_jsonw_z(&w, "kid", kid);
    mcpa_jsonw_close_object(&w);
    printf("%s\n", memory);
    explicit_bzero(memory, sizeof(memory));
}

ctl_exit_t ctl_token_mint(const ctl_t *ctl)
{
    char token[MCPA_TOKEN_DEFAULT_BYTES + 1], why[256];
    const admind_signkey_t *key;
    admind_keyring_t ring;
    ctl_minted_t minted;
    mcpa_out_t out;
    int64_t now_s = time(NULL);
    bool made;

    if (!ctl_token_keys(ctl, &ring)) {
        return CTL_USAGE;
    }
    key = &admind_keyring_find(&ring, ADMIND_STAGE_CURRENT)->key;
    mcpa_out_init(&out, token, sizeof(token));
    made = ctl_token_make(&out, &minted, ctl, key, now_s, why, sizeof(why));
    if (made) {
        show(ctl, mcpa_out_get(&out), &minted, key->kid, now_s);
    } else {
        ctl_complain("token mint: %s", why);
    }
    explicit_bzero(token, sizeof(token));
    admind_keyring_clear(&ring);
    return made ? CTL_GOOD : CTL_USAGE;
}
