/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/sealcheck.h"

#include <stdlib.h>

typedef struct anchor {
    uint64_t epoch;
    unsigned char mac[ADMIND_SEAL_BYTES];
    bool found;
} anchor_t;

struct admind_sealcheck {
    admind_sealed_t *found;
    admind_sealcheck_fault_t *fault;
    void *ctx;
    admind_seal_key_t keys[ADMIND_VERIFY_KEYS_MAX]; /* each evolved as far as its seals were seen */
    size_t n_keys;
    anchor_t anchors[ADMIND_VERIFY_ANCHORS_MAX];
    size_t n_anchors;

    char file[ADMIND_JOURNAL_NAME_BYTES];
    admind_journal_name_t first_file; /* day 0: none yet */
    uint64_t offset;                  /* of the next line in the file */
    uint64_t shift;                   /* modulo 2^64: what has to be added to get the offset that seals mean */
    bool displaced;                   /* something in this file was told: offsets may be others */
    admind_chain_t chain;             /* lines since the last seal; before the first: since the file began */
    bool stranger;                    /* the last seal's key is not among ours, and that was told */
};

admind_sealcheck_t *admind_sealcheck_new(admind_sealed_t *found, admind_sealcheck_fault_t *fault, void *ctx)
{
    admind_sealcheck_t *check = calloc(1, sizeof(*check));

    if (check != NULL) {
        check->found = found;
        check->fault = fault;
        check->ctx = ctx;
    }
    return check;
}

void admind_sealcheck_free(admind_sealcheck_t **check)
{
    if (*check != NULL) {
        for (size_t i = 0; i < (*check)->n_keys; i++) {
            admind_seal_key_erase(&(*check)->keys[i]);
        }
        free(*check);
        *check = NULL;
    }
}

bool admind_sealcheck_key(admind_sealcheck_t *check, const admind_seal_key_t *origin)
{
    if (check->n_keys == ADMIND_VERIFY_KEYS_MAX || origin->epoch != 0) {
        return false;
    }
    check->keys[check->n_keys++] = *origin;
    return true;
}

bool admind_sealcheck_anchor(admind_sealcheck_t *check, uint64_t epoch, const unsigned char mac[ADMIND_SEAL_BYTES])
{
    anchor_t *anchor = &check->anchors[check->n_anchors];

    if (check->n_anchors == ADMIND_VERIFY_ANCHORS_MAX) {
        return false;
    }
    anchor->epoch = epoch;
    memcpy(anchor->mac, mac, sizeof(anchor->mac));
    check->n_anchors++;
    return true;
}

static void tell(admind_sealcheck_t *check, admind_fault_kind_t kind, uint64_t expected, uint64_t seq)
{
    check->displaced = true;
    check->fault(check->ctx, kind, expected, seq);
}

void admind_sealcheck_file(admind_sealcheck_t *check, const admind_journal_name_t *name)
{
    if (check->first_file.day == 0) {
        check->first_file = *name;
    }
    if (check->found->seals == 0) {
        check->found->before += check->chain.lines;
        check->chain.lines = 0;
    }
    admind_journal_name_format(check->file, name);
    check->offset = check->shift = 0;
    check->displaced = false;
}

void admind_sealcheck_lose(admind_sealcheck_t *check)
{
    check->displaced = true;
}

/* ---- one seal */

static bool is_zero(const unsigned char *bytes, size_t len)
{
    unsigned char sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum |= bytes[i];
    }
    return sum == 0;
}

/* Whether the block begins in a file that is older than all that there are: nothing can be said of its lines. */
static bool begins_earlier(const admind_sealcheck_t *check, const admind_seal_t *seal)
{
    admind_journal_name_t name;

    return check->found->seals == 0 && admind_journal_name_parse(&name, seal->block.file) &&
           admind_journal_name_compare(&name, &check->first_file) < 0;
}

static void check_block(admind_sealcheck_t *check, const admind_seal_t *seal)
{
    const admind_chain_t *seen = &check->chain, *said = &seal->block;

    if (begins_earlier(check, seal)) {
        check->found->unknown = seen->lines;
        /* A seal of an older file behind lines of anybody's choice looks like this, too. */
        tell(check, ADMIND_FAULT_SEAL_LACKING, 0, seen->lines);
        return;
    }
    if (seen->lines != said->lines || memcmp(seen->hash, said->hash, sizeof(said->hash)) != 0) {
        tell(check, ADMIND_FAULT_SEAL_BLOCK, said->lines, seen->lines);
    } else {
        if (strcmp(seen->file, said->file) != 0 || (seen->offset != said->offset && !check->displaced)) {
            tell(check, ADMIND_FAULT_SEAL_PLACE, said->offset, seen->offset);
        }
        check->displaced = false;
    }
    /* What lies behind in this file is held against the seals' own count, so that one missing line is told once. */
    if (strcmp(seen->file, said->file) == 0 && strcmp(seen->file, check->file) == 0) {
        check->shift += said->offset - seen->offset;
    }
}

/* Whether something that was kept elsewhere speaks for a chain that begins here: the seal right before it, or one that is to be found yet. (One that
 * is not is told at the end.) */
