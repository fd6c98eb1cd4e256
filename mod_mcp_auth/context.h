/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about one request of a client. httpd makes of it several request_recs: internal redirects (prev, next) and
 * subrequests (main). All of them share one context at the first one, and a policy that was decided once is neither charged nor
 * recorded again. */
#ifndef MOD_MCP_CONTEXT_H
#define MOD_MCP_CONTEXT_H

#include "config.h"
#include "state/streams.h"

typedef struct mod_mcp_verdict mod_mcp_verdict_t;

/* One policy decided. */
struct mod_mcp_verdict {
    mod_mcp_verdict_t *older;
    mcpa_policy_t policy; /* complete */
    mcpa_reason_t reason; /* the decision's */
    bool by_subrequest;
    const char
        *needed_scopes; /* of the first Require mcp-scope that said no; tells the client what to ask for, if it comes to a 403 */
    bool claim_denied;  /* a Require mcp-claim said no */
    mcpa_decision_t decision;
};

/* Of an open stream, among all that children hold. */
typedef struct mod_mcp_place {
    mcpa_streams_t *table; /* NULL: it never had one */
    mcpa_stream_t stream;
} mod_mcp_place_t;

typedef struct mod_mcp_context {
    request_rec *root;
    /* As the client sent them: on the way upstream they are taken out or changed. */
    mcpa_str_t authorization;
    mcpa_str_t query;
    const char *asked_id; /* X-Request-ID; NULL: absent, or none that is taken over */
    mod_mcp_verdict_t *verdicts; /* newest first */
    struct mod_mcp_body *read_body; /* body.c; NULL: nobody asked for it */
    mod_mcp_place_t place; /* streamcap.c */
    /* audit.c */
    void *body;          /* counts a body of unknown length; NULL: its length was told */
    const char *name;    /* see mod_mcp_request_name; NULL: none was needed yet */
    bool promise_failed; /* the spool could not promise to take its record: no handler of an audited section runs any more */
    bool promise_made;   /* there is a record of the decision, and one of the end must follow */
    bool promise_open;   /* the spool keeps room for that */
    const request_rec *watched; /* whose answer goes through the filter that records it */
    bool recorded;       /* its end is on record, or counted as lost */
} mod_mcp_context_t;

/* The request's own id, the same in all its records: mod_unique_id's, else one of ours. */
const char *mod_mcp_request_name(mod_mcp_context_t *context);
/* What the request is called by everybody on its way: X-Request-ID as the client sent it, where it is a short word of unreserved characters, else the
 * request's own id. *is_clients may be NULL. */
const char *mod_mcp_correlation(mod_mcp_context_t *context, bool *is_clients);
/* The context of r's client request; NULL until one of its parts met a guarded section. */
mod_mcp_context_t *mod_mcp_context_find(const request_rec *r);
/* The same, made when there is none. */
mod_mcp_context_t *mod_mcp_context_get(request_rec *r);
mod_mcp_verdict_t *mod_mcp_verdict_find(const mod_mcp_context_t *context, const mcpa_policy_t *policy);
/* A new, undecided one for this policy. */
mod_mcp_verdict_t *mod_mcp_verdict_add(mod_mcp_context_t *context, const mcpa_policy_t *policy, bool by_subrequest);
/* What the module itself has to refuse, whatever was decided: AUDIT_UNAVAILABLE; SCOPE_MISSING or CLAIM_DENIED by Require. */
void mod_mcp_verdict_refuse(mod_mcp_verdict_t *verdict, mcpa_reason_t reason);
/* What was decided for where r is now; NULL: nothing guarded, or not decided. */
mod_mcp_verdict_t *mod_mcp_verdict_of(const request_rec *r);
/* Spares it looking: while r is in this section, that is what was decided. */
void mod_mcp_set_judged(request_rec *r, const mod_mcp_dir_t *dir, mod_mcp_verdict_t *verdict);
/* The same for the answer: that of r itself, else of the redirect or request it came from. */
mod_mcp_verdict_t *mod_mcp_verdict_for_answer(const request_rec *r);

/* Whose identity headers r's table has: those for this section, or others, or the client's own. */
void mod_mcp_set_dressed(request_rec *r, const mod_mcp_dir_t *dir);
bool mod_mcp_is_dressed(const request_rec *r, const mod_mcp_dir_t *dir);

/* httpd prints all request headers at LogLevel trace4, before the first handler. These two hide the Authorization header from it.
 */
int mod_mcp_hide_credential(request_rec *r);
void mod_mcp_show_credential(request_rec *r);

#endif
