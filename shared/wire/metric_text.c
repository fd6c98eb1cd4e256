/* SPDX-License-Identifier: Apache-2.0 */
/* The two text forms. Prometheus 0.0.4: prometheus.io/docs/instrumenting/exposition_formats. OpenMetrics 1.0: a counter's family
 * is named without _total, bounds are always floats, help escapes quotes too, and the text ends in "# EOF". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/metric_impl.h"

#define SERIES_LINE_BYTES 160 /* a guess to start the buffer with */

#define TOTAL_BYTES (sizeof("_total") - 1)

void metric_put_number(mcpa_out_t *out, double value)
{
    char text[32];

    if (isnan(value)) {
        mcpa_out_z(out, "NaN");
    } else if (isinf(value)) {
        mcpa_out_z(out, value > 0 ? "+Inf" : "-Inf");
    } else if (value >= 0 && value < 1e15 && value == floor(value)) {
        mcpa_out_u64(out, (uint64_t)value); /* nearly all of them: spare the printf */
    } else {
        int n = snprintf(text, sizeof(text), "%.15g", value);

        if (strtod(text, NULL) != value) {
            n = snprintf(text, sizeof(text), "%.17g", value);
        }
        for (int i = 0; i < n; i++) {
            text[i] = text[i] == ',' ? '.' : text[i]; /* whatever the locale */
        }
        mcpa_out_put(out, text, (size_t)n);
    }
}

char *metric_print_growing(const mcpa_metrics_t *metrics, size_t guess, metric_print_fn *print, bool flag, size_t *len)
{
    for (size_t cap = guess; cap <= SIZE_MAX / 2; cap *= 2) {
        char *memory = malloc(cap);
        mcpa_out_t out;

        if (memory == NULL) {
            return NULL;
        }
        mcpa_out_init(&out, memory, cap);
        print(&out, metrics, flag);
        if (mcpa_out_status(&out) == MCPA_OK) {
            *len = out.len;
            return memory;
        }
        free(memory);
    }
    return NULL;
}

static mcpa_str_t family_name(const metric_row_t *row, bool openmetrics)
{
    mcpa_str_t name = mcpa_str(row->name);

    if (openmetrics && row->type == METRIC_COUNTER && name.len > TOTAL_BYTES) {
        name.len -= TOTAL_BYTES; /* every counter of metric.def ends in it; a test holds that */
    }
    return name;
}

static void put_head(mcpa_out_t *out, const metric_row_t *row, bool openmetrics)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"
    };
    mcpa_str_t name = family_name(row, openmetrics);

    mcpa_out_z(out, "# HELP ");
    mcpa_out_str(out, name);
    mcpa_out_char(out, ' ');
    for (const char *at = row->help; *at != '\0'; at++) {
        if (*at == '\\' || (*at == '"' && openmetrics)) {
            mcpa_out_char(out, '\\');
        }
        mcpa_out_char(out, *at);
    }
    mcpa_out_z(out, "\n# TYPE ");
    mcpa_out_str(out, name);
    mcpa_out_char(out, ' ');
    mcpa_out_z(out, types[row->type]);
    mcpa_out_char(out, '\n');
}

/* name suffix {labels} and a blank; le is a bucket's bound or NULL. */
static void put_name(mcpa_out_t *out, mcpa_str_t name, const char *suffix, mcpa_str_t labels, const char *le, const char *le_end)
{
    mcpa_out_str(out, name);
    mcpa_out_z(out, suffix);
    if (labels.len > 0 || le != NULL) {
        mcpa_out_char(out, '{');
        mcpa_out_str(out, labels);
        if (le != NULL) {
            mcpa_out_z(out, labels.len > 0 ? ",le=\"" : "le=\"");
            mcpa_out_z(out, le);
            mcpa_out_z(out, le_end);
            mcpa_out_char(out, '"');
        }
        mcpa_out_char(out, '}');
    }
    mcpa_out_char(out, ' ');
}

/* counts NULL: nothing was observed yet. */
static void put_histogram(mcpa_out_t *out, mcpa_metric_t metric, mcpa_str_t labels, const uint64_t *counts, double sum,
                          bool openmetrics)
{
    mcpa_str_t name = mcpa_str(metric_row(metric)->name);
    size_t count;
    const metric_bucket_t *buckets = metric_buckets(metric, &count);
    uint64_t observed = 0;

    for (size_t i = 0; i < count; i++) {
        bool bare = openmetrics && strpbrk(buckets[i].text, ".eI") == NULL;

        observed += counts != NULL ? counts[i] : 0;
        put_name(out, name, "_bucket", labels, buckets[i].text, bare ? ".0" : "");
        mcpa_out_u64(out, observed);
        mcpa_out_char(out, '\n');
    }
    put_name(out, name, "_sum", labels, NULL, NULL);
    metric_put_number(out, sum);
    mcpa_out_char(out, '\n');
    put_name(out, name, "_count", labels, NULL, NULL);
    mcpa_out_u64(out, observed);
    mcpa_out_char(out, '\n');
}

static void put_series(mcpa_out_t *out, mcpa_metric_t metric, const metric_series_t *series, bool openmetrics)
{
    mcpa_str_t labels = { series->labels, series->labels_len };

    if (metric_row(metric)->type == METRIC_HISTOGRAM) {
        put_histogram(out, metric, labels, series->counts, series->value, openmetrics);
        return;
    }
    put_name(out, mcpa_str(metric_row(metric)->name), "", labels, NULL, NULL);
    metric_put_number(out, series->value);
    mcpa_out_char(out, '\n');
}

static void put_all(mcpa_out_t *out, const mcpa_metrics_t *metrics, bool openmetrics)
{
    for (mcpa_metric_t metric = 0; metric < MCPA_METRIC_COUNT && !out->truncated; metric++) {
        const metric_family_t *family = &metrics->families[metric];
        const metric_row_t *row = metric_row(metric);

        put_head(out, row, openmetrics);
        for (size_t i = 0; i < family->count; i++) {
            put_series(out, metric, family->series[i], openmetrics);
        }
        /* Known to be zero, and said so: an alert on a rate needs a first value. */
        if (family->count == 0 && row->labels[0] == '\0' && row->type == METRIC_HISTOGRAM) {
            put_histogram(out, metric, MCPA_STR(""), NULL, 0, openmetrics);
        } else if (family->count == 0 && row->labels[0] == '\0') {
            put_name(out, mcpa_str(row->name), "", MCPA_STR(""), NULL, NULL);
            mcpa_out_z(out, "0\n");
        }
    }
    if (openmetrics) {
        mcpa_out_z(out, "# EOF\n");
    }
}

char *mcpa_metrics_print(const mcpa_metrics_t *metrics, bool openmetrics, size_t *len)
{
    return metric_print_growing(metrics, 16384 + metrics->count * SERIES_LINE_BYTES, put_all, openmetrics, len);
}
