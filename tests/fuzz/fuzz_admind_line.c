/* SPDX-License-Identifier: Apache-2.0 */
/* A journal line read back: what is taken prints, and its print reads as the same record. The form of /metrics is chosen from any
 * Accept. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/line.h"
#include "audit/tail.h"
#include "http/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

#define SAME_TIME(a, b)  must((a) == (b))
#define SAME_U64(a, b)   must((a) == (b))
#define SAME_MILLI(a, b) must((a) == (b))
#define SAME_STR(a, b)   must(((a).ptr == NULL) == ((b).ptr == NULL) && mcpa_str_eq(a, b))

static void check_again(const admind_line_t *line)
{
    static char text[ADMIND_LINE_MAX_BYTES];
    admind_line_t again;
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_record_print(&out, &line->record, line->instance, line->seq);
    if (mcpa_out_status(&out) != MCPA_OK) {
        return; /* longer than any record that came over the wire */
    }
    must(memchr(text, '\n', out.len) == NULL);
    must(admind_line_parse(&again, mcpa_out_get(&out)) == MCPA_OK);
    must(again.seq == line->seq && memcmp(again.instance, line->instance, MCPA_INSTANCE_BYTES) == 0);
#define MCPA_FIELD(kind, id, member) SAME_##kind(line->record.member, again.record.member);
#include "wire/record.def"
#undef MCPA_FIELD
    admind_line_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t text = { (const char *)data, size };
    char *accept = malloc(size + 1);
    admind_line_t line;

    if (accept == NULL) {
        return 0;
    }
    memcpy(accept, data, size);
    accept[size] = '\0';
    (void)admind_routes_wants_openmetrics(accept);
    free(accept);
    if (admind_line_parse(&line, text) == MCPA_OK) {
        if (!line.seal) { /* a seal is no record: audit/seal.h prints it */
            check_again(&line);
        }
        admind_line_clear(&line);
    }
    return 0;
}
