/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <strings.h>
#include <time.h>

#include "base/text.h"
#include "ctl/probe.h"

#define WAIT_MAX_S     60  /* for one limit */
#define WAIT_MAX_ALL_S 180 /* for all of them */
#define DEPTH_MAX      16
#define VALUES_MAX     4096
#define SECRET_BYTES   16 /* of a token's part: enough to know it by */

void ctl_probe_ask_once(ctl_probe_t *probe, const ctl_ask_t *ask, ctl_answer_t *answer)
{
    ctl_probehttp_ask(probe->http, ask, answer);
    probe->failures_in_row = answer->error[0] != '\0' ? probe->failures_in_row + 1 : 0;
}

void ctl_probe_ask(ctl_probe_t *probe, const ctl_ask_t *ask, ctl_answer_t *answer)
{
    uint64_t wait_s;

    for (;;) {
        ctl_probe_ask_once(probe, ask, answer);
        if (answer->status != 429 || !mcpa_text_u64(ctl_answer_header(answer, "Retry-After", 0), &wait_s) ||
            wait_s > WAIT_MAX_S || probe->waited_s + (int64_t)wait_s + 1 > WAIT_MAX_ALL_S) {
            return;
        }
        ctl_answer_clear(answer);
        ctl_complain("a rate limit came in between; going on in %u s", (unsigned)wait_s);
        nanosleep(&(struct timespec){ .tv_sec = (time_t)wait_s }, NULL);
        probe->waited_s += (int64_t)wait_s + 1; /* so that "0" comes to an end too */
    }
}

void ctl_probe_ask_list(ctl_probe_t *probe, const char *token, const char *line, ctl_answer_t *answer)
{
    ctl_ask_t ask = {
        .method = "POST",
        .url = probe->url,
        .token = token,
        .lines = { CTL_PROBE_OLD_LINE, line },
        .body = CTL_PROBE_LIST,
    };

    ctl_probe_ask(probe, &ask, answer);
}

/* ---- sentences */

static void say(ctl_finding_t *finding, ctl_probe_outcome_t outcome, const char *format, va_list args)
{
    finding->outcome = outcome;
    if (vsnprintf(finding->seen, sizeof(finding->seen), format, args) < 0) {
        finding->seen[0] = '\0';
    }
}

void ctl_probe_pass(ctl_finding_t *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(finding, CTL_PROBE_PASS, format, args);
    va_end(args);
}

void ctl_probe_fail(ctl_finding_t *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(finding, CTL_PROBE_FAIL, format, args);
    va_end(args);
}

void ctl_probe_skip(ctl_finding_t *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(finding, CTL_PROBE_SKIP, format, args);
    va_end(args);
}

bool ctl_probe_status_is(ctl_finding_t *finding, const ctl_answer_t *answer, long status, const char *to_what)
{
    if (answer->error[0] != '\0') {
        ctl_probe_fail(finding, "%s has no whole answer: %s", to_what, answer->error);
    } else if (answer->status == 429 && status != 429) {
        ctl_probe_fail(finding, "%s is answered 429, not %ld: a rate limit came in between", to_what, status);
    } else if (answer->status != status) {
        ctl_probe_fail(finding, "%s is answered %ld, not %ld%s", to_what, answer->status, status,
                       answer->status / 100 == 3 ? " (redirects are not followed)" : "");
    } else {
        return true;
    }
    return false;
}

/* Whether a part of the token that is worth hiding stands in text. The header says nothing but the algorithm and the key's name.
 */
static bool has_part(mcpa_str_t text, const char *token)
{
    const char *part = strchr(token, '.');

    if (part == NULL) {
        return memmem(text.ptr, text.len, token, strlen(token)) != NULL;
    }
    for (; part != NULL; part = strchr(part + 1, '.')) {
        size_t len = strcspn(part + 1, ".");

        len = len > SECRET_BYTES ? SECRET_BYTES : len;
        if (len == SECRET_BYTES && memmem(text.ptr, text.len, part + 1, len) != NULL) {
            return true;
        }
    }
    return false;
}

const char *ctl_probe_shown(const ctl_probe_t *probe, char *memory, mcpa_str_t text)
{
    bool is_long = text.len > CTL_PROBE_SHOWN_BYTES - 8;

    for (size_t i = 0; text.ptr != NULL && i < CTL_PROBE_TOKENS; i++) {
        if (probe->tokens[i] != NULL && has_part(text, probe->tokens[i])) {
            return "a text with the token in it";
        }
    }
    text.len = is_long ? CTL_PROBE_SHOWN_BYTES - 8 : text.len;
    snprintf(memory, CTL_PROBE_SHOWN_BYTES, "\"%.*s%s\"", MCPA_STR_ARG(text), is_long ? "..." : "");
    return memory;
}

