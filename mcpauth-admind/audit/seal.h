/* SPDX-License-Identifier: Apache-2.0 */
/* Tamper evidence for the journal, pure: hash chain, seals and the key that evolves.
 *
 * A block is a run of lines with a seal behind it. Its chain: h = SHA-256(domain), then for each line h = SHA-256(h, line, newline).
 * The seal is a line of its own, in one spelling only:
 *   {"ts":"...","event":"seal","key":"<id>","epoch":N,"file":"audit-....jsonl","offset":BYTES,"lines":N,"chain":"<h>",
 *    "previous":"<mac of the seal before, zeroes for the first>","mac":"<HMAC-SHA256(K_N, all of the above)>"}
 * file and offset say where the block begins, so that lines taken away in front of it, or a file under another name, are seen by one
 * who holds nothing that is older.
 *
 * Then K_{N+1} = SHA-256(domain, K_N), and K_N is erased: who takes the machine over at epoch N can seal what comes, but no line that
 * stood there before. K_0, the origin key, makes all others; it belongs on another machine. Its id is a hash of it. */
#ifndef ADMIND_AUDIT_SEAL_H
#define ADMIND_AUDIT_SEAL_H

#include "audit/journal.h"
#include "base/json.h"

#define ADMIND_SEAL_BYTES        32
#define ADMIND_SEAL_ID_BYTES     8
#define ADMIND_SEAL_LINE_BYTES   640                   /* a seal printed, with room */
#define ADMIND_SEAL_KEY_BYTES    160                   /* a key printed */
#define ADMIND_SEAL_ANCHOR_BYTES 88                    /* "EPOCH:MAC" */
#define ADMIND_SEAL_EPOCH_MAX    UINT64_C(1000000000) /* a checker reaches the last in minutes; at ten seals a second, three years */

typedef struct admind_seal_key {
    unsigned char id[ADMIND_SEAL_ID_BYTES];
    uint64_t epoch;
    unsigned char secret[ADMIND_SEAL_BYTES];
} admind_seal_key_t;

typedef struct admind_chain {
    uint64_t lines; /* 0: no block is open and nothing below counts */
    char file[ADMIND_JOURNAL_NAME_BYTES];
    uint64_t offset;
    unsigned char hash[ADMIND_SEAL_BYTES];
} admind_chain_t;

typedef struct admind_seal {
    int64_t ts; /* microseconds, whole milliseconds */
    unsigned char key[ADMIND_SEAL_ID_BYTES];
    uint64_t epoch;
    admind_chain_t block;
    unsigned char previous[ADMIND_SEAL_BYTES], mac[ADMIND_SEAL_BYTES];
} admind_seal_t;

/* One line more, without its newline. The block begins at file and offset when it is the first one. false: the library failed. */
bool admind_chain_add(admind_chain_t *chain, const char *file, uint64_t offset, mcpa_str_t line) MCPA_MUST_CHECK;

/* K_0 and its id from 32 random bytes. */
void admind_seal_key_begin(admind_seal_key_t *key, const unsigned char secret[ADMIND_SEAL_BYTES]);
void admind_seal_key_evolve(admind_seal_key_t *key);
void admind_seal_key_erase(admind_seal_key_t *key);
/* One line with its newline; it carries a checksum, so that damage is not taken for a key. */
void admind_seal_key_print(char text[ADMIND_SEAL_KEY_BYTES], const admind_seal_key_t *key);
bool admind_seal_key_parse(admind_seal_key_t *key, mcpa_str_t text) MCPA_MUST_CHECK;

/* Fills key, epoch and mac. */
void admind_seal_make(admind_seal_t *seal, const admind_seal_key_t *key);
/* Whether the mac is that of this very key, which must have the seal's epoch and id. */
bool admind_seal_is_by(const admind_seal_t *seal, const admind_seal_key_t *key);
/* Without newline. */
void admind_seal_print(mcpa_out_t *out, const admind_seal_t *seal);
/* MCPA_EMALFORMED: not what print writes, to the byte. MCPA_ENOMEM. */
mcpa_status_t admind_seal_parse(admind_seal_t *seal, mcpa_str_t text) MCPA_MUST_CHECK;
void admind_seal_anchor_print(char text[ADMIND_SEAL_ANCHOR_BYTES], const admind_seal_t *seal);
bool admind_seal_anchor_parse(uint64_t *epoch, unsigned char mac[ADMIND_SEAL_BYTES], mcpa_str_t text) MCPA_MUST_CHECK;

/* An open block as JSON, for a checkpoint; lines must not be 0. */
void admind_chain_print(mcpa_jsonw_t *w, const char *name, const admind_chain_t *chain);
bool admind_chain_parse(admind_chain_t *chain, const mcpa_json_t *json) MCPA_MUST_CHECK;

#endif
