/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/metric.h"

#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "wire/metric_impl.h"

#define FAMILY_MIN_SERIES 8
/* A rendered label set at its worst: every byte escaped, and the longest name of metric.def with ="", around each. */
#define LABEL_NAME_MAX_BYTES 32
#define LABELS_MAX_BYTES     (MCPA_METRIC_LABELS_MAX * (2 * METRIC_LABEL_MAX_BYTES + LABEL_NAME_MAX_BYTES + 4) + 1)
#define KEY_MAX_BYTES        (MCPA_METRIC_LABELS_MAX * (METRIC_LABEL_MAX_BYTES + 1) + 1)
_Static_assert(METRIC_LABEL_MAX_BYTES < 256, "a key holds a value's length in one byte");

static const metric_bucket_t seconds_buckets[] = {
    { 0.0005, "0.0005" }, { 0.001, "0.001" }, { 0.0025, "0.0025" }, { 0.005, "0.005" }, { 0.01, "0.01" },
    { 0.025, "0.025" },   { 0.05, "0.05" },   { 0.1, "0.1" },       { 0.25, "0.25" },   { 0.5, "0.5" },
    { 1, "1" },           { 2.5, "2.5" },     { 5, "5" },           { 10, "10" },       { INFINITY, "+Inf" },
};
/* One signature takes 15 to 30 microseconds: resolution where the work is. */
static const metric_bucket_t verify_buckets[] = {
    { 1e-05, "1e-05" },     { 2.5e-05, "2.5e-05" }, { 5e-05, "5e-05" },   { 0.0001, "0.0001" },
    { 0.00025, "0.00025" }, { 0.0005, "0.0005" },   { 0.001, "0.001" },   { 0.0025, "0.0025" },
    { 0.005, "0.005" },     { 0.01, "0.01" },       { INFINITY, "+Inf" },
};
static const metric_bucket_t bytes_buckets[] = {
    { 100, "100" },   { 1000, "1000" }, { 10000, "10000" },   { 100000, "100000" },
    { 1e6, "1e+06" }, { 1e7, "1e+07" }, { INFINITY, "+Inf" },
};

static const metric_row_t rows[MCPA_METRIC_COUNT] = {
#define MCPA_METRIC(id, type, name, labels, help) { METRIC_##type, name, labels, help },
#include "wire/metric.def"
#undef MCPA_METRIC
};

#define MCPA_METRIC(id, type, name, labels, help)                                                                                \
    _Static_assert(sizeof(labels) <= LABEL_NAME_MAX_BYTES * MCPA_METRIC_LABELS_MAX, "label names fit a rendered set");
#include "wire/metric.def"
#undef MCPA_METRIC

const metric_row_t *metric_row(mcpa_metric_t metric)
{
    return &rows[metric];
}

const char *mcpa_metric_name(mcpa_metric_t metric)
{
    return metric < MCPA_METRIC_COUNT ? rows[metric].name : "";
}

const metric_bucket_t *metric_buckets(mcpa_metric_t metric, size_t *count)
{
#define BUCKETS(array) (*count = sizeof(array) / sizeof((array)[0]), array)
    switch (metric) {
    case MCPA_METRIC_REQUEST_BYTES:
    case MCPA_METRIC_RESPONSE_BYTES:
        return BUCKETS(bytes_buckets);
    case MCPA_METRIC_VERIFY_SECONDS:
        return BUCKETS(verify_buckets);
    default:
        return BUCKETS(seconds_buckets);
    }
#undef BUCKETS
}

mcpa_metrics_t *mcpa_metrics_new(void)
{
    return calloc(1, sizeof(mcpa_metrics_t));
}

static void clear_family(mcpa_metrics_t *metrics, metric_family_t *family)
{
    for (size_t i = 0; i < family->count; i++) {
        free(family->series[i]);
    }
    free(family->series);
    free(family->index);
    metrics->count -= family->count;
    *family = (metric_family_t){ 0 };
}

void mcpa_metrics_free(mcpa_metrics_t **metrics)
{
    if (*metrics != NULL) {
        for (size_t i = 0; i < MCPA_METRIC_COUNT; i++) {
            clear_family(*metrics, &(*metrics)->families[i]);
        }
        free(*metrics);
        *metrics = NULL;
    }
}

