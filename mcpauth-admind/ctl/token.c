/* SPDX-License-Identifier: Apache-2.0 */
/* token: its four commands, and the local issuer's keys, which are read where they lie: the daemon gives them to nobody. */
#include "ctl/token.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "issuer/keystore.h"

#define READS        5 /* the daemon writes the old file over when it has a new one */
#define WAIT_MS      10000
#define WAIT_STEP_MS 100

#define FOR_WHOM "keys are for the daemon's user and root"

/* Whether the directory is safe, and for us to look into. The daemon's mend for one that belongs to another is none here: it would shut the daemon
 * out. */
static bool may_look(const ctl_t *ctl)
{
    char why[512] = "";
    struct stat st;

    if (stat(ctl->issuer_dir, &st) != 0) {
        ctl_complain("%s: %s; %s", ctl->issuer_dir, strerror(errno),
                     errno == EACCES ? "run this as root: " FOR_WHOM : "the daemon makes it when it starts");
        return false;
    }
    if (geteuid() != 0 && st.st_uid != geteuid()) {
        ctl_complain("%s: belongs to uid %u; run this as root or as that user: " FOR_WHOM, ctl->issuer_dir, (unsigned)st.st_uid);
        return false;
    }
    if (!admind_keystore_is_tight(ctl->issuer_dir, st.st_uid, why, sizeof(why))) {
        ctl_complain("%s: %s; " FOR_WHOM, ctl->issuer_dir, why);
        return false;
    }
    return true;
}

/* errno: as the last load left it. */
static void complain_of_file(const ctl_t *ctl, mcpa_status_t status)
{
    const char *what = mcpa_status_word(status), *mend = "the daemon's log says more";

    if (status == MCPA_EIO) {
        what = strerror(errno);
    } else if (status == MCPA_ENOTFOUND) {
        what = "is not there";
        mend = "the daemon makes it when it starts";
    } else if (status == MCPA_EUNSUPPORTED) {
        what = "may be used by others";
        mend = "what it holds may be known: stop the daemon, remove the file, start it";
    }
    ctl_complain("%s/" ADMIND_KEYSTORE_FILE ": %s; %s", ctl->issuer_dir, what, mend);
}

bool ctl_token_keys(const ctl_t *ctl, admind_keyring_t *ring)
{
    mcpa_status_t status = MCPA_EMALFORMED;

    if (ctl->issuer == NULL) {
        ctl_complain("the daemon's configuration has no Issuer; write one there, or name that configuration with --config");
        return false;
    }
    if (prctl(PR_SET_DUMPABLE, 0) != 0) { /* no key in a core */
        ctl_complain("keys cannot be kept out of core dumps: %s", strerror(errno));
        return false;
    }
    if (!may_look(ctl)) {
        return false;
    }
    for (int i = 0; i < READS && status == MCPA_EMALFORMED; i++) {
        errno = 0;
        status = admind_keystore_load(ring, ctl->issuer_dir);
    }
    if (status != MCPA_OK) {
        complain_of_file(ctl, status);
    }
    return status == MCPA_OK;
}

/* ---- rotate */

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* kid signs, or will from then on. */
static void tell(const ctl_t *ctl, const char *kid, int64_t from_us)
{
    char stamp[25], memory[512];
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (from_us != 0) {
        mcpa_text_rfc3339(stamp, from_us);
    }
    if (!ctl->json) {
        printf("%s signs %s%s%s\n", kid, from_us == 0 ? "now" : "from ", from_us == 0 ? "" : stamp, from_us == 0 ? "" : " on, when it is known everywhere");
        return;
    }
    mcpa_out_init(&out, memory, sizeof(memory));
    mcpa_jsonw_init(&w, &out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "kid", kid);
    mcpa_jsonw_bool(&w, "signs", from_us == 0);
    if (from_us != 0) {
        mcpa_jsonw_z(&w, "signs_from", stamp);
    }
    mcpa_jsonw_close_object(&w);
    printf("%s\n", memory);
}

static ctl_exit_t await(const ctl_t *ctl)
{
    const struct timespec step = { 0, WAIT_STEP_MS * 1000000L };
    admind_keyring_t ring;

    for (int ms = 0; ms < WAIT_MS && admind_keystore_has_wish(ctl->issuer_dir); ms += WAIT_STEP_MS) {
        nanosleep(&step, NULL);
    }
    if (admind_keystore_has_wish(ctl->issuer_dir)) {
        ctl_complain("the daemon has not done it yet: it will when it runs and its log says nothing else");
        return CTL_UNREACHABLE;
    }
    if (!ctl_token_keys(ctl, &ring)) {
        return CTL_BAD;
    }
    tell(ctl, admind_keyring_find(&ring, ADMIND_STAGE_CURRENT)->key.kid, 0);
    admind_keyring_clear(&ring);
    return CTL_GOOD;
}

static ctl_exit_t rotate(const ctl_t *ctl)
{
    const admind_ringkey_t *next;
    admind_keyring_t ring;
    int64_t from_us;

    if (!ctl_token_keys(ctl, &ring)) {
        return CTL_USAGE;
    }
    next = admind_keyring_find(&ring, ADMIND_STAGE_NEXT);
    if (!admind_keystore_wish(ctl->issuer_dir, next != NULL ? next->key.kid : "")) {
        ctl_complain("%s/" ADMIND_KEYSTORE_WISH ": %s", ctl->issuer_dir, strerror(errno));
        admind_keyring_clear(&ring);
        return CTL_BAD;
    }
    from_us = next == NULL ? 0 : next->since_us + ADMIND_KEYRING_AHEAD_US;
    if (next != NULL && from_us > now_us()) {
        tell(ctl, next->key.kid, from_us);
        admind_keyring_clear(&ring);
        return CTL_GOOD;
    }
    admind_keyring_clear(&ring);
    return await(ctl);
}

ctl_exit_t ctl_token(const ctl_t *ctl)
{
    static const struct {
        const char *name;
        ctl_exit_t (*run)(const ctl_t *ctl);
    } commands[] = { { "mint", ctl_token_mint }, { "inspect", ctl_token_inspect }, { "verify", ctl_token_verify }, { "rotate", rotate } };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(ctl->words[0], commands[i].name) == 0) {
            return commands[i].run(ctl);
        }
    }
    ctl_complain("token mint, inspect, verify or rotate; there is no token %s", ctl->words[0]);
    return CTL_USAGE;
}
