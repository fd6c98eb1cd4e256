/* SPDX-License-Identifier: Apache-2.0 */
/* A record from a child that may lie: it is refused, or its values lie within the input, survive being written again, and make
 * one line of strict JSON. */
#include <stdlib.h>

#include "base/json.h"
#include "wire/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

typedef struct input {
    const char *from;
    size_t len;
    bool has_nul;
} input_t;

static void check_number(input_t *in, int64_t number, int64_t back)
{
    (void)in;
    must(number >= 0 || number == MCPA_RECORD_ABSENT);
    must(number == back);
}

static void check_text(input_t *in, mcpa_str_t s, mcpa_str_t back)
{
    must(s.ptr == NULL ? s.len == 0 : s.ptr >= in->from && s.ptr + s.len <= in->from + in->len);
    must((s.ptr == NULL) == (back.ptr == NULL) && mcpa_str_eq(s, back));
    in->has_nul = in->has_nul || (s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL);
}

static void check_line(const mcpa_record_t *record, const input_t *in)
{
    static char line[MCPA_RECORD_LINE_MAX_BYTES];
    static const unsigned char instance[16] = { 0 };
    mcpa_json_t *json = NULL;
    mcpa_out_t out;

    mcpa_out_init(&out, line, sizeof(line));
    mcpa_record_print(&out, record, instance, 1);
    must(mcpa_out_status(&out) == MCPA_OK && memchr(line, '\n', out.len) == NULL);
    /* Our reader takes no U+0000, which other readers of the journal do. */
    must(in->has_nul || mcpa_json_parse(&json, mcpa_out_get(&out), 2, 64) == MCPA_OK);
    mcpa_json_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char memory[MCPA_RECORD_MAX_BYTES];
    input_t in = { (const char *)data, size, false };
    mcpa_record_t record;
    mcpa_record_t back;
    size_t len;

    if (mcpa_record_decode(&record, data, size) != MCPA_OK) {
        return 0;
    }
    must(mcpa_record_encode(memory, sizeof(memory), &len, &record) == MCPA_OK && len <= size);
    must(mcpa_record_decode(&back, memory, len) == MCPA_OK);
#define CHECK_TIME                   check_number
#define CHECK_U64                    check_number
#define CHECK_MILLI                  check_number
#define CHECK_STR                    check_text
#define MCPA_FIELD(kind, id, member) CHECK_##kind(&in, record.member, back.member);
#include "wire/record.def"
#undef MCPA_FIELD
    check_line(&record, &in);
    return 0;
}
