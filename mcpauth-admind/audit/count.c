/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/count.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "policy/operation.h"
#include "policy/reason.h"

static const char *const methods[] = { "GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH", NULL };
static const char *const decisions[] = { "allow", "deny", "limit", "error", "shadow_deny", NULL };
static const char *const auth_methods[] = { "jwt", "none", NULL };

static mcpa_str_t one_of(mcpa_str_t value, const char *const *list)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (mcpa_str_eqz(value, list[i])) {
            return mcpa_str(list[i]);
        }
    }
    return MCPA_STR("other");
}

/* Rules may let in other methods than the protocol's own; those are no names of ours. */
static mcpa_str_t operation_label(mcpa_str_t method)
{
    size_t n = 0;
    const mcpa_operation_t *known = mcpa_operation_defaults(&n);

    for (size_t i = 0; i < n; i++) {
        if (mcpa_str_eqz(method, known[i].method)) {
            return mcpa_str(known[i].method);
        }
    }
    return MCPA_STR("other");
}

static mcpa_str_t or_none(mcpa_str_t value)
{
    return value.ptr == NULL ? MCPA_STR("") : value;
}

static bool has(int64_t number)
{
    return number != MCPA_RECORD_ABSENT && number >= 0;
}

/* The stages before the credential is looked at: nobody tried to authenticate. */
static bool came_to_credential(mcpa_reason_t reason)
{
    return reason != MCPA_REASON_PREFLIGHT && reason != MCPA_REASON_METHOD_NOT_ALLOWED && reason != MCPA_REASON_ADDRESS_LIMIT &&
           reason != MCPA_REASON_HOST_DENIED && reason != MCPA_REASON_ORIGIN_DENIED && reason != MCPA_REASON_NO_POLICY;
}

static mcpa_str_t limit_key(mcpa_reason_t reason)
{
    switch (reason) {
    case MCPA_REASON_ADDRESS_LIMIT:
        return MCPA_STR("address");
    case MCPA_REASON_SUBJECT_LIMIT:
        return MCPA_STR("subject");
    case MCPA_REASON_CLIENT_LIMIT:
        return MCPA_STR("client");
    case MCPA_REASON_TOOL_LIMIT:
        return MCPA_STR("tool");
    default:
        return MCPA_STR_NONE;
    }
}

static void count_request(mcpa_metrics_t *metrics, const mcpa_record_t *record, mcpa_str_t location, mcpa_str_t decision)
{
    char digits[8];
    mcpa_out_t code;
    mcpa_str_t labels[4] = { location, one_of(record->method, methods), MCPA_STR_NONE, decision };

    mcpa_out_init(&code, digits, sizeof(digits));
    mcpa_out_u64(&code, record->status >= 100 && record->status <= 599 ? (uint64_t)record->status : 0);
    labels[2] = mcpa_out_get(&code);
    mcpa_metrics_add(metrics, MCPA_METRIC_REQUESTS, labels, 1);
    if (has(record->latency_ms)) {
        mcpa_metrics_observe(metrics, MCPA_METRIC_REQUEST_SECONDS, &location, (double)record->latency_ms / 1e6);
    }
    if (has(record->bytes_in)) {
        mcpa_metrics_observe(metrics, MCPA_METRIC_REQUEST_BYTES, &location, (double)record->bytes_in);
    }
    if (has(record->bytes_out)) {
        mcpa_metrics_observe(metrics, MCPA_METRIC_RESPONSE_BYTES, &location, (double)record->bytes_out);
    }
}

/* In Shadow too: a wrong token is a failure of authentication whether it was turned away or not. */
static void count_authentication(mcpa_metrics_t *metrics, const mcpa_record_t *record, mcpa_reason_t reason)
{
    mcpa_str_t labels[2] = { one_of(record->auth_method, auth_methods), mcpa_str(mcpa_reason_word(reason)) };

    if (record->auth_method.ptr == NULL || !came_to_credential(reason)) {
        return;
    }
    mcpa_metrics_add(metrics, MCPA_METRIC_AUTH_ATTEMPTS, labels, 1);
    if (mcpa_reason_row(reason)->failure != MCPA_FAILURE_NO) {
        mcpa_metrics_add(metrics, MCPA_METRIC_AUTH_FAILURES, labels, 1);
    }
    if (has(record->verify_ms)) {
        mcpa_metrics_observe(metrics, MCPA_METRIC_VERIFY_SECONDS, NULL, (double)record->verify_ms / 1e6);
    }
    if (record->token_cache.ptr != NULL) {
        mcpa_metrics_add(metrics, MCPA_METRIC_CACHE_LOOKUPS, NULL, 1);
        if (mcpa_str_eqz(record->token_cache, "hit")) {
            mcpa_metrics_add(metrics, MCPA_METRIC_CACHE_HITS, NULL, 1);
        }
    }
}

