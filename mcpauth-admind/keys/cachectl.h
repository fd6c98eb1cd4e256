/* SPDX-License-Identifier: Apache-2.0 */
/* When to fetch again: how long an answer may be kept (RFC 9111 sections 4.2 and 5.2, RFC 9110 section 5.6.7), refresh ahead of that, back-off after
 * failures. Pure: header values, times and random numbers in, times out. */
#ifndef ADMIND_CACHECTL_H
#define ADMIND_CACHECTL_H

#include "base/bytes.h"

#define ADMIND_TTL_MIN_US ((int64_t)60 * 1000000)        /* a provider that says max-age=0 shall not be asked all the time */
#define ADMIND_TTL_MAX_US ((int64_t)24 * 3600 * 1000000) /* a key withdrawn by the provider stops working within a day */
#define ADMIND_BACKOFF_MIN_US ((int64_t)1000000)

typedef struct admind_cache_headers {
    mcpa_str_t cache_control, expires, age, date; /* field values or {NULL,0} */
} admind_cache_headers_t;

/* How long the answer counts as fresh, within [ADMIND_TTL_MIN_US, longest_us], never over ADMIND_TTL_MAX_US; longest_us itself when the headers do not
 * tell. A longest_us below the minimum wins over it (tests, impatient operators). no-store, no-cache: the minimum. */
int64_t admind_cachectl_ttl_us(const admind_cache_headers_t *headers, int64_t now_us, int64_t longest_us);
/* Four fifths of the lifetime, give or take a tenth of that, so that many daemons do not ask in step. */
int64_t admind_cachectl_refresh_us(int64_t ttl_us, uint32_t random);
/* Full jitter within min(1 s * 2^(failures-1), cap); failures counts from 1. Never under 50 ms. */
int64_t admind_cachectl_backoff_us(unsigned failures, int64_t cap_us, uint32_t random);
/* An HTTP-date in any of its three forms (IMF-fixdate, RFC 850, asctime). */
bool admind_cachectl_http_date(mcpa_str_t text, int64_t *unix_s);
/* Retry-After: seconds or an HTTP-date; microseconds from now, 0 when absent, malformed or past; at most an hour. */
int64_t admind_cachectl_retry_after_us(mcpa_str_t retry_after, int64_t now_us);

#endif
