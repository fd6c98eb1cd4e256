/* SPDX-License-Identifier: Apache-2.0 */
/* A whole message through mcpa_decide, against a parser (base/json.h): whatever the input, it is refused
 * with a 4xx and a body that is JSON, or what goes on is what the rules let in. The first line of the input says how policy and
 * request are, six lines more are header fields, empty ones absent; the rest is the body. */
#include <openssl/hmac.h>
#include <stdlib.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "policy/challenge.h"

#define NOW_S      1800000000
#define SECRET     "0123456789abcdef0123456789abcdef"
#define HEADER     "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"
#define MODERN     "2026-07-28"
#define MAX_VALUES 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char claims[] = "{\"iss\":\"https://as.example.com\",\"aud\":\"https://"
                             "r\",\"sub\":\"a\",\"client_id\":\"c\",\"jti\":\"j\",\"iat\":1799999000,"
                             "\"exp\":1800000300,\"scope\":\"mcp:tools.read\"}";
static const mcpa_issuer_t issuer = { .url = "https://as.example.com",
                                      .key_source = MCPA_KEYS_SECRET,
                                      .algs = MCPA_ALGS_HMAC,
                                      .scope_claim = "scope",
                                      .subject_claim = "sub",
                                      .client_claim = "client_id",
                                      .audience_claim = "aud" };
static const mcpa_issuer_t *const issuers[] = { &issuer, NULL };
static const mcpa_operation_t rules[] = {
    { "tools/call", "free", MCPA_EFFECT_GRANTED, NULL },
    { "resources/read", "secret*", MCPA_EFFECT_DENIED, NULL },
    { "prompts/get", "secret*", MCPA_EFFECT_DENIED, NULL },
};
static const mcpa_operations_t operations = { rules, 3, NULL };

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

typedef struct run {
    mcpa_jwks_t *keys;
    mcpa_str_t body;
    mcpa_message_t message;
} run_t;

static mcpa_jwks_t *give_keys(void *ctx, const mcpa_issuer_t *of)
{
    must(of == &issuer);
    return mcpa_jwks_retain(((run_t *)ctx)->keys);
}

static mcpa_reason_t give_message(void *ctx, uint64_t max_body, mcpa_message_t **message)
{
    run_t *run = ctx;

    memset(&run->message, 0xa5, sizeof(run->message)); /* what is not set is not to be read */
    mcpa_message_init(&run->message, run->body);
    *message = &run->message;
    return run->body.len <= max_body ? MCPA_REASON_PASS : MCPA_REASON_BODY_TOO_LARGE;
}

static mcpa_str_t token(void)
{
    static char memory[2048];
    unsigned char mac[32];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_out_z(&out, "Bearer ");
    mcpa_b64url_encode(&out, (const unsigned char *)HEADER, sizeof(HEADER) - 1);
    mcpa_out_char(&out, '.');
    mcpa_b64url_encode(&out, (const unsigned char *)claims, sizeof(claims) - 1);
    must(HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (const unsigned char *)out.ptr + 7, out.len - 7, mac, NULL) != NULL);
    mcpa_out_char(&out, '.');
    mcpa_b64url_encode(&out, mac, sizeof(mac));
    must(mcpa_out_status(&out) == MCPA_OK);
    return mcpa_out_get(&out);
}

static mcpa_str_t line(mcpa_str_t *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    mcpa_str_t head = { rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };

    *rest = end != NULL ? (mcpa_str_t){ end + 1, rest->len - head.len - 1 } : MCPA_STR_NONE;
    return head.len > 0 ? head : MCPA_STR_NONE;
}

/* ---- what may go on, said once more and in another way */

static bool is_secret(const mcpa_json_t *text)
{
    return mcpa_str_starts(mcpa_json_string(text), MCPA_STR("secret"));
}

static bool names_a_secret(const mcpa_json_t *params)
{
    const mcpa_json_t *ref = mcpa_json_member(params, "ref");
    const mcpa_json_t *list = mcpa_json_pointer(params, MCPA_STR("/notifications/resourceSubscriptions"));
    bool found = is_secret(mcpa_json_member(ref, "name")) || is_secret(mcpa_json_member(ref, "uri"));

    for (size_t i = 0; i < mcpa_json_size(list); i++) {
        found = found || is_secret(mcpa_json_at(list, i));
    }
    return found;
}

static void check_body(const mcpa_decision_t *d, mcpa_str_t body)
{
    mcpa_json_t *tree = NULL;
    mcpa_status_t parsed = mcpa_json_parse(&tree, body, MCPA_JSONSCAN_MAX_DEPTH, MAX_VALUES);
    mcpa_str_t method = mcpa_json_string(mcpa_json_member(tree, "method"));
    const mcpa_json_t *params = mcpa_json_member(tree, "params");

    must(d->message != NULL && d->message->fault == MCPA_RPC_OK && d->message->revision == d->revision);
    if (parsed == MCPA_OK) { /* the parser has ceilings of its own, for numbers and members deep down */
        must(mcpa_str_eq(d->operation, method.ptr != NULL ? method : MCPA_STR("response")));
        must(!mcpa_str_eqz(method, "tools/call") || mcpa_str_eqz(mcpa_json_string(mcpa_json_member(params, "name")), "free"));
        must(!mcpa_str_eqz(method, "prompts/get") || !is_secret(mcpa_json_member(params, "name")));
        must((!mcpa_str_eqz(method, "resources/read") && !mcpa_str_eqz(method, "resources/subscribe")) ||
             !is_secret(mcpa_json_member(params, "uri")));
        must((!mcpa_str_eqz(method, "completion/complete") && !mcpa_str_eqz(method, "subscriptions/listen")) ||
             !names_a_secret(params));
        must(!mcpa_str_eqz(method, "tasks/cancel"));
    }
    mcpa_json_free(&tree);
}

