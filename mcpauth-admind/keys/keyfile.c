/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/keyfile.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/limits.h"
#include "files.h"
#include "policy/issuer.h"

/* A normalised set is not larger than what came; the rest is our own frame and an issuer of at most MCPA_CLAIM_MAX_BYTES,
 * escaped. */
#define FILE_MAX_BYTES  (MCPA_JWKS_MAX_BYTES + 16384)
#define FILE_MAX_VALUES 4096
#define NAME_BYTES      70

static bool path_of(char path[PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

    if (n < 0 || n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return true;
}

static void print(mcpa_out_t *out, const char *issuer, const admind_keyfile_t *file)
{
    mcpa_jsonw_t w;

    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_z(&w, "issuer", issuer);
    mcpa_jsonw_int(&w, "fetched", file->fetched_s);
    mcpa_jsonw_int(&w, "expires", file->expires_s);
    mcpa_jsonw_raw(&w, "jwks", MCPA_STR("")); /* writes the name; the set follows straight into the same memory */
    mcpa_jwks_print(out, file->set);
    mcpa_jsonw_close_object(&w);
    mcpa_out_char(out, '\n');
}

mcpa_status_t admind_keyfile_write(const char *dir, const char *issuer, const admind_keyfile_t *file)
{
    char name[NAME_BYTES], path[PATH_MAX];
    mcpa_out_t out;
    mcpa_status_t status;
    char *memory = malloc(FILE_MAX_BYTES);

    if (memory == NULL) {
        errno = ENOMEM;
        return MCPA_ENOMEM;
    }
    mcpa_out_init(&out, memory, FILE_MAX_BYTES);
    print(&out, issuer, file);
    mcpa_issuer_key_file(name, issuer);
    status = mcpa_out_status(&out);
    if (status == MCPA_OK && !path_of(path, dir, name)) {
        status = MCPA_EIO;
    }
    if (status == MCPA_OK) {
        status = admind_file_replace(path, mcpa_out_get(&out), 0644);
    }
    free(memory);
    return status;
}

static mcpa_status_t read_document(admind_keyfile_t *file, const mcpa_json_t *json, const char *issuer)
{
    const mcpa_json_t *jwks = mcpa_json_member(json, "jwks");
    mcpa_jwks_report_t report;

    if (!mcpa_str_eqz(mcpa_json_string(mcpa_json_member(json, "issuer")), issuer) ||
        !mcpa_json_integer(mcpa_json_member(json, "fetched"), &file->fetched_s) ||
        !mcpa_json_integer(mcpa_json_member(json, "expires"), &file->expires_s) || jwks == NULL) {
        return MCPA_EMALFORMED;
    }
    return mcpa_jwks_read(&file->set, jwks, &report);
}

mcpa_status_t admind_keyfile_read(admind_keyfile_t *file, const char *dir, const char *issuer)
{
    char name[NAME_BYTES], path[PATH_MAX];
    mcpa_json_t *json = NULL;
    mcpa_str_t text;
    mcpa_status_t status;

    mcpa_issuer_key_file(name, issuer);
    if (!path_of(path, dir, name)) {
        return MCPA_EIO;
    }
    status = admind_file_read(&text, path, FILE_MAX_BYTES);
    if (status != MCPA_OK) {
        return status;
    }
    status = mcpa_json_parse(&json, text, MCPA_JWKS_MAX_DEPTH + 1, FILE_MAX_VALUES);
    free((char *)(uintptr_t)text.ptr);
    if (status == MCPA_OK) {
        status = read_document(file, json, issuer);
    }
    mcpa_json_free(&json);
    return status;
}

bool admind_keyfile_prepare(const char *dir)
{
    if (mkdir(dir, 0755) != 0) {
        return errno == EEXIST;
    }
    return chmod(dir, 0755) == 0; /* whatever the umask is: children must get in */
}

/* "<64 hex>.json", or that with ".tmp" behind it: nothing else in the directory is ours to remove. */
static bool is_key_file(const char *name, bool *temporary)
{
    size_t hex = strspn(name, "0123456789abcdef");

    *temporary = strcmp(name + hex, ".json.tmp") == 0;
    return hex == 64 && (*temporary || strcmp(name + hex, ".json") == 0);
}

void admind_keyfile_sweep(const char *dir, bool (*keep)(void *ctx, const char *name), void *ctx)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    bool temporary;

    if (stream == NULL) {
        return;
    }
    while ((entry = readdir(stream)) != NULL) {
        if (is_key_file(entry->d_name, &temporary) && (temporary || !keep(ctx, entry->d_name))) {
            unlinkat(dirfd(stream), entry->d_name, 0);
        }
    }
    closedir(stream);
}
