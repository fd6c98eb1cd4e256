/* SPDX-License-Identifier: Apache-2.0 */
/* The audit record: the journal line is golden, every record comes back as it was, and no bytes make the decoder read or say what
 * is not there. */
#include "test_wire.h"

#include "base/json.h"
#include "wire/record.h"

static const unsigned char instance[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0, 0, 0, 0, 0, 0, 0xff };

static mcpa_record_t full_record(void)
{
    return (mcpa_record_t){
        .ts = 1795251600123456,
        .sub = MCPA_STR("user-1"),
        .jti = MCPA_STR("b2f1"),
        .aud = MCPA_STR("https://mcp.example/mcp"),
        .method = MCPA_STR("POST"),
        .path = MCPA_STR("/mcp"),
        .status = 200,
        .latency_ms = 12345,
        .bytes_in = 310,
        .bytes_out = 0,
        .ip = MCPA_STR("2001:db8::1"),
        .user_agent = MCPA_STR("agent \"x\"\n\\\xff"),
        .auth_method = MCPA_STR("jwt"),
        .iss = MCPA_STR("https://idp.example/"),
        .client_id = MCPA_STR("cli"),
        .scope = MCPA_STR("mcp:read mcp:write"),
        .decision = MCPA_STR("allow"),
        .reason = MCPA_STR("ok"),
        .location = MCPA_STR("/mcp"),
        .vhost = MCPA_STR("mcp.example"),
        .rpc_method = MCPA_STR("tools/call"),
        .rpc_name = MCPA_STR("search"),
        .request_id = MCPA_STR("aRq4"),
        .token_hash = MCPA_STR("9f86d081884c7d65"),
        .verify_ms = 17,
        .token_cache = MCPA_STR("miss"),
        .event = MCPA_STR("gap"),
        .lost = 3,
        .origin = MCPA_STR("https://app.example"),
        .correlation_id = MCPA_STR("trace-1"),
    };
}

static void the_journal_line_is_golden(void **state)
{
    static const char golden[] =
        "{\"ts\":\"2026-11-21T09:00:00.123Z\",\"sub\":\"user-1\",\"jti\":\"b2f1\",\"aud\":\"https://mcp.example/mcp\","
        "\"method\":\"POST\",\"path\":\"/mcp\",\"status\":200,\"latency_ms\":12.345,\"bytes_in\":310,\"bytes_out\":0,"
        "\"ip\":\"2001:db8::1\",\"user_agent\":\"agent \\\"x\\\"\\n\\\\\\ufffd\",\"auth_method\":\"jwt\","
        "\"iss\":\"https://idp.example/\",\"client_id\":\"cli\",\"scope\":\"mcp:read mcp:write\",\"decision\":\"allow\","
        "\"reason\":\"ok\",\"location\":\"/mcp\",\"vhost\":\"mcp.example\",\"rpc_method\":\"tools/call\",\"rpc_name\":\"search\","
        "\"request_id\":\"aRq4\",\"token_hash\":\"9f86d081884c7d65\",\"verify_ms\":0.017,\"token_cache\":\"miss\",\"event\":"
        "\"gap\","
        "\"lost\":3,\"origin\":\"https://"
        "app.example\",\"correlation_id\":\"trace-1\",\"instance\":\"0123456789abcdef00000000000000ff\",\"seq\":18446744073709551615}";
    mcpa_record_t record = full_record();
    char memory[2048];
    mcpa_out_t out;

    (void)state;
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_record_print(&out, &record, instance, UINT64_MAX);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    assert_string_equal(memory, golden);
}

static void absent_values_are_absent_members(void **state)
{
    mcpa_record_t record;
    char memory[256];
    mcpa_out_t out;

    (void)state;
    mcpa_record_init(&record);
    record.status = 0;
    record.sub = MCPA_STR("");
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_record_print(&out, &record, instance, 1);
    assert_string_equal(memory, "{\"sub\":\"\",\"status\":0,\"instance\":\"0123456789abcdef00000000000000ff\",\"seq\":1}");
}

