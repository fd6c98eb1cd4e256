/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/filter.h"

#include "base/text.h"
#include "wire/record.h"

#define LINE_MAX_DEPTH  8
#define LINE_MAX_VALUES 256
#define TS_HEAD         "{\"ts\":\"" /* as the daemon writes every line */
#define TS_BYTES        24

#define AT(member) offsetof(ctl_t, member)
static const struct row {
    const char *option;
    size_t offset;
    const char *member, *or_member;
    bool number;
} rows[] = {
    { "subject", AT(subject), "sub", NULL, false },
    { "client", AT(client), "client_id", NULL, false },
    { "address", AT(address), "ip", NULL, false },
    { "location", AT(location), "location", NULL, false },
    { "reason", AT(reason), "reason", NULL, false },
    { "decision", AT(decision), "decision", NULL, false },
    { "tool", AT(tool), "rpc_name", NULL, false },
    { "method", AT(method), "rpc_method", "method", false },
    { "status", AT(status), "status", NULL, true },
    { "request-id", AT(request_id), "request_id", "correlation_id", false },
    { "token-hash", AT(token_hash), "token_hash", NULL, false },
    { "event", AT(event), "event", NULL, false },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROWS <= CTL_FILTER_FIELDS, "every option may be given");

static const char *value_of(const ctl_t *ctl, const struct row *row)
{
    const char *value;

    memcpy(&value, (const char *)ctl + row->offset, sizeof(value));
    return value;
}

static bool read_time(const char *option, const char *text, int64_t now_us, int64_t *unix_us)
{
    if (text == NULL || ctl_parse_time(text, now_us, unix_us)) {
        return true;
    }
    ctl_complain("--%s '%s' is no time; write 2026-11-21T09:00:00Z, 2026-11-21 or 10min", option, text);
    return false;
}

bool ctl_filter_period(const ctl_t *ctl, int64_t now_us, int64_t *since_us, int64_t *until_us)
{
    *since_us = INT64_MIN;
    *until_us = INT64_MAX;
    return read_time("since", ctl->since, now_us, since_us) && read_time("until", ctl->until, now_us, until_us);
}

bool ctl_filter_init(ctl_filter_t *filter, const ctl_t *ctl, int64_t now_us)
{
    *filter = (ctl_filter_t){ 0 };
    for (size_t i = 0; i < ROWS; i++) {
        const char *value = value_of(ctl, &rows[i]);
        struct ctl_filter_field *field = &filter->fields[filter->n_fields];
        uint64_t number;

        if (value == NULL) {
            continue;
        }
        *field = (struct ctl_filter_field){ rows[i].member, rows[i].or_member, mcpa_str(value), MCPA_RECORD_ABSENT };
        if (rows[i].number) {
            if (!mcpa_text_u64(field->value, &number) || number > INT64_MAX) {
                ctl_complain("--%s wants a number, not '%s'", rows[i].option, value);
                return false;
            }
            field->number = (int64_t)number;
        }
        filter->n_fields++;
    }
    if (ctl->event != NULL && strcmp(ctl->event, "request") == 0) { /* their lines name no event; it is the last row */
        filter->requests = true;
        filter->n_fields--;
    }
    filter->seals = ctl->event != NULL && strcmp(ctl->event, "seal") == 0;
    return ctl_filter_period(ctl, now_us, &filter->since_us, &filter->until_us);
}

const char *ctl_filter_given(const ctl_t *ctl)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (value_of(ctl, &rows[i]) != NULL) {
            return rows[i].option;
        }
    }
    return NULL;
}

/* Whether JSON may spell the value only as it is: then a line without these bytes need not be parsed. */
static bool is_plain(mcpa_str_t value)
{
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] < 0x20 || (unsigned char)value.ptr[i] > 0x7e || strchr("\"\\/", value.ptr[i]) != NULL) {
            return false;
        }
    }
    return value.len > 0;
}

static bool is_open(const ctl_filter_t *filter)
{
    return filter->since_us == INT64_MIN && filter->until_us == INT64_MAX;
}

static bool parse_time(mcpa_str_t ts, int64_t *at_us)
{
    char text[40];

    snprintf(text, sizeof(text), "%.*s", (int)(ts.len < 32 ? ts.len : 32), ts.ptr != NULL ? ts.ptr : "");
    return ts.len > 0 && ctl_parse_time(text, INT64_MAX, at_us);
}

bool ctl_filter_line_time(mcpa_str_t line, int64_t *at_us)
{
    size_t head = sizeof(TS_HEAD) - 1;

    return line.len > head + TS_BYTES && memcmp(line.ptr, TS_HEAD, head) == 0 && line.ptr[head + TS_BYTES] == '"' &&
           memchr(line.ptr + head, '\\', TS_BYTES) == NULL && memchr(line.ptr + head, '"', TS_BYTES) == NULL &&
           parse_time((mcpa_str_t){ line.ptr + head, TS_BYTES }, at_us);
}

static bool is_in_time(const ctl_filter_t *filter, int64_t at_us)
{
    return at_us >= filter->since_us && at_us < filter->until_us;
}

/* What can be told without parsing: most lines of a large journal go here. */
static bool may_match(const ctl_filter_t *filter, mcpa_str_t line)
{
    int64_t at_us;

    for (size_t i = 0; i < filter->n_fields; i++) {
        const struct ctl_filter_field *field = &filter->fields[i];

        if (field->number == MCPA_RECORD_ABSENT && is_plain(field->value) &&
            memmem(line.ptr, line.len, field->value.ptr, field->value.len) == NULL) {
            return false;
        }
    }
    return is_open(filter) || !ctl_filter_line_time(line, &at_us) || is_in_time(filter, at_us);
}

static bool has_value(const struct ctl_filter_field *field, const mcpa_json_t *json)
{
    const mcpa_json_t *value = mcpa_json_member(json, field->member);
    const mcpa_json_t *other = field->or_member != NULL ? mcpa_json_member(json, field->or_member) : NULL;
    int64_t number;

    if (field->number != MCPA_RECORD_ABSENT) {
        return mcpa_json_integer(value, &number) && number == field->number;
    }
    return (value != NULL && mcpa_str_eq(mcpa_json_string(value), field->value)) ||
           (other != NULL && mcpa_str_eq(mcpa_json_string(other), field->value));
}

bool ctl_filter_matches(const ctl_filter_t *filter, mcpa_str_t line)
{
    mcpa_json_t *json = NULL;
    int64_t at_us;
    bool matches;

    if (!may_match(filter, line) || mcpa_json_parse(&json, line, LINE_MAX_DEPTH, LINE_MAX_VALUES) != MCPA_OK) {
        return false; /* damage is the daemon's to report */
    }
    /* A seal is no record; only the daemon writes lines without an instance. */
    matches =
        (mcpa_json_member(json, "instance") != NULL || filter->seals) &&
        (!filter->requests || mcpa_json_member(json, "event") == NULL) &&
        (is_open(filter) || (parse_time(mcpa_json_string(mcpa_json_member(json, "ts")), &at_us) && is_in_time(filter, at_us)));
    for (size_t i = 0; matches && i < filter->n_fields; i++) {
        matches = has_value(&filter->fields[i], json);
    }
    mcpa_json_free(&json);
    return matches;
}
