/* SPDX-License-Identifier: Apache-2.0 */
/* The file that the local issuer's keys lie in, <dir>/issuer.keys: 0600, in a directory of 0700. One file, so that one rename is all of a rotation: a
 * daemon killed in the middle of it has either the keys from before or those behind it. The daemon alone writes; whoever mints reads.
 *
 *   mcpauth-issuer-keys 1
 *   <next|current|old> <since: unix us> <alg> <DER in base64url>     one line a key; of an old one its public part
 *   sha256 <hex of all above> */
#ifndef ADMIND_ISSUER_KEYSTORE_H
#define ADMIND_ISSUER_KEYSTORE_H

#include <sys/types.h>
#include <time.h>

#include "issuer/keyring.h"

#define ADMIND_KEYSTORE_DIR  "keys/issuer" /* of StateDir, when IssuerKeyDir says nothing: StateDir itself is root's */
#define ADMIND_KEYSTORE_FILE "issuer.keys"
#define ADMIND_KEYSTORE_WISH "rotate" /* made by who wants a rotation; the daemon takes it away */

/* Whether dir is one that only its owner can look into, and it is owned by uid. why (cap bytes): "what is wrong; what to do". */
bool admind_keystore_is_tight(const char *dir, uint32_t uid, char *why, size_t cap) MCPA_MUST_CHECK;
/* MCPA_ENOTFOUND: no keys yet. MCPA_EMALFORMED, MCPA_ETOOBIG: damaged, or not ours. MCPA_EUNSUPPORTED: others may use the file. MCPA_EIO (errno). On
 * success the caller clears the ring, in which no age is adopted yet; else it is untouched. */
mcpa_status_t admind_keystore_load(admind_keyring_t *ring, const char *dir) MCPA_MUST_CHECK;
/* In the place of the file before, which is written over. false with errno: that is not sure. */
bool admind_keystore_save(const admind_keyring_t *ring, const char *dir) MCPA_MUST_CHECK;
/* Which file stands there; zeroed: none. Who writes it again first looks whether it is still the same. */
typedef struct admind_keymark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written;
} admind_keymark_t;
admind_keymark_t admind_keystore_mark(const char *dir);
bool admind_keystore_is_marked(const char *dir, const admind_keymark_t *mark);
/* Erases what a daemon that was killed while it wrote left. */
void admind_keystore_sweep(const char *dir);

/* That kid ("": whichever is next) shall sign. false with errno. Whether the wish was new does not matter. */
bool admind_keystore_wish(const char *dir, const char *kid) MCPA_MUST_CHECK;
bool admind_keystore_has_wish(const char *dir);
/* Whether there is one and it names that kid; one that names none, or cannot be read, does not. */
bool admind_keystore_wishes(const char *dir, const char *kid);
void admind_keystore_drop_wish(const char *dir);

#endif
