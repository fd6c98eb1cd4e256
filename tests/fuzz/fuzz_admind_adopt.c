/* SPDX-License-Identifier: Apache-2.0 */
/* A spool directory as adoption finds it: the input is cut into files of one or two children, which are adopted until nothing is left to do. Only
 * whole lines with ascending numbers of the named instance may come out, and nothing is removed before it is durable.
 *
 *   input = file*      file = who:u8 (bit 0: which child, bit 1: torn name) number:u8 len:u16le bytes[len] */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/adopt.h"

#define FILES_MAX  8
#define SLICES_MAX 2000 /* a file of 64 KB is one slice; looking again ends it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/mcpauth-fuzz-adopt-XXXXXX";
static uint64_t records, lost;

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static bool never(void *ctx, const unsigned char *instance)
{
    (void)ctx;
    (void)instance;
    return false;
}

static void tell(void *ctx, const mcpa_record_t *record)
{
    (void)ctx;
    records++;
    lost += record->event.ptr != NULL ? 1 : 0;
}

static int drop_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void path_of(char path[256], const char *folder, const char *name)
{
    (void)snprintf(path, 256, "%s/%s/%s", dir, folder, name);
}

/* Bytes of the input that the file took. */
static size_t put_file(const uint8_t *data, size_t size)
{
    char name[64], path[256];
    size_t len = (size_t)data[2] | (size_t)data[3] << 8;
    FILE *file;

    len = len < size - 4 ? len : size - 4;
    (void)snprintf(name, sizeof(name), (data[0] & 2) != 0 ? "%032x.%07u" : "%032x.%08u", data[0] & 1u, data[1]);
    path_of(path, "spool", name);
    file = fopen(path, "wb");
    must(file != NULL && fwrite(data + 4, 1, len, file) == len && fclose(file) == 0 && chmod(path, 0660) == 0);
    return 4 + len;
}

static void adopt_all(admind_ingest_t *ingest)
{
    admind_adopt_t *adopt;
    char path[256];
    bool more = true, any;

    path_of(path, "spool", "");
    adopt = admind_adopt_new(ingest, path, geteuid(), never, NULL);
    must(adopt != NULL);
    for (int i = 0; i < SLICES_MAX && more; i++) {
        more = admind_adopt_run(adopt, 1795262400000000);
        must(admind_ingest_commit(ingest, &any));
        admind_adopt_committed(adopt, 1795262400000000);
    }
    must(!more);
    admind_adopt_free(&adopt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const admind_position_t start = { "", 0 };
    static const unsigned char children[2][MCPA_INSTANCE_BYTES] = { { 0 }, { [15] = 1 } };
    admind_journal_t *journal;
    admind_marks_t *marks = admind_marks_new(16);
    admind_ingest_t *ingest;
    char path[256], error[256];

    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    must(mkdtemp(dir) != NULL);
    path_of(path, "spool", "");
    must(mkdir(path, 0700) == 0);
    path_of(path, "journal", "");
    must(mkdir(path, 0700) == 0);
    journal = admind_journal_open(path, 1 << 26, error, sizeof(error));
    ingest = admind_ingest_new(journal, marks, tell, NULL);
    must(journal != NULL && ingest != NULL && admind_ingest_replay(ingest, &start) == MCPA_OK);
    records = lost = 0;
    for (int i = 0; i < FILES_MAX && size > 4; i++) {
        size_t used = put_file(data, size);

        data += used;
        size -= used;
    }
    adopt_all(ingest);
    /* What is counted and what is durable agree: each number once, or within a gap. */
    must(lost > 0 || records <= admind_ingest_durable(ingest, children[0]) + admind_ingest_durable(ingest, children[1]));
    admind_ingest_free(&ingest);
    admind_marks_free(&marks);
    admind_journal_close(&journal);
    must(nftw(dir, drop_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
    return 0;
}
