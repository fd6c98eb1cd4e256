/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign test vectors: Project Wycheproof's JSON Web Signatures and the JOSE cookbook (RFC 7520, 8037, 7797).
 *
 * They are not part of the repository. MCPAUTH_VECTORS names their folder; without it, "shared/vectors" beside the sources is
 * tried. Where they are missing, the tests are skipped aloud. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/b64url.h"
#include "base/json.h"
#include "jose/jwks.h"
#include "jose/jws.h"

#ifndef MCPA_SRCDIR
#define MCPA_SRCDIR "."
#endif

/* Where we differ from the file on purpose. */
typedef struct exception {
    int64_t tc_id;
    bool accepted;
    const char *why;
} exception_t;

#define EMPTY "an empty payload is no claims set: a token has three non-empty parts"

static const exception_t exceptions[] = {
    { 259, false, EMPTY },
    { 264, false, EMPTY },
    { 268, false, EMPTY },
    { 272, false, EMPTY },
    { 320, false, EMPTY },
    { 325, false, EMPTY },
    { 346, false, "the key's alg is PS256, the token's PS384: one key, one algorithm" },
    { 347, false, "the key's alg is \"ES521\", which is no algorithm" },
    { 350, false, "the key's alg is PS256, the token's PS384: one key, one algorithm" },
    { 351, false, "the key's alg is \"ES521\", which is no algorithm" },
    { 367, true, "marked invalid, but byte for byte the valid token of tcId 357" },
    { 370, true, "marked invalid, but byte for byte the valid token of tcId 357" },
    { 372, false, "marked valid, but holds '?' and the MAC is not over what was received" },
    { 373, false, "marked valid, but holds '?' and the MAC is not over what was received" },
};

static mcpa_json_t *load(const char *name)
{
    const char *folder = getenv("MCPAUTH_VECTORS");
    char path[1024];
    char *text = NULL;
    mcpa_json_t *json = NULL;
    FILE *file;
    long size;

    (void)snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : MCPA_SRCDIR "/../shared/vectors", name);
    file = fopen(path, "rb");
    if (file == NULL) {
        print_message("VECTORS ABSENT: %s (set MCPAUTH_VECTORS)\n", path);
        skip();
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    text = malloc((size_t)size);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    (void)fclose(file);
    assert_int_equal(mcpa_json_parse(&json, (mcpa_str_t){ text, (size_t)size }, 64, 1000000), MCPA_OK);
    free(text);
    return json;
}

static mcpa_str_t string_at(const mcpa_json_t *json, const char *pointer)
{
    return mcpa_json_string(mcpa_json_pointer(json, mcpa_str(pointer)));
}

