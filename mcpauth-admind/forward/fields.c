/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/fields.h"

#define AT(member) offsetof(mcpa_record_t, member)
static const admind_field_t fields[] = {
    { "event", "mcpauth.event", AT(event), false },
    { "decision", "mcpauth.decision", AT(decision), false },
    { "reason", "mcpauth.reason", AT(reason), false },
    { "status", "http.response.status_code", AT(status), true },
    { "sub", "enduser.id", AT(sub), false },
    { "client_id", "mcpauth.client_id", AT(client_id), false },
    { "iss", "mcpauth.issuer", AT(iss), false },
    { "ip", "client.address", AT(ip), false },
    { "method", "http.request.method", AT(method), false },
    { "path", "url.path", AT(path), false },
    { "vhost", "server.address", AT(vhost), false },
    { "location", "mcpauth.location", AT(location), false },
    { "rpc_method", "mcp.method.name", AT(rpc_method), false },
    { "rpc_name", "mcpauth.rpc_name", AT(rpc_name), false },
    { "request_id", "mcpauth.request_id", AT(request_id), false },
    { "correlation_id", "mcpauth.correlation_id", AT(correlation_id), false },
    { "lost", "mcpauth.lost", AT(lost), true },
};

const admind_field_t *admind_fields(size_t *count)
{
    *count = sizeof(fields) / sizeof(fields[0]);
    return fields;
}

bool admind_field_text(const admind_field_t *field, const mcpa_record_t *record, mcpa_str_t *value)
{
    if (field->is_number) {
        return false;
    }
    memcpy(value, (const char *)record + field->offset, sizeof(*value));
    return value->ptr != NULL;
}

bool admind_field_number(const admind_field_t *field, const mcpa_record_t *record, int64_t *value)
{
    if (!field->is_number) {
        return false;
    }
    memcpy(value, (const char *)record + field->offset, sizeof(*value));
    return *value != MCPA_RECORD_ABSENT;
}

/* ---- kind and grade */

static const admind_grade_t info = { "info", 6, 9 }, notice = { "notice", 5, 10 }, warning = { "warning", 4, 13 },
                            failure = { "err", 3, 17 };

static const struct grading {
    const char *word; /* of event, or of decision */
    const admind_grade_t *grade;
} by_event[] = { { "gap", &failure }, { "corrupt", &failure }, { "seal", &info } },
  by_decision[] = { { "allow", &info }, { "deny", &notice }, { "limit", &warning }, { "error", &failure } };

static const admind_grade_t *look_up(const struct grading *table, size_t count, mcpa_str_t word)
{
    for (size_t i = 0; i < count; i++) {
        if (mcpa_str_eqz(word, table[i].word)) {
            return table[i].grade;
        }
    }
    return NULL;
}

const admind_grade_t *admind_grade_of(const admind_line_t *line)
{
    const admind_grade_t *grade = &failure;

    if (line != NULL) {
        grade = look_up(by_event, sizeof(by_event) / sizeof(by_event[0]), line->record.event);
        if (grade == NULL) {
            grade = look_up(by_decision, sizeof(by_decision) / sizeof(by_decision[0]), line->record.decision);
        }
    }
    return grade != NULL ? grade : &notice;
}

const char *admind_kind_of(const admind_line_t *line)
{
    static const char *const known[] = { "decision", "gap", "corrupt", "seal" };

    if (line == NULL) {
        return "damaged";
    }
    if (line->record.event.ptr == NULL) {
        return "request";
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (mcpa_str_eqz(line->record.event, known[i])) {
            return known[i];
        }
    }
    return "event";
}
