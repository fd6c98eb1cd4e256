/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/syslog.h"

#include "base/text.h"
#include "forward/fields.h"

#define HOST_MAX   255 /* RFC 5424 section 6 */
#define HEAD_BYTES 12288 /* some twenty values, escaped, and their names */
#define SD_ID      "mcpauth@32473"
#define BOM        "\xef\xbb\xbf"

bool admind_syslog_facility(const char *word, unsigned *facility)
{
    static const char *const words[] = { "kern",   "user",   "mail",   "daemon", "auth",   "syslog", "lpr",    "news",
                                         "uucp",   "cron",   "authpriv", "ftp",  "ntp",    "audit",  "alert",  "clock",
                                         "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            *facility = i;
            return true;
        }
    }
    return false;
}

static void put_host(mcpa_out_t *out, const char *host)
{
    size_t n = strnlen(host, HOST_MAX);

    for (size_t i = 0; i < n; i++) {
        mcpa_out_char(out, host[i] > 32 && host[i] < 127 ? host[i] : '?');
    }
    if (n == 0) {
        mcpa_out_char(out, '-');
    }
}

/* RFC 5424 section 6.3.3. Control characters are legal there, but receivers write lines: they become '?', as bytes that are no UTF-8 do. */
static void put_value(mcpa_out_t *out, const char *name, mcpa_str_t value)
{
    size_t at = 0;

    mcpa_out_printf(out, " %s=\"", name);
    while (at < value.len) {
        mcpa_str_t rest = { value.ptr + at, value.len - at };
        size_t n = mcpa_text_utf8_next(rest);
        unsigned char c = (unsigned char)rest.ptr[0];

        if (at + (n > 0 ? n : 1) > ADMIND_SYSLOG_VALUE_BYTES) {
            break;
        }
        if (n == 0 || c < 0x20 || c == 0x7f) {
            mcpa_out_char(out, '?');
            at++;
            continue;
        }
        if (c == '"' || c == '\\' || c == ']') {
            mcpa_out_char(out, '\\');
        }
        mcpa_out_put(out, rest.ptr, n);
        at += n;
    }
    mcpa_out_char(out, '"');
}

static void put_data(mcpa_out_t *out, const admind_line_t *line)
{
    size_t count;
    const admind_field_t *fields = admind_fields(&count);
    char hex[2 * MCPA_INSTANCE_BYTES + 1];

    mcpa_out_z(out, "[" SD_ID);
    if (!line->seal) {
        mcpa_hex(hex, line->instance, MCPA_INSTANCE_BYTES);
        put_value(out, "instance", mcpa_str(hex));
        mcpa_out_printf(out, " seq=\"%llu\"", (unsigned long long)line->seq);
    }
    for (size_t i = 0; i < count; i++) {
        mcpa_str_t text;
        int64_t number;

        if (admind_field_text(&fields[i], &line->record, &text)) {
            put_value(out, fields[i].syslog, text);
        } else if (admind_field_number(&fields[i], &line->record, &number)) {
            mcpa_out_printf(out, " %s=\"%lld\"", fields[i].syslog, (long long)number);
        }
    }
    mcpa_out_char(out, ']');
}

static bool is_ascii(mcpa_str_t text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] > 127) {
            return false;
        }
    }
    return true;
}

void admind_syslog_print(mcpa_out_t *out, const admind_syslog_origin_t *origin, mcpa_str_t text, const admind_line_t *parsed)
{
    bool mark = !is_ascii(text) && mcpa_text_is_utf8(text);
    char head[HEAD_BYTES], stamp[25] = "-";
    mcpa_out_t start;

    if (parsed != NULL && parsed->record.ts != MCPA_RECORD_ABSENT) {
        mcpa_text_rfc3339(stamp, parsed->record.ts);
    }
    mcpa_out_init(&start, head, sizeof(head));
    mcpa_out_printf(&start, "<%u>1 %s ", origin->facility * 8 + admind_grade_of(parsed)->syslog, stamp);
    put_host(&start, origin->host);
    mcpa_out_printf(&start, " mcpauth-admind %ld %s ", origin->pid, admind_kind_of(parsed));
    if (parsed == NULL) {
        mcpa_out_char(&start, '-');
    } else {
        put_data(&start, parsed);
    }
    mcpa_out_char(&start, ' ');
    if (mark) {
        mcpa_out_z(&start, BOM);
    }
    if (mcpa_out_status(&start) != MCPA_OK) { /* cannot be: HEAD_BYTES holds every field at its ceiling */
        out->truncated = true;
        return;
    }
    mcpa_out_printf(out, "%zu ", start.len + text.len);
    mcpa_out_str(out, mcpa_out_get(&start));
    mcpa_out_str(out, text);
}
