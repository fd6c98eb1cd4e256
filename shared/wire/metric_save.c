/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and histograms in the daemon's checkpoint:
 *
 *   { "mcpauth_requests_total": [ { "labels": ["/mcp", "POST", "200", "allow"], "value": 12 }, … ],
 *     "mcpauth_request_bytes":  [ { "labels": ["/mcp"], "sum": 4711, "buckets": [3, 0, …] } ] }      buckets not cumulated, +Inf
 * last
 *
 * Gauges are left out: they tell of a moment that has passed. */
#include <math.h>
#include <stdlib.h>

#include "wire/metric_impl.h"

static void save_number(mcpa_jsonw_t *w, const char *name, double value)
{
    char memory[32];
    mcpa_out_t out;

    mcpa_out_init(&out, memory, sizeof(memory));
    metric_put_number(&out, isfinite(value) ? value : 0);
    mcpa_jsonw_raw(w, name, mcpa_out_get(&out));
}

static void save_series(mcpa_jsonw_t *w, mcpa_metric_t metric, const metric_series_t *series)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_open_array(w, "labels");
    for (const char *at = series->key; at < series->key + series->key_len;) {
        size_t len = (unsigned char)*at++;

        mcpa_jsonw_str(w, NULL, (mcpa_str_t){ at, len });
        at += len;
    }
    mcpa_jsonw_close_array(w);
    if (metric_row(metric)->type == METRIC_HISTOGRAM) {
        size_t count;

        (void)metric_buckets(metric, &count);
        save_number(w, "sum", series->value);
        mcpa_jsonw_open_array(w, "buckets");
        for (size_t i = 0; i < count; i++) {
            mcpa_jsonw_u64(w, NULL, series->counts[i]);
        }
        mcpa_jsonw_close_array(w);
    } else {
        save_number(w, "value", series->value);
    }
    mcpa_jsonw_close_object(w);
}

static void save_all(mcpa_out_t *out, const mcpa_metrics_t *metrics, bool flag)
{
    mcpa_jsonw_t w;

    (void)flag;
    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    for (mcpa_metric_t metric = 0; metric < MCPA_METRIC_COUNT && !out->truncated; metric++) {
        const metric_family_t *family = &metrics->families[metric];

        if (metric_row(metric)->type == METRIC_GAUGE || family->count == 0) {
            continue;
        }
        mcpa_jsonw_open_array(&w, metric_row(metric)->name);
        for (size_t i = 0; i < family->count; i++) {
            save_series(&w, metric, family->series[i]);
        }
        mcpa_jsonw_close_array(&w);
    }
    mcpa_jsonw_close_object(&w);
}

char *mcpa_metrics_save(const mcpa_metrics_t *metrics)
{
    size_t len;

    return metric_print_growing(metrics, 4096 + metrics->count * 128, save_all, false, &len);
}

static bool load_counts(metric_series_t *series, mcpa_metric_t metric, const mcpa_json_t *buckets)
{
    size_t count;

    (void)metric_buckets(metric, &count);
    for (size_t i = 0; i < count; i++) {
        int64_t n;

        if (!mcpa_json_integer(mcpa_json_at(buckets, i), &n) || n < 0) {
            return false;
        }
        series->counts[i] += (uint64_t)n;
    }
    return true;
}

/* Label values into memory; false when they are not strings or not as many as the row has names. */
static bool load_labels(mcpa_str_t values[MCPA_METRIC_LABELS_MAX], mcpa_metric_t metric, const mcpa_json_t *labels)
{
    size_t names = 0;

    for (const char *at = metric_row(metric)->labels; *at != '\0'; at++) {
        names += at == metric_row(metric)->labels || at[-1] == ' ';
    }
    if (!mcpa_json_is(labels, MCPA_JSON_ARRAY) || mcpa_json_size(labels) != names) {
        return false;
    }
    for (size_t i = 0; i < names; i++) {
        values[i] = mcpa_json_string(mcpa_json_at(labels, i));
        if (values[i].ptr == NULL) {
            return false;
        }
    }
    return true;
}

static mcpa_status_t load_series(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_json_t *saved)
{
    bool histogram = metric_row(metric)->type == METRIC_HISTOGRAM;
    const mcpa_json_t *buckets = mcpa_json_member(saved, "buckets");
    mcpa_str_t values[MCPA_METRIC_LABELS_MAX];
    metric_series_t *series;
    double value;
    size_t count;

    if (!mcpa_json_number(mcpa_json_member(saved, histogram ? "sum" : "value"), &value) || !isfinite(value) ||
        (!histogram && value < 0)) {
        return MCPA_EMALFORMED;
    }
    /* Another version's labels or bounds: what was counted under them cannot be told apart as today's rows want it. */
    (void)metric_buckets(metric, &count);
    if (!load_labels(values, metric, mcpa_json_member(saved, "labels")) || (histogram && mcpa_json_size(buckets) != count)) {
        return MCPA_OK;
    }
    series = metric_series(metrics, metric, values);
    if (series == NULL) {
        return MCPA_ENOMEM;
    }
    series->value += value; /* "other" may take in more than one */
    return !histogram || load_counts(series, metric, buckets) ? MCPA_OK : MCPA_EMALFORMED;
}

static mcpa_status_t load_family(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_json_t *saved)
{
    if (!mcpa_json_is(saved, MCPA_JSON_ARRAY)) {
        return MCPA_EMALFORMED;
    }
    for (size_t i = 0; i < mcpa_json_size(saved); i++) {
        mcpa_status_t status = load_series(metrics, metric, mcpa_json_at(saved, i));

        if (status != MCPA_OK) {
            return status;
        }
    }
    return MCPA_OK;
}

mcpa_status_t mcpa_metrics_load(mcpa_metrics_t *metrics, const mcpa_json_t *saved)
{
    mcpa_status_t status = mcpa_json_is(saved, MCPA_JSON_OBJECT) ? MCPA_OK : MCPA_EMALFORMED;

    /* Names that no row has are another version's and are left alone. */
    for (mcpa_metric_t metric = 0; metric < MCPA_METRIC_COUNT && status == MCPA_OK; metric++) {
        const mcpa_json_t *family = mcpa_json_member(saved, metric_row(metric)->name);

        if (metric_row(metric)->type != METRIC_GAUGE && family != NULL) {
            status = load_family(metrics, metric, family);
        }
    }
    for (mcpa_metric_t metric = 0; metric < MCPA_METRIC_COUNT && status != MCPA_OK; metric++) {
        mcpa_metrics_reset(metrics, metric); /* all or nothing */
    }
    return status;
}
