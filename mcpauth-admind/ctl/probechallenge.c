/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/probechallenge.h"

#include "base/text.h"

static void skip(mcpa_str_t *rest, size_t n)
{
    rest->ptr += n;
    rest->len -= n;
}

/* Blanks and tabs; how many there were. */
static size_t skip_blanks(mcpa_str_t *rest)
{
    size_t n = 0;

    while (n < rest->len && (rest->ptr[n] == ' ' || rest->ptr[n] == '\t')) {
        n++;
    }
    skip(rest, n);
    return n;
}

/* The token at the front; empty when there is none. */
static mcpa_str_t take_token(mcpa_str_t *rest)
{
    mcpa_str_t token = { rest->ptr, 0 };

    while (token.len < rest->len && mcpa_text_is_token((mcpa_str_t){ rest->ptr + token.len, 1 })) {
        token.len++;
    }
    skip(rest, token.len);
    return token;
}

static void note(ctl_challenge_t *challenge, ctl_challenge_fault_t fault, mcpa_str_t at)
{
    if (challenge->fault == CTL_CHALLENGE_SOUND) {
        challenge->fault = fault;
        challenge->fault_at = at;
    }
}

/* Behind the "=". false: what follows cannot be read any more. */
static bool take_value(ctl_challenge_t *challenge, mcpa_str_t *rest, mcpa_str_t name, mcpa_str_t *value)
{
    size_t n = 1;

    if (rest->len == 0 || rest->ptr[0] != '"') {
        *value = take_token(rest);
        if (value->len == 0) {
            note(challenge, CTL_CHALLENGE_SYNTAX, name);
        }
        return value->len > 0;
    }
    while (n < rest->len && rest->ptr[n] != '"') {
        if (rest->ptr[n] == '\\' || rest->ptr[n] < ' ' || rest->ptr[n] > '~') {
            note(challenge, CTL_CHALLENGE_CHARACTER, name);
        }
        n += rest->ptr[n] == '\\' ? 2 : 1;
    }
    if (n >= rest->len) {
        note(challenge, CTL_CHALLENGE_SYNTAX, name);
        return false;
    }
    *value = (mcpa_str_t){ rest->ptr + 1, n - 1 };
    skip(rest, n + 1);
    return true;
}

static void add(ctl_challenge_t *challenge, mcpa_str_t name, mcpa_str_t value)
{
    for (size_t i = 0; i < challenge->n; i++) {
        if (mcpa_str_ieq(challenge->params[i].name, name)) {
            note(challenge, CTL_CHALLENGE_TWICE, name);
            return;
        }
    }
    if (challenge->n == CTL_CHALLENGE_PARAMS_MAX) {
        note(challenge, CTL_CHALLENGE_SYNTAX, name);
        return;
    }
    challenge->params[challenge->n].name = name;
    challenge->params[challenge->n].value = value;
    challenge->n++;
}

/* One name=value. false at the end of this challenge: of the value, where the next scheme begins, or where nothing can be read
 * any more. */
static bool take_param(ctl_challenge_t *challenge, mcpa_str_t *rest)
{
    mcpa_str_t name = take_token(rest), value;
    size_t blanks = skip_blanks(rest);

    if (name.len == 0 || rest->len == 0 || rest->ptr[0] != '=') {
        /* A token alone, or with a token behind it, is the scheme of another challenge: that needs a parameter before it. */
        if (name.len == 0 || challenge->n == 0) {
            note(challenge, CTL_CHALLENGE_SYNTAX, name);
        }
        return false;
    }
    skip(rest, 1);
    blanks += skip_blanks(rest);
    if (blanks > 0) {
        note(challenge, CTL_CHALLENGE_BLANKS, name);
    }
    if (!take_value(challenge, rest, name, &value)) {
        return false;
    }
    add(challenge, name, value);
    skip_blanks(rest);
    if (rest->len > 0 && rest->ptr[0] != ',') {
        note(challenge, CTL_CHALLENGE_SYNTAX, name);
        return false;
    }
    return true;
}

void ctl_challenge_parse(ctl_challenge_t *challenge, mcpa_str_t value)
{
    mcpa_str_t rest = value;
    bool more = true;

    memset(challenge, 0, sizeof(*challenge));
    if (rest.len == 0) {
        return;
    }
    skip_blanks(&rest);
    challenge->is_bearer = mcpa_str_ieq(take_token(&rest), MCPA_STR("Bearer"));
    if (!challenge->is_bearer) {
        return;
    }
    if (rest.len > 0 && rest.ptr[0] != ',' && skip_blanks(&rest) == 0) {
        note(challenge, CTL_CHALLENGE_SYNTAX, MCPA_STR_NONE);
        return;
    }
    while (more && rest.len > 0) {
        while (rest.len > 0 && (rest.ptr[0] == ',' || rest.ptr[0] == ' ' || rest.ptr[0] == '\t')) {
            skip(&rest, 1); /* empty elements may stand in a list (RFC 9110 section 5.6.1) */
        }
        more = rest.len > 0 && take_param(challenge, &rest);
    }
}

mcpa_str_t ctl_challenge_get(const ctl_challenge_t *challenge, const char *name)
{
    for (size_t i = 0; i < challenge->n; i++) {
        if (mcpa_str_ieq(challenge->params[i].name, mcpa_str(name))) {
            return challenge->params[i].value;
        }
    }
    return MCPA_STR_NONE;
}