static void the_bytes_are_golden(void **state)
{
    static const unsigned char golden[] = "\x01"
                                          "\x01\x07\0\x40\x8b\x1c\x3a\xc9\x60\x06"
                                          "\x05\x04\0POST"
                                          "\x07\x01\0\xc8"
                                          "\x0a\x00\0";
    unsigned char memory[64];
    mcpa_record_t record;
    size_t len = 0;

    (void)state;
    mcpa_record_init(&record);
    record.ts = 0x0660c93a1c8b40;
    record.method = MCPA_STR("POST");
    record.status = 200;
    record.bytes_out = 0;
    assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
    assert_int_equal(len, sizeof(golden) - 1);
    assert_memory_equal(memory, golden, len);
}

static void assert_same(const mcpa_record_t *a, const mcpa_record_t *b)
{
#define SAME_TIME(member)            assert_true(a->member == b->member);
#define SAME_U64(member)             assert_true(a->member == b->member);
#define SAME_MILLI(member)           assert_true(a->member == b->member);
#define SAME_STR(member)             assert_true((a->member.ptr == NULL) == (b->member.ptr == NULL) && mcpa_str_eq(a->member, b->member));
#define MCPA_FIELD(kind, id, member) SAME_##kind(member)
#include "wire/record.def"
#undef MCPA_FIELD
}

static int64_t random_number(uint64_t *random)
{
    uint64_t shift = next_random(random) % 64;

    switch (next_random(random) % 3) {
    case 0:
        return MCPA_RECORD_ABSENT;
    case 1:
        return 0;
    default:
        return (int64_t)(next_random(random) >> (shift < 1 ? 1 : shift));
    }
}

static mcpa_str_t random_text(uint64_t *random, const char *bytes)
{
    switch (next_random(random) % 4) {
    case 0:
        return MCPA_STR_NONE;
    case 1:
        return MCPA_STR("");
    case 2:
        return (mcpa_str_t){ bytes, next_random(random) % 20 };
    default:
        return (mcpa_str_t){ bytes, next_random(random) % (MCPA_AUDIT_TEXT_MAX_BYTES + 1) };
    }
}

static void any_record_comes_back_as_it_was(void **state)
{
    char bytes[MCPA_AUDIT_TEXT_MAX_BYTES];
    uint64_t random = 11;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)next_random(&random);
    }
    for (unsigned round = 0; round < 2000; round++) {
        static unsigned char memory[MCPA_RECORD_MAX_BYTES];
        mcpa_record_t record;
        mcpa_record_t back;
        size_t len;

#define RANDOM_TIME                  random_number(&random)
#define RANDOM_U64                   random_number(&random)
#define RANDOM_MILLI                 random_number(&random)
#define RANDOM_STR                   random_text(&random, bytes)
#define MCPA_FIELD(kind, id, member) record.member = RANDOM_##kind;
#include "wire/record.def"
#undef MCPA_FIELD
        assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
        assert_int_equal(mcpa_record_decode(&back, memory, len), MCPA_OK);
        assert_same(&record, &back);
    }
}

static void the_longest_record_fits_and_prints_within_the_line_limit(void **state)
{
    static unsigned char memory[MCPA_RECORD_MAX_BYTES];
    static char line[MCPA_RECORD_LINE_MAX_BYTES];
    static char text[100000];
    mcpa_record_t record;
    mcpa_record_t back;
    mcpa_out_t out;
    size_t len;

    (void)state;
    memset(text, 0x01, sizeof(text)); /* six bytes each in JSON */
#define LONGEST_TIME                 INT64_MAX
#define LONGEST_U64                  INT64_MAX
#define LONGEST_MILLI                INT64_MAX
#define LONGEST_STR                  ((mcpa_str_t){ text, sizeof(text) })
#define MCPA_FIELD(kind, id, member) record.member = LONGEST_##kind;
#include "wire/record.def"
#undef MCPA_FIELD
    assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
    assert_int_equal(mcpa_record_decode(&back, memory, len), MCPA_OK);
    assert_int_equal(back.sub.len, MCPA_AUDIT_TEXT_MAX_BYTES);
    mcpa_out_init(&out, line, sizeof(line));
    mcpa_record_print(&out, &back, instance, UINT64_MAX);
    assert_int_equal(mcpa_out_status(&out), MCPA_OK);
    /* A shorter memory is an error at every length, never a cut record. */
    for (size_t cap = 0; cap < len; cap += cap < 2000 ? 1 : 997) {
        unsigned char *exact = exact_copy(memory, cap);
        size_t written = 4711;

        assert_int_equal(mcpa_record_encode(exact, cap, &written, &record), MCPA_ETOOBIG);
        assert_int_equal(written, 4711);
        free(exact);
    }
}

