/* SPDX-License-Identifier: Apache-2.0 */
#include "http/routes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "http/views.h"

static const admind_route_t routes[] = {
    { "/healthz", ADMIND_ROLE_OPEN, admind_view_health },
    { "/readyz", ADMIND_ROLE_OPEN, admind_view_ready },
    { "/metrics", ADMIND_ROLE_ADMIN, admind_view_metrics },
    { "/alerts", ADMIND_ROLE_ADMIN, admind_view_alerts },
    { "/keys", ADMIND_ROLE_ADMIN, admind_view_keys },
    { "/status", ADMIND_ROLE_ADMIN, admind_view_status },
    { "/.well-known/jwks.json", ADMIND_ROLE_OPEN, admind_view_jwks },
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static const struct refusal {
    unsigned status;
    const char *error;
    const char *message;
} refusals[] = {
    { 400, "invalid_request", "The request is malformed" },
    { 401, "unauthorized", "The admin token is required" },
    { 403, "forbidden", "This Host is not served here; ask for localhost, or configure AdminTokenFile" },
    { 404, "not_found", "There is no such path" },
    { 405, "method_not_allowed", "Only GET and HEAD are served" },
    { 503, "temporarily_unavailable", "There are no keys at the moment" },
    { 500, "internal_error", "The answer could not be made" },
};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

/* localhost, 127.0.0.1 or [::1], with or without a port. A name that DNS was made to point here is none of these. */
static bool is_loopback_host(const char *host)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    mcpa_str_t text = mcpa_str(host);
    uint64_t port;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mcpa_str_t name = mcpa_str(names[i]);
        mcpa_str_t rest;

        if (text.len < name.len || !mcpa_str_ieq((mcpa_str_t){ text.ptr, name.len }, name)) {
            continue;
        }
        rest = (mcpa_str_t){ text.ptr + name.len, text.len - name.len };
        return rest.len == 0 ||
               (rest.ptr[0] == ':' && mcpa_text_u64((mcpa_str_t){ rest.ptr + 1, rest.len - 1 }, &port) && port < 65536);
    }
    return false;
}

static bool has_token(const char *authorization, mcpa_str_t token)
{
    mcpa_str_t value = mcpa_str(authorization);
    mcpa_str_t scheme = MCPA_STR("Bearer ");

    return value.len > scheme.len && mcpa_str_ieq((mcpa_str_t){ value.ptr, scheme.len }, scheme) &&
           mcpa_secret_eq((mcpa_str_t){ value.ptr + scheme.len, value.len - scheme.len }, token);
}

static unsigned check_role(const admind_route_t *route, const admind_request_t *request, const admind_guard_t *guard)
{
    switch (route->role) {
    case ADMIND_ROLE_OPEN:
        return 0;
    case ADMIND_ROLE_ADMIN:
        if (guard->admin_token.ptr != NULL) {
            return has_token(request->authorization, guard->admin_token) ? 0 : 401;
        }
        return guard->is_tcp && request->host != NULL && !is_loopback_host(request->host) ? 403 : 0;
    }
    return 403;
}

unsigned admind_routes_check(const admind_route_t **route, const admind_request_t *request, const admind_guard_t *guard)
{
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
        return 405;
    }
    if (request->has_body || request->many_hosts) {
        return 400;
    }
    for (size_t i = 0; i < ROUTES; i++) {
        if (strcmp(routes[i].path, request->path) == 0) {
            *route = &routes[i];
            return check_role(&routes[i], request, guard);
        }
    }
    return 404;
}

static void refuse(admind_answer_t *answer, unsigned status)
{
    const struct refusal *refusal = &refusals[REFUSALS - 1];
    char text[256];

    for (size_t i = 0; i < REFUSALS; i++) {
        if (refusals[i].status == status) {
            refusal = &refusals[i];
        }
    }
    snprintf(text, sizeof(text), "{\"error\":\"%s\",\"message\":\"%s\"}", refusal->error, refusal->message);
    *answer = (admind_answer_t){ .status = refusal->status, .type = "application/json", .body = strdup(text) };
    answer->len = answer->body == NULL ? 0 : strlen(answer->body);
}

void admind_routes_answer(struct admind *admind, const admind_request_t *request, const admind_guard_t *guard,
                          admind_answer_t *answer)
{
    const admind_route_t *route = NULL;
    unsigned status = admind_routes_check(&route, request, guard);

    *answer = (admind_answer_t){ .status = 200, .type = "application/json" };
    if (status != 0) {
        refuse(answer, status);
    } else if (!route->view(admind, request, answer)) {
        free(answer->body);
        refuse(answer, 500);
    } else if (answer->body == NULL) {
        refuse(answer, answer->status);
    }
}

/* ---- Accept */

static mcpa_str_t trim(mcpa_str_t text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Takes what stands before the next 'mark', trimmed. Quoted strings with marks in them do not occur in the types that matter
 * here. */
static bool next_part(mcpa_str_t *rest, char mark, mcpa_str_t *part)
{
    const char *end;
    size_t len;

    if (rest->ptr == NULL) {
        return false;
    }
    end = rest->len == 0 ? NULL : memchr(rest->ptr, mark, rest->len);
    len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    *part = trim((mcpa_str_t){ rest->ptr, len });
    *rest = end == NULL ? MCPA_STR_NONE : (mcpa_str_t){ end + 1, rest->len - len - 1 };
    return true;
}

/* "0", "1", "0.75": in thousandths; what is no weight counts as 0. */
static unsigned read_weight(mcpa_str_t text)
{
    unsigned weight = 0, digit = 1000;

    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') || (text.len > 1 && text.ptr[1] != '.')) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1) {
            continue;
        }
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return 0;
        }
        weight += digit * (unsigned)(text.ptr[i] - '0');
        digit /= 10;
    }
    return weight > 1000 ? 0 : weight;
}

/* One media range. *open, *text: the greatest weights so far of what we can serve. */
static void weigh(mcpa_str_t range, unsigned *open, unsigned *text)
{
    mcpa_str_t type, parameter;
    mcpa_str_t version = MCPA_STR_NONE;
    unsigned weight = 1000;
    unsigned *slot;

    if (!next_part(&range, ';', &type)) {
        return;
    }
    while (next_part(&range, ';', &parameter)) {
        if (parameter.len >= 2 && mcpa_str_ieq((mcpa_str_t){ parameter.ptr, 2 }, MCPA_STR("q="))) {
            weight = read_weight((mcpa_str_t){ parameter.ptr + 2, parameter.len - 2 });
        } else if (parameter.len >= 8 && mcpa_str_ieq((mcpa_str_t){ parameter.ptr, 8 }, MCPA_STR("version="))) {
            version = (mcpa_str_t){ parameter.ptr + 8, parameter.len - 8 };
        }
    }
    if (mcpa_str_ieq(type, MCPA_STR("application/openmetrics-text"))) {
        if (version.ptr != NULL && !mcpa_str_eqz(version, "1.0.0")) {
            return;
        }
        slot = open;
    } else if (mcpa_str_ieq(type, MCPA_STR("text/plain")) || mcpa_str_ieq(type, MCPA_STR("text/*")) ||
               mcpa_str_ieq(type, MCPA_STR("*/*"))) {
        slot = text;
    } else {
        return;
    }
    *slot = weight > *slot ? weight : *slot;
}

bool admind_routes_wants_openmetrics(const char *accept)
{
    mcpa_str_t rest = mcpa_str(accept);
    mcpa_str_t range;
    unsigned open = 0, text = 0;

    while (next_part(&rest, ',', &range)) {
        weigh(range, &open, &text);
    }
    return open > 0 && open >= text;
}