/* ---- what many checks need */

bool ctl_probe_has_challenge(const ctl_probe_t *probe, ctl_finding_t *finding)
{
    if (probe->bare.status != 401 || !probe->challenge.is_bearer) {
        ctl_probe_skip(finding, "there is no 401 with a Bearer challenge to look at");
        return false;
    }
    return true;
}

bool ctl_probe_has_token(const ctl_probe_t *probe, ctl_finding_t *finding)
{
    if (probe->tokens[CTL_PROBE_GOOD] == NULL) {
        ctl_probe_skip(finding, "needs a good token: --token-file");
    } else if (!probe->accepted) {
        ctl_probe_skip(finding, "the token of --token-file is not let in");
    } else {
        return true;
    }
    return false;
}

bool ctl_probe_challenge_of(const ctl_answer_t *answer, char *header, size_t cap, ctl_challenge_t *challenge)
{
    mcpa_out_t out;

    mcpa_out_init(&out, header, cap);
    if (!ctl_answer_joined(answer, "WWW-Authenticate", &out)) {
        out.len = 0;
    }
    ctl_challenge_parse(challenge, mcpa_out_get(&out));
    return challenge->is_bearer;
}

/* "https://host:port" without a port that is the scheme's own. */
static mcpa_str_t origin_of(mcpa_str_t url)
{
    size_t at;
    bool is_https;
    mcpa_str_t port;

    if (!mcpa_text_is_url(url, &is_https)) {
        return MCPA_STR_NONE;
    }
    for (at = is_https ? 8 : 7; at < url.len && url.ptr[at] != '/' && url.ptr[at] != '?'; at++) {
    }
    port = is_https ? MCPA_STR(":443") : MCPA_STR(":80");
    if (at > port.len && memcmp(url.ptr + at - port.len, port.ptr, port.len) == 0) {
        at -= port.len;
    }
    return (mcpa_str_t){ url.ptr, at };
}

bool ctl_probe_is_safe_url(const ctl_probe_t *probe, mcpa_str_t url)
{
    bool is_https;

    return url.len < CTL_PROBE_URL_BYTES && mcpa_text_is_url(url, &is_https) &&
           (is_https || (probe->is_loopback && !probe->is_https && mcpa_text_url_is_loopback(url)));
}

bool ctl_probe_is_own_url(const ctl_probe_t *probe, mcpa_str_t url)
{
    return ctl_probe_is_safe_url(probe, url) && mcpa_str_ieq(origin_of(url), origin_of(mcpa_str(probe->url)));
}

bool ctl_probe_lists(mcpa_str_t list, const char *word)
{
    size_t begin = 0;

    for (size_t i = 0; i <= list.len; i++) {
        mcpa_str_t item;

        if (i < list.len && list.ptr[i] != ',') {
            continue;
        }
        item = (mcpa_str_t){ list.ptr + begin, i - begin };
        begin = i + 1;
        while (item.len > 0 && (item.ptr[0] == ' ' || item.ptr[0] == '\t')) {
            item.ptr++;
            item.len--;
        }
        while (item.len > 0 && (item.ptr[item.len - 1] == ' ' || item.ptr[item.len - 1] == '\t')) {
            item.len--;
        }
        if (item.len > 0 && mcpa_str_ieq(item, mcpa_str(word))) {
            return true;
        }
    }
    return false;
}

mcpa_json_t *ctl_probe_json(ctl_finding_t *finding, const ctl_answer_t *answer, const char *what)
{
    mcpa_str_t type = ctl_answer_header(answer, "Content-Type", 0);
    mcpa_json_t *json = NULL;
    size_t n = 0;

    while (n < type.len && type.ptr[n] != ';' && type.ptr[n] != ' ') {
        n++;
    }
    if (!mcpa_str_ieq((mcpa_str_t){ type.ptr, n }, MCPA_STR("application/json"))) {
        ctl_probe_fail(finding, "%s is not application/json", what);
    } else if (answer->body == NULL ||
               mcpa_json_parse(&json, (mcpa_str_t){ answer->body, answer->body_len }, DEPTH_MAX, VALUES_MAX) != MCPA_OK) {
        ctl_probe_fail(finding, "%s is not strict JSON", what);
    } else if (!mcpa_json_is(json, MCPA_JSON_OBJECT)) {
        ctl_probe_fail(finding, "%s is no JSON object", what);
        mcpa_json_free(&json);
    }
    return json;
}
