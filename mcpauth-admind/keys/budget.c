/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/budget.h"

int64_t admind_budget_free_at(const admind_budget_t *budget, int64_t last_us)
{
    int64_t oldest_us = budget->forced_us[budget->next];
    int64_t issuer_us = last_us == 0 ? 0 : last_us + ADMIND_FORCED_GAP_US;
    int64_t all_us = oldest_us == 0 ? 0 : oldest_us + ADMIND_FORCED_WINDOW_US;

    return issuer_us > all_us ? issuer_us : all_us;
}

void admind_budget_take(admind_budget_t *budget, int64_t *last_us, int64_t now_us)
{
    *last_us = now_us;
    budget->forced_us[budget->next] = now_us;
    budget->next = (budget->next + 1) % ADMIND_FORCED_MAX;
}

bool admind_absent_has(const admind_absent_t *absent, uint64_t hash, int64_t now_us)
{
    for (size_t i = 0; i < ADMIND_ABSENT_MAX; i++) {
        if (absent->ids[i].hash == hash && absent->ids[i].until_us > now_us) {
            return true;
        }
    }
    return false;
}

void admind_absent_add(admind_absent_t *absent, uint64_t hash, int64_t now_us)
{
    absent->ids[absent->next].hash = hash;
    absent->ids[absent->next].until_us = now_us + ADMIND_ABSENT_US;
    absent->next = (absent->next + 1) % ADMIND_ABSENT_MAX;
}
