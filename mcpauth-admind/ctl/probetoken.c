/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: the good one is let in, and nothing else is. The good one is never sent in a URL, where logs would keep it. */
#include <stdlib.h>

#include "base/b64url.h"
#include "ctl/probe.h"

#define GARBAGE     "mcpauthctl-probe.is.no-token"
#define CRAFT_BYTES 32768
#define FAR_FUTURE  INT64_C(4102444800) /* 2100 */

/* ---- what is refused */

static bool says_the_same(const ctl_probe_t *probe, const ctl_answer_t *answer)
{
    char header[2][sizeof(probe->bare_header)];
    ctl_challenge_t challenge;

    ctl_probe_challenge_of(answer, header[0], sizeof(header[0]), &challenge);
    ctl_probe_challenge_of(&probe->garbage, header[1], sizeof(header[1]), &challenge);
    return strcmp(header[0], header[1]) == 0 && answer->body_len == probe->garbage.body_len &&
           (answer->body_len == 0 || memcmp(answer->body, probe->garbage.body, answer->body_len) == 0);
}

/* 401 with error="invalid_token". */
static bool is_refused(const ctl_probe_t *probe, ctl_finding_t *finding, const ctl_answer_t *answer, const char *what)
{
    char header[sizeof(probe->bare_header)], shown[CTL_PROBE_SHOWN_BYTES];
    ctl_challenge_t challenge;
    mcpa_str_t error;

    if (!ctl_probe_status_is(finding, answer, 401, what)) {
        return false;
    }
    ctl_probe_challenge_of(answer, header, sizeof(header), &challenge);
    error = ctl_challenge_get(&challenge, "error");
    if (error.ptr == NULL) {
        ctl_probe_fail(finding, "%s is answered 401, but not with a Bearer challenge that has an error", what);
    } else if (!mcpa_str_eqz(error, "invalid_token")) {
        ctl_probe_fail(finding, "%s is answered 401 with error=%s, not invalid_token", what,
                       ctl_probe_shown(probe, shown, error));
    } else {
        ctl_probe_pass(finding, "%s is answered 401 with invalid_token", what);
    }
    return finding->outcome == CTL_PROBE_PASS;
}

static void refuse(ctl_probe_t *probe, ctl_finding_t *finding, const char *token, const char *what)
{
    ctl_answer_t answer;

    ctl_probe_ask_list(probe, token, NULL, &answer);
    if (is_refused(probe, finding, &answer, what) && probe->garbage_refused) {
        probe->refused_any = true;
        if (probe->other_words == NULL && !says_the_same(probe, &answer)) {
            probe->other_words = what;
        }
    }
    ctl_answer_clear(&answer);
}

void ctl_probe_token_garbage(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_probe_ask_list(probe, GARBAGE, NULL, &probe->garbage);
    probe->garbage_refused = is_refused(probe, finding, &probe->garbage, "a token that is none");
}

void ctl_probe_token_words(ctl_probe_t *probe, ctl_finding_t *finding)
{
    if (!probe->garbage_refused || !probe->refused_any) {
        ctl_probe_skip(finding, "no two refusals to compare");
    } else if (probe->other_words != NULL) {
        ctl_probe_fail(finding, "%s is refused in other words than garbage: that tells an attacker how far a token got",
                       probe->other_words);
    } else {
        ctl_probe_pass(finding, "every refused token is answered in the same words");
    }
}

/* ---- tokens made of the good one */