static void a_long_string_is_cut_with_a_mark_and_between_characters(void **state)
{
    static const char *const characters[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

    (void)state;
    for (size_t width = 1; width <= 4; width++) {
        static unsigned char memory[MCPA_RECORD_MAX_BYTES];
        char text[4 * MCPA_AUDIT_TEXT_MAX_BYTES];
        mcpa_record_t record;
        mcpa_record_t back;
        size_t len;

        for (size_t i = 0; i < sizeof(text); i++) {
            text[i] = characters[width - 1][i % width];
        }
        mcpa_record_init(&record);
        record.path = (mcpa_str_t){ text, MCPA_AUDIT_TEXT_MAX_BYTES };
        record.sub = (mcpa_str_t){ text, MCPA_AUDIT_TEXT_MAX_BYTES + 1 };
        record.ip = (mcpa_str_t){ text, sizeof(text) };
        assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
        assert_int_equal(mcpa_record_decode(&back, memory, len), MCPA_OK);
        assert_true(mcpa_str_eq(back.path, record.path));
        assert_true(mcpa_str_eq(back.sub, back.ip));
        assert_in_range(back.sub.len, MCPA_AUDIT_TEXT_MAX_BYTES - 3, MCPA_AUDIT_TEXT_MAX_BYTES);
        assert_int_equal((back.sub.len - 3) % width, 0);
        assert_memory_equal(back.sub.ptr, text, back.sub.len - 3);
        assert_memory_equal(back.sub.ptr + back.sub.len - 3, "...", 3);
    }
}

static void a_record_without_fields_is_not_empty(void **state)
{
    unsigned char memory[4];
    mcpa_record_t record;
    mcpa_record_t back;
    size_t len;

    (void)state;
    mcpa_record_init(&record);
    assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
    assert_true(len > 0); /* an empty envelope would end its segment */
    assert_int_equal(mcpa_record_decode(&back, memory, len), MCPA_OK);
    assert_same(&record, &back);
}

static void negative_numbers_become_zero(void **state)
{
    unsigned char memory[64];
    mcpa_record_t record;
    mcpa_record_t back;
    size_t len;

    (void)state;
    mcpa_record_init(&record);
    record.latency_ms = -1;
    record.ts = INT64_MIN + 1;
    assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
    assert_int_equal(mcpa_record_decode(&back, memory, len), MCPA_OK);
    assert_true(back.latency_ms == 0 && back.ts == 0);
}

/* Every string of a decoded record lies within the bytes it came from. */
static void assert_within(const mcpa_record_t *record, const unsigned char *bytes, size_t len)
{
    const char *from = (const char *)bytes;

#define WITHIN_TIME(member)  assert_true(record->member == MCPA_RECORD_ABSENT || record->member >= 0);
#define WITHIN_U64(member)   WITHIN_TIME(member)
#define WITHIN_MILLI(member) WITHIN_TIME(member)
#define WITHIN_STR(member)                                                                                                       \
    assert_true(record->member.ptr == NULL                                                                                       \
                    ? record->member.len == 0                                                                                    \
                    : record->member.ptr >= from && record->member.ptr + record->member.len <= from + len);
#define MCPA_FIELD(kind, id, member) WITHIN_##kind(member)
#include "wire/record.def"
#undef MCPA_FIELD
}

static void every_prefix_and_every_flipped_byte_fails_or_stays_within_bounds(void **state)
{
    unsigned char memory[1024];
    mcpa_record_t record = full_record();
    mcpa_record_t back;
    size_t len;

    (void)state;
    assert_int_equal(mcpa_record_encode(memory, sizeof(memory), &len, &record), MCPA_OK);
    for (size_t cut = 0; cut <= len; cut++) {
        unsigned char *copy = exact_copy(memory, cut);

        if (mcpa_record_decode(&back, copy, cut) == MCPA_OK) {
            assert_within(&back, copy, cut);
        }
        free(copy);
    }
    for (size_t at = 0; at < len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            unsigned char *copy = exact_copy(memory, len);

            copy[at] = (unsigned char)value;
            if (mcpa_record_decode(&back, copy, len) == MCPA_OK) {
                assert_within(&back, copy, len);
            }
            free(copy);
        }
    }
}

