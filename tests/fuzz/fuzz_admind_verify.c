/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's checker over any text, with the origin key of 32 bytes 'k'. "#NAME" at the begin of a line begins that file. What it tells must
 * agree with itself. Where it finds a journal proven to its last line, it must find that journal hurt after any one bit is flipped; which one,
 * the input's own bytes say. */
#include <stdint.h>
#include <stdlib.h>

#include "audit/tail.h"
#include "audit/verify.h"

#define TODAY        20261231
#define INSTANCES    4
#define EPOCH_DIGITS 5 /* what a seal may claim here: the checker counts its key up to that */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void count(void *ctx, const admind_fault_t *fault)
{
    must(admind_fault_word(fault->kind) != NULL);
    ++*(uint64_t *)ctx;
}

static void feed(admind_verify_t *verify, mcpa_str_t line)
{
    admind_journal_name_t name = { .day = 0 };
    char file[ADMIND_JOURNAL_NAME_BYTES] = "";

    if (line.len > 1 && line.len < sizeof(file) && line.ptr[0] == '#') {
        memcpy(file, line.ptr + 1, line.len - 1);
        if (admind_journal_name_parse(&name, file)) {
            admind_verify_file(verify, &name, TODAY);
            return;
        }
    }
    if (line.len > ADMIND_LINE_MAX_BYTES) {
        admind_verify_long_line(verify);
    } else {
        must(admind_verify_line(verify, line) == MCPA_OK);
    }
}

static admind_verified_t check(mcpa_str_t text, const admind_seal_t *anchor)
{
    unsigned char secret[ADMIND_SEAL_BYTES];
    uint64_t told = 0;
    admind_verify_t *verify = admind_verify_new(INSTANCES, count, &told);
    admind_verified_t found;
    admind_seal_key_t key;
    size_t at = 0;
    const char *end;

    must(verify != NULL);
    memset(secret, 'k', sizeof(secret));
    admind_seal_key_begin(&key, secret);
    must(admind_verify_key(verify, &key) && (anchor == NULL || admind_verify_anchor(verify, anchor->epoch, anchor->mac)));
    while (at < text.len && (end = memchr(text.ptr + at, '\n', text.len - at)) != NULL) {
        feed(verify, (mcpa_str_t){ text.ptr + at, (size_t)(end - text.ptr) - at });
        at = (size_t)(end - text.ptr) + 1;
    }
    if (at < text.len) {
        admind_verify_torn(verify, text.len - at, true);
    }
    admind_verify_end(verify);
    found = *admind_verify_get(verify);
    admind_verify_free(&verify);
    must(found.faults == told && found.sealed.proven <= found.sealed.seals);
    must(found.faults > 0 || (found.sealed.proven == found.sealed.seals && found.sealed.seals > 0));
    return found;
}

static bool claims_much(mcpa_str_t text)
{
    static const char member[] = "\"epoch\":";
    const char *at = text.ptr, *end = text.ptr + text.len;

    while (at < end && (at = memmem(at, (size_t)(end - at), member, sizeof(member) - 1)) != NULL) {
        size_t digits = 0;

        for (at += sizeof(member) - 1; at < end && *at >= '0' && *at <= '9'; at++) {
            digits++;
        }
        if (digits > EPOCH_DIGITS) {
            return true;
        }
    }
    return false;
}

/* In a line of its own the name of a file is our own notation, and no part of the journal. */
static bool is_notation(mcpa_str_t text, size_t at)
{
    while (at > 0 && text.ptr[at - 1] != '\n') {
        at--;
    }
    return text.ptr[at] == '#';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mcpa_str_t text = { (const char *)data, size };
    admind_verified_t found;
    uint32_t draw = 2166136261;
    char *copy;
    size_t at;

    if (claims_much(text)) {
        return 0;
    }
    found = check(text, NULL);
    if (found.faults > 0 || found.sealed.behind + found.sealed.before + found.sealed.unknown + found.torn_bytes > 0) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        draw = (draw ^ data[i]) * 16777619;
    }
    at = (draw >> 3) % size;
    copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, data, size);
    copy[at] = (char)((unsigned char)copy[at] ^ 1U << (draw & 7));
    if (!is_notation(text, at) && !is_notation((mcpa_str_t){ copy, size }, at)) {
        must(check((mcpa_str_t){ copy, size }, &found.sealed.last).faults > 0);
    }
    free(copy);
    return 0;
}