void mcpa_metrics_reset(mcpa_metrics_t *metrics, mcpa_metric_t metric)
{
    clear_family(metrics, &metrics->families[metric]);
}

/* The bytes at the start that need no look: ASCII but NUL. */
static size_t plain_len(mcpa_str_t value)
{
    size_t n = 0;

    while (n < value.len && value.ptr[n] > '\0' && (unsigned char)value.ptr[n] < 0x80) {
        n++;
    }
    return n;
}

/* Appends value to the key as a series knows it: valid UTF-8 without NUL, at most METRIC_LABEL_MAX_BYTES, its length in front. */
static void put_value(mcpa_out_t *key, mcpa_str_t value)
{
    size_t start = key->len, plain = plain_len(value);

    mcpa_out_char(key, 0);
    plain = plain < METRIC_LABEL_MAX_BYTES ? plain : METRIC_LABEL_MAX_BYTES;
    if (plain > 0) {
        mcpa_out_put(key, value.ptr, plain);
        value = (mcpa_str_t){ value.ptr + plain, value.len - plain };
    }
    while (value.len > 0) {
        size_t used = *value.ptr != '\0' ? mcpa_text_utf8_next(value) : 0;
        mcpa_str_t piece = used > 0 ? (mcpa_str_t){ value.ptr, used } : MCPA_STR("\xef\xbf\xbd");

        if (key->len - start - 1 + piece.len > METRIC_LABEL_MAX_BYTES) {
            break;
        }
        mcpa_out_str(key, piece);
        value.ptr += used > 0 ? used : 1;
        value.len -= used > 0 ? used : 1;
    }
    key->ptr[start] = (char)(unsigned char)(key->len - start - 1);
}

/* The key of a label set; values NULL: every value is "other". */
static void put_key(mcpa_out_t *key, mcpa_metric_t metric, const mcpa_str_t *values)
{
    mcpa_str_t names = mcpa_str(rows[metric].labels);
    mcpa_str_t name;

    while (mcpa_text_next_word(&names, &name)) {
        put_value(key, values != NULL ? *values++ : MCPA_STR("other"));
    }
}

/* The label set as both text forms write it; they escape alike. */
static void put_labels(mcpa_out_t *out, mcpa_metric_t metric, mcpa_str_t key)
{
    mcpa_str_t names = mcpa_str(rows[metric].labels);
    mcpa_str_t name;
    const char *at = key.ptr;

    while (mcpa_text_next_word(&names, &name)) {
        size_t len = (unsigned char)*at++;

        mcpa_out_z(out, out->len > 0 ? "," : "");
        mcpa_out_str(out, name);
        mcpa_out_z(out, "=\"");
        for (; len > 0; len--, at++) {
            if (*at == '\n') {
                mcpa_out_z(out, "\\n");
            } else {
                mcpa_out_z(out, *at == '"' || *at == '\\' ? "\\" : "");
                mcpa_out_char(out, *at);
            }
        }
        mcpa_out_char(out, '"');
    }
}

/* FNV-1a with its high bits folded in. Label values come from the configuration and from fixed words, and series are bounded. */
static uint64_t hash_of(mcpa_str_t key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 32;
}

/* The index slot that holds the key's series, or the empty one where it belongs. Only for a family with room. */
static uint32_t *find_slot(const metric_family_t *family, mcpa_str_t key)
{
    size_t mask = 2 * family->cap - 1;

    for (size_t at = hash_of(key) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &family->index[at];

        if (*slot == 0 || mcpa_str_eq((mcpa_str_t){ family->series[*slot - 1]->key, family->series[*slot - 1]->key_len }, key)) {
            return slot;
        }
    }
}

static bool grow(metric_family_t *family)
{
    size_t cap = family->cap > 0 ? 2 * family->cap : FAMILY_MIN_SERIES;
    uint32_t *index = calloc(2 * cap, sizeof(*index));
    metric_series_t **series = index != NULL ? realloc(family->series, cap * sizeof(*series)) : NULL;

    if (series == NULL) {
        free(index);
        return false;
    }
    free(family->index);
    family->index = index;
    family->series = series;
    family->cap = cap;
    for (size_t i = 0; i < family->count; i++) {
        *find_slot(family, (mcpa_str_t){ series[i]->key, series[i]->key_len }) = (uint32_t)(i + 1);
    }
    return true;
}

