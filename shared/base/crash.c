/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crash.h"

#ifdef MCPA_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* The probability this name was given; 0: none. */
static double probability_of(const char *name)
{
    const char *at = getenv("MCPA_CRASH");
    size_t len = strlen(name);

    while (at != NULL && *at != '\0') {
        const char *colon = strchr(at, ':');
        const char *comma = strchr(at, ',');

        if (colon == NULL) {
            break;
        }
        if ((*at == '*' && colon == at + 1) || ((size_t)(colon - at) == len && strncmp(at, name, len) == 0)) {
            return strtod(colon + 1, NULL);
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return 0;
}

bool mcpa_crash_due(const char *name)
{
    double probability = probability_of(name);
    uint32_t random = 0;

    return probability > 0 && getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random) &&
           (double)random < probability * (double)UINT32_MAX;
}

void mcpa_crash_now(const char *name)
{
    const char *path = getenv("MCPA_CRASH_LOG");
    char line[128];
    int n = snprintf(line, sizeof(line), "%s %ld\n", name, (long)getpid());
    int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;

    if (fd >= 0 && n > 0) {
        (void)!write(fd, line, (size_t)n);
    }
    (void)kill(getpid(), SIGKILL);
    for (;;) {
        (void)pause();
    }
}

void mcpa_crash_point(const char *name)
{
    if (mcpa_crash_due(name)) {
        mcpa_crash_now(name);
    }
}

bool mcpa_mutant(const char *name)
{
    const char *wanted = getenv("MCPA_MUTANT");

    return wanted != NULL && strcmp(wanted, name) == 0;
}

#else
/* A translation unit must hold something. */
typedef int mcpa_crash_nothing_t;
#endif
