/* SPDX-License-Identifier: Apache-2.0 */
/* Label values from anywhere: both text forms stay lines of the right shape and valid UTF-8, and a checkpoint brings the same
 * series back. */
#include <stdlib.h>

#include "base/text.h"
#include "wire/metric.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

/* {name="value",…}: escapes are \\, \" and \n alone; returns what follows the brace. */
static const char *check_labels(const char *at)
{
    do {
        size_t name = strspn(++at, "abcdefghijklmnopqrstuvwxyz_");

        must(name > 0 && at[name] == '=' && at[name + 1] == '"');
        for (at += name + 2; *at != '"'; at++) {
            must(*at != '\n' && *at != '\0');
            if (*at == '\\') {
                at++;
                must(*at == '\\' || *at == '"' || *at == 'n');
            }
        }
        at++;
    } while (*at == ',');
    must(*at == '}');
    return at + 1;
}

static void check_text(const char *text, size_t len, bool openmetrics)
{
    const char *end = text + len;

    must(strlen(text) == len && mcpa_text_is_utf8((mcpa_str_t){ text, len }));
    for (const char *at = text; at < end;) {
        const char *line_end;

        if (*at != '#') {
            at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
            at = *at == '{' ? check_labels(at) : at;
            must(*at == ' ');
        }
        line_end = strchr(at, '\n');
        must(line_end != NULL);
        at = line_end + 1;
    }
    must(!openmetrics || strcmp(end - 6, "# EOF\n") == 0);
}

static void check_checkpoint(const mcpa_metrics_t *m, const char *text)
{
    mcpa_metrics_t *back = mcpa_metrics_new();
    char *saved = mcpa_metrics_save(m);
    mcpa_json_t *json = NULL;
    char *again;
    size_t len;

    must(back != NULL && saved != NULL && mcpa_json_parse(&json, mcpa_str(saved), 8, 4096) == MCPA_OK);
    must(mcpa_metrics_load(back, json) == MCPA_OK);
    again = mcpa_metrics_print(back, true, &len);
    must(again != NULL && strcmp(again, text) == 0);
    free(again);
    free(saved);
    mcpa_json_free(&json);
    mcpa_metrics_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_metrics_t *m = mcpa_metrics_new();
    mcpa_str_t values[MCPA_METRIC_LABELS_MAX];
    size_t len;

    must(m != NULL);
    for (size_t i = 0; i < MCPA_METRIC_LABELS_MAX; i++) {
        size_t from = size * i / MCPA_METRIC_LABELS_MAX;

        values[i] = (mcpa_str_t){ (const char *)data + from, size * (i + 1) / MCPA_METRIC_LABELS_MAX - from };
    }
    mcpa_metrics_add(m, MCPA_METRIC_OPERATIONS, values, 1);
    mcpa_metrics_observe(m, MCPA_METRIC_REQUEST_BYTES, values, (double)size);
    must(mcpa_metrics_get(m, MCPA_METRIC_OPERATIONS, values) == 1);
    for (int form = 0; form < 2; form++) {
        char *text = mcpa_metrics_print(m, form == 1, &len);

        must(text != NULL);
        check_text(text, len, form == 1);
        if (form == 1) {
            check_checkpoint(m, text);
        }
        free(text);
    }
    mcpa_metrics_free(&m);
    return 0;
}
