/* SPDX-License-Identifier: Apache-2.0 */
/* A registry of metrics and its two text forms (Prometheus text 0.0.4, OpenMetrics 1.0). The rows are metric.def. One owner, one thread. Series
 * are bounded: past MCPA_METRIC_SERIES_MAX a new label set is counted under "other" values. */
#ifndef MCPA_WIRE_METRIC_H
#define MCPA_WIRE_METRIC_H

#include "base/bytes.h"
#include "base/json.h"

#define MCPA_METRIC_SERIES_MAX 20000
#define MCPA_METRIC_LABELS_MAX 4

typedef enum mcpa_metric {
#define MCPA_METRIC(name, type, text, labels, help) MCPA_METRIC_##name,
#include "wire/metric.def"
#undef MCPA_METRIC
    MCPA_METRIC_COUNT
} mcpa_metric_t;

typedef struct mcpa_metrics mcpa_metrics_t;

mcpa_metrics_t *mcpa_metrics_new(void);
void mcpa_metrics_free(mcpa_metrics_t **metrics);
/* values: as many as the row has labels, or NULL when it has none. They are cut at 128 bytes, broken UTF-8 and NUL are replaced. A function of
 * another kind of metric does nothing, neither does a negative amount, nor memory that ran out: counting must not fail a caller. */
void mcpa_metrics_add(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values, double amount);   /* counter */
void mcpa_metrics_set(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values, double value);    /* gauge, or a counter kept elsewhere */
void mcpa_metrics_observe(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values, double value); /* histogram */
/* Drops every series of one metric: gauges whose label sets come and go (alerts firing, issuers). */
void mcpa_metrics_reset(mcpa_metrics_t *metrics, mcpa_metric_t metric);
/* A histogram's is how many values were observed; 0 when there is no such series. */
double mcpa_metrics_get(const mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values);

/* Text of all series; metrics without a series and without labels are shown as 0. To be freed with free(); NULL when memory ran out. */
char *mcpa_metrics_print(const mcpa_metrics_t *metrics, bool openmetrics, size_t *len);
/* Counters and histograms as JSON for the checkpoint, and back (adds to nothing: the registry must be fresh; on failure it is empty). Metrics,
 * labels or buckets of another version are skipped. save: to be freed with free(), NULL when memory ran out. */
char *mcpa_metrics_save(const mcpa_metrics_t *metrics);
mcpa_status_t mcpa_metrics_load(mcpa_metrics_t *metrics, const mcpa_json_t *saved) MCPA_MUST_CHECK;

const char *mcpa_metric_name(mcpa_metric_t metric);

#endif
