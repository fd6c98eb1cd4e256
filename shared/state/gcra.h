/* SPDX-License-Identifier: Apache-2.0 */
/* The generic cell rate algorithm on one 64-bit word, the theoretical arrival time (TAT) in nanoseconds of a monotonic clock. A word not later
 * than now is an empty bucket; zero is one. Compare-and-swap, no lock, nothing to repair after a crash. */
#ifndef MCPA_STATE_GCRA_H
#define MCPA_STATE_GCRA_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
/* Takes one request from the bucket. false: over the limit, the word is unchanged and *wait_ns tells when one will be free again. Exactly
 * 'burst' may come at once, then one each interval_ns. Saturates instead of overflowing; a burst of 0 allows nothing. */
bool mcpa_gcra_take(_Atomic uint64_t *tat, uint64_t now_ns, uint64_t interval_ns, uint32_t burst, uint64_t *wait_ns);
/* The arithmetic alone: whether a bucket at 'tat' has one free, and then in *next what it becomes. *wait_ns is set only when false. */
bool mcpa_gcra_next(uint64_t tat, uint64_t now_ns, uint64_t interval_ns, uint32_t burst, uint64_t *next, uint64_t *wait_ns);
#endif
