/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jws.h"

#include "base/b64url.h"
#include "base/limits.h"
#include "base/text.h"

/* Room for the decoded form of any part of a token. */
#define PART_MAX_BYTES (MCPA_TOKEN_MAX_BYTES / 4 * 3 + 3)
/* Most claims. */
#define USUAL_PART_BYTES 1024
/* The longest signature: RSA with the largest key we take. */
#define SIGNATURE_MAX_BYTES (MCPA_RSA_MAX_BITS / 8)

/* Takes one non-empty segment from *rest; what ends it is '.' or, for the last one, the end of the token. Its spelling is checked
 * even where nobody may ever decode it: a token is known by its text, so it must have one text only. */
static bool take_segment(mcpa_str_t *rest, mcpa_str_t *segment, bool is_last)
{
    const char *dot = rest->len > 0 ? memchr(rest->ptr, '.', rest->len) : NULL;
    size_t n = dot != NULL ? (size_t)(dot - rest->ptr) : rest->len;

    *segment = (mcpa_str_t){ rest->ptr, n };
    if (n == 0 || (dot == NULL) != is_last || !mcpa_b64url_is_canonical(*segment)) {
        return false;
    }
    if (dot != NULL) {
        *rest = (mcpa_str_t){ dot + 1, rest->len - n - 1 };
    }
    return true;
}

/* text: what take_segment gave. bytes: room for what it decodes to. */
static mcpa_status_t parse_with(mcpa_json_t **out, mcpa_str_t text, unsigned char *bytes, size_t cap)
{
    mcpa_json_t *json;
    size_t len;
    mcpa_status_t status = mcpa_b64url_decode_canonical(bytes, cap, &len, text);

    if (status != MCPA_OK) {
        return status;
    }
    status = mcpa_json_parse(&json, (mcpa_str_t){ (const char *)bytes, len }, MCPA_JSON_MAX_DEPTH, MCPA_JSON_MAX_VALUES);
    if (status != MCPA_OK) {
        return status;
    }
    if (!mcpa_json_is(json, MCPA_JSON_OBJECT)) {
        mcpa_json_free(&json);
        return MCPA_EMALFORMED;
    }
    *out = json;
    return MCPA_OK;
}

static __attribute__((noinline)) mcpa_status_t parse_long_part(mcpa_json_t **out, mcpa_str_t text)
{
    unsigned char bytes[PART_MAX_BYTES];

    return parse_with(out, text, bytes, sizeof(bytes));
}

/* Only a part that needs it has the long buffer on the stack, below which nothing is in the cache. */
static mcpa_status_t parse_part(mcpa_json_t **out, mcpa_str_t text)
{
    unsigned char bytes[USUAL_PART_BYTES];

    return mcpa_b64url_decoded_max(text.len) > sizeof(bytes) ? parse_long_part(out, text)
                                                             : parse_with(out, text, bytes, sizeof(bytes));
}

/* A string member that may be absent; false when it is there and no string. */
static bool read_optional_string(mcpa_str_t *value, const mcpa_json_t *header, const char *name)
{
    const mcpa_json_t *member = mcpa_json_member(header, name);

    *value = mcpa_json_string(member);
    return member == NULL || mcpa_json_is(member, MCPA_JSON_STRING);
}

static mcpa_status_t read_header(mcpa_jws_t *jws)
{
    /* "crit" names extensions that must be understood: we know none. The others change what the payload is. */
    static const char *const extensions[] = { "crit", "b64", "zip" };
    mcpa_str_t alg, cty;

    if (!read_optional_string(&alg, jws->header, "alg") || alg.ptr == NULL ||
        !read_optional_string(&jws->kid, jws->header, "kid") || !read_optional_string(&jws->typ, jws->header, "typ") ||
        !read_optional_string(&cty, jws->header, "cty")) {
        return MCPA_EMALFORMED;
    }
    if (jws->kid.len > MCPA_KID_MAX_BYTES || !mcpa_text_is_printable(jws->kid)) {
        return MCPA_EMALFORMED;
    }
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        if (mcpa_json_member(jws->header, extensions[i]) != NULL) {
            return MCPA_EUNSUPPORTED;
        }
    }
    if (mcpa_str_ieq(cty, MCPA_STR("JWT")) || mcpa_str_ieq(cty, MCPA_STR("application/jwt"))) {
        return MCPA_EUNSUPPORTED;
    }
    jws->alg = mcpa_alg_find(alg);
    return jws->alg == MCPA_ALG_NONE ? MCPA_EUNSUPPORTED : MCPA_OK;
}

mcpa_status_t mcpa_jws_split(mcpa_jws_t *jws, mcpa_str_t token)
{
    mcpa_str_t rest = token;
    mcpa_str_t header;
    mcpa_status_t status;

    *jws = (mcpa_jws_t){ 0 };
    if (token.len > MCPA_TOKEN_MAX_BYTES) {
        return MCPA_ETOOBIG;
    }
    if (!take_segment(&rest, &header, false) || !take_segment(&rest, &jws->payload_text, false) ||
        !take_segment(&rest, &jws->signature_text, true)) {
        return MCPA_EMALFORMED;
    }
    jws->signing_input = (mcpa_str_t){ token.ptr, header.len + 1 + jws->payload_text.len };
    status = parse_part(&jws->header, header);
    if (status == MCPA_OK) {
        status = read_header(jws);
    }
    if (status != MCPA_OK) {
        mcpa_jws_clear(jws);
    }
    return status;
}

void mcpa_jws_clear(mcpa_jws_t *jws)
{
    mcpa_json_free(&jws->header);
    *jws = (mcpa_jws_t){ 0 };
}

bool mcpa_jws_verify(const mcpa_jws_t *jws, const mcpa_key_t *key)
{
    unsigned char signature[SIGNATURE_MAX_BYTES];
    size_t len;

    return mcpa_b64url_decode_canonical(signature, sizeof(signature), &len, jws->signature_text) == MCPA_OK &&
           mcpa_key_verify(key, jws->alg, jws->signing_input, signature, len);
}

mcpa_status_t mcpa_jws_payload(mcpa_json_t **out, const mcpa_jws_t *jws)
{
    return parse_part(out, jws->payload_text);
}
