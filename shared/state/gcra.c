/* SPDX-License-Identifier: Apache-2.0 */
#include "state/gcra.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "processes share these words: a lock hidden in one process would not protect them");

static uint64_t saturating_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t saturating_multiply(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

bool mcpa_gcra_next(uint64_t tat, uint64_t now_ns, uint64_t interval_ns, uint32_t burst, uint64_t *next, uint64_t *wait_ns)
{
    uint64_t base = tat > now_ns ? tat : now_ns;
    uint64_t ahead = base - now_ns;
    /* The first of a burst finds the bucket empty, the last finds it burst - 1 intervals ahead. */
    uint64_t tolerated = burst > 0 ? saturating_multiply(interval_ns, burst - 1) : 0;

    if (burst == 0) {
        *wait_ns = saturating_add(ahead, interval_ns);
        return false;
    }
    /* A saturated word can move no further, so nothing more may be taken from it. */
    if (ahead > tolerated || base == UINT64_MAX) {
        *wait_ns = ahead > tolerated ? ahead - tolerated : interval_ns;
        return false;
    }
    *next = saturating_add(base, interval_ns);
    return true;
}

bool mcpa_gcra_take(_Atomic uint64_t *tat, uint64_t now_ns, uint64_t interval_ns, uint32_t burst, uint64_t *wait_ns)
{
    uint64_t seen = atomic_load_explicit(tat, memory_order_relaxed);
    uint64_t next;

    /* Relaxed is enough: the word is the whole state and publishes nothing else. It only rises, so a denial that looked at an old
     * value would have been one with the new value, too. */
    do {
        if (!mcpa_gcra_next(seen, now_ns, interval_ns, burst, &next, wait_ns)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(tat, &seen, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}
