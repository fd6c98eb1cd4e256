/* SPDX-License-Identifier: Apache-2.0 */
#include "mcp/mirror.h"

#include "base/text.h"

#define SENTINEL_BEGIN "=?base64?"
#define SENTINEL_END   "?="

/* ---- the sentinel */

static int base64_digit(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

    return at != NULL ? (int)(at - alphabet) : -1;
}

/* RFC 4648 section 4 with its padding, canonical: one value has one spelling. */
static mcpa_status_t decode_base64(mcpa_str_t text, char *memory, size_t cap, mcpa_str_t *value)
{
    size_t padding = text.len > 0 && text.ptr[text.len - 1] == '=' ? (text.len > 1 && text.ptr[text.len - 2] == '=' ? 2 : 1) : 0;
    size_t len = 0;

    if (text.len == 0 || text.len % 4 != 0) {
        return MCPA_EMALFORMED;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        size_t missing = i + 4 == text.len ? padding : 0;
        uint32_t bits = 0;

        for (size_t k = 0; k < 4; k++) {
            int digit = k < 4 - missing ? base64_digit(text.ptr[i + k]) : 0;

            if (digit < 0) {
                return MCPA_EMALFORMED;
            }
            bits = bits << 6 | (uint32_t)digit;
        }
        if ((bits & ((UINT32_C(1) << 8 * missing) - 1)) != 0) {
            return MCPA_EMALFORMED;
        }
        if (3 - missing > cap - len) {
            return MCPA_ETOOBIG;
        }
        for (size_t k = 0; k < 3 - missing; k++) {
            memory[len++] = (char)(bits >> (16 - 8 * k) & 0xFF);
        }
    }
    *value = (mcpa_str_t){ memory, len };
    return MCPA_OK;
}

mcpa_status_t mcpa_mirror_decode(mcpa_str_t header, char *memory, size_t cap, mcpa_str_t *value)
{
    static const size_t begin = sizeof(SENTINEL_BEGIN) - 1, end = sizeof(SENTINEL_END) - 1;
    mcpa_status_t status;

    if (header.len >= begin + end && memcmp(header.ptr, SENTINEL_BEGIN, begin) == 0 &&
        memcmp(header.ptr + header.len - end, SENTINEL_END, end) == 0) {
        status = decode_base64((mcpa_str_t){ header.ptr + begin, header.len - begin - end }, memory, cap, value);
        return status == MCPA_OK && (!mcpa_text_is_utf8(*value) || !mcpa_text_is_printable(*value)) ? MCPA_EMALFORMED : status;
    }
    for (size_t i = 0; i < header.len; i++) {
        if (header.ptr[i] < 0x20 || header.ptr[i] > 0x7E) { /* plain char may be signed: bytes above 0x7F are below 0x20 then */
            return MCPA_EMALFORMED;
        }
    }
    *value = header;
    return MCPA_OK;
}

/* ---- header against body */

typedef struct row {
    const char *method;
    size_t member;
} row_t;

static const row_t *find_row(mcpa_str_t method)
{
    static const row_t rows[] = {
        { "tools/call", offsetof(mcpa_rpc_t, name) },      { "prompts/get", offsetof(mcpa_rpc_t, name) },
        { "resources/read", offsetof(mcpa_rpc_t, uri) },   { "tasks/get", offsetof(mcpa_rpc_t, task_id) },
        { "tasks/update", offsetof(mcpa_rpc_t, task_id) }, { "tasks/cancel", offsetof(mcpa_rpc_t, task_id) },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (mcpa_str_eqz(method, rows[i].method)) {
            return &rows[i];
        }
    }
    return NULL;
}

bool mcpa_mirror_has_name(mcpa_str_t method)
{
    return find_row(method) != NULL;
}

mcpa_str_t mcpa_mirror_name(const mcpa_rpc_t *rpc)
{
    const row_t *row = find_row(rpc->method);

    return row != NULL ? *(const mcpa_str_t *)((const char *)rpc + row->member) : MCPA_STR_NONE;
}

static bool name_is_true(const mcpa_rpc_t *rpc, mcpa_str_t header)
{
    mcpa_str_t wanted = mcpa_mirror_name(rpc), told;
    char memory[MCPA_RPC_URI_MAX_BYTES];

    return mcpa_mirror_decode(header, memory, sizeof(memory), &told) == MCPA_OK && wanted.ptr != NULL &&
           mcpa_str_eq(told, wanted);
}

/* What the newer era demands of each POST. */
static mcpa_mirror_fault_t check_modern(const mcpa_rpc_t *rpc, const mcpa_mirrors_t *mirrors)
{
    if (rpc->kind == MCPA_RPC_RESPONSE) {
        return MCPA_MIRROR_SHAPE;
    }
    if (rpc->kind == MCPA_RPC_NOTIFICATION) { /* what these must mirror is not defined; what they say must be true all the same */
        return MCPA_MIRROR_OK;
    }
    if (mirrors->method.ptr == NULL || (mcpa_mirror_name(rpc).ptr != NULL && mirrors->name.ptr == NULL)) {
        return MCPA_MIRROR_MISMATCH;
    }
    return rpc->meta_version.ptr == NULL || !rpc->has_meta_capabilities ? MCPA_MIRROR_META_MISSING : MCPA_MIRROR_OK;
}

mcpa_mirror_fault_t mcpa_mirror_check(mcpa_revision_t *revision, const mcpa_rpc_t *rpc, const mcpa_mirrors_t *mirrors)
{
    *revision = mirrors->version.ptr != NULL ? mcpa_revision_find(mirrors->version) : MCPA_REVISION_2025_03_26;
    if (*revision == MCPA_REVISION_NONE) {
        return MCPA_MIRROR_VERSION_UNKNOWN;
    }
    /* Without the header, or with an older one, the body's word for a newer revision would let two readers see two eras. */
    if (rpc->meta_version.ptr != NULL && !mcpa_str_eqz(rpc->meta_version, mcpa_revision_name(*revision))) {
        return MCPA_MIRROR_MISMATCH;
    }
    if (mirrors->method.ptr != NULL && !mcpa_str_eq(mirrors->method, rpc->method)) {
        return MCPA_MIRROR_MISMATCH;
    }
    if (mirrors->name.ptr != NULL && !name_is_true(rpc, mirrors->name)) {
        return MCPA_MIRROR_MISMATCH;
    }
    return mcpa_revision_is_modern(*revision) ? check_modern(rpc, mirrors) : MCPA_MIRROR_OK;
}

int mcpa_mirror_code(mcpa_mirror_fault_t fault)
{
    switch (fault) {
    case MCPA_MIRROR_VERSION_UNKNOWN:
        return -32022;
    case MCPA_MIRROR_META_MISSING:
        return MCPA_RPC_CODE_PARAMS;
    case MCPA_MIRROR_SHAPE:
        return MCPA_RPC_CODE_REQUEST;
    default:
        return -32020;
    }
}
