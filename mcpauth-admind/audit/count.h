/* SPDX-License-Identifier: Apache-2.0 */
/* From audit records to metrics: every request metric comes from what went into the journal, so both say the same. Labels are
 * bounded here: what a client can choose (method, operation, tool) is looked up in a list, and what is not on it is "other". */
#ifndef ADMIND_AUDIT_COUNT_H
#define ADMIND_AUDIT_COUNT_H

#include "audit/tools.h"
#include "wire/metric.h"
#include "wire/record.h"

void admind_count_record(mcpa_metrics_t *metrics, const admind_tools_t *tools, const mcpa_record_t *record);
/* process_* from /proc/self, as of now. */
void admind_count_process(mcpa_metrics_t *metrics);

#endif
