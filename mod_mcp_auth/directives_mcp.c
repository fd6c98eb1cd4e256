/* SPDX-License-Identifier: Apache-2.0 */
/* Directives of a section that say what of the Model Context Protocol is let in. */
#include "directives.h"

#include "apr_strings.h"

#include "base/text.h"

/* A message is held in memory while it is decided. */
#define BODY_MIN_BYTES 1024
#define BODY_MAX_BYTES (UINT64_C(256) * 1024 * 1024)
#define STREAMS_MAX    1000000 /* more threads than any httpd has */

const char *mod_mcp_set_inspect(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_INSPECT, false, &section);

    if (error) {
        return error;
    }
    for (int inspect = MCPA_INSPECT_OFF; inspect <= MCPA_INSPECT_HEADERS; inspect++) {
        if (!ap_cstr_casecmp(arg, mcpa_inspect_word((mcpa_inspect_t)inspect))) {
            dir->policy.inspect = (mcpa_inspect_t)inspect;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool, "MCPAuthInspect: must be Body, Headers or Off, not \"%s\"", arg);
}

const char *mod_mcp_set_max_body(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_MAX_BODY, false, &section);
    apr_uint64_t bytes = 0;

    if (error) {
        return error;
    }
    if (!mcpa_text_size(mcpa_str(arg), &bytes) || bytes < BODY_MIN_BYTES || bytes > BODY_MAX_BYTES) {
        return apr_psprintf(cmd->pool, "MCPAuthMaxBody: must be a size from 1k to 256m, as in 4m, not \"%s\"", arg);
    }
    dir->policy.max_body = bytes;
    return NULL;
}

const char *mod_mcp_set_max_length(cmd_parms *cmd, void *conf, const char *word, const char *size)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_MAX_LENGTH, true, &section);
    const mcpa_length_row_t *row;
    mcpa_length_t kind;
    apr_uint64_t bytes = 0;

    if (error) {
        return error;
    }
    if (!mcpa_length_find(&kind, mcpa_str(word))) {
        return apr_psprintf(
            cmd->pool, "MCPAuthMaxLength: \"%s\" is nothing that has a length here; write token, id, method, name or uri", word);
    }
    row = mcpa_length_row(kind);
    if (!mcpa_text_size(mcpa_str(size), &bytes) || bytes < row->least || bytes > row->greatest) {
        return apr_psprintf(cmd->pool, "MCPAuthMaxLength %s: must be a number of bytes from %u to %u, as in %u, not \"%s\"", word,
                            row->least, row->greatest, row->usual, size);
    }
    if (dir->policy.lengths.bytes[kind]) {
        return apr_psprintf(cmd->pool, "MCPAuthMaxLength %s: stands in this section already; leave one of the two lines out",
                            word);
    }
    dir->policy.lengths.bytes[kind] = (uint16_t)bytes;
    return NULL;
}

const char *mod_mcp_set_max_streams(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_MAX_STREAMS, false, &section);
    apr_uint64_t n = 0;

    if (error) {
        return error;
    }
    if (!ap_cstr_casecmp(arg, "unlimited")) {
        dir->policy.max_streams = MCPA_STREAMS_UNLIMITED;
        return NULL;
    }
    if (!mcpa_text_u64(mcpa_str(arg), &n) || n < 1 || n > STREAMS_MAX) {
        return apr_psprintf(cmd->pool, "MCPAuthMaxStreams: must be a number from 1 to %d, or unlimited, not \"%s\"", STREAMS_MAX,
                            arg);
    }
    dir->policy.max_streams = (uint32_t)n;
    return NULL;
}

/* The words behind the operation as one text, "" when one of them is none that may stand there. */
static const char *join(apr_pool_t *pool, int argc, char *const argv[])
{
    const char *words = "";

    for (int i = 0; i < argc; i++) {
        if (!mcpa_text_is_scope_token(mcpa_str(argv[i]))) {
            return "";
        }
        words = apr_pstrcat(pool, words, i ? " " : "", argv[i], NULL);
    }
    return words;
}

static const char *read_operation(cmd_parms *cmd, mcpa_operation_t *operation, int argc, char *const argv[])
{
    mcpa_str_t method, name;
    const char *words, *error;

    if (argc < 2) {
        return "MCPAuthOperation: write METHOD[:NAME] and then the scopes it needs, or granted, or denied, as in "
               "MCPAuthOperation "
               "tools/call:search mcp:tools.read";
    }
    error = mcpa_operation_split(mcpa_str(argv[0]), &method, &name);
    if (error) {
        return apr_psprintf(cmd->pool, "MCPAuthOperation: \"%s\": %s", argv[0], error);
    }
    words = join(cmd->pool, argc - 1, argv + 1);
    if (!mcpa_operation_effect(&operation->effect, mcpa_str(words)) || strlen(words) > MCPA_SCOPE_TEXT_MAX_BYTES / 2) {
        return apr_psprintf(
            cmd->pool,
            "MCPAuthOperation %s: what stands behind the operation must be granted alone, denied alone, or scopes as in the "
            "tokens, with blanks between them and no commas",
            argv[0]);
    }
    operation->method = apr_pstrmemdup(cmd->pool, method.ptr, method.len);
    operation->name = name.ptr ? apr_pstrmemdup(cmd->pool, name.ptr, name.len) : NULL;
    operation->scopes = operation->effect == MCPA_EFFECT_SCOPES ? words : NULL;
    return NULL;
}

const char *mod_mcp_set_operation(cmd_parms *cmd, void *conf, int argc, char *const argv[])
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    mcpa_operation_t operation = { 0 };
    mcpa_operations_t *operations;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_OPERATION, true, &section);

    error = error ? error : read_operation(cmd, &operation, argc, argv);
    if (error) {
        return error;
    }
    if (!section->operations) {
        section->operations = apr_array_make(cmd->pool, 8, sizeof(operation));
    }
    if (section->operations->nelts >= MCPA_OPERATIONS_MAX) {
        return apr_psprintf(cmd->pool, "MCPAuthOperation: more than %d in one section; write fewer, with * in their names",
                            MCPA_OPERATIONS_MAX);
    }
    *(mcpa_operation_t *)apr_array_push(section->operations) = operation;
    operations = apr_pcalloc(cmd->pool, sizeof(*operations));
    operations->rules = (const mcpa_operation_t *)(void *)section->operations->elts;
    operations->n_rules = (size_t)section->operations->nelts;
    dir->policy.operations = operations;
    return NULL;
}

const char *mod_mcp_set_protocol(cmd_parms *cmd, void *conf, const char *arg)
{
    mod_mcp_dir_t *dir = conf;
    mod_mcp_section_t *section;
    const char *error = mod_mcp_enter_section(cmd, dir, MOD_MCP_PROTOCOL, true, &section);
    mcpa_revision_t revision = mcpa_revision_find(mcpa_str(arg));
    const char *known = "";

    if (error) {
        return error;
    }
    if (revision == MCPA_REVISION_NONE) {
        for (int i = MCPA_REVISION_NONE + 1; i < MCPA_REVISION_COUNT; i++) {
            known = apr_pstrcat(cmd->pool, known, i > 1 ? ", " : "", mcpa_revision_name((mcpa_revision_t)i), NULL);
        }
        return apr_psprintf(cmd->pool, "MCPAuthProtocol: \"%s\" is no revision of the protocol; write one or more of %s", arg,
                            known);
    }
    dir->policy.protocols |= MCPA_REVISION_BIT(revision);
    return NULL;
}
