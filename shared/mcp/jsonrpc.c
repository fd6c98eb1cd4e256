/* SPDX-License-Identifier: Apache-2.0 */
#include "mcp/jsonrpc.h"

#include "base/text.h"

#define META_VERSION      "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

static mcpa_rpc_fault_t fault_of(mcpa_status_t status)
{
    return status == MCPA_OK ? MCPA_RPC_OK : status == MCPA_ETOOBIG ? MCPA_RPC_TOO_DEEP : MCPA_RPC_NOT_JSON;
}

/* ---- members */

typedef mcpa_rpc_fault_t (*member_fn)(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, mcpa_str_t name);

/* Every member of the object before the cursor, none twice and none with an escaped name; fn reads or skips its value. */
static mcpa_rpc_fault_t read_object(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, member_fn fn)
{
    mcpa_str_t seen[MCPA_RPC_MEMBERS_MAX];
    mcpa_jsonscan_string_t name;
    mcpa_rpc_fault_t fault;
    mcpa_status_t status;
    size_t n = 0;

    if (mcpa_jsonscan_peek(scan) != '{') {
        return MCPA_RPC_NOT_RPC;
    }
    fault = fault_of(mcpa_jsonscan_enter(scan, '{'));
    while (fault == MCPA_RPC_OK && (status = mcpa_jsonscan_member(scan, n == 0, &name)) != MCPA_ENOTFOUND) {
        if (status != MCPA_OK) {
            return fault_of(status);
        }
        if (name.escaped) {
            return MCPA_RPC_AMBIGUOUS;
        }
        for (size_t i = 0; i < n; i++) {
            if (mcpa_str_eq(seen[i], name.raw)) {
                return MCPA_RPC_AMBIGUOUS;
            }
        }
        if (n == MCPA_RPC_MEMBERS_MAX) {
            return MCPA_RPC_NOT_RPC;
        }
        seen[n++] = name.raw;
        fault = fn(rpc, scan, name.raw);
    }
    return fault;
}

static mcpa_rpc_fault_t skip(mcpa_jsonscan_t *scan)
{
    return fault_of(mcpa_jsonscan_skip(scan, NULL));
}

/* A member that decides nothing, unless it is a deciding one for a reader that takes no notice of case: some do, and fold more
 * than ASCII. */
static mcpa_rpc_fault_t skip_other(mcpa_jsonscan_t *scan, mcpa_str_t name, const char *const *deciding)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] >= 0x80) {
            return MCPA_RPC_AMBIGUOUS;
        }
    }
    for (; *deciding != NULL; deciding++) {
        if (mcpa_str_ieq(name, mcpa_str(*deciding))) {
            return MCPA_RPC_AMBIGUOUS;
        }
    }
    return skip(scan);
}

/* Every string that decides, at its ceiling: one that does not fit is over it. */
_Static_assert(MCPA_RPC_MEMORY_BYTES >= MCPA_RPC_METHOD_MAX_BYTES + 3 * MCPA_RPC_NAME_MAX_BYTES + 2 * MCPA_RPC_URI_MAX_BYTES +
                                            4 * MCPA_RPC_WORD_MAX_BYTES,
               "no room for the strings of one message");

/* No kind with a ceiling of its own, but a word of the protocol: one that is too long is just another word. */
#define WORD MCPA_LENGTHS

/* A string's value, of this kind, not empty, without control characters; 'wrong' is the fault otherwise. */
static mcpa_rpc_fault_t read_text(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, mcpa_length_t kind, mcpa_rpc_fault_t wrong,
                                  mcpa_str_t *value)
{
    size_t max = kind == WORD ? MCPA_RPC_WORD_MAX_BYTES : mcpa_lengths_max(rpc->lengths, kind);
    mcpa_jsonscan_string_t string;

    if (mcpa_jsonscan_peek(scan) != '"') {
        mcpa_rpc_fault_t fault = skip(scan);

        return fault != MCPA_RPC_OK ? fault : wrong;
    }
    if (mcpa_jsonscan_string(scan, &string) != MCPA_OK) {
        return MCPA_RPC_NOT_JSON;
    }
    if (mcpa_jsonscan_decode(&string, rpc->memory + rpc->used, sizeof(rpc->memory) - rpc->used, value) != MCPA_OK ||
        value->len > max) {
        *value = MCPA_STR_NONE;
        rpc->too_long = kind;
        return kind == WORD ? wrong : MCPA_RPC_TOO_LONG;
    }
    if (value->len == 0 || !mcpa_text_is_printable(*value)) {
        *value = MCPA_STR_NONE;
        return wrong;
    }
    rpc->used += string.escaped ? value->len : 0;
    return MCPA_RPC_OK;
}

