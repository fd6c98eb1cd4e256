/* SPDX-License-Identifier: Apache-2.0 */
#include "securitytxt.h"

#include "apr_strings.h"
#include "apr_time.h"

#include "base/text.h"
#include "fixedkeys.h"
#include "respond.h"

#define MAX_BYTES (32 * 1024)
#define DATE_LEN  19 /* 2026-11-21T09:00:00; the zone behind it moves it by half a day at most */

/* The value of the only field of this name; {NULL, 0}: there is none, or more than one. */
static mcpa_str_t only_field(const char *text, const char *name, unsigned *n)
{
    size_t len = strlen(name);
    mcpa_str_t value = MCPA_STR_NONE;

    *n = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (!ap_cstr_casecmpn(line, name, len) && line[len] == ':') {
            const char *start = line + len + 1 + strspn(line + len + 1, " \t");

            value = (mcpa_str_t){ start, strcspn(start, "\r\n") };
            (*n)++;
        }
    }
    return *n == 1 ? value : MCPA_STR_NONE;
}

static bool is_date(mcpa_str_t value)
{
    static const char shape[] = "0000-00-00T00:00:00";

    for (size_t i = 0; i < DATE_LEN; i++) {
        bool fits =
            value.len >= DATE_LEN && (shape[i] == '0' ? value.ptr[i] >= '0' && value.ptr[i] <= '9' : value.ptr[i] == shape[i]);

        if (!fits) {
            return false;
        }
    }
    return true;
}

static const char *fault_of(const char *text, size_t len, mcpa_str_t *expires)
{
    unsigned n = 0;

    if (memchr(text, '\0', len) || !mcpa_text_is_utf8((mcpa_str_t){ text, len })) {
        return "is no text in UTF-8";
    }
    (void)only_field(text, "Contact", &n);
    if (n == 0) {
        return "has no line \"Contact: mailto:...\" or \"Contact: https://...\"; RFC 9116 asks for one";
    }
    *expires = only_field(text, "Expires", &n);
    return is_date(*expires) ? NULL : "has not exactly one line \"Expires: 2027-01-31T00:00:00Z\"; RFC 9116 asks for it";
}

void mod_mcp_securitytxt_prepare(mod_mcp_checks_t *checks, mod_mcp_server_t *server)
{
    const mod_mcp_single_t *line = &server->security_txt;
    const char *error = NULL, *text;
    char now[DATE_LEN + 1];
    mcpa_str_t expires = MCPA_STR_NONE;
    apr_time_exp_t broken;
    apr_size_t size = 0, len = 0;

    if (!line->text) {
        return;
    }
    text = mod_mcp_plain_file_read(line->text, MAX_BYTES, checks->pool, &len, &error);
    if (text) {
        text = apr_pstrmemdup(checks->pool, text, len);
        error = fault_of(text, len, &expires);
    }
    if (error) {
        mod_mcp_problem(checks, "MCPA0131", line->file, line->line, "MCPAuthSecurityTxt: %s %s", line->text, error);
        return;
    }
    server->security_text = text;
    if (apr_time_exp_gmt(&broken, apr_time_now()) == APR_SUCCESS &&
        apr_strftime(now, &size, sizeof(now), "%Y-%m-%dT%H:%M:%S", &broken) == APR_SUCCESS &&
        memcmp(expires.ptr, now, DATE_LEN) < 0) {
        mod_mcp_warning(checks, "MCPA0132", "%s:%d: MCPAuthSecurityTxt: %s expired at %.*s; look it over and write a later date",
                        line->file, line->line, line->text, (int)expires.len, expires.ptr);
    }
}

bool mod_mcp_securitytxt_wanted(const request_rec *r)
{
    return mod_mcp_server_of(r->server)->security_text && r->uri && !strcmp(r->uri, MOD_MCP_SECURITYTXT_PATH);
}

int mod_mcp_securitytxt_serve(request_rec *r)
{
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    if (r->method_number != M_GET) {
        apr_table_setn(r->err_headers_out, "Allow", "GET, HEAD");
        return mod_mcp_respond_send(r, HTTP_METHOD_NOT_ALLOWED,
                                    "{\"error\":\"method_not_allowed\",\"message\":\"This HTTP method is not allowed here\"}\n");
    }
    apr_table_setn(r->err_headers_out, "Cache-Control", "public, max-age=3600");
    return mod_mcp_respond_text(r, HTTP_OK, "text/plain; charset=utf-8", mod_mcp_server_of(r->server)->security_text);
}
