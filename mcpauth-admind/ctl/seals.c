/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/seals.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "audit/names.h"
#include "audit/reader.h"
#include "base/text.h"
#include "files.h"

/* ---- what to look for */

static bool add_key(admind_verify_t *verify, const char *path)
{
    admind_seal_key_t key = { .epoch = 0 };
    mcpa_str_t text;
    bool good;

    if (admind_file_read(&text, path, ADMIND_SEAL_KEY_BYTES) != MCPA_OK) {
        ctl_complain("%s: %s", path, errno != 0 ? strerror(errno) : "not a key file");
        return false;
    }
    good = admind_seal_key_parse(&key, text) && key.epoch == 0;
    OPENSSL_cleanse((char *)text.ptr, text.len);
    free((char *)text.ptr);
    if (!good) {
        ctl_complain("%s is no origin key: that is the file seal-origin*.key that the daemon wrote when sealing began", path);
    } else if (!admind_verify_key(verify, &key)) {
        ctl_complain("more than %d times --key", ADMIND_VERIFY_KEYS_MAX);
        good = false;
    }
    admind_seal_key_erase(&key);
    return good;
}

bool ctl_seals_prepare(const ctl_t *ctl, admind_verify_t *verify)
{
    unsigned char mac[ADMIND_SEAL_BYTES];
    uint64_t epoch;

    for (size_t i = 0; i < CTL_MANY && ctl->seal_keys[i] != NULL; i++) {
        errno = 0;
        if (!add_key(verify, ctl->seal_keys[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < CTL_MANY && ctl->anchors[i] != NULL; i++) {
        if (!admind_seal_anchor_parse(&epoch, mac, mcpa_str(ctl->anchors[i])) || !admind_verify_anchor(verify, epoch, mac)) {
            ctl_complain("--seal wants EPOCH:MAC, as mcpauthctl audit seal prints it, not '%s'", ctl->anchors[i]);
            return false;
        }
    }
    return true;
}

/* ---- what was found */

bool ctl_seals_describe(char *text, size_t cap, const admind_fault_t *fault)
{
    unsigned long long seq = fault->seq, expected = fault->expected;

    switch (fault->kind) {
    case ADMIND_FAULT_SEAL_FORM:
        snprintf(text, cap, "a seal that is not spelled as seals are");
        break;
    case ADMIND_FAULT_SEAL_BLOCK:
        snprintf(text, cap, "the %llu lines before this seal are not the %llu that were sealed", seq, expected);
        break;
    case ADMIND_FAULT_SEAL_PLACE:
        snprintf(text, cap, "its lines begin at offset %llu, and were sealed elsewhere: in another file, or at offset %llu", seq, expected);
        break;
    case ADMIND_FAULT_SEAL_EPOCH:
        snprintf(text, cap, "seal %llu, where %llu follows", seq, expected);
        break;
    case ADMIND_FAULT_SEAL_PREVIOUS:
        snprintf(text, cap, "seal %llu was made behind another seal than the one before it", seq);
        break;
    case ADMIND_FAULT_SEAL_KEY:
        snprintf(text, cap, "seal %llu, and what follows, by a key that was not given", seq);
        break;
    case ADMIND_FAULT_SEAL_MAC:
        snprintf(text, cap, "seal %llu is forged, or was edited", seq);
        break;
    case ADMIND_FAULT_SEAL_LACKING:
        snprintf(text, cap, "%llu lines without a seal, where there must be one", seq);
        break;
    case ADMIND_FAULT_SEAL_ANEW:
        snprintf(text, cap, "sealing began anew here with another key; only --seal, of the seal before it or one from here on, shows that nothing was cut off");
        break;
    case ADMIND_FAULT_SEAL_MISSING:
        snprintf(text, cap, "seal %llu, which was looked for, is not in the journal: lines were cut off", expected);
        break;
    default:
        return false;
    }
    return true;
}

void ctl_seals_print(const admind_sealed_t *sealed)
{
    char stamp[25], anchor[ADMIND_SEAL_ANCHOR_BYTES];

    if (sealed->seals == 0) {
        printf("seals      none\n");
        return;
    }
    mcpa_text_rfc3339(stamp, sealed->last.ts);
    admind_seal_anchor_print(anchor, &sealed->last);
    printf("seals      %llu, the newest %s of %s\n", (unsigned long long)sealed->seals, anchor, stamp);
    printf("unsealed   %llu lines behind the newest seal\n", (unsigned long long)sealed->behind);
    if (sealed->before > 0) {
        printf("older      %llu lines from before sealing began\n", (unsigned long long)sealed->before);
    }
    if (sealed->first_epoch > 0) {
        printf("retired    the journal begins with seal %llu; those before it are in no file (any more)\n",
               (unsigned long long)sealed->first_epoch);
    }
    if (sealed->unknown > 0) {
        printf("unknown    %llu lines of a block that begins in a file that is gone\n", (unsigned long long)sealed->unknown);
    }
    if (sealed->keys > 1) {
        printf("keys       %llu, one after the other: sealing began anew\n", (unsigned long long)sealed->keys);
    }
}

void ctl_seals_print_proof(const ctl_t *ctl, const admind_sealed_t *sealed)
{
    if (sealed->seals == 0) {
        printf("This does not show whether a value was edited, or records cut off where an instance or the journal begins or "
               "ends.\n");
        return;
    }
    if (sealed->proven > 0 && ctl->anchors[0] == NULL && sealed->first_epoch > 0) {
        printf("Every seal fits its key. But the journal does not begin with the first one: without --seal this does not show whether somebody who "
               "took a key of this machine made all of them anew.\n");
    } else if (sealed->proven > 0) {
        printf("Up to its newest seal nothing was edited, added, moved or taken out since it was sealed.\n");
    } else {
        printf("Every line up to the newest seal is as its seal says. Without --key this does not show whether somebody made the "
               "seals anew.\n");
    }
    printf("Of lines behind the newest seal%s this says nothing.\n",
           ctl->anchors[0] != NULL ? "" : ", and without --seal of an end that was cut off,");
}

void ctl_seals_put(mcpa_jsonw_t *w, const admind_sealed_t *sealed)
{
    char stamp[25], anchor[ADMIND_SEAL_ANCHOR_BYTES];

    mcpa_jsonw_u64(w, "seals", sealed->seals);
    mcpa_jsonw_u64(w, "proven", sealed->proven);
    mcpa_jsonw_u64(w, "seal_keys", sealed->keys);
    if (sealed->seals > 0) {
        mcpa_text_rfc3339(stamp, sealed->last.ts);
        admind_seal_anchor_print(anchor, &sealed->last);
        mcpa_jsonw_u64(w, "first_seal", sealed->first_epoch);
        mcpa_jsonw_z(w, "seal", anchor);
        mcpa_jsonw_z(w, "sealed", stamp);
    }
    mcpa_jsonw_u64(w, "unsealed_lines", sealed->behind);
    mcpa_jsonw_u64(w, "before_sealing", sealed->before);
    mcpa_jsonw_u64(w, "unknown_lines", sealed->unknown);
}

/* ---- audit seal */

/* The last seal of this file. MCPA_ENOTFOUND: it holds none. */
static mcpa_status_t last_seal(admind_seal_t *seal, const char *dir, const char *file)
{
    const admind_position_t none = { .offset = 0 };
    admind_position_t from = none;
    mcpa_status_t result = MCPA_ENOTFOUND, status;
    admind_reader_t *reader;
    char error[512];
    mcpa_str_t line;

    snprintf(from.file, sizeof(from.file), "%s", file);
    reader = admind_reader_open(dir, &from, error, sizeof(error));
    if (reader == NULL) {
        ctl_complain("%s", error);
        return MCPA_EIO;
    }
    while ((status = admind_reader_next(reader, &line)) != MCPA_ENOTFOUND && status != MCPA_EIO && status != MCPA_ENOMEM &&
           strcmp(admind_reader_file(reader), file) == 0) {
        admind_seal_t found;

        if (status == MCPA_OK && memmem(line.ptr, line.len, "\"event\":\"seal\"", 14) != NULL &&
            admind_seal_parse(&found, line) == MCPA_OK) {
            *seal = found;
            result = MCPA_OK;
        }
    }
    admind_reader_close(&reader);
    return result;
}

static void show_seal(const ctl_t *ctl, const admind_seal_t *seal)
{
    char stamp[25], anchor[ADMIND_SEAL_ANCHOR_BYTES], id[2 * ADMIND_SEAL_ID_BYTES + 1];

    admind_seal_anchor_print(anchor, seal);
    mcpa_text_rfc3339(stamp, seal->ts);
    mcpa_hex(id, seal->key, sizeof(seal->key));
    if (ctl->json) {
        printf("{\"seal\":\"%s\",\"key\":\"%s\",\"sealed\":\"%s\"}\n", anchor, id, stamp); /* digits, hex and a time: nothing to escape */
    } else {
        printf("%s\n", anchor);
    }
}

ctl_exit_t ctl_audit_seal(const ctl_t *ctl)
{
    admind_journal_name_t *names = NULL;
    char file[ADMIND_JOURNAL_NAME_BYTES];
    mcpa_status_t status = MCPA_ENOTFOUND;
    admind_seal_t seal;
    size_t count = 0;

    if (admind_journal_names(&names, &count, ctl->journal_dir) != MCPA_OK) {
        ctl_complain("%s: %s; name the journal with --journal or --config", ctl->journal_dir, strerror(errno));
        return CTL_UNREACHABLE;
    }
    for (size_t i = count; i-- > 0 && status == MCPA_ENOTFOUND;) {
        admind_journal_name_format(file, &names[i]);
        status = last_seal(&seal, ctl->journal_dir, file);
    }
    free(names);
    if (status == MCPA_OK) {
        show_seal(ctl, &seal);
        return CTL_GOOD;
    }
    ctl_complain("%s: there is no seal yet", ctl->journal_dir);
    return CTL_BAD;
}
