/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of the folders (or files) given, so that the corpora are part of the normal test run.
 * Without any, the target's own corpus (MCPA_CORPUS). A folder without a file is an error: a lost corpus must not look like a
 * passed test. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *path, const char *what)
{
    (void)fprintf(stderr, "replay: %s: %s\n", path, what);
    return -1;
}

/* The buffer has exactly the size of the file, so that a sanitizer sees a read beyond it. */
static int replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;

    if (file == NULL) {
        return fail(path, strerror(errno));
    }
    data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        free(data);
        (void)fclose(file);
        return fail(path, "cannot be read");
    }
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static int replay(const char *path);

/* Number of files replayed, or -1. */
static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    int sum = 0;

    if (folder == NULL) {
        return fail(path, strerror(errno));
    }
    while (sum >= 0 && (entry = readdir(folder)) != NULL) {
        char name[PATH_BYTES];
        int n;

        if (entry->d_name[0] == '.') {
            continue;
        }
        n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        n = n < 0 || (size_t)n >= sizeof(name) ? fail(path, "name too long") : replay(name);
        sum = n < 0 ? -1 : sum + n;
    }
    (void)closedir(folder);
    return sum == 0 ? fail(path, "the corpus is empty") : sum;
}

static int replay(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        return fail(path, strerror(errno));
    }
    return S_ISDIR(info.st_mode) ? replay_folder(path) : replay_file(path, (size_t)info.st_size);
}

int main(int argc, char **argv)
{
    int sum = argc < 2 ? replay(MCPA_CORPUS) : 0;

    if (sum < 0) {
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);

        if (n < 0) {
            return 1;
        }
        sum += n;
    }
    (void)printf("%d inputs replayed\n", sum);
    return 0;
}