/* ---- inside params */

static mcpa_rpc_fault_t read_ref_member(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, mcpa_str_t name)
{
    static const char *const deciding[] = { "type", "name", "uri", NULL };

    if (mcpa_str_eqz(name, "type")) {
        return read_text(rpc, scan, WORD, MCPA_RPC_BAD_NAME, &rpc->ref_type);
    }
    if (mcpa_str_eqz(name, "name")) {
        return read_text(rpc, scan, MCPA_LENGTH_NAME, MCPA_RPC_BAD_NAME, &rpc->ref_name);
    }
    if (mcpa_str_eqz(name, "uri")) {
        return read_text(rpc, scan, MCPA_LENGTH_URI, MCPA_RPC_BAD_NAME, &rpc->ref_uri);
    }
    return skip_other(scan, name, deciding);
}

static mcpa_rpc_fault_t read_meta_member(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, mcpa_str_t name)
{
    static const char *const deciding[] = { META_VERSION, META_CAPABILITIES, NULL };

    if (mcpa_str_eqz(name, META_VERSION)) {
        return read_text(rpc, scan, WORD, MCPA_RPC_NOT_RPC, &rpc->meta_version);
    }
    if (mcpa_str_eqz(name, META_CAPABILITIES)) {
        rpc->has_meta_capabilities = mcpa_jsonscan_peek(scan) == '{';
        return skip(scan);
    }
    return skip_other(scan, name, deciding);
}

static mcpa_rpc_fault_t read_notifications_member(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, mcpa_str_t name)
{
    static const char *const deciding[] = { "resourceSubscriptions", NULL };

    if (!mcpa_str_eqz(name, "resourceSubscriptions")) {
        return skip_other(scan, name, deciding);
    }
    if (mcpa_jsonscan_peek(scan) != '[') {
        return MCPA_RPC_NOT_RPC;
    }
    return fault_of(mcpa_jsonscan_skip(scan, &rpc->subscriptions));
}

static mcpa_rpc_fault_t read_params_member(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, mcpa_str_t name)
{
    static const char *const deciding[] = { "name", "uri", "taskId", "protocolVersion", "_meta", "ref", "notifications", NULL };

    if (mcpa_str_eqz(name, "name")) {
        return read_text(rpc, scan, MCPA_LENGTH_NAME, MCPA_RPC_BAD_NAME, &rpc->name);
    }
    if (mcpa_str_eqz(name, "uri")) {
        return read_text(rpc, scan, MCPA_LENGTH_URI, MCPA_RPC_BAD_NAME, &rpc->uri);
    }
    if (mcpa_str_eqz(name, "taskId")) {
        return read_text(rpc, scan, MCPA_LENGTH_NAME, MCPA_RPC_BAD_NAME, &rpc->task_id);
    }
    if (mcpa_str_eqz(name, "protocolVersion")) {
        return read_text(rpc, scan, WORD, MCPA_RPC_NOT_RPC, &rpc->protocol_version);
    }
    if (mcpa_str_eqz(name, "_meta")) {
        return read_object(rpc, scan, read_meta_member);
    }
    if (mcpa_str_eqz(name, "ref")) {
        return read_object(rpc, scan, read_ref_member);
    }
    if (mcpa_str_eqz(name, "notifications")) {
        return read_object(rpc, scan, read_notifications_member);
    }
    return skip_other(scan, name, deciding);
}

/* ---- the top */

