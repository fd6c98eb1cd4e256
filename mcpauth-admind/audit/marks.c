/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/marks.h"

#include <stdlib.h>

#include <openssl/rand.h>

#define BUCKETS 16384

struct admind_marks {
    admind_mark_t *buckets[BUCKETS];
    admind_mark_t *oldest, *newest; /* by the last record */
    size_t count, max;
    uint64_t seed; /* instances are random, but a hostile child may choose its own: it cannot choose the bucket */
};

admind_marks_t *admind_marks_new(size_t max)
{
    admind_marks_t *marks = calloc(1, sizeof(*marks));

    if (marks == NULL || RAND_bytes((unsigned char *)&marks->seed, sizeof(marks->seed)) != 1) {
        free(marks);
        return NULL;
    }
    marks->max = max;
    return marks;
}

void admind_marks_free(admind_marks_t **marks)
{
    if (*marks == NULL) {
        return;
    }
    for (admind_mark_t *mark = (*marks)->oldest; mark != NULL;) {
        admind_mark_t *gone = mark;

        mark = mark->newer;
        free(gone);
    }
    free(*marks);
    *marks = NULL;
}

static size_t bucket_of(const admind_marks_t *marks, const unsigned char *instance)
{
    uint64_t words[2];

    memcpy(words, instance, sizeof(words));
    words[0] = (words[0] ^ marks->seed) * UINT64_C(0x9e3779b97f4a7c15);
    words[0] = (words[0] ^ (words[0] >> 29) ^ words[1]) * (marks->seed | 1);
    return (size_t)(words[0] >> 40) % BUCKETS;
}

admind_mark_t *admind_marks_find(const admind_marks_t *marks, const unsigned char *instance)
{
    admind_mark_t *mark = marks->buckets[bucket_of(marks, instance)];

    while (mark != NULL && memcmp(mark->instance, instance, MCPA_INSTANCE_BYTES) != 0) {
        mark = mark->next_in_bucket;
    }
    return mark;
}

static void unlink_age(admind_marks_t *marks, admind_mark_t *mark)
{
    *(mark->older == NULL ? &marks->oldest : &mark->older->newer) = mark->newer;
    *(mark->newer == NULL ? &marks->newest : &mark->newer->older) = mark->older;
}

static void append_age(admind_marks_t *marks, admind_mark_t *mark)
{
    mark->older = marks->newest;
    mark->newer = NULL;
    *(marks->newest == NULL ? &marks->oldest : &marks->newest->newer) = mark;
    marks->newest = mark;
}

static void drop(admind_marks_t *marks, admind_mark_t *mark)
{
    admind_mark_t **link = &marks->buckets[bucket_of(marks, mark->instance)];

    while (*link != mark) {
        link = &(*link)->next_in_bucket;
    }
    *link = mark->next_in_bucket;
    unlink_age(marks, mark);
    marks->count--;
    free(mark);
}

static bool is_settled(const admind_mark_t *mark)
{
    return mark->accepted == mark->durable;
}

static void make_room(admind_marks_t *marks)
{
    admind_mark_t *mark = marks->oldest;

    while (mark != NULL && !is_settled(mark)) {
        mark = mark->newer;
    }
    if (mark != NULL) {
        drop(marks, mark);
    }
}

admind_mark_t *admind_marks_get(admind_marks_t *marks, const unsigned char *instance, int64_t now_us)
{
    admind_mark_t *mark = admind_marks_find(marks, instance);

    if (mark == NULL) {
        size_t bucket = bucket_of(marks, instance);

        if (marks->count >= marks->max) {
            make_room(marks);
        }
        mark = calloc(1, sizeof(*mark));
        if (mark == NULL) {
            return NULL;
        }
        memcpy(mark->instance, instance, MCPA_INSTANCE_BYTES);
        mark->next_in_bucket = marks->buckets[bucket];
        marks->buckets[bucket] = mark;
        marks->count++;
    } else {
        unlink_age(marks, mark);
    }
    append_age(marks, mark);
    mark->seen_us = now_us;
    return mark;
}

void admind_marks_forget(admind_marks_t *marks, int64_t before_us)
{
    for (admind_mark_t *mark = marks->oldest; mark != NULL && mark->seen_us < before_us;) {
        admind_mark_t *newer = mark->newer;

        if (is_settled(mark)) {
            drop(marks, mark);
        }
        mark = newer;
    }
}

size_t admind_marks_count(const admind_marks_t *marks)
{
    return marks->count;
}

admind_mark_t *admind_marks_next(const admind_marks_t *marks, const admind_mark_t *mark)
{
    return mark == NULL ? marks->oldest : mark->newer;
}