static bool is_private_name(mcpa_str_t name)
{
    static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (mcpa_str_eqz(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool print_public_member(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    char *text;

    if (!is_private_name(name)) {
        text = mcpa_json_print(value);
        mcpa_jsonw_raw(ctx, name.ptr, mcpa_str(text)); /* names of a tree end in NUL */
        free(text);
    }
    return true;
}

/* The set a verifier would hold for this JWK: the secret, or the public half. NULL when it is refused. */
static mcpa_jwks_t *set_of(const mcpa_json_t *jwk)
{
    mcpa_jwks_t *set = NULL;
    mcpa_jwks_report_t report;
    mcpa_str_t k = string_at(jwk, "/k");
    char memory[8192];
    unsigned char secret[1024];
    size_t len;
    mcpa_out_t out;
    mcpa_jsonw_t w;

    if (k.ptr != NULL) {
        assert_int_equal(mcpa_b64url_decode(secret, sizeof(secret), &len, k), MCPA_OK);
        mcpa_status_t status =
            mcpa_jwks_from_secret(&set, (mcpa_str_t){ (char *)secret, len }, MCPA_ALG_BIT(mcpa_alg_find(string_at(jwk, "/alg"))));
        return status == MCPA_OK ? set : NULL;
    }
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_open_array(&w, "keys");
    mcpa_jsonw_open_object(&w, NULL);
    w.need_comma = false;
    mcpa_json_each(jwk, print_public_member, &w);
    mcpa_jsonw_close_object(&w);
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    return mcpa_jwks_parse(&set, mcpa_out_get(&out), &report) == MCPA_OK ? set : NULL;
}

static bool accepts(const mcpa_jwks_t *set, mcpa_str_t token)
{
    const mcpa_key_t *key;
    mcpa_jws_t jws;
    bool good;

    if (set == NULL || mcpa_jws_split(&jws, token) != MCPA_OK) {
        return false;
    }
    key = mcpa_jwks_find(set, jws.alg, jws.kid, NULL);
    good = key != NULL && mcpa_jws_verify(&jws, key);
    mcpa_jws_clear(&jws);
    return good;
}

static const exception_t *exception_for(int64_t tc_id)
{
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
        if (exceptions[i].tc_id == tc_id) {
            return &exceptions[i];
        }
    }
    return NULL;
}

static void every_wycheproof_jws_gets_its_verdict(void **state)
{
    mcpa_json_t *file = load("wycheproof/json_web_signature_test.json");
    const mcpa_json_t *groups = mcpa_json_member(file, "testGroups");
    size_t tests_run = 0, excepted = 0, wrong = 0, accepted_count = 0;

    (void)state;
    for (size_t g = 0; g < mcpa_json_size(groups); g++) {
        const mcpa_json_t *group = mcpa_json_at(groups, g);
        const mcpa_json_t *public = mcpa_json_member(group, "public");
        const mcpa_json_t *tests = mcpa_json_member(group, "tests");
        mcpa_jwks_t *set = set_of(public != NULL ? public : mcpa_json_member(group, "private"));

        for (size_t t = 0; t < mcpa_json_size(tests); t++, tests_run++) {
            const mcpa_json_t *test = mcpa_json_at(tests, t);
            bool accepted = accepts(set, string_at(test, "/jws"));
            bool expected = mcpa_str_eqz(string_at(test, "/result"), "valid");
            const exception_t *exception;
            int64_t tc_id = 0;

            assert_true(mcpa_json_integer(mcpa_json_member(test, "tcId"), &tc_id));
            exception = exception_for(tc_id);
            if (exception != NULL) {
                assert_true(exception->accepted != expected); /* else the exception is none */
                expected = exception->accepted;
                excepted++;
            }
            accepted_count += accepted ? 1 : 0;
            if (accepted != expected) {
                print_error("tcId %lld %s: \"%s\"\n", (long long)tc_id, accepted ? "accepted" : "rejected",
                            string_at(test, "/comment").ptr);
                wrong++;
            }
        }
        mcpa_jwks_release(&set);
    }
    print_message("wycheproof: %zu tests, %zu accepted, %zu by exception, %zu wrong\n", tests_run, accepted_count, excepted,
                  wrong);
    mcpa_json_free(&file);
    assert_int_equal(tests_run, 401);
    assert_int_equal(excepted, sizeof(exceptions) / sizeof(exceptions[0]));
    assert_int_equal(wrong, 0);
}

/* The file's own compact token must verify, and must not once a bit of its payload or signature has changed. */
static void check_compact(const char *name)
{
    mcpa_json_t *file = load(name);
    mcpa_jwks_t *set = set_of(mcpa_json_pointer(file, mcpa_str("/input/key")));
    mcpa_str_t token = string_at(file, "/output/compact");
    char changed[4096];

    assert_non_null(set);
    assert_true(token.len > 0 && token.len < sizeof(changed));
    assert_true(accepts(set, token));
    for (size_t dot = 0, i = 0; i < token.len; i++) {
        dot += token.ptr[i] == '.' ? 1 : 0;
        if (dot == 0 || token.ptr[i] == '.') {
            continue;
        }
        memcpy(changed, token.ptr, token.len);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(accepts(set, (mcpa_str_t){ changed, token.len }));
    }
    mcpa_jwks_release(&set);
    mcpa_json_free(&file);
}

static void cookbook_rsa_v15_verifies(void **state)
{
    (void)state;
    check_compact("jose-cookbook/jws/4_1.rsa_v15_signature.json");
}

static void cookbook_rsa_pss_verifies(void **state)
{
    (void)state;
    check_compact("jose-cookbook/jws/4_2.rsa-pss_signature.json");
}

static void cookbook_ecdsa_p521_verifies(void **state)
{
    (void)state;
    check_compact("jose-cookbook/jws/4_3.ecdsa_signature.json");
}

static void cookbook_hmac_verifies(void **state)
{
    (void)state;
    check_compact("jose-cookbook/jws/4_4.hmac-sha2_integrity_protection.json");
}

static void cookbook_ed25519_verifies(void **state)
{
    (void)state;
    check_compact("jose-cookbook/curve25519/jws.json");
}

/* RFC 7520 4.5 to 4.8: detached content and JSON serialisations are no compact tokens. */
static void cookbook_forms_other_than_compact_are_refused(void **state)
{
    static const char *const names[] = { "jose-cookbook/jws/4_5.signature_with_detached_content.json",
                                         "jose-cookbook/jws/4_6.protecting_specific_header_fields.json",
                                         "jose-cookbook/jws/4_7.protecting_content_only.json",
                                         "jose-cookbook/jws/4_8.multiple_signatures.json" };
    static const char *const forms[] = { "/output/json", "/output/json_flat", "/output/compact" };
    size_t refused = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mcpa_json_t *file = load(names[i]);

        for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
            const mcpa_json_t *form = mcpa_json_pointer(file, mcpa_str(forms[f]));
            mcpa_str_t token = mcpa_json_string(form);
            mcpa_jws_t jws;
            char *text;

            if (form == NULL) {
                continue;
            }
            text = mcpa_json_print(form);
            assert_int_equal(mcpa_jws_split(&jws, token.ptr != NULL ? token : mcpa_str(text)), MCPA_EMALFORMED);
            free(text);
            refused++;
        }
        mcpa_json_free(&file);
    }
    assert_int_equal(refused, 8);
}

