/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/metric.h"

#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "wire/metric_impl.h"

#define SERIES_MIN 8 /* a family's first room */

static const metric_bucket_t seconds_buckets[] = {
    { 0.0005, "0.0005" }, { 0.001, "0.001" }, { 0.0025, "0.0025" }, { 0.005, "0.005" }, { 0.01, "0.01" },
    { 0.025, "0.025" },   { 0.05, "0.05" },   { 0.1, "0.1" },       { 0.25, "0.25" },   { 0.5, "0.5" },
    { 1, "1" },           { 2.5, "2.5" },     { 5, "5" },           { 10, "10" },       { INFINITY, "+Inf" },
};
/* One signature takes 15 to 30 microseconds: resolution where the work is. */
static const metric_bucket_t verify_buckets[] = {
    { 1e-05, "1e-05" },   { 2.5e-05, "2.5e-05" }, { 5e-05, "5e-05" },   { 0.0001, "0.0001" }, { 0.00025, "0.00025" },
    { 0.0005, "0.0005" }, { 0.001, "0.001" },     { 0.0025, "0.0025" }, { 0.005, "0.005" },   { 0.01, "0.01" },
    { INFINITY, "+Inf" },
};
static const metric_bucket_t bytes_buckets[] = {
    { 100, "100" }, { 1000, "1000" }, { 10000, "10000" }, { 100000, "100000" }, { 1e6, "1e+06" }, { 1e7, "1e+07" }, { INFINITY, "+Inf" },
};

#define BUCKETS(array) array, sizeof(array) / sizeof((array)[0])
_Static_assert(sizeof(seconds_buckets) / sizeof(seconds_buckets[0]) <= METRIC_BUCKETS_MAX, "a histogram's buckets are bounded");

static metric_row_t rows[MCPA_METRIC_COUNT] = {
#define MCPA_METRIC(id, type, name, labels, help) { METRIC_##type, name, labels, help, 0, NULL, 0 },
#include "wire/metric.def"
#undef MCPA_METRIC
};
