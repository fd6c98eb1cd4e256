/* SPDX-License-Identifier: Apache-2.0 */
/* "credential:NAME" in the configuration: a secret that the service manager hands over. For each start it puts what LoadCredential= names into a
 * directory that only this service can read, and says where: $CREDENTIALS_DIRECTORY. A secret's own file can so stay root's. */
#ifndef ADMIND_CREDENTIAL_H
#define ADMIND_CREDENTIAL_H

#include <stdbool.h>

/* Where a secret is, from the word that the configuration has for it: an absolute path, as it is, or credential:NAME, as a path. Where nobody
 * has handed over credentials the latter stays as it is. NULL: neither, or no memory. To be freed. */
char *admind_credential_place(const char *word);
/* Whether a place that admind_credential_place returned is still credential:NAME. */
bool admind_credential_is_missing(const char *place);
/* Whether it is a file of those handed over. systemd lets the service in by an ACL, which shows as a mode of 0440. */
bool admind_credential_is_handed(const char *place);

#endif