static void cookbook_unencoded_payload_is_refused(void **state)
{
    static const char *const names[] = { "jose-cookbook/rfc7797/hmac-sha2_b64_false.json",
                                         "jose-cookbook/rfc7797/4.2.hmac-sha2_b64_false.json" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mcpa_json_t *file = load(names[i]);
        mcpa_jwks_t *set = set_of(mcpa_json_pointer(file, mcpa_str("/input/key")));
        mcpa_str_t protected = string_at(file, "/output/json_flat/protected");
        mcpa_str_t signature = string_at(file, "/output/json_flat/signature");
        mcpa_str_t compact = string_at(file, "/output/compact");
        char token[1024];
        mcpa_jws_t jws;

        assert_non_null(set);
        assert_false(accepts(set, compact));
        /* The same header over a payload that is base64url. */
        (void)snprintf(token, sizeof(token), "%.*s.VGhpcw.%.*s", MCPA_STR_ARG(protected), MCPA_STR_ARG(signature));
        assert_int_not_equal(mcpa_jws_split(&jws, mcpa_str(token)), MCPA_OK);
        mcpa_jwks_release(&set);
        mcpa_json_free(&file);
    }
}

static void cookbook_public_keys_load_and_the_secret_does_not(void **state)
{
    static const char *const names[] = { "jose-cookbook/jwk/3_1.ec_public_key.json", "jose-cookbook/jwk/3_3.rsa_public_key.json",
                                         "jose-cookbook/jwk/3_5.symmetric_key_mac_computation.json" };
    static const size_t bits[] = { 521, 2048, 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mcpa_json_t *file = load(names[i]);
        char *jwk = mcpa_json_print(file);
        mcpa_jwks_t *set = NULL;
        mcpa_jwks_report_t report;
        char text[4096];

        (void)snprintf(text, sizeof(text), "{\"keys\":[%s]}", jwk);
        if (bits[i] > 0) {
            assert_int_equal(mcpa_jwks_parse(&set, mcpa_str(text), &report), MCPA_OK);
            assert_int_equal(mcpa_key_bits(mcpa_jwks_at(set, 0)), bits[i]);
            assert_true(mcpa_str_eqz(mcpa_key_kid(mcpa_jwks_at(set, 0)), "bilbo.baggins@hobbiton.example"));
            mcpa_jwks_release(&set);
        } else {
            assert_int_equal(mcpa_jwks_parse(&set, mcpa_str(text), &report), MCPA_EMALFORMED);
        }
        free(jwk);
        mcpa_json_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wycheproof_jws_gets_its_verdict),
        cmocka_unit_test(cookbook_rsa_v15_verifies),
        cmocka_unit_test(cookbook_rsa_pss_verifies),
        cmocka_unit_test(cookbook_ecdsa_p521_verifies),
        cmocka_unit_test(cookbook_hmac_verifies),
        cmocka_unit_test(cookbook_ed25519_verifies),
        cmocka_unit_test(cookbook_forms_other_than_compact_are_refused),
        cmocka_unit_test(cookbook_unencoded_payload_is_refused),
        cmocka_unit_test(cookbook_public_keys_load_and_the_secret_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
