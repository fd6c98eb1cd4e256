/* SPDX-License-Identifier: Apache-2.0 */
/* Seals the journal while it is written: keeps the chain of the open block, the evolving key and the origin keys' files.
 *
 *   <JournalDir>/seal.key             the key of the next seal (0600), replaced after each seal is on disk
 *   <JournalDir>/seal-origin.key      K_0 (0600), written once; to be taken off this machine
 *   <JournalDir>/seal-origin-<id>.key K_0 of a later chain, when the key was lost or did not fit the journal
 *
 * The journal tells it of every line before and of every commit after; a batch that is taken back never happened here either. A key that
 * is behind a seal by one evolved too late (killed in between) and does so now. One that cannot be read is tried again. Any other misfit begins a new chain, loudly: sealing
 * never stops the journal. Called by the journal only, from the loop's thread. */
#ifndef ADMIND_AUDIT_SEALER_H
#define ADMIND_AUDIT_SEALER_H

#include "audit/seal.h"

#define ADMIND_SEAL_LINES 1000
#define ADMIND_SEAL_US    INT64_C(10000000)

/* What a checkpoint keeps. */
typedef struct admind_seal_state {
    bool known;           /* false: the rest is nothing; the lines before the checkpoint have to be read again */
    admind_chain_t chain; /* of the open block */
    bool sealed;          /* there is a last seal */
    admind_seal_t last;
} admind_seal_state_t;

admind_sealer_t *admind_sealer_new(const char *journal_dir); /* NULL: no memory */
void admind_sealer_free(admind_sealer_t **sealer);

/* Before the replay: what the checkpoint knew. */
void admind_sealer_restore(admind_sealer_t *sealer, const admind_seal_state_t *state);
/* As of the last commit. */
void admind_sealer_state(const admind_sealer_t *sealer, admind_seal_state_t *state);
bool admind_sealer_is_restored(const admind_sealer_t *sealer);
/* After the replay: reads the key, or makes one. From here on seals can be made. */
void admind_sealer_start(admind_sealer_t *sealer, int64_t now_us);
/* Lines that the checkpoint knew are gone. The chain goes on all the same, so that the hole stays to be seen. */
void admind_sealer_miss(admind_sealer_t *sealer);
/* How much was found wrong at the start: the key gone or not fitting the journal, lines gone. */
unsigned admind_sealer_breaks(const admind_sealer_t *sealer);

/* Another file begins. Until there is a first seal, a block covers lines of one file. */
void admind_sealer_file(admind_sealer_t *sealer);
/* A line that was appended or read back, and where it begins. false: no memory. */
bool admind_sealer_line(admind_sealer_t *sealer, const char *file, uint64_t offset, mcpa_str_t line) MCPA_MUST_CHECK;
/* Lines that no seal covers yet, those of the open batch included. */
uint64_t admind_sealer_open_lines(const admind_sealer_t *sealer);
/* The block has its lines or its time. */
bool admind_sealer_is_due(const admind_sealer_t *sealer, int64_t now_us);
/* Closes the block: its seal is to be appended next (not told to admind_sealer_line). false: there is no key, or nothing to seal. */
bool admind_sealer_make(admind_sealer_t *sealer, mcpa_out_t *out, int64_t now_us) MCPA_MUST_CHECK;
/* What was told is on disk; the key of a seal in it is gone now. */
void admind_sealer_commit(admind_sealer_t *sealer, int64_t now_us);
void admind_sealer_roll_back(admind_sealer_t *sealer);

#endif
