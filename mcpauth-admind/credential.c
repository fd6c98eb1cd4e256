/* SPDX-License-Identifier: Apache-2.0 */
#include "credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME         "credential:"
#define NAME_MAX_BYTES 255 /* of a file's name */

/* NULL: there is none. */
static const char *directory(void)
{
    const char *path = getenv("CREDENTIALS_DIRECTORY");

    return path != NULL && path[0] == '/' ? path : NULL;
}

/* One file right in the directory, never a way out of it. */
static bool is_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= NAME_MAX_BYTES && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool admind_credential_is_missing(const char *place)
{
    return strncmp(place, SCHEME, sizeof(SCHEME) - 1) == 0;
}

char *admind_credential_place(const char *word)
{
    const char *name = word + sizeof(SCHEME) - 1;
    char *path = NULL;

    if (word[0] == '/') {
        return strdup(word);
    }
    if (!admind_credential_is_missing(word) || !is_name(name)) {
        return NULL;
    }
    if (directory() == NULL) {
        return strdup(word);
    }
    return asprintf(&path, "%s/%s", directory(), name) < 0 ? NULL : path;
}

bool admind_credential_is_handed(const char *place)
{
    size_t len = directory() == NULL ? 0 : strlen(directory());

    return len > 0 && strncmp(place, directory(), len) == 0 && place[len] == '/' && is_name(place + len + 1);
}
