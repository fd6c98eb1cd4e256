/* SPDX-License-Identifier: Apache-2.0 */
#include "loose.h"

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_request.h"

#include "config.h"
#include "context.h"
#include "inherit.h"
#include "respond.h"

#define DECODE_ROUNDS 3 /* a proxy in between and two careless decoders */

static int hex_value(char c)
{
    return apr_isdigit(c) ? c - '0' : apr_tolower(c) - 'a' + 10;
}

static void decode(char *text)
{
    char *out = text;

    for (const char *at = text; *at; at++) {
        if (at[0] == '%' && apr_isxdigit(at[1]) && apr_isxdigit(at[2])) {
            char c = (char)(hex_value(at[1]) * 16 + hex_value(at[2]));

            at += 2;
            /* An upstream in C ends the path here. */
            if (c == '\0') {
                break;
            }
            *out++ = c;
        } else {
            *out++ = *at;
        }
    }
    *out = '\0';
}

/* The segment without its parameters and trailing dots and blanks; dot segments keep their dots. */
static size_t trimmed(const char *segment, size_t len)
{
    const char *parameters = memchr(segment, ';', len);
    size_t kept = parameters ? (size_t)(parameters - segment) : len;

    if ((kept == 1 && segment[0] == '.') || (kept == 2 && segment[0] == '.' && segment[1] == '.')) {
        return kept;
    }
    while (kept && (segment[kept - 1] == '.' || (unsigned char)segment[kept - 1] <= ' ')) {
        kept--;
    }
    return kept;
}

void mod_mcp_loose_fold(char *memory, const char *path)
{
    char *out = memory + 1, *at = memory + 1;

    memory[0] = '/';
    memcpy(at, path, strlen(path) + 1);
    for (int round = 0; round < DECODE_ROUNDS; round++) {
        decode(at);
    }
    while (*at) {
        size_t len = strcspn(at, "/\\"), kept = trimmed(at, len);
        const char *next = at + len + (at[len] != '\0');

        if (kept == 2 && at[0] == '.' && at[1] == '.') {
            while (out > memory + 1 && *--out != '/') {
            }
        } else if (kept && !(kept == 1 && at[0] == '.')) {
            if (out > memory + 1) {
                *out++ = '/';
            }
            for (size_t i = 0; i < kept; i++) {
                *out++ = (char)apr_tolower(at[i]);
            }
        }
        at = (char *)(uintptr_t)next;
    }
    *out = '\0';
}

static bool is_below(const char *path, const char *place)
{
    size_t len = strlen(place);

    return !strncmp(path, place, len) && (path[len] == '\0' || path[len] == '/' || place[len - 1] == '/');
}

/* The Location that would decide about a folded path: the last one written whose path encloses it. Patterns say nothing about loose readings. */
static const mod_mcp_section_t *section_for(const char *folded, request_rec *r)
{
    const apr_array_header_t *all = mod_mcp_global()->sections;
    const mod_mcp_section_t *found = NULL;

    for (int is_virtual = 0; is_virtual <= 1; is_virtual++) {
        for (int i = 0; i < all->nelts; i++) {
            const mod_mcp_section_t *section = APR_ARRAY_IDX(all, i, mod_mcp_section_t *);

            if (section->server->is_virtual == is_virtual && !section->is_pattern && !ap_cstr_casecmp(section->kind, "<Location") &&
                (section->dir->set & (1u << MOD_MCP_MODE)) != 0 && mod_mcp_section_applies(section, r->server)) {
                char *place = apr_palloc(r->pool, strlen(section->path) + 2);

                mod_mcp_loose_fold(place, section->path);
                found = is_below(folded, place) ? section : found;
            }
        }
    }
    return found;
}

int mod_mcp_loose_handler(request_rec *r)
{
    const mod_mcp_dir_t *dir = mod_mcp_dir_of(r);
    const mod_mcp_section_t *section;
    mod_mcp_verdict_t *verdict;
    mcpa_policy_t policy;
    char *path, *folded;

    if (!mod_mcp_global()->guarded || r->main || r->proxyreq != PROXYREQ_REVERSE || (dir && dir->policy.mode != MCPA_MODE_OFF)) {
        return DECLINED;
    }
    /* As it came in: that is what goes upstream. */
    path = apr_pstrdup(r->pool, r->unparsed_uri ? r->unparsed_uri : r->uri);
    path[strcspn(path, "?#")] = '\0';
    folded = apr_palloc(r->pool, strlen(path) + 2);
    mod_mcp_loose_fold(folded, path);
    section = section_for(folded, r);
    /* The section that httpd's own reading met last is an administrator's word: nothing to be ambiguous about. */
    if (!section || section->dir->policy.mode != MCPA_MODE_ON || !section->effective || (dir && dir->section == section)) {
        return DECLINED;
    }
    mod_mcp_policy_fill(&policy, section->effective, r->server);
    verdict = mod_mcp_verdict_add(mod_mcp_context_get(r), &policy, false);
    mod_mcp_verdict_refuse(verdict, MCPA_REASON_PATH_AMBIGUOUS);
    return mod_mcp_respond(r, verdict);
}
