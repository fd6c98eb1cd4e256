/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/sealer.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/sealfile.h"
#include "base/crash.h"
#include "log.h"

struct admind_sealer {
    char *dir;
    admind_seal_state_t done; /* as of the last commit */
    admind_seal_state_t open; /* with the open batch */
    int64_t begun_us;         /* when the open block began, as far as this process knows; 0: none is open */
    bool made;                /* the open batch ends with a seal */
    bool has_key;             /* for the next seal, and on disk */
    bool unread;              /* the file is there and cannot be read for now */
    bool keyless;             /* there is none in memory either: a new one could not be made */
    bool failing;             /* told once */
    int64_t tried_us;         /* to mend that */
    unsigned breaks;
    admind_seal_key_t key;
};

admind_sealer_t *admind_sealer_new(const char *journal_dir)
{
    admind_sealer_t *sealer = calloc(1, sizeof(*sealer));

    if (sealer != NULL && (sealer->dir = strdup(journal_dir)) == NULL) {
        free(sealer);
        return NULL;
    }
    return sealer;
}

void admind_sealer_free(admind_sealer_t **sealer)
{
    if (*sealer != NULL) {
        admind_seal_key_erase(&(*sealer)->key);
        free((*sealer)->dir);
        free(*sealer);
        *sealer = NULL;
    }
}

void admind_sealer_restore(admind_sealer_t *sealer, const admind_seal_state_t *state)
{
    if (state->known) {
        sealer->done = sealer->open = *state;
    }
}

void admind_sealer_state(const admind_sealer_t *sealer, admind_seal_state_t *state)
{
    *state = sealer->done;
    state->known = true;
}

bool admind_sealer_is_restored(const admind_sealer_t *sealer)
{
    return sealer->done.known;
}

void admind_sealer_miss(admind_sealer_t *sealer)
{
    sealer->breaks++;
    admind_log(ADMIND_ERR, "MCPA2138",
               "%s: lines that the last checkpoint knew are gone. Unless you did this, somebody cut the journal; look at it with "
               "mcpauthctl audit verify", sealer->dir);
}

unsigned admind_sealer_breaks(const admind_sealer_t *sealer)
{
    return sealer->breaks;
}

/* ---- keys */

static void tell_unsealed(admind_sealer_t *sealer)
{
    if (!sealer->failing) {
        admind_log(ADMIND_ERR, "MCPA2134", "%s/" ADMIND_SEAL_KEY_FILE ": %s; the journal is not sealed until this is mended", sealer->dir,
                   strerror(errno));
    }
    sealer->failing = true;
}

static void store_key(admind_sealer_t *sealer)
{
    sealer->has_key = admind_sealfile_store(&sealer->key, sealer->dir);
    if (sealer->has_key) {
        sealer->failing = false;
    } else {
        tell_unsealed(sealer);
    }
}

static bool make_origin(admind_sealer_t *sealer, char path[PATH_MAX])
{
    unsigned char secret[ADMIND_SEAL_BYTES];
    bool first = !sealer->done.sealed && sealer->breaks == 0, stored;

    if (RAND_bytes(secret, sizeof(secret)) != 1) {
        snprintf(path, PATH_MAX, "random numbers");
        return false;
    }
    admind_seal_key_begin(&sealer->key, secret);
    OPENSSL_cleanse(secret, sizeof(secret));
    stored = admind_sealfile_store_origin(&sealer->key, sealer->dir, first, path);
    MCPA_CRASH("seal.origin_stored");
    return stored;
}

static void begin_chain(admind_sealer_t *sealer)
{
    char path[PATH_MAX] = "";

    sealer->has_key = false;
    sealer->keyless = !make_origin(sealer, path);
    if (!sealer->keyless) {
        store_key(sealer);
        admind_log(ADMIND_NOTICE, "MCPA2131",
                   "journal: sealed with a new key from now on; move %s to another machine: who has it can forge seals, and only "
                   "with it they can be verified", path);
        return;
    }
    if (!sealer->failing) {
        admind_log(ADMIND_ERR, "MCPA2135", "no new seal key, %s: %s; the journal is not sealed until this is mended", path,
                   strerror(errno));
    }
    sealer->failing = true;
}

/* What is wrong with the key for this journal; NULL: nothing. */
static const char *misfit(const admind_sealer_t *sealer)
{
    const admind_seal_t *last = &sealer->done.last;

    if (sealer->key.epoch >= ADMIND_SEAL_EPOCH_MAX) {
        return "it has reached its last epoch";
    }
    if (!sealer->done.sealed) {
        return sealer->key.epoch == 0 ? NULL : "it has made seals, and the journal holds none of them";
    }
    if (memcmp(last->key, sealer->key.id, sizeof(last->key)) != 0) {
        return sealer->key.epoch == 0 ? NULL : "the last seal was made with another";
    }
    if (sealer->key.epoch > last->epoch + 1) {
        return "it has made seals behind the journal's last: lines were cut off";
    }
    return sealer->key.epoch < last->epoch ? "it is older than the journal's last seal" : NULL;
}

