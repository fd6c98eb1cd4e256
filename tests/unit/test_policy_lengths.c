/* SPDX-License-Identifier: Apache-2.0 */
/* What is longer than the Location takes is refused, in body and headers and in both eras, and the refusal says what and how long
 * it may be (attacks 15 and 83 of the reference). */
#include "test_policy_ask.h"

#include "base/lengths.h"

#define LONGEST "bytes, the most that is taken here"

/* What is bounded, by its place; %s stands where it is. */
typedef struct place {
    const char *what;
    mcpa_length_t kind;
    const char *version, *method;
    const char *body; /* NULL: the headers decide */
    bool is_mirrored; /* the header Mcp-Name says it, too */
    int code;
} place_t;

#define CALL(name) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"" name "\"}}"

static const place_t places[] = {
    { "id", MCPA_LENGTH_ID, LEGACY, NULL, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"ping\"}", false, -32600 },
    { "id of an answer", MCPA_LENGTH_ID, LEGACY, NULL, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"result\":{}}", false, -32600 },
    { "method", MCPA_LENGTH_METHOD, LEGACY, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}", false, -32600 },
    { "method of a notification", MCPA_LENGTH_METHOD, LEGACY, NULL, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\"}", false, -32600 },
    { "tool", MCPA_LENGTH_NAME, LEGACY, NULL, CALL("%s"), false, -32602 },
    { "task", MCPA_LENGTH_NAME, LEGACY, NULL, RPC("tasks/get", "\"taskId\":\"%s\""), false, -32602 },
    { "resource", MCPA_LENGTH_URI, LEGACY, NULL, RPC("resources/read", "\"uri\":\"%s\""), false, -32602 },
    { "prompt completed", MCPA_LENGTH_NAME, LEGACY, NULL,
      RPC("completion/complete", "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"%s\"}"), false, -32602 },
    { "resource completed", MCPA_LENGTH_URI, LEGACY, NULL,
      RPC("completion/complete", "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"%s\"}"), false, -32602 },
    { "id, newer era", MCPA_LENGTH_ID, MODERN, "server/discover",
      "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"server/discover\",\"params\":{" META "}}", false, -32600 },
    { "tool, newer era", MCPA_LENGTH_NAME, MODERN, "tools/call", RPC("tools/call", META ",\"name\":\"%s\""), true, -32602 },
    { "prompt, newer era", MCPA_LENGTH_NAME, MODERN, "prompts/get", RPC("prompts/get", META ",\"name\":\"%s\""), true, -32602 },
    { "resource, newer era", MCPA_LENGTH_URI, MODERN, "resources/read", RPC("resources/read", META ",\"uri\":\"%s\""), true,
      -32602 },
    { "task, newer era", MCPA_LENGTH_NAME, MODERN, "tasks/cancel", RPC("tasks/cancel", META ",\"taskId\":\"%s\""), true, -32602 },
    { "resources listened to", MCPA_LENGTH_URI, MODERN, "subscriptions/listen",
      RPC("subscriptions/listen", META ",\"notifications\":{\"resourceSubscriptions\":[\"a://b\",\"%s\"]}"), false, -32602 },
    { "tool, headers alone", MCPA_LENGTH_NAME, MODERN, "tools/call", NULL, true, -32602 },
    { "prompt, headers alone", MCPA_LENGTH_NAME, MODERN, "prompts/get", NULL, true, -32602 },
    { "resource, headers alone", MCPA_LENGTH_URI, MODERN, "resources/read", NULL, true, -32602 },
    { "task, headers alone", MCPA_LENGTH_NAME, MODERN, "tasks/get", NULL, true, -32602 },
};

