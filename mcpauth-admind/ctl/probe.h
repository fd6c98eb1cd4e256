/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of probe: a resource server is asked what clients and attackers ask, from outside and over HTTP alone. Each check is a row of the table in
 * probetable.c and looks at one thing, so that one fault shows as one failed check: what cannot be judged because something before it is wrong is
 * skipped. Texts of the server are shown only through ctl_probe_shown. One thread. */
#ifndef CTL_PROBE_H
#define CTL_PROBE_H

#include "ctl/ctl.h"
#include "ctl/finding.h"
#include "ctl/probechallenge.h"
#include "ctl/probehttp.h"

#define CTL_PROBE_URL_BYTES    2048
#define CTL_PROBE_SHOWN_BYTES  160
#define CTL_PROBE_CHECKS_MAX   64
#define CTL_PROBE_STRANGER     "mcpauthctl-probe.invalid" /* RFC 2606: nobody's */
#define CTL_PROBE_OLD_REVISION "2025-11-25"
#define CTL_PROBE_NEW_REVISION "2026-07-28"
#define CTL_PROBE_OLD_LINE     "MCP-Protocol-Version: " CTL_PROBE_OLD_REVISION
#define CTL_PROBE_NEW_LINE     "MCP-Protocol-Version: " CTL_PROBE_NEW_REVISION
#define CTL_PROBE_LIST         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}"

typedef enum ctl_probe_level { CTL_PROBE_MUST = 0, CTL_PROBE_SHOULD } ctl_probe_level_t;

typedef enum ctl_probe_token {
    CTL_PROBE_GOOD = 0, CTL_PROBE_LOW, CTL_PROBE_WRONG_AUDIENCE, CTL_PROBE_EXPIRED, CTL_PROBE_TOKENS
} ctl_probe_token_t;

typedef struct ctl_probe {
    const ctl_t *ctl;
    ctl_probehttp_t *http;
    /* asked for */
    const char *url;
    bool is_https, is_loopback;
    char metadata_url[CTL_PROBE_URL_BYTES]; /* as RFC 9728 section 3.1 makes it */
    char *tokens[CTL_PROBE_TOKENS];         /* NULL: not given */
    uint64_t limit;                         /* 0: not asked for */
    uint64_t max_body;                      /* bytes of the longest message that is taken, as the operator says */
    /* found out by earlier checks */
    ctl_answer_t bare;                      /* to a request without a token; whole */
    char bare_header[8192];                 /* its WWW-Authenticate */
    ctl_challenge_t challenge;              /* borrows from bare_header; not Bearer: none that could be read */
    ctl_answer_t document_answer;           /* of the metadata */
    mcpa_json_t *document;                  /* NULL: there is none */
    ctl_answer_t garbage;                   /* to a token that is none */
    bool garbage_refused;                   /* as it has to be: 'garbage' is what others are held against */
    const char *other_words;                /* the refused token that was answered in other words than garbage; NULL: none */
    bool refused_any;                       /* besides garbage */
    bool accepted;                          /* the good token was let in */
    int64_t waited_s;                       /* for limits that came in between */
    unsigned failures_in_row;               /* exchanges without an answer */
} ctl_probe_t;

typedef struct ctl_probe_check {
    const char *id;
    ctl_probe_level_t level;
    void (*run)(ctl_probe_t *probe, ctl_finding_t *finding);
    const char *mend; /* names the directive */
} ctl_probe_check_t;

/* probetable.c: in the order in which they are run */
extern const ctl_probe_check_t ctl_probe_checks[];
extern const size_t ctl_probe_n_checks;

