/* SPDX-License-Identifier: Apache-2.0 */
/* Compact JWS: what is split can be put together again letter by letter, and nothing verifies that was not signed.
 *
 * Inputs are tokens. An input that does not begin like one is also tried as a header, in front of an empty payload, so that the
 * fuzzer gets behind base64url. */
#include <stdlib.h>

#include "base/b64url.h"
#include "base/limits.h"
#include "base/text.h"
#include "jose/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static const mcpa_jwks_t *keys(void)
{
    static const char text[] =
        "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"A_ojMYJCNzDXUkryPqi-8ssZjqbaGrhXL4risICdrFQ\","
        "\"y\":\"8Km8t13rOQiLgSA_EvsiH34isARJ368SFpQttLTmsaM\"},"
        "{\"kty\":\"OKP\",\"kid\":\"d\",\"crv\":\"Ed25519\",\"x\":\"32upievrfdQKlFoLuCR9HWsabsayQtHmoO9-f5hkykA\"}]}";
    static mcpa_jwks_t *set;
    mcpa_jwks_report_t report;

    if (set == NULL) {
        must(mcpa_jwks_parse(&set, mcpa_str(text), &report) == MCPA_OK);
    }
    return set;
}

static void must_reencode(mcpa_str_t text)
{
    unsigned char bytes[MCPA_TOKEN_MAX_BYTES];
    char encoded[MCPA_TOKEN_MAX_BYTES + 1];
    size_t len;
    mcpa_out_t out;

    must(mcpa_b64url_decode(bytes, sizeof(bytes), &len, text) == MCPA_OK);
    mcpa_out_init(&out, encoded, sizeof(encoded));
    mcpa_b64url_encode(&out, bytes, len);
    must(mcpa_str_eq(mcpa_out_get(&out), text));
}

static void check_token(mcpa_str_t token)
{
    mcpa_json_t *payload = NULL;
    mcpa_jws_t jws;
    size_t header_len;

    if (mcpa_jws_split(&jws, token) != MCPA_OK) {
        must(jws.header == NULL);
        return;
    }
    must(token.len <= MCPA_TOKEN_MAX_BYTES);
    must(jws.signing_input.ptr == token.ptr && jws.signing_input.len + 1 + jws.signature_text.len == token.len);
    must(jws.alg != MCPA_ALG_NONE && jws.kid.len <= MCPA_KID_MAX_BYTES && mcpa_text_is_printable(jws.kid));
    must(mcpa_json_member(jws.header, "crit") == NULL && mcpa_json_member(jws.header, "b64") == NULL);
    header_len = jws.signing_input.len - 1 - jws.payload_text.len;
    must_reencode((mcpa_str_t){ token.ptr, header_len });
    must_reencode(jws.payload_text);
    must_reencode(jws.signature_text);
    for (size_t i = 0; i < mcpa_jwks_count(keys()); i++) {
        must(!mcpa_jws_verify(&jws, mcpa_jwks_at(keys(), i))); /* nobody has the private keys */
    }
    (void)mcpa_jwks_find(keys(), jws.alg, jws.kid, NULL);
    if (mcpa_jws_payload(&payload, &jws) == MCPA_OK) {
        must(mcpa_json_is(payload, MCPA_JSON_OBJECT));
    }
    mcpa_json_free(&payload);
    mcpa_jws_clear(&jws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char token[MCPA_TOKEN_MAX_BYTES + 64];
    mcpa_out_t out;

    check_token((mcpa_str_t){ (const char *)data, size });
    if (size < MCPA_TOKEN_MAX_BYTES / 2 && (size == 0 || data[0] != 'e')) {
        mcpa_out_init(&out, token, sizeof(token));
        mcpa_b64url_encode(&out, data, size);
        mcpa_out_z(&out, ".e30.");
        for (int i = 0; i < 86; i++) {
            mcpa_out_char(&out, 'A'); /* the length of an ES256 or Ed25519 signature */
        }
        check_token(mcpa_out_get(&out));
    }
    return 0;
}
