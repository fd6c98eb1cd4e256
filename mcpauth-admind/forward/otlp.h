/* SPDX-License-Identifier: Apache-2.0 */
/* Journal lines as the body of an OTLP/HTTP request: ExportLogsServiceRequest in its JSON form (OTLP 1.x, "JSON Protobuf Encoding"; 64-bit numbers
 * are strings). Each line is one log record: its text is the body, its main fields are attributes. Pure. */
#ifndef ADMIND_FORWARD_OTLP_H
#define ADMIND_FORWARD_OTLP_H

#include "audit/line.h"
#include "base/json.h"

#define ADMIND_OTLP_RECORDS_MAX 512 /* in one request */

/* begin, add..., end. add says false when the record did not fit: the body is then as before, and 'room' bytes (at least
 * ADMIND_OTLP_TAIL_BYTES) are still there for the end. */
#define ADMIND_OTLP_TAIL_BYTES 16
typedef struct admind_otlp {
    mcpa_out_t out;
    mcpa_jsonw_t w;
} admind_otlp_t;

/* version: of the program. false: cap is far too small. */
bool admind_otlp_begin(admind_otlp_t *body, char *memory, size_t cap, const char *host, const char *version);
/* text: the line, without newline; parsed: NULL when it is no journal line. */
bool admind_otlp_add(admind_otlp_t *body, mcpa_str_t text, const admind_line_t *parsed, int64_t now_us);
mcpa_str_t admind_otlp_end(admind_otlp_t *body);

/* partialSuccess of an answer: how many records the receiver threw away; 0 when there is none. message: borrowed from *tree, to be freed in any
 * case. */
int64_t admind_otlp_rejected(mcpa_str_t answer, mcpa_json_t **tree, mcpa_str_t *message);

#endif