/* Like the good one, or, where there is none, like one that the server could believe. */
static void print_payload(const ctl_probe_t *probe, mcpa_out_t *out)
{
    const char *dot = probe->accepted ? strchr(probe->tokens[CTL_PROBE_GOOD], '.') : NULL;
    const char *end = dot != NULL ? strchr(dot + 1, '.') : NULL;
    char memory[4096];
    mcpa_out_t claims;
    mcpa_jsonw_t w;

    if (end != NULL) {
        mcpa_out_put(out, dot + 1, (size_t)(end - dot) - 1);
        return;
    }
    mcpa_out_init(&claims, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &claims);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_str(&w, "iss", mcpa_json_string(mcpa_json_at(mcpa_json_member(probe->document, "authorization_servers"), 0)));
    mcpa_jsonw_z(&w, "sub", "mcpauthctl-probe");
    mcpa_jsonw_z(&w, "client_id", "mcpauthctl-probe");
    mcpa_jsonw_z(&w, "jti", "mcpauthctl-probe");
    mcpa_jsonw_z(&w, "aud", probe->url);
    mcpa_jsonw_str(&w, "scope", ctl_challenge_get(&probe->challenge, "scope"));
    mcpa_jsonw_int(&w, "iat", 0);
    mcpa_jsonw_int(&w, "exp", FAR_FUTURE);
    mcpa_jsonw_close_object(&w);
    mcpa_b64url_encode(out, claims.ptr, claims.len);
}

void ctl_probe_token_none(ctl_probe_t *probe, ctl_finding_t *finding)
{
    static const char header[] = "{\"alg\":\"none\",\"typ\":\"at+jwt\"}";
    char token[CRAFT_BYTES];
    mcpa_out_t out;

    mcpa_out_init(&out, token, sizeof(token));
    mcpa_b64url_encode(&out, header, sizeof(header) - 1);
    mcpa_out_char(&out, '.');
    print_payload(probe, &out);
    mcpa_out_char(&out, '.');
    refuse(probe, finding, token, "a token with alg none");
    explicit_bzero(token, sizeof(token));
}

/* Its signature's place in a copy of the good token. NULL: the finding says why there is none. */
static char *copy_good(const ctl_probe_t *probe, ctl_finding_t *finding, char token[CRAFT_BYTES])
{
    char *dot;

    if (!ctl_probe_has_token(probe, finding)) {
        return NULL;
    }
    snprintf(token, CRAFT_BYTES, "%s", probe->tokens[CTL_PROBE_GOOD]);
    dot = strchr(token, '.');
    dot = dot != NULL ? strchr(dot + 1, '.') : NULL;
    if (dot == NULL || dot[1] == '\0') {
        ctl_probe_skip(finding, "the token of --token-file is no signed JWT");
        return NULL;
    }
    return dot + 1;
}

void ctl_probe_token_stripped(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char token[CRAFT_BYTES];
    char *signature = copy_good(probe, finding, token);

    if (signature != NULL) {
        *signature = '\0';
        refuse(probe, finding, token, "the good token without its signature");
    }
    explicit_bzero(token, sizeof(token));
}

void ctl_probe_token_changed(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char token[CRAFT_BYTES];
    char *signature = copy_good(probe, finding, token);

    if (signature != NULL) {
        char *middle = signature + strlen(signature) / 2; /* all six bits of each character there count */

        *middle = *middle == 'A' ? 'B' : 'A';
        refuse(probe, finding, token, "the good token with another signature");
    }
    explicit_bzero(token, sizeof(token));
}

/* ---- tokens that were given */

static void refuse_given(ctl_probe_t *probe, ctl_finding_t *finding, ctl_probe_token_t which, const char *option,
                         const char *what)
{
    if (probe->tokens[which] == NULL) {
        ctl_probe_skip(finding, "needs such a token: --%s", option);
    } else {
        refuse(probe, finding, probe->tokens[which], what);
    }
}

void ctl_probe_token_expired(ctl_probe_t *probe, ctl_finding_t *finding)
{
    refuse_given(probe, finding, CTL_PROBE_EXPIRED, "expired-token-file", "the expired token");
}

void ctl_probe_token_audience(ctl_probe_t *probe, ctl_finding_t *finding)
{
    refuse_given(probe, finding, CTL_PROBE_WRONG_AUDIENCE, "wrong-audience-token-file", "the token for another resource");
}

