/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the metrics registry, for metric*.c alone. A family is one row of metric.def with its series in the order they came; an
 * open-addressed index finds a series by its label values. */
#ifndef MCPA_WIRE_METRIC_IMPL_H
#define MCPA_WIRE_METRIC_IMPL_H

#include "wire/metric.h"

#define METRIC_LABEL_MAX_BYTES 128
#define METRIC_BUCKETS_MAX 15 /* with +Inf */

typedef enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_type_t;

/* An upper bound and how it is written (as Go writes it; OpenMetrics adds ".0" where no '.' or 'e' is). The last one is +Inf. */
typedef struct metric_bucket {
    double le;
    const char *text;
} metric_bucket_t;

typedef struct metric_row {
    metric_type_t type;
    const char *name;
    const char *labels; /* names, separated by one space */
    const char *help;
    size_t label_count;
    const metric_bucket_t *buckets; /* histograms */
    size_t bucket_count;            /* with +Inf */
} metric_row_t;

typedef struct metric_series {
    double value;       /* counter, gauge; a histogram's sum */
    uint64_t *counts;   /* histogram: observations of each bucket, not cumulated; in this block of memory */
    size_t key_len;
    size_t labels_len;
    const char *key;    /* label values, each after its length in one byte */
    const char *labels; /* as printed, escaped: a="b",c="d" */
} metric_series_t;

typedef struct metric_family {
    metric_series_t **series;
    size_t count;
    size_t cap;
    uint32_t *index; /* position in series plus one; 0 is empty; 2 * cap slots */
} metric_family_t;

struct mcpa_metrics {
    metric_family_t families[MCPA_METRIC_COUNT];
    size_t count; /* series of all families */
};

const metric_row_t *metric_row(mcpa_metric_t metric);
/* The series of these values, made when missing. values may be NULL for a metric without labels. NULL when memory ran out. */
metric_series_t *metric_series(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values);
/* A double in the fewest digits that read back as the same, NaN and infinities as Prometheus writes them. */
void metric_print_number(mcpa_out_t *out, double value);

#endif
