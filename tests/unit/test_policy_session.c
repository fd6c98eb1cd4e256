/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the older era through mcpa_decide: attacks 84 and 85 of the reference, and the header's shape. */
#include "test_policy_ask.h"

#define ENTRIES  64
#define IDLE_NS  UINT64_C(60000000000)
#define SHORT_NS UINT64_C(1000000) /* the table holds times to less */
#define OPENING                                                                                                                  \
    RPC("initialize", "\"protocolVersion\":\"" LEGACY "\",\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":"       \
                      "\"1\"}")

static mcpa_sessions_t *table;

static int setup(void **state)
{
    world_t *w = *state;

    (void)ask_setup(state);
    table = aligned_alloc(64, mcpa_sessions_bytes(ENTRIES));
    assert_non_null(table);
    memset(table, 0, mcpa_sessions_bytes(ENTRIES));
    w->env.sessions = mcpa_sessions_init(table, ENTRIES, (const unsigned char *)"0123456789abcdef");
    w->env.session_idle_ns = IDLE_NS;
    w->env.mono_ns = IDLE_NS;
    w->request.session = MCPA_STR_NONE;
    return 0;
}

static int end(void **state)
{
    world_t *w = *state;

    w->env.sessions = NULL;
    free(table);
    return 0;
}

static void become(world_t *w, const char *subject, const char *client)
{
    give_claims(w, (claim_t[]){ { "scope", "\"mcp:tools.exec\"" }, { "sub", subject }, { "client_id", client } }, 3);
}

/* As the module does when the answer to "initialize" names a session. */
static mcpa_session_insert_t open_session(world_t *w, const char *id)
{
    mcpa_session_key_t key;

    w->request.session = MCPA_STR_NONE;
    assert_reason(MCPA_REASON_PASS, ask_body(w, NULL, OPENING), "initialize");
    mcpa_decision_session(&key, &w->decision, &w->policy, table, mcpa_str(id));
    return mcpa_sessions_insert(table, &key, w->env.mono_ns, IDLE_NS);
}

static mcpa_reason_t use(world_t *w, const char *http, const char *id)
{
    w->request.session = mcpa_str(id);
    return ask(w, &(ask_t){ .http = http, .version = LEGACY, .body = strcmp(http, "POST") == 0 ? PING : NULL });
}

static void only_its_owner_uses_reads_and_ends_a_session(void **state)
{
    static const char *const methods[] = { "POST", "GET", "DELETE" };
    world_t *w = *state;

    become(w, "\"alice\"", "\"app\"");
    assert_int_equal(open_session(w, "one"), MCPA_SESSION_BOUND);
    for (size_t i = 0; i < 3; i++) {
        become(w, "\"alice\"", "\"app\"");
        assert_reason(MCPA_REASON_PASS, use(w, methods[i], "one"), methods[i]);
        assert_reason(MCPA_REASON_SESSION_UNKNOWN, use(w, methods[i], "two"), methods[i]);
        become(w, "\"bob\"", "\"app\"");
        assert_reason(MCPA_REASON_SESSION_UNKNOWN, use(w, methods[i], "one"), methods[i]);
        assert_int_equal(mcpa_decision_status(&w->decision), 404);
        become(w, "\"alice\"", "\"other\"");
        assert_reason(MCPA_REASON_SESSION_UNKNOWN, use(w, methods[i], "one"), methods[i]);
    }
    assert_int_equal(open_session(w, "one"), MCPA_SESSION_FOREIGN);
    w->policy.resource = "https://mcp.example.com/elsewhere";
    w->policy.audiences = (const char *const[]){ RESOURCE, NULL };
    become(w, "\"alice\"", "\"app\"");
    assert_reason(MCPA_REASON_SESSION_UNKNOWN, use(w, "POST", "one"), "another resource");
}

static void both_refusals_are_the_same_answer_with_the_requests_id(void **state)
{
    world_t *w = *state;
    char foreign[MCPA_ERROR_MESSAGE_MAX_BYTES];

    become(w, "\"alice\"", "\"app\"");
    assert_int_equal(open_session(w, "one"), MCPA_SESSION_BOUND);
    become(w, "\"bob\"", "\"app\"");
    (void)use(w, "POST", "one");
    snprintf(foreign, sizeof(foreign), "%s", ask_error(w, -1));
    assert_non_null(strstr(foreign, "\"id\":1,"));
    assert_non_null(strstr(foreign, "\"not_found\""));
    (void)use(w, "POST", "two");
    assert_string_equal(ask_error(w, -1), foreign);
}

static void an_idle_session_is_unknown(void **state)
{
    world_t *w = *state;

    become(w, "\"alice\"", "\"app\"");
    assert_int_equal(open_session(w, "one"), MCPA_SESSION_BOUND);
    w->env.mono_ns += IDLE_NS - SHORT_NS;
    assert_reason(MCPA_REASON_PASS, use(w, "POST", "one"), "in time");
    w->env.mono_ns += IDLE_NS - SHORT_NS;
    assert_reason(MCPA_REASON_PASS, use(w, "POST", "one"), "its use kept it");
    w->env.mono_ns += IDLE_NS;
    assert_reason(MCPA_REASON_SESSION_UNKNOWN, use(w, "POST", "one"), "idle");
}