/* A key that cannot be read for a moment is no misfit: it is tried again, and the chain goes on. */
static void take_key(admind_sealer_t *sealer)
{
    mcpa_status_t status = admind_sealfile_load(&sealer->key, sealer->dir);
    const char *why = status == MCPA_OK ? misfit(sealer) : status == MCPA_ENOTFOUND ? "it is gone" : "it cannot be read";

    sealer->has_key = why == NULL;
    sealer->unread = status == MCPA_EIO || status == MCPA_ENOMEM;
    if (sealer->unread) {
        tell_unsealed(sealer);
    } else if (status == MCPA_ENOTFOUND && !sealer->done.sealed) {
        begin_chain(sealer);
    } else if (why != NULL) {
        sealer->breaks++;
        admind_log(ADMIND_ERR, "MCPA2132",
                   "%s/" ADMIND_SEAL_KEY_FILE " does not fit the journal: %s. Unless you did this, somebody tampered with the one or the other; "
                   "look at the journal with mcpauthctl audit verify", sealer->dir, why);
        begin_chain(sealer);
    } else if (sealer->done.sealed && sealer->key.epoch == sealer->done.last.epoch &&
               memcmp(sealer->done.last.key, sealer->key.id, sizeof(sealer->key.id)) == 0) {
        admind_seal_key_evolve(&sealer->key); /* killed between the seal and this */
        store_key(sealer);
    } else {
        sealer->failing = false;
    }
}

void admind_sealer_start(admind_sealer_t *sealer, int64_t now_us)
{
    sealer->begun_us = sealer->done.chain.lines > 0 ? now_us : 0;
    take_key(sealer);
    admind_sealfile_sweep(sealer->dir);
}

/* ---- lines */

void admind_sealer_file(admind_sealer_t *sealer)
{
    if (!sealer->done.sealed) {
        sealer->done.chain.lines = sealer->open.chain.lines = 0;
        sealer->begun_us = 0;
    }
}

bool admind_sealer_line(admind_sealer_t *sealer, const char *file, uint64_t offset, mcpa_str_t line)
{
    static const char mark[] = "\"event\":\"seal\"";
    admind_seal_t seal;

    if (memmem(line.ptr, line.len, mark, sizeof(mark) - 1) != NULL && admind_seal_parse(&seal, line) == MCPA_OK) {
        sealer->open.chain.lines = 0;
        sealer->open.last = seal;
        sealer->open.sealed = true;
        return true;
    }
    return admind_chain_add(&sealer->open.chain, file, offset, line);
}

uint64_t admind_sealer_open_lines(const admind_sealer_t *sealer)
{
    return sealer->open.chain.lines;
}

bool admind_sealer_is_due(const admind_sealer_t *sealer, int64_t now_us)
{
    const admind_chain_t *chain = &sealer->open.chain;

    /* A clock that stepped back must not put sealing off. */
    return chain->lines >= ADMIND_SEAL_LINES ||
           (chain->lines > 0 && sealer->begun_us != 0 &&
            (now_us - sealer->begun_us >= ADMIND_SEAL_US || now_us < sealer->begun_us));
}

/* A seal is only made once its key is on disk, and so the one before is not. */
static bool mend(admind_sealer_t *sealer, int64_t now_us)
{
    if (sealer->has_key || (now_us >= sealer->tried_us && now_us - sealer->tried_us < ADMIND_SEAL_US)) {
        return sealer->has_key;
    }
    sealer->tried_us = now_us;
    if (sealer->unread) {
        take_key(sealer);
    } else if (sealer->keyless) {
        begin_chain(sealer);
    } else {
        store_key(sealer);
    }
    return sealer->has_key;
}

bool admind_sealer_make(admind_sealer_t *sealer, mcpa_out_t *out, int64_t now_us)
{
    admind_seal_t *seal = &sealer->open.last;

    if (sealer->open.chain.lines == 0 || sealer->made) {
        return false;
    }
    if (!mend(sealer, now_us)) {
        return false;
    }
    if (sealer->done.sealed) {
        memcpy(seal->previous, sealer->done.last.mac, sizeof(seal->previous));
    } else {
        memset(seal->previous, 0, sizeof(seal->previous));
    }
    seal->ts = now_us < 0 ? 0 : now_us;
    seal->block = sealer->open.chain;
    admind_seal_make(seal, &sealer->key);
    admind_seal_print(out, seal);
    sealer->open.sealed = true;
    sealer->open.chain.lines = 0;
    sealer->made = true;
    return mcpa_out_status(out) == MCPA_OK;
}

static void sealed(admind_sealer_t *sealer)
{
    char anchor[ADMIND_SEAL_ANCHOR_BYTES], id[2 * ADMIND_SEAL_ID_BYTES + 1];
    const admind_seal_t *seal = &sealer->done.last;

    MCPA_CRASH("seal.synced");
    admind_seal_key_evolve(&sealer->key);
    if (sealer->key.epoch >= ADMIND_SEAL_EPOCH_MAX) {
        begin_chain(sealer);
    } else {
        store_key(sealer);
    }
    MCPA_CRASH("seal.evolved");
    admind_seal_anchor_print(anchor, seal);
    mcpa_hex(id, seal->key, sizeof(seal->key));
    admind_log(ADMIND_INFO, "MCPA2133", "journal: seal %s of key %s covers %llu lines from %s offset %llu on", anchor, id,
               (unsigned long long)seal->block.lines, seal->block.file, (unsigned long long)seal->block.offset);
}

void admind_sealer_commit(admind_sealer_t *sealer, int64_t now_us)
{
    bool made = sealer->made;

    sealer->done = sealer->open;
    sealer->made = false;
    if (sealer->done.chain.lines == 0) {
        sealer->begun_us = 0;
    } else if (sealer->begun_us == 0 || made) {
        sealer->begun_us = now_us;
    }
    if (made) {
        sealed(sealer);
    }
}

void admind_sealer_roll_back(admind_sealer_t *sealer)
{
    sealer->open = sealer->done;
    sealer->made = false;
}
