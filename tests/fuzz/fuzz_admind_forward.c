/* SPDX-License-Identifier: Apache-2.0 */
/* Any line forwarded: its syslog message has its stated length, a header of printable ASCII and structured data that ends where it should; its
 * OTLP body is JSON that holds one record. Any answer of a collector is read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "forward/otlp.h"
#include "forward/syslog.h"

#define MEMORY_BYTES (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

/* Behind the structured data, by the grammar alone. */
static const char *skip_data(const char *c)
{
    bool quoted = false;

    if (*c == '-') {
        return c + 1;
    }
    must(*c == '[');
    for (c++; quoted || *c != ']'; c++) {
        must(*c != '\0' && (unsigned char)*c >= 0x20 && *c != 0x7f);
        if (quoted && *c == '\\') {
            c++;
            must(*c == '"' || *c == '\\' || *c == ']');
        } else {
            must(!(quoted && *c == ']'));
            quoted = *c == '"' ? !quoted : quoted;
        }
    }
    return c + 1;
}

static void check_syslog(char *memory, mcpa_str_t text, const admind_line_t *parsed)
{
    const admind_syslog_origin_t origin = { "h\xc3\xb6st", 1, 23 };
    mcpa_out_t out;
    char *end;
    const char *c;
    unsigned long count;

    mcpa_out_init(&out, memory, MEMORY_BYTES);
    admind_syslog_print(&out, &origin, text, parsed);
    must(mcpa_out_status(&out) == MCPA_OK);
    count = strtoul(memory, &end, 10);
    must(*end == ' ' && count == out.len - (size_t)(end + 1 - memory));
    c = end + 1;
    for (int words = 0; words < 6; words++) { /* PRI and version, time, host, program, process, kind */
        while (*c != ' ') {
            must(*c > 32 && *c < 127);
            c++;
        }
        c++;
    }
    c = skip_data(c);
    must(*c == ' ');
    c += strncmp(c + 1, "\xef\xbb\xbf", 3) == 0 && text.len + 4 == (size_t)(memory + out.len - c) ? 4 : 1;
    must((size_t)(memory + out.len - c) == text.len && memcmp(c, text.ptr, text.len) == 0);
}

static void check_otlp(char *memory, mcpa_str_t text, const admind_line_t *parsed)
{
    mcpa_json_t *tree = NULL;
    admind_otlp_t body;

    must(admind_otlp_begin(&body, memory, MEMORY_BYTES, "host", "1"));
    must(admind_otlp_add(&body, text, parsed, 1));
    must(mcpa_json_parse(&tree, admind_otlp_end(&body), 20, 1000) == MCPA_OK);
    must(mcpa_json_size(mcpa_json_pointer(tree, MCPA_STR("/resourceLogs/0/scopeLogs/0/logRecords"))) == 1);
    mcpa_json_free(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char memory[MEMORY_BYTES];
    mcpa_str_t text = { (const char *)data, size }, words;
    mcpa_json_t *tree;
    admind_line_t line;
    bool parsed;

    must(admind_otlp_rejected(text, &tree, &words) >= 0);
    mcpa_json_free(&tree);
    if (size > MCPA_RECORD_LINE_MAX_BYTES || memchr(data, '\n', size) != NULL) {
        return 0; /* no line of the journal */
    }
    parsed = admind_line_parse(&line, text) == MCPA_OK;
    check_syslog(memory, text, parsed ? &line : NULL);
    check_otlp(memory, text, parsed ? &line : NULL);
    if (parsed) {
        admind_line_clear(&line);
    }
    return 0;
}