static metric_series_t *add_series(mcpa_metrics_t *metrics, mcpa_metric_t metric, mcpa_str_t key)
{
    metric_family_t *family = &metrics->families[metric];
    char labels_memory[LABELS_MAX_BYTES];
    mcpa_out_t labels;
    metric_series_t *series;
    size_t buckets = 0;

    if (rows[metric].type == METRIC_HISTOGRAM) {
        (void)metric_buckets(metric, &buckets);
    }
    mcpa_out_init(&labels, labels_memory, sizeof(labels_memory));
    put_labels(&labels, metric, key);
    if (labels.truncated || (family->count == family->cap && !grow(family))) {
        return NULL;
    }
    series = calloc(1, sizeof(*series) + buckets * sizeof(series->counts[0]) + key.len + labels.len + 1);
    if (series == NULL) {
        return NULL;
    }
    series->key = (char *)&series->counts[buckets];
    series->key_len = key.len;
    memcpy(series->key, key.ptr, key.len);
    series->labels = series->key + key.len;
    series->labels_len = labels.len;
    memcpy(series->labels, labels.ptr, labels.len);
    *find_slot(family, key) = (uint32_t)(family->count + 1);
    family->series[family->count++] = series;
    metrics->count++;
    return series;
}

static metric_series_t *find_series(const mcpa_metrics_t *metrics, mcpa_metric_t metric, mcpa_str_t key)
{
    const metric_family_t *family = &metrics->families[metric];
    uint32_t position = family->cap > 0 ? *find_slot(family, key) : 0;

    return position > 0 ? family->series[position - 1] : NULL;
}

metric_series_t *metric_series(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values)
{
    char memory[KEY_MAX_BYTES];
    metric_series_t *series;
    mcpa_out_t key;

    mcpa_out_init(&key, memory, sizeof(memory));
    put_key(&key, metric, values);
    series = find_series(metrics, metric, mcpa_out_get(&key));
    if (series == NULL && metrics->count >= MCPA_METRIC_SERIES_MAX) {
        /* One more a family, past the bound: what is not told apart is still counted. */
        mcpa_out_init(&key, memory, sizeof(memory));
        put_key(&key, metric, NULL);
        series = find_series(metrics, metric, mcpa_out_get(&key));
    }
    return series != NULL ? series : add_series(metrics, metric, mcpa_out_get(&key));
}

void mcpa_metrics_add(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values, double amount)
{
    metric_series_t *series = rows[metric].type == METRIC_COUNTER ? metric_series(metrics, metric, values) : NULL;

    /* A counter that falls looks like a restart to whoever reads it. */
    if (series != NULL && amount > 0 && isfinite(amount)) {
        series->value += amount;
    }
}

void mcpa_metrics_set(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values, double value)
{
    metric_series_t *series = rows[metric].type != METRIC_HISTOGRAM ? metric_series(metrics, metric, values) : NULL;

    if (series != NULL) {
        series->value = value;
    }
}

void mcpa_metrics_observe(mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values, double value)
{
    metric_series_t *series = NULL;
    const metric_bucket_t *buckets;
    size_t count;
    size_t i = 0;

    if (rows[metric].type == METRIC_HISTOGRAM && !isnan(value)) {
        series = metric_series(metrics, metric, values);
    }
    if (series == NULL) {
        return;
    }
    buckets = metric_buckets(metric, &count);
    while (i < count - 1 && value > buckets[i].le) {
        i++;
    }
    series->counts[i]++;
    series->value += value;
}

double mcpa_metrics_get(const mcpa_metrics_t *metrics, mcpa_metric_t metric, const mcpa_str_t *values)
{
    char memory[KEY_MAX_BYTES];
    const metric_series_t *series;
    uint64_t observed = 0;
    size_t count;
    mcpa_out_t key;

    mcpa_out_init(&key, memory, sizeof(memory));
    put_key(&key, metric, values);
    series = find_series(metrics, metric, mcpa_out_get(&key));
    if (series == NULL || rows[metric].type != METRIC_HISTOGRAM) {
        return series != NULL ? series->value : 0;
    }
    (void)metric_buckets(metric, &count);
    for (size_t i = 0; i < count; i++) {
        observed += series->counts[i];
    }
    return (double)observed;
}