static void the_header_has_one_visible_word(void **state)
{
    static const char *const bad[] = { "", "a, b", "a b", "a\tb", "\xc3\xa9", "a\x7f" };
    world_t *w = *state;
    char longest[MCPA_SESSION_ID_MAX_BYTES + 2];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_reason(MCPA_REASON_REQUEST_MALFORMED, use(w, "POST", bad[i]), bad[i]);
    }
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_reason(MCPA_REASON_REQUEST_MALFORMED, use(w, "GET", longest), "256 bytes");
    longest[sizeof(longest) - 2] = '\0';
    assert_reason(MCPA_REASON_SESSION_UNKNOWN, use(w, "GET", longest), "255 bytes");
    /* Its shape is checked without a table, too. */
    w->env.sessions = NULL;
    assert_reason(MCPA_REASON_REQUEST_MALFORMED, use(w, "POST", "a, b"), "two, explain");
    assert_reason(MCPA_REASON_PASS, use(w, "POST", "a"), "explain");
}

static void in_the_newer_era_and_without_inspection_it_means_nothing(void **state)
{
    world_t *w = *state;

    w->request.session = MCPA_STR("of somebody, else");
    assert_reason(MCPA_REASON_PASS,
                  ask(w, &(ask_t){ .version = MODERN, .method = "tools/list", .body = MODERN_RPC("tools/list", "") }), "newer");
    w->policy.inspect = MCPA_INSPECT_OFF;
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), "off");
}

static void an_id_brought_to_initialize_is_not_trusted(void **state)
{
    world_t *w = *state;

    w->request.session = MCPA_STR("chosen-by-client");
    assert_reason(MCPA_REASON_SESSION_UNKNOWN, ask_body(w, NULL, OPENING), "fixation");
}

static void who_has_all_one_may_have_opens_another(void **state)
{
    world_t *w = *state;
    char id[16];

    become(w, "\"alice\"", "\"app\"");
    for (unsigned i = 0; i <= MCPA_SESSIONS_OWNED_MAX; i++) {
        snprintf(id, sizeof(id), "s%u", i);
        assert_int_equal(open_session(w, id), MCPA_SESSION_BOUND);
        w->env.mono_ns += SHORT_NS;
    }
    assert_reason(MCPA_REASON_SESSION_UNKNOWN, use(w, "POST", "s0"), "as one that has ended");
    assert_reason(MCPA_REASON_PASS, use(w, "POST", "s1"), "those go on");
}

static void whose_session_can_be_kept_nowhere_is_told_before_the_server_is_asked(void **state)
{
    world_t *w = *state;
    char subject[16], id[16];

    for (unsigned i = 0; i < 5000; i++) {
        mcpa_session_owner_t owner = { MCPA_STR("https://elsewhere"), MCPA_STR_NONE, MCPA_STR("app") };
        mcpa_session_key_t key;

        snprintf(subject, sizeof(subject), "u%u", i);
        snprintf(id, sizeof(id), "s%u", i);
        owner.subject = mcpa_str(subject);
        mcpa_sessions_key(&key, table, mcpa_str(RESOURCE), mcpa_str(id), &owner);
        (void)mcpa_sessions_insert(table, &key, w->env.mono_ns, IDLE_NS);
    }
    become(w, "\"alice\"", "\"app\"");
    w->env.mono_ns += IDLE_NS / 2;
    assert_reason(MCPA_REASON_SESSION_LIMIT, ask_body(w, NULL, OPENING), "all are in use");
    assert_int_equal(mcpa_decision_status(&w->decision), 429);
    assert_in_range(w->decision.retry_after_s, IDLE_NS / 2 / 1000000000, IDLE_NS / 2 / 1000000000 + 1);
    assert_reason(MCPA_REASON_PASS, ask_body(w, LEGACY, PING), "nothing else needs a place");
    w->env.mono_ns += IDLE_NS / 2;
    assert_reason(MCPA_REASON_PASS, ask_body(w, NULL, OPENING), "the first have ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_its_owner_uses_reads_and_ends_a_session, setup, end),
        cmocka_unit_test_setup_teardown(both_refusals_are_the_same_answer_with_the_requests_id, setup, end),
        cmocka_unit_test_setup_teardown(an_idle_session_is_unknown, setup, end),
        cmocka_unit_test_setup_teardown(the_header_has_one_visible_word, setup, end),
        cmocka_unit_test_setup_teardown(in_the_newer_era_and_without_inspection_it_means_nothing, setup, end),
        cmocka_unit_test_setup_teardown(an_id_brought_to_initialize_is_not_trusted, setup, end),
        cmocka_unit_test_setup_teardown(who_has_all_one_may_have_opens_another, setup, end),
        cmocka_unit_test_setup_teardown(whose_session_can_be_kept_nowhere_is_told_before_the_server_is_asked, setup, end),
    };

    return cmocka_run_group_tests(tests, world_make, world_free);
}