/* The place with something of n bytes in it. */
static mcpa_reason_t ask_length(world_t *w, const place_t *place, size_t n)
{
    static char thing[2 * MCPA_RPC_URI_MAX_BYTES], body[3 * MCPA_RPC_URI_MAX_BYTES];
    const char *hole = place->body ? strstr(place->body, "%s") : NULL;
    ask_t row = { .version = place->version, .method = place->method };
    mcpa_out_t out;

    memset(thing, 'x', n);
    thing[n] = '\0';
    if (hole) {
        mcpa_out_init(&out, body, sizeof(body));
        mcpa_out_str(&out, (mcpa_str_t){ place->body, (size_t)(hole - place->body) });
        mcpa_out_z(&out, thing);
        mcpa_out_z(&out, hole + 2);
        assert_int_equal(mcpa_out_status(&out), MCPA_OK);
        row.body = body;
    }
    row.name = place->is_mirrored ? thing : NULL;
    w->policy.inspect = place->body ? MCPA_INSPECT_BODY : MCPA_INSPECT_HEADERS;
    return ask(w, &row);
}

static const mcpa_operation_t all[] = { { "*", NULL, MCPA_EFFECT_GRANTED, NULL } };
static const mcpa_operations_t granted = { all, 1, NULL };

static void at_its_ceiling_a_thing_passes_and_over_it_it_is_refused(void **state)
{
    world_t *w = *state;

    w->policy.operations = &granted;
    for (size_t i = 0; i < COUNT(places); i++) {
        const place_t *place = &places[i];
        const mcpa_length_row_t *row = mcpa_length_row(place->kind);
        const uint16_t ceilings[] = { 0, row->least, row->greatest };

        for (size_t k = 0; k < COUNT(ceilings); k++) {
            size_t max = ceilings[k] ? ceilings[k] : row->usual;
            char wanted[128];

            w->policy.lengths = (mcpa_lengths_t){ { 0 } };
            w->policy.lengths.bytes[place->kind] = ceilings[k];
            assert_reason(MCPA_REASON_PASS, ask_length(w, place, max), place->what);
            assert_int_equal(w->decision.longest, 0);
            assert_reason(MCPA_REASON_MESSAGE_MALFORMED, ask_length(w, place, max + 1), place->what);
            assert_int_equal(w->decision.rpc_code, place->code);
            snprintf(wanted, sizeof(wanted), "\"message\":\"The %s is longer than %zu " LONGEST "\"", row->what, max);
            assert_non_null(strstr(ask_error(w, -1), wanted));
        }
    }
}

static void a_ceiling_holds_for_its_own_kind_alone(void **state)
{
    world_t *w = *state;

    w->policy.operations = &granted;
    for (size_t i = 0; i < COUNT(places); i++) {
        for (unsigned kind = 0; kind < MCPA_LENGTHS; kind++) {
            size_t least = mcpa_length_row(places[i].kind)->least;

            w->policy.lengths = (mcpa_lengths_t){ { 0 } };
            w->policy.lengths.bytes[kind] = mcpa_length_row((mcpa_length_t)kind)->least;
            if (kind != MCPA_LENGTH_TOKEN) { /* the token is longer than that */
                assert_reason(kind == places[i].kind ? MCPA_REASON_MESSAGE_MALFORMED : MCPA_REASON_PASS,
                              ask_length(w, &places[i], least + 1), places[i].what);
            }
        }
    }
}

static void an_encoded_header_counts_by_what_it_says(void **state)
{
    static char header[4 * MCPA_RPC_URI_MAX_BYTES];
    world_t *w = *state;

    w->policy.operations = &granted;
    w->policy.inspect = MCPA_INSPECT_HEADERS;
    w->policy.lengths.bytes[MCPA_LENGTH_NAME] = 66;
    for (size_t quads = 22; quads < 1000; quads += quads == 22 ? 1 : 300) { /* 66 bytes, 69, and more than any memory of ours */
        ask_t row = { .version = MODERN, .method = "tools/call", .name = header };
        mcpa_out_t out;

        mcpa_out_init(&out, header, sizeof(header));
        mcpa_out_z(&out, "=?base64?");
        for (size_t i = 0; i < quads; i++) {
            mcpa_out_z(&out, "eHh4");
        }
        mcpa_out_z(&out, "?=");
        assert_reason(quads == 22 ? MCPA_REASON_PASS : MCPA_REASON_MESSAGE_MALFORMED, ask(w, &row), "encoded");
        assert_int_equal(w->decision.longest, quads == 22 ? 0 : 66);
        assert_int_equal(w->decision.operation_name.len, quads == 22 ? 66 : 0);
    }
}