static void count_denial(mcpa_metrics_t *metrics, mcpa_reason_t reason, mcpa_str_t location, mcpa_str_t decision)
{
    mcpa_str_t labels[2] = { location, mcpa_str(mcpa_reason_word(reason)) };
    mcpa_str_t limits[2] = { location, limit_key(reason) };

    if (mcpa_str_eqz(decision, "deny") || mcpa_str_eqz(decision, "limit") || mcpa_str_eqz(decision, "error")) {
        mcpa_metrics_add(metrics, MCPA_METRIC_DENIALS, labels, 1);
    }
    if (limits[1].ptr != NULL && mcpa_str_eqz(decision, "limit")) {
        mcpa_metrics_add(metrics, MCPA_METRIC_RATE_LIMITED, limits, 1);
    }
}

void admind_count_record(mcpa_metrics_t *metrics, const admind_tools_t *tools, const mcpa_record_t *record)
{
    mcpa_str_t location = or_none(record->location);
    mcpa_str_t decision = one_of(record->decision, decisions);
    mcpa_reason_t reason = mcpa_reason_find(record->reason);

    mcpa_metrics_add(metrics, MCPA_METRIC_AUDIT_RECORDS, NULL, 1);
    if (record->event.ptr != NULL) { /* no request, or not its end: a gap, a decision, a record that could not be read */
        if (mcpa_str_eqz(record->event, "gap") && has(record->lost)) {
            mcpa_metrics_add(metrics, MCPA_METRIC_AUDIT_LOST, NULL, (double)record->lost);
        }
        return;
    }
    count_request(metrics, record, location, decision);
    count_authentication(metrics, record, reason);
    count_denial(metrics, reason, location, decision);
    if (record->rpc_method.ptr != NULL) {
        mcpa_str_t labels[4] = { location, operation_label(record->rpc_method),
                                 admind_tools_label(tools, record->rpc_method, record->rpc_name), decision };

        mcpa_metrics_add(metrics, MCPA_METRIC_OPERATIONS, labels, 1);
    }
}

/* ---- the daemon itself */

static double open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = 0;

    if (dir == NULL) {
        return 0;
    }
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory's own */
}

static double start_seconds(void)
{
    static double start;
    FILE *file;
    char stat[1024] = "";
    unsigned long long ticks = 0;
    struct timespec real, boot;
    const char *at;

    if (start > 0) {
        return start;
    }
    file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return 0;
    }
    stat[fread(stat, 1, sizeof(stat) - 1, file)] = '\0';
    fclose(file);
    at = strrchr(stat, ')'); /* the name may hold anything; field 22 counts from behind it */
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) != 1) {
        return 0;
    }
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    start = (double)(real.tv_sec - boot.tv_sec) + (double)(real.tv_nsec - boot.tv_nsec) / 1e9 +
            (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return start;
}

void admind_count_process(mcpa_metrics_t *metrics)
{
    struct rusage usage;
    struct rlimit limit;
    unsigned long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    double page = (double)sysconf(_SC_PAGESIZE);

    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &pages, &resident) != 2) {
            pages = resident = 0;
        }
        fclose(file);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        mcpa_metrics_set(metrics, MCPA_METRIC_PROCESS_CPU, NULL,
                         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        mcpa_metrics_set(metrics, MCPA_METRIC_PROCESS_MAX_FDS, NULL, (double)limit.rlim_cur);
    }
    mcpa_metrics_set(metrics, MCPA_METRIC_PROCESS_VIRTUAL, NULL, (double)pages * page);
    mcpa_metrics_set(metrics, MCPA_METRIC_PROCESS_RSS, NULL, (double)resident * page);
    mcpa_metrics_set(metrics, MCPA_METRIC_PROCESS_FDS, NULL, open_descriptors());
    mcpa_metrics_set(metrics, MCPA_METRIC_PROCESS_START, NULL, start_seconds());
}
