/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/otlp.h"

#include "base/text.h"
#include "forward/fields.h"

#define ANSWER_DEPTH  16
#define ANSWER_VALUES 1024

/* {"key":…,"value":{"stringValue":…}} */
static void put_text(mcpa_jsonw_t *w, const char *key, mcpa_str_t value)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "key", key);
    mcpa_jsonw_open_object(w, "value");
    mcpa_jsonw_str(w, "stringValue", value);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_close_object(w);
}

static void put_string_number(mcpa_jsonw_t *w, const char *name, int64_t value)
{
    char text[24];
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_out_printf(&out, "%lld", (long long)value);
    mcpa_jsonw_str(w, name, mcpa_out_get(&out));
}

static void put_number(mcpa_jsonw_t *w, const char *key, int64_t value)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "key", key);
    mcpa_jsonw_open_object(w, "value");
    put_string_number(w, "intValue", value);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_close_object(w);
}

bool admind_otlp_begin(admind_otlp_t *body, char *memory, size_t cap, const char *host, const char *version)
{
    mcpa_jsonw_t *w = &body->w;

    mcpa_out_init(&body->out, memory, cap - ADMIND_OTLP_TAIL_BYTES);
    mcpa_jsonw_init(w, &body->out);
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_open_array(w, "resourceLogs");
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_open_object(w, "resource");
    mcpa_jsonw_open_array(w, "attributes");
    put_text(w, "service.name", MCPA_STR("mcpauth"));
    put_text(w, "service.version", mcpa_str(version));
    put_text(w, "host.name", mcpa_str(host));
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_open_array(w, "scopeLogs");
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_open_object(w, "scope");
    mcpa_jsonw_z(w, "name", "mcpauth.audit");
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_open_array(w, "logRecords");
    return mcpa_out_status(&body->out) == MCPA_OK;
}

static void put_attributes(mcpa_jsonw_t *w, const admind_line_t *line)
{
    size_t count;
    const admind_field_t *fields = admind_fields(&count);
    char hex[2 * MCPA_INSTANCE_BYTES + 1];

    put_text(w, "mcpauth.kind", mcpa_str(admind_kind_of(line)));
    if (line == NULL) {
        return;
    }
    if (!line->seal) {
        mcpa_hex(hex, line->instance, MCPA_INSTANCE_BYTES);
        put_text(w, "mcpauth.instance", mcpa_str(hex));
        put_number(w, "mcpauth.seq", (int64_t)line->seq);
    }
    for (size_t i = 0; i < count; i++) {
        mcpa_str_t text;
        int64_t number;

        if (admind_field_text(&fields[i], &line->record, &text)) {
            put_text(w, fields[i].otlp, text);
        } else if (admind_field_number(&fields[i], &line->record, &number)) {
            put_number(w, fields[i].otlp, number);
        }
    }
}

static int64_t nanoseconds(int64_t us)
{
    return us > 0 && us <= INT64_MAX / 1000 ? us * 1000 : 0; /* 0: unknown, as the data model has it */
}

bool admind_otlp_add(admind_otlp_t *body, mcpa_str_t text, const admind_line_t *parsed, int64_t now_us)
{
    const admind_otlp_t before = *body;
    const admind_grade_t *grade = admind_grade_of(parsed);
    mcpa_jsonw_t *w = &body->w;

    mcpa_jsonw_open_object(w, NULL);
    put_string_number(w, "timeUnixNano", parsed != NULL ? nanoseconds(parsed->record.ts) : 0);
    put_string_number(w, "observedTimeUnixNano", nanoseconds(now_us));
    mcpa_jsonw_u64(w, "severityNumber", grade->otlp);
    mcpa_jsonw_z(w, "severityText", grade->word);
    mcpa_jsonw_open_object(w, "body");
    mcpa_jsonw_str(w, "stringValue", text);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_open_array(w, "attributes");
    put_attributes(w, parsed);
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_close_object(w);
    if (mcpa_out_status(&body->out) == MCPA_OK) {
        return true;
    }
    body->out = before.out;
    body->w = before.w;
    body->out.ptr[body->out.len] = '\0';
    return false;
}

mcpa_str_t admind_otlp_end(admind_otlp_t *body)
{
    mcpa_jsonw_t *w = &body->w;

    body->out.cap += ADMIND_OTLP_TAIL_BYTES;
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_close_object(w);
    return mcpa_out_get(&body->out);
}

int64_t admind_otlp_rejected(mcpa_str_t answer, mcpa_json_t **tree, mcpa_str_t *message)
{
    const mcpa_json_t *partial, *count;
    int64_t rejected = 0;
    uint64_t number;

    *tree = NULL;
    *message = MCPA_STR_NONE;
    if (mcpa_json_parse(tree, answer, ANSWER_DEPTH, ANSWER_VALUES) != MCPA_OK) {
        return 0;
    }
    partial = mcpa_json_member(*tree, "partialSuccess");
    *message = mcpa_json_string(mcpa_json_member(partial, "errorMessage"));
    count = mcpa_json_member(partial, "rejectedLogRecords"); /* an int64: a string in this encoding, a number from some */
    if (mcpa_text_u64(mcpa_json_string(count), &number)) {
        rejected = number <= INT64_MAX ? (int64_t)number : INT64_MAX;
    } else if (!mcpa_json_integer(count, &rejected) || rejected < 0) {
        rejected = 0;
    }
    return rejected;
}
