/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the metrics registry, for metric*.c alone. A family is one row of metric.def with its series in the order they came;
 * an open-addressed index finds a series by its label values. */
#ifndef MCPA_WIRE_METRIC_IMPL_H
#define MCPA_WIRE_METRIC_IMPL_H

#include "wire/metric.h"

#define METRIC_LABEL_MAX_BYTES 128

typedef enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_type_t;

/* An upper bound and how it is written (as Go writes it; OpenMetrics adds ".0" where no '.' or 'e' is). The last one is +Inf. */
typedef struct metric_bucket {
    double le;
    const char *text;
} metric_bucket_t;

typedef struct metric_row {
    metric_type_t type;
    const char *name;
    const char *labels; /* names, one space between them */
    const char *help;
} metric_row_t;

/* One block of memory, with key and labels after the counts. */
typedef struct metric_series {
    double value; /* counter, gauge; a histogram's sum */
    char *key;    /* label values, each after its length in one byte */
    char *labels; /* as printed, escaped: a="b",c="d" */
    size_t key_len;
    size_t labels_len;
    uint64_t counts[]; /* histogram: observations of each bucket, not cumulated */
} metric_series_t;

typedef struct metric_family {
    metric_series_t **series;
    size_t count;
    size_t cap;      /* power of two */
    uint32_t *index; /* position in series plus one, 0 is empty; 2 * cap slots */
} metric_family_t;

struct mcpa_metrics {
    metric_family_t families[MCPA_METRIC_COUNT];
    size_t count; /* series of all families */
};

const metric_row_t *metric_row(mcpa_metric_t metric);
/* A histogram's buckets; *count includes +Inf. */
const metric_bucket_t *metric_buckets(mcpa_metric_t metric, size_t *count);
/* The series of these values, made when missing. NULL when memory ran out. */
metric_series_t *metric_series(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values);
/* A double in the fewest digits that read back as the same; NaN and infinities as Prometheus writes them. */
void metric_put_number(mcpa_out_t *out, double value);
typedef void metric_print_fn(mcpa_out_t *out, const mcpa_metrics_t *metrics, bool flag);
/* Calls print with a buffer that grows until all fits. To be freed with free(); NULL when memory ran out. */
char *metric_print_growing(const mcpa_metrics_t *metrics, size_t guess, metric_print_fn *print, bool flag, size_t *len);

#endif
