/* SPDX-License-Identifier: Apache-2.0 */
/* What audit verify says of seals, and audit seal. */
#ifndef CTL_SEALS_H
#define CTL_SEALS_H

#include "audit/verify.h"
#include "base/json.h"
#include "ctl/ctl.h"

/* --key and --seal. false: it has complained. */
bool ctl_seals_prepare(const ctl_t *ctl, admind_verify_t *verify);
/* false: no fault of a seal. */
bool ctl_seals_describe(char *text, size_t cap, const admind_fault_t *fault);
void ctl_seals_print(const admind_sealed_t *sealed);
/* What the seals prove, when there is no fault. */
void ctl_seals_print_proof(const ctl_t *ctl, const admind_sealed_t *sealed);
void ctl_seals_put(mcpa_jsonw_t *w, const admind_sealed_t *sealed);

#endif