/* A header that others route by may not be longer than the body's word, which it repeats. */
static void a_long_header_beside_a_short_body_is_a_lie(void **state)
{
    static char name[MCPA_RPC_NAME_MAX_BYTES];
    world_t *w = *state;

    memset(name, 'x', sizeof(name) - 1);
    assert_reason(MCPA_REASON_MIRROR_MISMATCH,
                  ask(w, &(ask_t){ .version = MODERN,
                                   .method = "tools/call",
                                   .name = name,
                                   .body = MODERN_RPC("tools/call", ",\"name\":\"x\"") }),
                  "header");
}

static void a_long_token_is_told_from_a_bad_one(void **state)
{
    static char authorization[MCPA_TOKEN_MAX_BYTES + 32], challenge[2048];
    world_t *w = *state;
    mcpa_out_t out;

    memcpy(authorization, "Bearer ", 7);
    for (size_t i = 0; i < 3; i++) {
        const mcpa_length_row_t *row = mcpa_length_row(MCPA_LENGTH_TOKEN);
        size_t max = i == 0 ? row->usual : i == 1 ? row->least : row->greatest;
        char wanted[128];

        memset(authorization + 7, 'a', max + 1);
        w->policy.lengths.bytes[MCPA_LENGTH_TOKEN] = (uint16_t)(i == 0 ? 0 : max);
        w->request.authorization = (mcpa_str_t){ authorization, 7 + max };
        assert_reason(MCPA_REASON_TOKEN_MALFORMED, decide(w), "just short enough to be looked at");
        assert_string_equal(ask_error(w, -1), "{\"error\":\"unauthorized\",\"message\":\"The access token is not valid\"}");
        w->request.authorization.len++;
        assert_reason(MCPA_REASON_TOKEN_TOO_LONG, decide(w), "one byte more");
        snprintf(wanted, sizeof(wanted), "The access token is longer than %zu " LONGEST, max);
        assert_non_null(strstr(ask_error(w, -1), wanted));
        mcpa_out_init(&out, challenge, sizeof(challenge));
        mcpa_challenge_print(&out, &w->policy, w->decision.reason, NULL);
        snprintf(wanted, sizeof(wanted), "error_description=\"The access token is longer than %zu " LONGEST "\"", max);
        assert_non_null(strstr(challenge, "error=\"invalid_token\""));
        assert_non_null(strstr(challenge, wanted));
    }
}

static void kinds_are_found_by_their_words(void **state)
{
    mcpa_length_t kind;

    (void)state;
    for (unsigned i = 0; i < MCPA_LENGTHS; i++) {
        const mcpa_length_row_t *row = mcpa_length_row((mcpa_length_t)i);

        assert_true(mcpa_length_find(&kind, mcpa_str(row->word)));
        assert_int_equal(kind, i);
        assert_true(row->least <= row->usual && row->usual <= row->greatest);
        assert_int_equal(mcpa_lengths_max(NULL, kind), row->usual);
    }
    assert_false(mcpa_length_find(&kind, MCPA_STR("")));
    assert_false(mcpa_length_find(&kind, MCPA_STR("Token")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(at_its_ceiling_a_thing_passes_and_over_it_it_is_refused, ask_setup),
        cmocka_unit_test_setup(a_ceiling_holds_for_its_own_kind_alone, ask_setup),
        cmocka_unit_test_setup(an_encoded_header_counts_by_what_it_says, ask_setup),
        cmocka_unit_test_setup(a_long_header_beside_a_short_body_is_a_lie, ask_setup),
        cmocka_unit_test_setup(a_long_token_is_told_from_a_bad_one, ask_setup),
        cmocka_unit_test(kinds_are_found_by_their_words),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
