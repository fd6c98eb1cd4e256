/* SPDX-License-Identifier: Apache-2.0 */
/* metrics [PREFIX]: the samples of the daemon's /metrics, one a line, or as JSON. */
#include <stdlib.h>

#include "ctl/ctl.h"

#define LINE_MAX_BYTES 8192

/* Takes one line off *rest. */
static bool next_line(mcpa_str_t *rest, mcpa_str_t *line)
{
    const char *end;

    if (rest->len == 0) {
        return false;
    }
    end = memchr(rest->ptr, '\n', rest->len);
    *line = (mcpa_str_t){ rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };
    rest->ptr += line->len + (end != NULL ? 1 : 0);
    rest->len -= line->len + (end != NULL ? 1 : 0);
    return true;
}

static bool is_wanted(const ctl_t *ctl, mcpa_str_t line)
{
    return line.len > 0 && line.ptr[0] != '#' && (ctl->n_words == 0 || mcpa_str_starts(line, mcpa_str(ctl->words[0])));
}

/* Cuts 'line' at the first byte of 'marks' outside quotes. */
static mcpa_str_t cut(mcpa_str_t *line, const char *marks)
{
    mcpa_str_t head = { line->ptr, 0 };
    bool quoted = false;

    while (head.len < line->len && (quoted || strchr(marks, line->ptr[head.len]) == NULL)) {
        if (quoted && line->ptr[head.len] == '\\' && head.len + 1 < line->len) {
            head.len++;
        } else if (line->ptr[head.len] == '"') {
            quoted = !quoted;
        }
        head.len++;
    }
    line->ptr += head.len;
    line->len -= head.len;
    return head;
}

static void skip(mcpa_str_t *line)
{
    if (line->len > 0) {
        line->ptr++;
        line->len--;
    }
}

/* A label value as Prometheus escapes it (\\, \", \n) back to what it means. */
static void put_label(mcpa_jsonw_t *w, mcpa_str_t name, mcpa_str_t quoted)
{
    char value[1024], label[128];
    mcpa_out_t out;

    mcpa_out_init(&out, value, sizeof(value));
    for (size_t i = 1; i + 1 < quoted.len; i++) {
        if (quoted.ptr[i] == '\\' && i + 2 < quoted.len) {
            i++;
            mcpa_out_char(&out, quoted.ptr[i] == 'n' ? '\n' : quoted.ptr[i]);
        } else {
            mcpa_out_char(&out, quoted.ptr[i]);
        }
    }
    snprintf(label, sizeof(label), "%.*s", MCPA_STR_ARG(name));
    mcpa_jsonw_str(w, label, mcpa_out_get(&out));
}

/* 'name{label="value",...} number' as {"name":..,"labels":{..},"value":..}; a value JSON has no number for (NaN, +Inf) is a
 * string. */
static void print_sample(mcpa_str_t line, bool first)
{
    char memory[LINE_MAX_BYTES];
    mcpa_jsonw_t w;
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_str(&w, "name", cut(&line, "{ "));
    mcpa_jsonw_open_object(&w, "labels");
    if (line.len > 0 && line.ptr[0] == '{') {
        skip(&line);
        while (line.len > 0 && line.ptr[0] != '}') {
            mcpa_str_t name = cut(&line, "=}"), value;

            skip(&line);
            value = cut(&line, ",}");
            put_label(&w, name, value);
            if (line.len > 0 && line.ptr[0] == ',') {
                skip(&line);
            }
        }
        skip(&line);
    }
    mcpa_jsonw_close_object(&w);
    skip(&line);
    if (line.len > 0 && strspn(line.ptr, "0123456789+-.eE") >= line.len && line.ptr[0] != '+') {
        mcpa_jsonw_raw(&w, "value", line);
    } else {
        mcpa_jsonw_str(&w, "value", line);
    }
    mcpa_jsonw_close_object(&w);
    printf("%s\n  %s", first ? "" : ",", mcpa_out_get(&out).ptr);
}

ctl_exit_t ctl_metrics(const ctl_t *ctl)
{
    char *body = NULL;
    long status = 0;
    ctl_exit_t result = ctl_get(ctl, "/metrics", &body, &status);
    mcpa_str_t rest, line;
    size_t shown = 0;

    if (result != CTL_GOOD) {
        return result;
    }
    if (status != 200) {
        ctl_complain("the daemon answered %ld to /metrics%s", status, status == 401 ? ": give --token-file FILE" : "");
        free(body);
        return CTL_BAD;
    }
    rest = mcpa_str(body);
    fputs(ctl->json ? "{\"metrics\":[" : "", stdout);
    while (next_line(&rest, &line)) {
        if (is_wanted(ctl, line)) {
            if (ctl->json) {
                print_sample(line, shown == 0);
            } else {
                ctl_print_text(stdout, line);
                putchar('\n');
            }
            shown++;
        }
    }
    fputs(ctl->json ? "\n]}\n" : "", stdout);
    free(body);
    return CTL_GOOD;
}