static void broken_shapes_are_malformed_and_newer_fields_are_skipped(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        mcpa_status_t status;
    } cases[] = {
#define CASE(literal, status) { literal, sizeof(literal) - 1, status }
        CASE("", MCPA_EMALFORMED),
        CASE("\x01", MCPA_OK),
        CASE("\x02", MCPA_EUNSUPPORTED),
        CASE("\0", MCPA_EUNSUPPORTED),
        CASE("\x01\0\0\0", MCPA_EMALFORMED),                 /* id 0 */
        CASE("\x01\x02\x01\0a\x02\x01\0b", MCPA_EMALFORMED), /* twice */
        CASE("\x01\x03\x01\0a\x02\x01\0b", MCPA_EMALFORMED), /* out of order */
        CASE("\x01\x02\x01\0", MCPA_EMALFORMED),             /* value missing */
        CASE("\x01\x02\x01", MCPA_EMALFORMED),               /* half a head */
        CASE("\x01\x02\xff\xff", MCPA_EMALFORMED),           /* length beyond the end */
        CASE("\x01\x07\x02\0\x01\0", MCPA_EMALFORMED),       /* number with a zero on top */
        CASE("\x01\x07\x08\0\xff\xff\xff\xff\xff\xff\xff\x7f", MCPA_OK),
        CASE("\x01\x07\x08\0\0\0\0\0\0\0\0\x80", MCPA_EMALFORMED), /* beyond int64 */
        CASE("\x01\x07\x09\0\x01\x01\x01\x01\x01\x01\x01\x01\x01", MCPA_EMALFORMED),
        CASE("\x01\x02\x01\0a\xfe\x03\0new\xff\0\0", MCPA_OK),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char *copy = exact_copy(cases[i].bytes, cases[i].len);
        mcpa_record_t record;

        assert_int_equal(mcpa_record_decode(&record, copy, cases[i].len), cases[i].status);
        free(copy);
    }
}

static void members_are_named_once_and_never_as_the_envelope_is(void **state)
{
    static const char *const names[] = {
#define MCPA_FIELD(kind, id, member) #member,
#include "wire/record.def"
#undef MCPA_FIELD
        "instance", "seq"
    };
    static const int ids[] = {
#define MCPA_FIELD(kind, id, member) id,
#include "wire/record.def"
#undef MCPA_FIELD
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(names[i], names[j]);
        }
    }
    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_int_equal(ids[i], i + 1); /* appended, never reused: the encoder's order is the decoder's */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_journal_line_is_golden),
        cmocka_unit_test(absent_values_are_absent_members),
        cmocka_unit_test(the_bytes_are_golden),
        cmocka_unit_test(any_record_comes_back_as_it_was),
        cmocka_unit_test(the_longest_record_fits_and_prints_within_the_line_limit),
        cmocka_unit_test(a_long_string_is_cut_with_a_mark_and_between_characters),
        cmocka_unit_test(a_record_without_fields_is_not_empty),
        cmocka_unit_test(negative_numbers_become_zero),
        cmocka_unit_test(every_prefix_and_every_flipped_byte_fails_or_stays_within_bounds),
        cmocka_unit_test(broken_shapes_are_malformed_and_newer_fields_are_skipped),
        cmocka_unit_test(members_are_named_once_and_never_as_the_envelope_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
