/* SPDX-License-Identifier: Apache-2.0 */
/* Who fails to authenticate, how often: for each pair (address, Location) the times of its last failures, in one bounded table.
 *
 * "More than N in a window" is exact: it needs the time of the failure N before, and that is what the ring of N+1 times holds; there are no bucket
 * edges. The table has room for ADMIND_FAILURES_PAIRS pairs in sets of 8; in a full set a pair whose failures are outside the window makes room, else the one
 * with the fewest, else the one that was quiet longest. Sets are chosen by a keyed hash, so nobody can aim at another's. A pair can only be missed while
 * more than ADMIND_FAILURES_PAIRS/8 others fail about as often as it does. Pure: times are the records' own. */
#ifndef ADMIND_FAILURES_H
#define ADMIND_FAILURES_H

#include "base/bytes.h"
#include "base/json.h"

#define ADMIND_FAILURES_PAIRS 16384
#define ADMIND_FAILURES_TIMES_MAX 256 /* a pair; thresholds of 256 and more keep every k-th time and may fire up to k-1 failures late */
#define ADMIND_FAILURES_SAVED_MAX 4096

typedef struct admind_failures admind_failures_t;

/* threshold 0..1000000. NULL when memory ran out. */
admind_failures_t *admind_failures_new(int64_t threshold, int64_t window_us, const unsigned char hash_key[16]);
void admind_failures_free(admind_failures_t **failures);
/* Counts one failure; true when more than 'threshold' lie within 'window', this one included. */
bool admind_failures_add(admind_failures_t *failures, mcpa_str_t who, int64_t ts_us);
/* Failures after now_us - window_us, as far as remembered: at most threshold + 1. */
int64_t admind_failures_count(const admind_failures_t *failures, mcpa_str_t who, int64_t now_us);
/* Since when no more than 'low' failures lie within the window, were none to follow: the failure number low + 1 counted from the newest, plus the window.
 * May be in the future; INT64_MIN when it never were more. */
int64_t admind_failures_low_since(const admind_failures_t *failures, mcpa_str_t who, int64_t low);
/* A pair whose alert fires stays in the table until it is let go. */
void admind_failures_pin(admind_failures_t *failures, mcpa_str_t who, bool pinned);
size_t admind_failures_pairs(const admind_failures_t *failures); /* for tests: taken entries */

/* The pairs with two failures or more in the window before now_us, at most ADMIND_FAILURES_SAVED_MAX of them, as a JSON array of strings; and back. The
 * hash key has to be the same. */
void admind_failures_save(const admind_failures_t *failures, mcpa_jsonw_t *w, const char *name, int64_t now_us);
void admind_failures_load(admind_failures_t *failures, const mcpa_json_t *saved);

/* The address as rules see it: IPv4 (also inside IPv6) as it is, IPv6 cut to its /64 "2001:db8:1:2::/64", anything else unchanged (cut to fit). */
void admind_failures_address(char memory[64], mcpa_str_t ip);

#endif
