/* SPDX-License-Identifier: Apache-2.0 */
/* Holds the lines of a journal against its seals (audit/seal.h). A part of audit/verify.h: told every file and every line, oldest first.
 *
 * Without a key: each block has the lines its seal says and stands where it says; each seal follows the one before. Anybody who can write
 * can forge all of that. With an origin key: each seal's mac is by the key of its very epoch, no other; keys go forward only, from
 * the origin. A seal may be looked for by its epoch and mac, so that an end that was cut off is seen.
 *
 * Where another key begins in mid-journal, only an anchor shows that nothing in front of it was cut off or made anew: its origin key may come from
 * whoever did that.
 *
 * Where the journal begins, older files may have been retired: the first seal there is taken as it comes, but its block must begin where
 * it says, or in a file that is older than all of these. */
#ifndef ADMIND_AUDIT_SEALCHECK_H
#define ADMIND_AUDIT_SEALCHECK_H

#include "audit/seal.h"
#include "audit/verify.h"

typedef struct admind_sealcheck admind_sealcheck_t;
typedef void admind_sealcheck_fault_t(void *ctx, admind_fault_kind_t kind, uint64_t expected, uint64_t seq);

/* found: to be kept up to date; borrowed, like ctx. NULL: no memory. */
admind_sealcheck_t *admind_sealcheck_new(admind_sealed_t *found, admind_sealcheck_fault_t *fault, void *ctx);
void admind_sealcheck_free(admind_sealcheck_t **check);
/* Before the first line. false: too many, or not an origin key. */
bool admind_sealcheck_key(admind_sealcheck_t *check, const admind_seal_key_t *origin) MCPA_MUST_CHECK;
bool admind_sealcheck_anchor(admind_sealcheck_t *check, uint64_t epoch,
                             const unsigned char mac[ADMIND_SEAL_BYTES]) MCPA_MUST_CHECK;

void admind_sealcheck_file(admind_sealcheck_t *check, const admind_journal_name_t *name);
/* seal: the line is one in form. MCPA_ENOMEM. */
mcpa_status_t admind_sealcheck_line(admind_sealcheck_t *check, mcpa_str_t text, bool seal) MCPA_MUST_CHECK;
/* A line that is not told: where the next one begins is not known. */
void admind_sealcheck_lose(admind_sealcheck_t *check);
/* Behind the last line. */
void admind_sealcheck_end(admind_sealcheck_t *check);

#endif