static bool is_vouched_for(const admind_sealcheck_t *check)
{
    const admind_seal_t *last = &check->found->last;

    for (size_t i = 0; i < check->n_anchors; i++) {
        const anchor_t *anchor = &check->anchors[i];

        if (!anchor->found || (anchor->epoch == last->epoch && memcmp(anchor->mac, last->mac, sizeof(last->mac)) == 0)) {
            return true;
        }
    }
    return false;
}

static void check_order(admind_sealcheck_t *check, const admind_seal_t *seal)
{
    const admind_seal_t *last = &check->found->last;
    bool same_key = memcmp(seal->key, last->key, sizeof(seal->key)) == 0;
    uint64_t expected = same_key ? last->epoch + 1 : 0;

    if (check->found->seals == 0) {
        check->found->first_epoch = seal->epoch;
        check->found->keys = 1;
        /* Lines that no seal covers stand in front only where sealing began. */
        if (check->found->before > 0 && (seal->epoch != 0 || !is_zero(seal->previous, sizeof(seal->previous)))) {
            tell(check, ADMIND_FAULT_SEAL_LACKING, 0, check->found->before);
        }
        return;
    }
    check->found->keys += !same_key;
    /* Who took the machine over can cut lines off, or make them anew, and go on with a key of his own, whose origin he leaves to be found. */
    if (!same_key && !is_vouched_for(check)) {
        check->fault(check->ctx, ADMIND_FAULT_SEAL_ANEW, 0, seal->epoch); /* not by tell: nothing is displaced */
    }
    if (seal->epoch != expected) {
        tell(check, ADMIND_FAULT_SEAL_EPOCH, expected, seal->epoch);
    }
    if (memcmp(seal->previous, last->mac, sizeof(last->mac)) != 0) {
        tell(check, ADMIND_FAULT_SEAL_PREVIOUS, 0, seal->epoch);
    }
}

/* true: by the key of its epoch, or there is no key to hold it against. Keys never go back: a seal of an epoch that was passed is no
 * good, whatever its mac. */
static bool check_mac(admind_sealcheck_t *check, const admind_seal_t *seal)
{
    admind_seal_key_t *key = NULL;
    bool told = check->stranger && memcmp(seal->key, check->found->last.key, sizeof(seal->key)) == 0;

    for (size_t i = 0; i < check->n_keys; i++) {
        if (memcmp(check->keys[i].id, seal->key, sizeof(seal->key)) == 0) {
            key = &check->keys[i];
        }
    }
    check->stranger = key == NULL && check->n_keys > 0;
    if (check->stranger && !told) {
        tell(check, ADMIND_FAULT_SEAL_KEY, 0, seal->epoch);
    }
    if (key == NULL) {
        return !check->stranger;
    }
    while (key->epoch < seal->epoch) {
        admind_seal_key_evolve(key);
    }
    if (!admind_seal_is_by(seal, key)) {
        tell(check, ADMIND_FAULT_SEAL_MAC, 0, seal->epoch);
        return false;
    }
    check->found->proven++;
    return true;
}

static void look_for(admind_sealcheck_t *check, const admind_seal_t *seal)
{
    for (size_t i = 0; i < check->n_anchors; i++) {
        anchor_t *anchor = &check->anchors[i];

        anchor->found = anchor->found || (anchor->epoch == seal->epoch && memcmp(anchor->mac, seal->mac, sizeof(seal->mac)) == 0);
    }
}

mcpa_status_t admind_sealcheck_line(admind_sealcheck_t *check, mcpa_str_t text, bool seal)
{
    uint64_t offset = check->offset + check->shift;
    admind_seal_t found;
    mcpa_status_t status = seal ? admind_seal_parse(&found, text) : MCPA_EMALFORMED;

    check->offset += text.len + 1;
    if (status == MCPA_ENOMEM) {
        return status;
    }
    if (status != MCPA_OK) {
        if (seal) {
            tell(check, ADMIND_FAULT_SEAL_FORM, 0, 0);
        }
        return admind_chain_add(&check->chain, check->file, offset, text) ? MCPA_OK : MCPA_ENOMEM;
    }
    check_block(check, &found);
    check_order(check, &found);
    if (check_mac(check, &found)) {
        look_for(check, &found);
    }
    check->found->last = found;
    check->found->seals++;
    check->chain.lines = 0;
    return MCPA_OK;
}

void admind_sealcheck_end(admind_sealcheck_t *check)
{
    admind_sealed_t *found = check->found;

    if (found->seals == 0) {
        found->before += check->chain.lines;
        if (check->n_keys + check->n_anchors > 0) {
            tell(check, ADMIND_FAULT_SEAL_LACKING, 0, found->before);
        }
    } else {
        found->behind = check->chain.lines;
        /* No file is closed without a seal. */
        if (check->chain.lines > 0 && strcmp(check->chain.file, check->file) != 0) {
            tell(check, ADMIND_FAULT_SEAL_LACKING, 0, check->chain.lines);
        }
    }
    for (size_t i = 0; i < check->n_anchors; i++) {
        if (!check->anchors[i].found) {
            tell(check, ADMIND_FAULT_SEAL_MISSING, check->anchors[i].epoch, 0);
        }
    }
}
