/* SPDX-License-Identifier: Apache-2.0 */
/* Malformed tokens: attacks 2 to 10, 12, 14 to 19, 33 and 36 of the reference. */
#include "test_jose_signer.h"

static mcpa_status_t split_header(const char *header)
{
    char memory[MCPA_TOKEN_MAX_BYTES + 16];
    mcpa_jws_t jws;
    mcpa_out_t out;
    mcpa_status_t status;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_b64url_encode(&out, header, strlen(header));
    mcpa_out_z(&out, ".e30.AAAA");
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    status = mcpa_jws_split(&jws, mcpa_out_get(&out));
    if (status != MCPA_OK) {
        assert_null(jws.header);
    }
    mcpa_jws_clear(&jws);
    return status;
}

static void jws_rejects_alg_none_in_any_case_and_unknown_algorithms(void **state)
{
    static const char *const names[] = {
        "none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "ES256K", "RSA-OAEP", "dir", "HS1"
    };
    char header[64];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        assert_int_equal(split_header(header), MCPA_EUNSUPPORTED);
    }
    assert_int_equal(split_header("{\"alg\":\"RS256\"}"), MCPA_OK);
    assert_int_equal(split_header("{\"alg\":\"RS256\\u0000\"}"), MCPA_EMALFORMED);
}

static void jws_rejects_headers_that_are_no_sound_object(void **state)
{
    static const char *const headers[] = { "[]",
                                           "1",
                                           "\"x\"",
                                           "{}",
                                           "{\"alg\":\"RS256\"",
                                           "{\"alg\":\"RS256\"}x",
                                           "{\"alg\":1}",
                                           "{\"alg\":[\"RS256\"]}",
                                           "{\"alg\":null}",
                                           "\xef\xbb\xbf{\"alg\":\"RS256\"}",
                                           "{\"alg\":\"RS256\",\"typ\":1}",
                                           "{\"alg\":\"RS256\",\"cty\":{}}",
                                           "{\"alg\":\"RS256\",\"x\":\"\xff\"}" };

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        assert_int_equal(split_header(headers[i]), MCPA_EMALFORMED);
    }
    assert_int_equal(split_header("{\"alg\":\"RS256\",\"alg\":\"HS256\"}"), MCPA_EDUPLICATE);
    assert_int_equal(split_header("{\"alg\":\"RS256\",\"\\u0061lg\":\"HS256\"}"), MCPA_EDUPLICATE);
    assert_int_equal(split_header("[[[[[[[[[[[[[[[[[[[[[[[["), MCPA_ETOOBIG);
}

static void jws_rejects_any_extension_and_nested_tokens(void **state)
{
    static const char *const members[] = { "\"crit\":[\"exp\"]",
                                           "\"crit\":[]",
                                           "\"crit\":null",
                                           "\"crit\":[\"b64\"],\"b64\":false",
                                           "\"b64\":false",
                                           "\"b64\":true",
                                           "\"zip\":\"DEF\"",
                                           "\"cty\":\"JWT\"",
                                           "\"cty\":\"jwt\"",
                                           "\"cty\":\"application/JWT\"",
                                           "\"crit\":[\"b64\",\"b64\"]" };
    char header[128];

    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",%s}", members[i]);
        assert_int_equal(split_header(header), MCPA_EUNSUPPORTED);
    }
    assert_int_equal(split_header("{\"alg\":\"RS256\",\"cty\":\"json\"}"), MCPA_OK);
}

static void jws_rejects_a_kid_that_is_no_short_printable_string(void **state)
{
    static const char *const kids[] = { "null",         "1",           "[\"k\"]",        "{}",         "true",
                                        "\"a\\r\\nb\"", "\"\\u0000\"", "\"\\u001b[2J\"", "\"\\u007f\"" };
    char header[512], kid[258];

    (void)state;
    for (size_t i = 0; i < sizeof(kids) / sizeof(kids[0]); i++) {
        (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":%s}", kids[i]);
        assert_int_equal(split_header(header), MCPA_EMALFORMED);
    }
    memset(kid, 'k', sizeof(kid));
    (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%.256s\"}", kid);
    assert_int_equal(split_header(header), MCPA_OK);
    (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%.257s\"}", kid);
    assert_int_equal(split_header(header), MCPA_EMALFORMED);
}

