/* SPDX-License-Identifier: Apache-2.0 */
/* Headers that lie about the body, in either era (attacks 80, 81, 83 and the matrix of mismatches). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mcp/mirror.h"

#define MODERN "2026-07-28"
#define META                                                                                                                     \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" MODERN "\",\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define CALL "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"purge\"," META "}}"
#define LIST "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}"
#define OLD  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"purge\"}}"

static mcpa_mirror_fault_t check(const char *body, const char *version, const char *method, const char *name,
                                 mcpa_revision_t *revision)
{
    mcpa_mirrors_t mirrors = { mcpa_str(version), mcpa_str(method), mcpa_str(name) };
    mcpa_rpc_t rpc;

    assert_int_equal(mcpa_rpc_scan(&rpc, mcpa_str(body), NULL), MCPA_RPC_OK);
    return mcpa_mirror_check(revision, &rpc, &mirrors);
}

static void every_lie_is_found(void **state)
{
    static const struct {
        mcpa_mirror_fault_t fault;
        const char *body, *version, *method, *name;
    } rows[] = {
        { MCPA_MIRROR_OK, CALL, MODERN, "tools/call", "purge" },
        { MCPA_MIRROR_OK, CALL, MODERN, "tools/call", "=?base64?cHVyZ2U=?=" },
        { MCPA_MIRROR_OK, LIST, MODERN, "tools/list", NULL },
        { MCPA_MIRROR_OK, OLD, NULL, NULL, NULL },
        { MCPA_MIRROR_OK, OLD, "2025-11-25", NULL, NULL },
        { MCPA_MIRROR_OK, OLD, "2024-11-05", "tools/call", "purge" },
        { MCPA_MIRROR_OK, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", "2025-11-25", NULL, NULL },
        { MCPA_MIRROR_OK, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}", MODERN, NULL, NULL },
        { MCPA_MIRROR_VERSION_UNKNOWN, CALL, "2026-07-29", "tools/call", "purge" },
        { MCPA_MIRROR_VERSION_UNKNOWN, CALL, "", "tools/call", "purge" },
        { MCPA_MIRROR_VERSION_UNKNOWN, CALL, MODERN " ", "tools/call", "purge" },
        { MCPA_MIRROR_VERSION_UNKNOWN, CALL, MODERN ", " MODERN, "tools/call", "purge" },
        { MCPA_MIRROR_MISMATCH, CALL, NULL, "tools/call", "purge" },
        { MCPA_MIRROR_MISMATCH, CALL, "2025-11-25", "tools/call", "purge" },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, "tools/list", "purge" },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, "Tools/call", "purge" },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, NULL, "purge" },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, "tools/call", NULL },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, "tools/call", "Purge" },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, "tools/call", "=?BASE64?cHVyZ2U=?=" },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, "tools/call", "=?base64?cHVyZ2U?=" },
        { MCPA_MIRROR_MISMATCH, CALL, MODERN, "tools/call", "=?base64?PT9iYXNlNjQ/Y0hWeVoyVT0/PQ==?=" },
        { MCPA_MIRROR_MISMATCH, LIST, MODERN, "tools/list", "purge" },
        { MCPA_MIRROR_MISMATCH, OLD, NULL, "tools/list", NULL },
        { MCPA_MIRROR_MISMATCH, OLD, "2024-11-05", "tools/list", "x" },
        { MCPA_MIRROR_MISMATCH, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}", MODERN, "notifications/y", NULL },
        { MCPA_MIRROR_META_MISSING, OLD, MODERN, "tools/call", "purge" },
        { MCPA_MIRROR_META_MISSING,
          "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/"
          "protocolVersion\":\"" MODERN "\"}}}",
          MODERN, "x", NULL },
        { MCPA_MIRROR_SHAPE, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", MODERN, NULL, NULL },
    };
    mcpa_revision_t revision;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_mirror_fault_t fault = check(rows[i].body, rows[i].version, rows[i].method, rows[i].name, &revision);

        if (fault != rows[i].fault) {
            print_error("row %zu: fault %d, expected %d\n", i, fault, rows[i].fault);
        }
        assert_int_equal(fault, rows[i].fault);
    }
    assert_int_equal(check(OLD, NULL, NULL, NULL, &revision), MCPA_MIRROR_OK);
    assert_int_equal(revision, MCPA_REVISION_2025_03_26);
    assert_int_equal(check(CALL, MODERN, "tools/call", "purge", &revision), MCPA_MIRROR_OK);
    assert_true(mcpa_revision_is_modern(revision));
}

static void sentinels_are_decoded_strictly(void **state)
{
    static const struct {
        const char *header, *value; /* NULL: refused */
    } rows[] = {
        { "plain name", "plain name" },
        { "", "" },
        { "=?base64?TcO8bmNoZW4=?=", "M\xc3\xbcnchen" },
        { "=?base64?YQ==?=", "a" },
        { "=?base64?YR==?=", NULL }, /* trailing bits that mean nothing */
        { "=?base64?YQ=?=", NULL },
        { "=?base64?YQ?=", NULL },
        { "=?base64?Y=Q=?=", NULL },
        { "=?base64?YQ==YQ==?=", NULL },
        { "=?base64?"
          "?=",
          NULL },
        { "=?base64?_w==?=", NULL },     /* the other alphabet */
        { "=?base64?/w==?=", NULL },     /* no UTF-8 */
        { "=?base64?AA==?=", NULL },     /* NUL */
        { "=?base64?YQ0KYg==?=", NULL }, /* CR LF */
        { "=?base64?YQ==", "=?base64?YQ==" },
        { "=?Base64?YQ==?=", "=?Base64?YQ==?=" },
        { "=?base64?=", "=?base64?=" },
        { "M\xc3\xbcnchen", NULL },
        { "a\tb", NULL },
        { "a\x7f", NULL },
    };
    char memory[64];
    mcpa_str_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        mcpa_status_t status = mcpa_mirror_decode(mcpa_str(rows[i].header), memory, sizeof(memory), &value);

        if ((status == MCPA_OK) != (rows[i].value != NULL)) {
            print_error("%s\n", rows[i].header);
        }
        assert_int_equal(status, rows[i].value != NULL ? MCPA_OK : MCPA_EMALFORMED);
        assert_true(rows[i].value == NULL || mcpa_str_eqz(value, rows[i].value));
    }
    assert_int_equal(mcpa_mirror_decode(mcpa_str("=?base64?YWJjZA==?="), memory, 3, &value), MCPA_ETOOBIG);
    assert_int_equal(mcpa_mirror_decode(mcpa_str("=?base64?YWJjZA==?="), memory, 4, &value), MCPA_OK);
}

