/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/filter.h"

#include "audit/names.h"

#define LINE_MAX_DEPTH  8
#define LINE_MAX_VALUES 256

static void add(ctl_filter_t *filter, const char *member, const char *value)
{
    if (value != NULL) {
        filter->fields[filter->n_fields].member = member;
        filter->fields[filter->n_fields].value = mcpa_str(value);
        filter->n_fields++;
    }
}

static bool read_time(const char *option, const char *text, int64_t now_us, int64_t *unix_us)
{
    if (text == NULL || ctl_parse_time(text, now_us, unix_us)) {
        return true;
    }
    ctl_complain("--%s '%s' is no time; write 2026-11-21T09:00:00Z, 2026-11-21 or 10min", option, text);
    return false;
}

bool ctl_filter_init(ctl_filter_t *filter, const ctl_t *ctl, int64_t now_us)
{
    *filter = (ctl_filter_t){ .since_us = INT64_MIN, .until_us = INT64_MAX };
    if (!read_time("since", ctl->since, now_us, &filter->since_us) ||
        !read_time("until", ctl->until, now_us, &filter->until_us)) {
        return false;
    }
    filter->since_day = ctl->since != NULL ? admind_journal_day(filter->since_us) : 0;
    add(filter, "sub", ctl->subject);
    add(filter, "client_id", ctl->client);
    add(filter, "ip", ctl->address);
    add(filter, "location", ctl->location);
    add(filter, "reason", ctl->reason);
    add(filter, "decision", ctl->decision);
    return true;
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

static bool in_time(const ctl_filter_t *filter, const mcpa_json_t *json)
{
    mcpa_str_t ts = mcpa_json_string(mcpa_json_member(json, "ts"));
    char text[40];
    int64_t at_us;

    if (filter->since_us == INT64_MIN && filter->until_us == INT64_MAX) {
        return true;
    }
    snprintf(text, sizeof(text), "%.*s", (int)(ts.len < 32 ? ts.len : 32), ts.ptr != NULL ? ts.ptr : "");
    return ts.len > 0 && ctl_parse_time(text, INT64_MAX, &at_us) && at_us >= filter->since_us && at_us < filter->until_us;
}

bool ctl_filter_matches(const ctl_filter_t *filter, mcpa_str_t line)
{
    mcpa_json_t *json = NULL;
    bool matches;

    for (size_t i = 0; i < filter->n_fields; i++) {
        mcpa_str_t value = filter->fields[i].value;

        if (is_plain(value) && memmem(line.ptr, line.len, value.ptr, value.len) == NULL) {
            return false;
        }
    }
    if (mcpa_json_parse(&json, line, LINE_MAX_DEPTH, LINE_MAX_VALUES) != MCPA_OK) {
        return false; /* damage is the daemon's to report */
    }
    /* A seal is no record. */
    matches = mcpa_json_member(json, "instance") != NULL && in_time(filter, json);
    for (size_t i = 0; matches && i < filter->n_fields; i++) {
        matches = mcpa_str_eq(mcpa_json_string(mcpa_json_member(json, filter->fields[i].member)), filter->fields[i].value);
    }
    mcpa_json_free(&json);
    return matches;
}