static void jws_ignores_key_sources_in_the_header(void **state)
{
    static const char header[] = "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"},\"jku\":\"http://169.254.169.254/\","
                                 "\"x5u\":\"file:///etc/passwd\",\"x5c\":[\"AA\"],\"x5t\":1}";
    char memory[2048];
    mcpa_str_t token = make_token(memory, sizeof(memory), header, PAYLOAD, MCPA_ALG_ES256);

    (void)state;
    assert_true(accepts(p256.set, token));
    assert_false(accepts(p384.set, token));
}

static void jws_rejects_all_but_three_segments_of_base64url(void **state)
{
    /* eyJhbGciOiJSUzI1NiJ9 is {"alg":"RS256"}; the first row is the good one. */
    static const char *const tokens[] = { "eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
                                          "",
                                          ".",
                                          "..",
                                          "eyJhbGciOiJSUzI1NiJ9",
                                          "eyJhbGciOiJSUzI1NiJ9.e30",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.",
                                          "eyJhbGciOiJSUzI1NiJ9..AAAA",
                                          ".e30.AAAA",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.x",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.AAAA.AAAA",
                                          " eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAAA ",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAA=",
                                          "eyJhbGciOiJSUzI1NiJ9.e3\n0.AAAA",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AA+A",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AA?A",
                                          "eyJhbGciOiJSUzI1NiJ9.e30.AAAAA",
                                          "{\"payload\":\"e30\",\"signature\":\"AAAA\"}" };
    mcpa_jws_t jws;

    (void)state;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        assert_int_equal(mcpa_jws_split(&jws, mcpa_str(tokens[i])), i == 0 ? MCPA_OK : MCPA_EMALFORMED);
        mcpa_jws_clear(&jws);
    }
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiJ9.e30.AA\0A")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR_NONE), MCPA_EMALFORMED);
}

static void jws_rejects_noncanonical_trailing_bits(void **state)
{
    mcpa_jws_t jws;

    (void)state;
    /* {"alg":"RS256" } in 16 bytes: three characters at the end, of which the last has two free bits. */
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfQ.e30.AAA")), MCPA_OK);
    mcpa_jws_clear(&jws);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfR.e30.AAA")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfQ.e31.AAA")), MCPA_EMALFORMED);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiIgfQ.e30.AAB")), MCPA_EMALFORMED);
}

static void jws_over_the_size_limit_is_refused_before_anything_else(void **state)
{
    char token[MCPA_TOKEN_MAX_BYTES + 1];
    mcpa_jws_t jws;

    (void)state;
    memset(token, 'A', sizeof(token));
    memcpy(token, "eyJhbGciOiJSUzI1NiJ9.e30.", 25);
    assert_int_equal(mcpa_jws_split(&jws, (mcpa_str_t){ token, sizeof(token) }), MCPA_ETOOBIG);
    /* 8191 - 25 characters leave no remainder of one */
    assert_int_equal(mcpa_jws_split(&jws, (mcpa_str_t){ token, sizeof(token) - 2 }), MCPA_OK);
    assert_false(mcpa_jws_verify(&jws, mcpa_jwks_at(rsa.set, 0)));
    mcpa_jws_clear(&jws);
}

static void jws_gives_its_parts_and_its_payload(void **state)
{
    char memory[2048];
    mcpa_str_t token =
        make_token(memory, sizeof(memory), "{\"typ\":\"at+jwt\",\"alg\":\"EdDSA\",\"kid\":\"k\"}", PAYLOAD, MCPA_ALG_EDDSA);
    mcpa_json_t *payload = NULL;
    mcpa_jws_t jws;

    (void)state;
    assert_int_equal(mcpa_jws_split(&jws, token), MCPA_OK);
    assert_int_equal(jws.alg, MCPA_ALG_EDDSA);
    assert_true(mcpa_str_eqz(jws.kid, "k"));
    assert_true(mcpa_str_eqz(jws.typ, "at+jwt"));
    assert_ptr_equal(jws.signing_input.ptr, token.ptr);
    assert_int_equal(jws.signing_input.len + 1 + jws.signature_text.len, token.len);
    assert_int_equal(mcpa_jws_payload(&payload, &jws), MCPA_OK);
    assert_true(mcpa_str_eqz(mcpa_json_string(mcpa_json_member(payload, "sub")), "u1"));
    mcpa_json_free(&payload);
    mcpa_jws_clear(&jws);
    assert_int_equal(mcpa_jws_split(&jws, MCPA_STR("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")), MCPA_OK);
    assert_null(jws.kid.ptr);
    assert_null(jws.typ.ptr);
    mcpa_jws_clear(&jws);
}

