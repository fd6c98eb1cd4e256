/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of the daemon's HTTP, who may see them, and the checks before anything is shown. Pure: http.c speaks to
 * libmicrohttpd, views.c knows what to show. */
#ifndef ADMIND_HTTP_ROUTES_H
#define ADMIND_HTTP_ROUTES_H

#include "base/bytes.h"

struct admind;

/* Zero is no role, so that a row without one shows nothing. */
typedef enum admind_role {
    ADMIND_ROLE_OPEN = 1, /* whoever reaches the listener */
    ADMIND_ROLE_ADMIN =
        2 /* the AdminTokenFile's bearer where one is configured, else whoever reaches the listener by its loopback name */
} admind_role_t;

/* Borrowed; NULL when absent. */
typedef struct admind_request {
    const char *method;
    const char *path;
    const char *host;
    const char *authorization;
    const char *accept;
    bool many_hosts; /* more than one Host */
    bool has_body;
} admind_request_t;

typedef struct admind_answer {
    unsigned status;
    const char *type; /* Content-Type */
    char *body;       /* malloc'd, owned by whoever holds the answer */
    size_t len;
    const char *cache; /* Cache-Control; NULL: no-store */
    bool any_origin;   /* pages of every origin may read it (CORS) */
} admind_answer_t;

/* Fills the answer; false when memory ran out. An answer without a body becomes a refusal with its status. */
typedef bool admind_view_t(struct admind *admind, const admind_request_t *request, admind_answer_t *answer);

typedef struct admind_route {
    const char *path;
    admind_role_t role;
    admind_view_t *view;
} admind_route_t;

typedef struct admind_guard {
    mcpa_str_t admin_token; /* {NULL,0}: none is configured */
    bool is_tcp;            /* a browser may be led here by DNS rebinding */
} admind_guard_t;

/* 0: go, *route is what to show. Else the status of the refusal: 400, 401, 403, 404, 405. */
unsigned admind_routes_check(const admind_route_t **route, const admind_request_t *request, const admind_guard_t *guard);
/* Checks, then shows. */
void admind_routes_answer(struct admind *admind, const admind_request_t *request, const admind_guard_t *guard,
                          admind_answer_t *answer);
/* Accept (RFC 9110 section 12.5.1) asks for OpenMetrics 1.0 rather than text 0.0.4. */
bool admind_routes_wants_openmetrics(const char *accept);

#endif