/* probeask.c: asks; waits a bounded time where a rate limit came in between. *answer is to be cleared. */
void ctl_probe_ask(ctl_probe_t *probe, const ctl_ask_t *ask, ctl_answer_t *answer);
/* Without that wait. */
void ctl_probe_ask_once(ctl_probe_t *probe, const ctl_ask_t *ask, ctl_answer_t *answer);
/* A tools/list with this token (NULL: none) and one more header line (NULL: none). */
void ctl_probe_ask_list(ctl_probe_t *probe, const char *token, const char *line, ctl_answer_t *answer);
void ctl_probe_pass(ctl_finding_t *finding, const char *format, ...) MCPA_PRINTF(2, 3);
void ctl_probe_fail(ctl_finding_t *finding, const char *format, ...) MCPA_PRINTF(2, 3);
void ctl_probe_skip(ctl_finding_t *finding, const char *format, ...) MCPA_PRINTF(2, 3);
/* true when the answer has this status; else the finding says what came instead of 'wanted'. */
bool ctl_probe_status_is(ctl_finding_t *finding, const ctl_answer_t *answer, long status, const char *to_what);
/* A text of the server for a sentence: short, in quotes, and without the tokens that were sent to it. memory of CTL_PROBE_SHOWN_BYTES. */
const char *ctl_probe_shown(const ctl_probe_t *probe, char *memory, mcpa_str_t text);
/* What of the bare answer's challenge is needed; false: the finding says that there is none to look at. */
bool ctl_probe_has_challenge(const ctl_probe_t *probe, ctl_finding_t *finding);
/* false: the finding says that no token is there, or that it was not let in. */
bool ctl_probe_has_token(const ctl_probe_t *probe, ctl_finding_t *finding);
/* The answer's challenge; header is memory for its text. */
bool ctl_probe_challenge_of(const ctl_answer_t *answer, char *header, size_t cap, ctl_challenge_t *challenge);
/* Whether a URL may be asked or believed: https, or http where the probed one is http on loopback and so is this. */
bool ctl_probe_is_safe_url(const ctl_probe_t *probe, mcpa_str_t url);
/* Such a URL with the scheme, host and port of the probed one. */
bool ctl_probe_is_own_url(const ctl_probe_t *probe, mcpa_str_t url);
/* Whether one of the words of a comma list is this one, in any case. */
bool ctl_probe_lists(mcpa_str_t list, const char *word);
/* An application/json object; NULL, and the finding says what it is instead. */
mcpa_json_t *ctl_probe_json(ctl_finding_t *finding, const ctl_answer_t *answer, const char *what);

/* probeauth.c */
void ctl_probe_no_token(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_bearer_first(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_challenge_syntax(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_no_error(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_metadata_param(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_scope_param(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_host_spoofed(ctl_probe_t *probe, ctl_finding_t *finding);
/* probemeta.c */
void ctl_probe_metadata(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_metadata_path(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_metadata_resource(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_metadata_servers(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_metadata_methods(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_metadata_cors(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_metadata_absent(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_issuer(ctl_probe_t *probe, ctl_finding_t *finding);
/* probecall.c */
/* Whether the answer is 200 with a JSON-RPC result, as a document or as an event. */
bool ctl_probe_has_result(const ctl_answer_t *answer);
void ctl_probe_call(ctl_probe_t *probe, ctl_finding_t *finding);
/* probetoken.c */
void ctl_probe_token_garbage(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_token_none(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_token_stripped(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_token_changed(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_token_query(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_token_twice(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_token_expired(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_token_audience(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_token_words(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_token_scope(ctl_probe_t *probe, ctl_finding_t *finding);
/* probeweb.c */
void ctl_probe_preflight(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_preflight_foreign(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_origin_foreign(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_method_head(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_method_trace(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_method_put(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_security_headers(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_cache_control(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_limit(ctl_probe_t *probe, ctl_finding_t *finding);
/* probemcp.c */
void ctl_probe_batch(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_duplicate(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_mirror(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_unknown(ctl_probe_t *probe, ctl_finding_t *finding),
    ctl_probe_too_large(ctl_probe_t *probe, ctl_finding_t *finding), ctl_probe_media_type(ctl_probe_t *probe, ctl_finding_t *finding);

typedef struct ctl_probe_sum {
    size_t passed, failed_must, failed_should, skipped;
} ctl_probe_sum_t;
/* probe.c: as the command, but shows nothing. CTL_BAD: *id and *first are of the first check that failed and must not. CTL_UNREACHABLE and CTL_USAGE:
 * it has complained. */
ctl_exit_t ctl_probe_judge(const ctl_t *ctl, ctl_probe_sum_t *sum, const char **id, ctl_finding_t *first);

/* probeshow.c */
void ctl_probe_print(const ctl_probe_t *probe, const ctl_finding_t *findings, const ctl_probe_sum_t *sum);
void ctl_probe_print_json(const ctl_probe_t *probe, const ctl_finding_t *findings, const ctl_probe_sum_t *sum);

#endif