/* Lengths on both sides of what is decoded in the shorter buffer; the last fills the longest token almost alone. */
static void jws_reads_parts_of_every_length(void **state)
{
    static const char begin[] = "{\"alg\":\"RS256\",\"x\":\"", end[] = "\"}";
    static const size_t lengths[] = { 30,   1000, 1018, 1019, 1020, 1021, 1022, 1023,
                                      1024, 1025, 1026, 1027, 1030, 2048, 6100, 12200 };

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t fill = lengths[i] - strlen(begin) - strlen(end);
        char memory[MCPA_TOKEN_MAX_BYTES + 1], part[MCPA_TOKEN_MAX_BYTES];
        mcpa_json_t *payload;
        mcpa_jws_t jws;
        mcpa_out_t out;

        (void)snprintf(part, sizeof(part), "%s%0*d%s", begin, (int)fill, 7, end);
        assert_int_equal(strlen(part), lengths[i]);
        mcpa_out_init(&out, memory, sizeof(memory));
        if (lengths[i] > MCPA_TOKEN_MAX_BYTES / 2) {
            mcpa_out_z(&out, "eyJhbGciOiJSUzI1NiJ9"); /* {"alg":"RS256"} */
        } else {
            mcpa_b64url_encode(&out, part, lengths[i]);
        }
        mcpa_out_z(&out, ".");
        mcpa_b64url_encode(&out, part, lengths[i]);
        mcpa_out_z(&out, ".AAAA");
        assert_int_equal(mcpa_out_status(&out), MCPA_OK);
        assert_int_equal(mcpa_jws_split(&jws, mcpa_out_get(&out)), MCPA_OK);
        assert_int_equal(jws.alg, MCPA_ALG_RS256);
        assert_int_equal(mcpa_jws_payload(&payload, &jws), MCPA_OK);
        assert_int_equal(mcpa_json_string(mcpa_json_member(payload, "x")).len, fill);
        assert_int_equal(mcpa_json_string(mcpa_json_member(payload, "x")).ptr[fill - 1], '7');
        mcpa_json_free(&payload);
        mcpa_jws_clear(&jws);
    }
}

static void jws_payload_must_be_a_sound_object(void **state)
{
    static const struct {
        const char *payload;
        mcpa_status_t status;
    } rows[] = { { "{}", MCPA_OK },
                 { "[]", MCPA_EMALFORMED },
                 { "foo", MCPA_EMALFORMED },
                 { "\"{}\"", MCPA_EMALFORMED },
                 { "{\"aud\":1,\"\\u0061ud\":2}", MCPA_EDUPLICATE },
                 { "{\"a\":\"\\ud800\"}", MCPA_EMALFORMED },
                 { "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", MCPA_ETOOBIG } };
    char memory[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_json_t *payload = NULL;
        mcpa_jws_t jws;

        assert_int_equal(
            mcpa_jws_split(&jws, make_token(memory, sizeof(memory), "{\"alg\":\"HS256\"}", rows[i].payload, MCPA_ALG_HS256)),
            MCPA_OK);
        assert_int_equal(mcpa_jws_payload(&payload, &jws), rows[i].status);
        assert_int_equal(payload != NULL, rows[i].status == MCPA_OK);
        mcpa_json_free(&payload);
        mcpa_jws_clear(&jws);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jws_rejects_alg_none_in_any_case_and_unknown_algorithms),
        cmocka_unit_test(jws_rejects_headers_that_are_no_sound_object),
        cmocka_unit_test(jws_rejects_any_extension_and_nested_tokens),
        cmocka_unit_test(jws_rejects_a_kid_that_is_no_short_printable_string),
        cmocka_unit_test(jws_ignores_key_sources_in_the_header),
        cmocka_unit_test(jws_rejects_all_but_three_segments_of_base64url),
        cmocka_unit_test(jws_rejects_noncanonical_trailing_bits),
        cmocka_unit_test(jws_over_the_size_limit_is_refused_before_anything_else),
        cmocka_unit_test(jws_gives_its_parts_and_its_payload),
        cmocka_unit_test(jws_reads_parts_of_every_length),
        cmocka_unit_test(jws_payload_must_be_a_sound_object),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
