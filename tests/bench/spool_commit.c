/* SPDX-License-Identifier: Apache-2.0 */
/* What a commit of an audit record costs with durability=process and with durability=sync: microseconds a commit, and commits a second, in rounds that
 * alternate, for one thread (a prefork child) and for many. A second thread of the program does what the link does: it makes segments ahead and
 * forgets what was committed, so that the spool never fills. See README.md. */
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_general.h"
#include "clock.h"
#include "spool.h"

#define ROUNDS       5
#define MAX_THREADS  64
#define ROUND_US     1000000
#define MAX_COMMITS  2000000
#define SPOOL_BYTES  ((apr_uint64_t)256 * MCPA_SEGMENT_BYTES)
#define MAX_BEHIND   100000
#define RECORD_BYTES 400 /* of text: an ordinary request's record */

typedef struct work {
    mod_mcp_spool_t *spool;
    apr_int64_t until_us;
    unsigned *times_us; /* one a commit */
    _Atomic unsigned count;
    _Atomic unsigned failed;
    _Atomic unsigned forgotten; /* records whose segments are gone */
    atomic_bool is_done;
} work_t;

static void *commit_many(void *data)
{
    static const char text[RECORD_BYTES] = { 't' };
    work_t *work = data;
    apr_int64_t before_us = mod_mcp_mono_us(), after_us;
    mcpa_record_t record;

    mcpa_record_init(&record);
    record.ts = 1;
    record.path = (mcpa_str_t){ text, sizeof(text) };
    while (before_us < work->until_us) {
        unsigned at;

        if (mod_mcp_spool_commit(work->spool, &record) != MCPA_OK) {
            atomic_fetch_add(&work->failed, 1);
        }
        after_us = mod_mcp_mono_us();
        at = atomic_fetch_add(&work->count, 1);
        if (at < MAX_COMMITS) {
            work->times_us[at] = (unsigned)(after_us - before_us);
        }
        before_us = after_us;
        /* Not faster than the other thread can forget it. */
        while (at - atomic_load(&work->forgotten) > MAX_BEHIND && atomic_load(&work->forgotten) < at) {
            usleep(100);
            before_us = mod_mcp_mono_us();
        }
    }
    return NULL;
}

static void *tend(void *data)
{
    work_t *work = data;

    while (!atomic_load(&work->is_done)) {
        apr_uint64_t newest = mod_mcp_spool_newest(work->spool);

        mod_mcp_spool_acked(work->spool, newest);
        atomic_store(&work->forgotten, (unsigned)newest);
        mod_mcp_spool_tend(work->spool);
        usleep(1000);
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

typedef struct result {
    unsigned p50_us, p99_us, per_second;
} result_t;

/* One round; false when a commit failed or the system gave no spool. */
static int run_round(result_t *result, const char *dir, int is_sync, int n_threads, unsigned *times_us)
{
    pthread_t threads[MAX_THREADS], tender;
    work_t work = { .times_us = times_us };
    apr_pool_t *pool;
    unsigned n;

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS || (work.spool = mod_mcp_spool_new(pool, dir, SPOOL_BYTES)) == NULL ||
        (is_sync && !mod_mcp_spool_sync_start(work.spool))) {
        return 0;
    }
    work.until_us = mod_mcp_mono_us() + ROUND_US;
    (void)pthread_create(&tender, NULL, tend, &work);
    for (int i = 0; i < n_threads; i++) {
        (void)pthread_create(&threads[i], NULL, commit_many, &work);
    }
    for (int i = 0; i < n_threads; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    atomic_store(&work.is_done, true);
    (void)pthread_join(tender, NULL);
    n = atomic_load(&work.count) < MAX_COMMITS ? atomic_load(&work.count) : MAX_COMMITS;
    qsort(times_us, n, sizeof(*times_us), by_size);
    *result = (result_t){ times_us[n / 2], times_us[n - 1 - n / 100], atomic_load(&work.count) };
    (void)mod_mcp_spool_sync_end(work.spool, 10000);
    apr_pool_destroy(pool);
    return atomic_load(&work.failed) == 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static unsigned median(unsigned *values)
{
    qsort(values, ROUNDS, sizeof(*values), by_size);
    return values[ROUNDS / 2];
}

static int compare(const char *dir, int n_threads, unsigned *times_us)
{
    unsigned p50[2][ROUNDS], p99[2][ROUNDS], rate[2][ROUNDS];
    unsigned rates[2];

    for (int round = 0; round < ROUNDS; round++) {
        for (int is_sync = 0; is_sync < 2; is_sync++) {
            result_t result;

            if (!run_round(&result, dir, is_sync, n_threads, times_us)) {
                return 0;
            }
            p50[is_sync][round] = result.p50_us;
            p99[is_sync][round] = result.p99_us;
            rate[is_sync][round] = result.per_second;
        }
    }
    for (int is_sync = 0; is_sync < 2; is_sync++) {
        rates[is_sync] = median(rate[is_sync]);
        printf("%7d  %-10s  %10u  %10u  %12u\n", n_threads, is_sync ? "sync" : "process", median(p50[is_sync]), median(p99[is_sync]),
               rates[is_sync]);
    }
    printf("%7d  process makes %.1f times as many commits a second as sync\n", n_threads, (double)rates[0] / (rates[1] > 0 ? rates[1] : 1));
    return 1;
}

int main(int argc, char **argv)
{
    static const int threads[] = { 1, 8, 32 };
    static unsigned times_us[MAX_COMMITS];
    char dir[4096];
    int ok = 1;

    (void)snprintf(dir, sizeof(dir), "%s/spool-bench-XXXXXX", argc > 1 ? argv[1] : "/var/tmp");
    if (mkdtemp(dir) == NULL || apr_initialize() != APR_SUCCESS) {
        perror(dir);
        return 1;
    }
    printf("%7s  %-10s  %10s  %10s  %12s\n", "threads", "durability", "p50 us", "p99 us", "commits a second");
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]) && ok; i++) {
        ok = compare(dir, threads[i], times_us);
    }
    apr_terminate();
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (!ok) {
        fprintf(stderr, "a commit failed\n");
    }
    return ok ? 0 : 1;
}