static mcpa_rpc_fault_t read_id(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan)
{
    unsigned char c = mcpa_jsonscan_peek(scan);
    mcpa_rpc_fault_t fault = fault_of(mcpa_jsonscan_skip(scan, &rpc->id));
    mcpa_str_t id = rpc->id;

    if (fault != MCPA_RPC_OK) {
        rpc->id = MCPA_STR_NONE;
        return fault;
    }
    /* The ceiling counts what stands between the quotes, escapes as they are written: so it is repeated. */
    if (c == '"' && id.len > 2) {
        if (id.len - 2 <= mcpa_lengths_max(rpc->lengths, MCPA_LENGTH_ID)) {
            return MCPA_RPC_OK;
        }
        rpc->id = MCPA_STR_NONE;
        rpc->too_long = MCPA_LENGTH_ID;
        return MCPA_RPC_TOO_LONG;
    }
    /* An integer, and one that every parser reads as the same number. */
    if ((c == '-' || (c >= '0' && c <= '9')) && id.len <= 15 && !mcpa_str_eqz(id, "-0") && memchr(id.ptr, '.', id.len) == NULL &&
        memchr(id.ptr, 'e', id.len) == NULL && memchr(id.ptr, 'E', id.len) == NULL) {
        return MCPA_RPC_OK;
    }
    rpc->id = MCPA_STR_NONE;
    return MCPA_RPC_BAD_ID;
}

bool mcpa_rpc_is_method(mcpa_str_t method)
{
    if (method.len == 0 || method.len > MCPA_RPC_METHOD_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                    c == '/' || c == '-';

        if (!fine || (c == '.' && i > 0 && method.ptr[i - 1] == '.')) {
            return false;
        }
    }
    return true;
}

static mcpa_rpc_fault_t read_version(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan)
{
    mcpa_str_t version = MCPA_STR_NONE;
    mcpa_rpc_fault_t fault = read_text(rpc, scan, WORD, MCPA_RPC_NOT_RPC, &version);

    rpc->has_version = true;
    return fault == MCPA_RPC_OK && !mcpa_str_eqz(version, "2.0") ? MCPA_RPC_NOT_RPC : fault;
}

static mcpa_rpc_fault_t read_top_member(mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, mcpa_str_t name)
{
    mcpa_rpc_fault_t fault;

    if (mcpa_str_eqz(name, "jsonrpc")) {
        return read_version(rpc, scan);
    }
    if (mcpa_str_eqz(name, "id")) {
        return read_id(rpc, scan);
    }
    if (mcpa_str_eqz(name, "method")) {
        fault = read_text(rpc, scan, MCPA_LENGTH_METHOD, MCPA_RPC_BAD_METHOD, &rpc->method);
        return fault == MCPA_RPC_OK && !mcpa_rpc_is_method(rpc->method) ? MCPA_RPC_BAD_METHOD : fault;
    }
    if (mcpa_str_eqz(name, "params")) {
        rpc->has_params = true;
        return read_object(rpc, scan, read_params_member);
    }
    rpc->has_result = rpc->has_result || mcpa_str_eqz(name, "result");
    rpc->has_error = rpc->has_error || mcpa_str_eqz(name, "error");
    return mcpa_str_eqz(name, "result") || mcpa_str_eqz(name, "error") ? skip(scan) : MCPA_RPC_NOT_RPC;
}

static mcpa_rpc_fault_t classify(mcpa_rpc_t *rpc)
{
    bool answers = rpc->has_result || rpc->has_error;

    if (!rpc->has_version ||
        (answers ? rpc->method.ptr != NULL || rpc->has_params || rpc->id.ptr == NULL : rpc->method.ptr == NULL) ||
        (rpc->has_result && rpc->has_error)) {
        return MCPA_RPC_NOT_RPC;
    }
    rpc->kind = answers ? MCPA_RPC_RESPONSE : rpc->id.ptr != NULL ? MCPA_RPC_REQUEST : MCPA_RPC_NOTIFICATION;
    return MCPA_RPC_OK;
}