static void check_headers(const mcpa_decision_t *d, const mcpa_request_t *request)
{
    must(d->message == NULL && mcpa_str_eqz(request->mirrors.version, MODERN) &&
         mcpa_str_eq(d->operation, request->mirrors.method));
    must(!mcpa_str_eqz(d->operation, "tools/call") || mcpa_str_eqz(d->operation_name, "free"));
    must(!mcpa_str_eqz(d->operation, "resources/read") || !mcpa_str_starts(d->operation_name, MCPA_STR("secret")));
    must(!mcpa_str_eqz(d->operation, "subscriptions/listen") && !mcpa_str_eqz(d->operation, "completion/complete"));
    must(!mcpa_str_starts(d->operation, MCPA_STR("notifications/")));
}

/* What goes on is no longer than the policy lets it be. */
static void check_lengths(const mcpa_decision_t *d, const mcpa_lengths_t *lengths)
{
    bool is_uri = mcpa_str_starts(d->operation, MCPA_STR("resources/"));

    must(d->operation.len <= mcpa_lengths_max(lengths, MCPA_LENGTH_METHOD));
    must(d->operation_name.len <= mcpa_lengths_max(lengths, is_uri ? MCPA_LENGTH_URI : MCPA_LENGTH_NAME));
    must(d->message == NULL || d->message->rpc.id.len <= mcpa_lengths_max(lengths, MCPA_LENGTH_ID) + 2);
}

static void check_refusal(const mcpa_decision_t *d)
{
    char memory[MCPA_ERROR_MESSAGE_MAX_BYTES];
    mcpa_json_t *tree = NULL;
    mcpa_out_t out;

    must(mcpa_decision_status(d) >= 400 && mcpa_decision_status(d) < 500);
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_error_message_print(&out, d, UINT32_MAX);
    must(mcpa_out_status(&out) == MCPA_OK);
    must(mcpa_json_parse(&tree, mcpa_out_get(&out), MCPA_JSON_MAX_DEPTH, MCPA_JSON_MAX_VALUES) == MCPA_OK);
    must((mcpa_json_member(tree, "jsonrpc") != NULL) == (mcpa_json_member(tree, "id") != NULL));
    mcpa_json_free(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run_t run;
    static mcpa_decision_t d;
    mcpa_str_t rest = { (const char *)data, size }, how = line(&rest);
    mcpa_policy_t policy = {
        .mode = MCPA_MODE_ON, .resource = "https://r", .issuers = issuers, .max_body = 65536, .operations = &operations
    };
    const mcpa_env_t env = { .now_us = INT64_C(1000000) * NOW_S, .ctx = &run, .keys = give_keys, .read_message = give_message };
    mcpa_request_t request = { .authorization = token() };
    mcpa_reason_t reason;

    if (run.keys == NULL) {
        must(mcpa_jwks_from_secret(&run.keys, MCPA_STR(SECRET), MCPA_ALGS_HMAC) == MCPA_OK);
    }
    policy.inspect = how.len > 0 && how.ptr[0] == 'h' ? MCPA_INSPECT_HEADERS : MCPA_INSPECT_BODY;
    policy.protocols = how.len > 1 ? (uint32_t)(unsigned char)how.ptr[1] & MCPA_REVISIONS_ALL : 0;
    request.has_body = how.len > 2;
    if (how.len > 3) {
        policy.lengths = (mcpa_lengths_t){
            { [MCPA_LENGTH_ID] = 64, [MCPA_LENGTH_METHOD] = 64, [MCPA_LENGTH_NAME] = 64, [MCPA_LENGTH_URI] = 256 }
        };
    }
    request.method = line(&rest);
    request.content_type = line(&rest);
    request.content_encoding = line(&rest);
    request.mirrors.version = line(&rest);
    request.mirrors.method = line(&rest);
    request.mirrors.name = line(&rest);
    run.body = rest;
    reason = mcpa_decide(&d, &request, &policy, &env);
    if (reason != MCPA_REASON_PASS) {
        check_refusal(&d);
    } else if (!mcpa_str_eqz(request.method, "POST")) {
        must(!request.has_body && mcpa_str_eq(d.operation, request.method));
    } else if (policy.inspect == MCPA_INSPECT_BODY) {
        check_body(&d, run.body);
    } else {
        check_headers(&d, &request);
    }
    if (reason == MCPA_REASON_PASS) {
        check_lengths(&d, &policy.lengths);
    }
    must(reason != MCPA_REASON_PASS || (d.ruling.rule != NULL && d.ruling.effect != MCPA_EFFECT_DENIED));
    mcpa_decision_clear(&d);
    return 0;
}
