/* SPDX-License-Identifier: Apache-2.0 */
#include "state/gcra.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "limits in shared memory need lock-free 64-bit atomics");

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

bool mcpa_gcra_take(_Atomic uint64_t *tat, uint64_t now_ns, uint64_t interval_ns, uint32_t burst, uint64_t *wait_ns)
{
    /* After 'burst' requests at one instant the word stands at now + burst * interval: that is as far ahead as it may get. */
    uint64_t horizon = add(now_ns, multiply(interval_ns, burst));
    uint64_t seen = atomic_load_explicit(tat, memory_order_relaxed);

    for (;;) {
        uint64_t next = add(seen > now_ns ? seen : now_ns, interval_ns);

        if (next > horizon) {
            *wait_ns = next - horizon;
            return false;
        }
        /* Relaxed: the word stands for itself, it publishes no other memory. */
        if (atomic_compare_exchange_weak_explicit(tat, &seen, next, memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
}
