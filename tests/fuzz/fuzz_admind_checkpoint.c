/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as checkpoint.json: what is believed is saved and loaded as the same, what is not leaves no marks behind. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/checkpoint.h"

#define MARKS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/mcpauth-fuzz-checkpoint-XXXXXX";
static char path[sizeof(dir) + 24];

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void clean(void)
{
    (void)unlink(path);
    (void)rmdir(dir);
}

static void put(const uint8_t *data, size_t size)
{
    FILE *file;

    if (path[0] == '\0') {
        must(mkdtemp(dir) != NULL);
        (void)snprintf(path, sizeof(path), "%s/checkpoint.json", dir);
        (void)atexit(clean);
    }
    file = fopen(path, "wb");
    must(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static void must_be_same(const admind_seal_state_t *a, const admind_seal_state_t *b)
{
    must(a->known == b->known && a->sealed == b->sealed && a->chain.lines == b->chain.lines);
    must(!a->sealed || memcmp(a->last.mac, b->last.mac, sizeof(a->last.mac)) == 0);
    must(a->chain.lines == 0 || (a->chain.offset == b->chain.offset && strcmp(a->chain.file, b->chain.file) == 0 &&
                                 memcmp(a->chain.hash, b->chain.hash, sizeof(a->chain.hash)) == 0));
}

/* What was loaded into marks, saved and loaded once more. */
static void again(const admind_checkpoint_t *first, const admind_marks_t *marks)
{
    admind_marks_t *others = admind_marks_new(MARKS);
    char *metrics = first->metrics == NULL ? NULL : mcpa_json_print(first->metrics);
    char *alerts = first->alerts == NULL ? NULL : mcpa_json_print(first->alerts);
    admind_checkpoint_parts_t parts = { first->position, marks, metrics, alerts, first->seals };
    admind_checkpoint_t second;

    must(others != NULL && admind_checkpoint_save(dir, &parts, 0) == MCPA_OK);
    must(admind_checkpoint_load(&second, dir, others) == MCPA_OK);
    must(strcmp(second.position.file, first->position.file) == 0 && second.position.offset == first->position.offset);
    must(admind_marks_count(others) == admind_marks_count(marks));
    must((second.metrics != NULL) == (first->metrics != NULL) && (second.alerts != NULL) == (first->alerts != NULL));
    must_be_same(&first->seals, &second.seals);
    admind_checkpoint_clear(&second);
    admind_marks_free(&others);
    free(metrics);
    free(alerts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    admind_marks_t *marks = admind_marks_new(MARKS);
    admind_checkpoint_t checkpoint;

    must(marks != NULL);
    put(data, size);
    if (admind_checkpoint_load(&checkpoint, dir, marks) == MCPA_OK) {
        again(&checkpoint, marks);
    } else {
        must(admind_marks_count(marks) == 0 && checkpoint.position.file[0] == '\0' && !checkpoint.seals.known);
    }
    admind_checkpoint_clear(&checkpoint);
    admind_marks_free(&marks);
    return 0;
}