/* A tool that nobody has: where the call is let through against all rules, nothing is done. */
void ctl_probe_token_scope(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t ask = {
        .method = "POST",
        .url = probe->url,
        .token = probe->tokens[CTL_PROBE_LOW],
        .lines = { CTL_PROBE_OLD_LINE },
        .body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
                "call\",\"params\":{\"name\":\"mcpauthctl-probe\",\"arguments\":{}}}",
    };
    char header[sizeof(probe->bare_header)], shown[CTL_PROBE_SHOWN_BYTES];
    ctl_challenge_t challenge;
    ctl_answer_t answer;
    mcpa_str_t scope;

    if (ask.token == NULL) {
        ctl_probe_skip(finding, "needs such a token: --low-token-file");
        return;
    }
    ctl_probe_ask(probe, &ask, &answer);
    ctl_probe_challenge_of(&answer, header, sizeof(header), &challenge);
    scope = ctl_challenge_get(&challenge, "scope");
    if (!ctl_probe_status_is(finding, &answer, 403, "a call with too little scope")) {
        /* said */
    } else if (!mcpa_str_eqz(ctl_challenge_get(&challenge, "error"), "insufficient_scope")) {
        ctl_probe_fail(finding, "the 403 for too little scope has no Bearer challenge with insufficient_scope");
    } else if (scope.len == 0) {
        ctl_probe_fail(finding, "the 403 for too little scope does not say which scope is needed");
    } else if (ctl_challenge_get(&challenge, "resource_metadata").len == 0) {
        ctl_probe_fail(finding, "the 403 for too little scope has no resource_metadata");
    } else {
        ctl_probe_pass(finding, "too little scope is answered 403; needed is %s", ctl_probe_shown(probe, shown, scope));
    }
    ctl_answer_clear(&answer);
}

/* ---- where a token may stand */

/* Garbage is enough: who looks at it there says that it is no good, who does not says that there is none. */
void ctl_probe_token_query(ctl_probe_t *probe, ctl_finding_t *finding)
{
    char url[CTL_PROBE_URL_BYTES + sizeof("?access_token=" GARBAGE)], header[sizeof(probe->bare_header)];
    ctl_ask_t ask = { .method = "POST", .url = url, .lines = { CTL_PROBE_OLD_LINE }, .body = CTL_PROBE_LIST };
    ctl_challenge_t challenge;
    ctl_answer_t answer;

    if (probe->bare.status != 401) {
        ctl_probe_skip(finding, "requests without a token are not answered 401 either");
        return;
    }
    snprintf(url, sizeof(url), "%s?access_token=" GARBAGE, probe->url);
    ctl_probe_ask(probe, &ask, &answer);
    if (ctl_probe_status_is(finding, &answer, 401, "a token in the query alone")) {
        ctl_probe_challenge_of(&answer, header, sizeof(header), &challenge);
        if (ctl_challenge_get(&challenge, "error").ptr != NULL) {
            ctl_probe_fail(finding, "a token in the query is looked at: its 401 has an error");
        } else {
            ctl_probe_pass(finding, "a token in the query is no token: 401 without an error");
        }
    }
    ctl_answer_clear(&answer);
}

void ctl_probe_token_twice(ctl_probe_t *probe, ctl_finding_t *finding)
{
    ctl_ask_t ask = {
        .method = "POST",
        .url = probe->url,
        .token = probe->accepted ? probe->tokens[CTL_PROBE_GOOD] : GARBAGE,
        .token_twice = true,
        .lines = { CTL_PROBE_OLD_LINE },
        .body = CTL_PROBE_LIST,
    };
    ctl_answer_t answer;

    ctl_probe_ask(probe, &ask, &answer);
    if (ctl_probe_status_is(finding, &answer, 400, "a request with two Authorization headers")) {
        ctl_probe_pass(finding, "two Authorization headers are answered 400");
    }
    ctl_answer_clear(&answer);
}