static void revisions_are_known_by_name(void **state)
{
    (void)state;
    for (int i = 1; i < MCPA_REVISION_COUNT; i++) {
        assert_int_equal(mcpa_revision_find(mcpa_str(mcpa_revision_name((mcpa_revision_t)i))), i);
        assert_int_equal(mcpa_revision_is_modern((mcpa_revision_t)i), i == MCPA_REVISION_2026_07_28);
    }
    assert_int_equal(mcpa_revision_find(mcpa_str("DRAFT-2026-v1")), MCPA_REVISION_NONE);
    assert_int_equal(mcpa_revision_find(MCPA_STR_NONE), MCPA_REVISION_NONE);
    assert_string_equal(mcpa_revision_name(MCPA_REVISION_NONE), "");
    assert_int_equal(mcpa_mirror_code(MCPA_MIRROR_MISMATCH), -32020);
    assert_int_equal(mcpa_mirror_code(MCPA_MIRROR_VERSION_UNKNOWN), -32022);
    assert_int_equal(mcpa_mirror_code(MCPA_MIRROR_META_MISSING), -32602);
    assert_int_equal(mcpa_mirror_code(MCPA_MIRROR_SHAPE), -32600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lie_is_found),
        cmocka_unit_test(sentinels_are_decoded_strictly),
        cmocka_unit_test(revisions_are_known_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