mcpa_rpc_fault_t mcpa_rpc_scan(mcpa_rpc_t *rpc, mcpa_str_t body, const mcpa_lengths_t *lengths)
{
    mcpa_jsonscan_t scan;
    mcpa_rpc_fault_t fault;
    unsigned char c;

    memset(rpc, 0, offsetof(mcpa_rpc_t, memory));
    rpc->used = 0;
    rpc->lengths = lengths;
    mcpa_jsonscan_init(&scan, body.ptr != NULL ? body : MCPA_STR(""));
    c = mcpa_jsonscan_peek(&scan);
    if (c != '{') {
        fault = fault_of(mcpa_jsonscan_skip(&scan, NULL));
        return fault != MCPA_RPC_OK ? fault : c == '[' ? MCPA_RPC_BATCH : MCPA_RPC_NOT_RPC;
    }
    fault = read_object(rpc, &scan, read_top_member);
    if (fault == MCPA_RPC_OK) {
        fault = fault_of(mcpa_jsonscan_finish(&scan));
    }
    return fault == MCPA_RPC_OK ? classify(rpc) : fault;
}

mcpa_status_t mcpa_rpc_next_uri(const mcpa_rpc_t *rpc, mcpa_jsonscan_t *scan, char memory[MCPA_RPC_URI_MAX_BYTES],
                                mcpa_str_t *uri)
{
    mcpa_jsonscan_string_t string;
    bool first = scan->at == NULL;
    mcpa_status_t status = MCPA_OK;

    if (rpc->subscriptions.ptr == NULL) {
        return MCPA_ENOTFOUND;
    }
    if (first) {
        mcpa_jsonscan_init(scan, rpc->subscriptions);
        status = mcpa_jsonscan_enter(scan, '[');
    }
    if (status == MCPA_OK) {
        status = mcpa_jsonscan_element(scan, first);
    }
    if (status != MCPA_OK) {
        return status;
    }
    if (mcpa_jsonscan_string(scan, &string) != MCPA_OK) {
        return MCPA_EMALFORMED;
    }
    if (mcpa_jsonscan_decode(&string, memory, MCPA_RPC_URI_MAX_BYTES, uri) != MCPA_OK || uri->len > MCPA_RPC_URI_MAX_BYTES) {
        return MCPA_ETOOBIG;
    }
    return uri->len > 0 && mcpa_text_is_printable(*uri) ? MCPA_OK : MCPA_EMALFORMED;
}

const char *mcpa_rpc_fault_word(mcpa_rpc_fault_t fault)
{
    static const char *const words[] = {
        [MCPA_RPC_OK] = "ok",
        [MCPA_RPC_NOT_JSON] = "the body is not strict JSON in UTF-8",
        [MCPA_RPC_BATCH] = "JSON-RPC batches are not part of this protocol",
        [MCPA_RPC_NOT_RPC] = "the body is not one JSON-RPC 2.0 message",
        [MCPA_RPC_AMBIGUOUS] = "a member stands twice, or its name is written with escapes",
        [MCPA_RPC_TOO_DEEP] = "the body is nested too deeply",
        [MCPA_RPC_BAD_ID] = "the id is no string that is not empty, and no integer",
        [MCPA_RPC_BAD_METHOD] = "the method has a name no method can have",
        [MCPA_RPC_BAD_NAME] = "the tool, prompt, resource or task has a name none can have",
        [MCPA_RPC_TOO_LONG] = "the id, the method or a name is too long",
    };

    return (size_t)fault < sizeof(words) / sizeof(words[0]) ? words[fault] : "unknown fault";
}

int mcpa_rpc_fault_code(mcpa_rpc_fault_t fault)
{
    return fault == MCPA_RPC_NOT_JSON   ? MCPA_RPC_CODE_JSON
           : fault == MCPA_RPC_BAD_NAME ? MCPA_RPC_CODE_PARAMS
                                        : MCPA_RPC_CODE_REQUEST;
}

int mcpa_rpc_length_code(mcpa_length_t too_long)
{
    return too_long == MCPA_LENGTH_NAME || too_long == MCPA_LENGTH_URI ? MCPA_RPC_CODE_PARAMS : MCPA_RPC_CODE_REQUEST;
}
