/* SPDX-License-Identifier: Apache-2.0 */
/* A record that was promised to come always finds room: when the spool has reached its cap, when the disk is full, whatever other threads write,
 * and however large it is. */
#include "mod_support.h"

#include <stdatomic.h>
#include <sys/syscall.h>

#include "spool.h"
#include "test_mod_record.h"

#define SEGMENTS(n) ((apr_uint64_t)(n)*MCPA_SEGMENT_BYTES)
#define FRAME_CAP   (MCPA_FRAME_MAX_BYTES - 12)

/* Takes the place of libc's: allocation fails while the disk is full. */
static atomic_bool disk_full;

static int faulty_fallocate(int fd, off_t at, off_t len)
{
    return atomic_load(&disk_full) ? ENOSPC : syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno;
}

int test_posix_fallocate(int fd, off_t at, off_t len) __asm__("posix_fallocate");
int test_posix_fallocate64(int fd, off_t at, off_t len) __asm__("posix_fallocate64");

int test_posix_fallocate(int fd, off_t at, off_t len)
{
    return faulty_fallocate(fd, at, len);
}

int test_posix_fallocate64(int fd, off_t at, off_t len)
{
    return faulty_fallocate(fd, at, len);
}

static int setup(void **state)
{
    atomic_store(&disk_full, false);
    return support_setup(state);
}

#define PROMISE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, support_teardown)

/* Of about 'bytes', with an event or without. */
static void write_record(mcpa_record_t *record, const char *event, size_t bytes)
{
    static const char text[MCPA_AUDIT_TEXT_MAX_BYTES] = { 't' };
    mcpa_str_t *fields[] = { &record->path, &record->user_agent, &record->sub, &record->jti,   &record->aud,       &record->iss,
                             &record->ip,   &record->scope,      &record->vhost, &record->method, &record->client_id, &record->origin };

    mcpa_record_init(record);
    record->ts = 1;
    if (event != NULL) {
        record->event = mcpa_str(event);
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && bytes > 0; i++) {
        size_t len = bytes < sizeof(text) ? bytes : sizeof(text);

        *fields[i] = (mcpa_str_t){ text, len };
        bytes -= len;
    }
}

static mcpa_status_t commit(mod_mcp_spool_t *spool, size_t bytes)
{
    mcpa_record_t record;

    write_record(&record, NULL, bytes);
    return mod_mcp_spool_commit(spool, &record);
}

static mcpa_status_t promise(mod_mcp_spool_t *spool, size_t bytes)
{
    mcpa_record_t record;

    write_record(&record, "decision", bytes);
    return mod_mcp_spool_promise(spool, &record);
}

static mcpa_status_t fulfil_greatest(mod_mcp_spool_t *spool)
{
    mcpa_record_t record;

    write_greatest(&record);
    return mod_mcp_spool_fulfil(spool, &record);
}

/* Until not even the smallest goes in; how many did. Sizes vary, so that segments end at all kinds of places. */
static unsigned fill(mod_mcp_spool_t *spool)
{
    unsigned n = 0;

    for (size_t bytes = 12000; bytes > 0; bytes /= 2) {
        while (commit(spool, bytes) == MCPA_OK) {
            n++;
            assert_true(n < 1000000);
        }
    }
    return n;
}

typedef struct found {
    unsigned requests, decisions;
    uint64_t gap_lost;
} found_t;

/* As the link would read what follows record 'sent'; seq has no holes. */
static found_t read_all(mod_mcp_spool_t *spool, apr_uint64_t sent)
{
    static unsigned char buffer[FRAME_CAP];
    found_t found = { 0 };
    apr_uint64_t last = sent;
    apr_uint64_t seq = sent;
    apr_uint32_t count;
    apr_size_t len;

    while ((len = mod_mcp_spool_read(spool, last, buffer, sizeof(buffer), &count, &last)) > 0) {
        mcpa_envelope_t envelope;
        mcpa_record_t record;

        for (apr_size_t at = 0; at < len; at += envelope.total_len) {
            assert_int_equal(mcpa_envelope_open(&envelope, buffer + at, len - at, mod_mcp_spool_instance(spool)), MCPA_OK);
            assert_int_equal(envelope.seq, ++seq);
            assert_int_equal(mcpa_record_decode(&record, envelope.payload, envelope.payload_len), MCPA_OK);
            found.requests += record.event.ptr == NULL;
            found.decisions += mcpa_str_eqz(record.event, "decision");
            found.gap_lost += mcpa_str_eqz(record.event, "gap") ? (uint64_t)record.lost : 0;
        }
    }
    return found;
}

static unsigned count_files(void)
{
    const struct dirent *entry;
    DIR *handle = opendir(test_dir);
    unsigned n = 0;

    assert_non_null(handle);
    while ((entry = readdir(handle)) != NULL) {
        n += entry->d_name[0] != '.';
    }
    closedir(handle);
    return n;
}

/* n promises, then the spool is filled by others as far as it goes, then all n records come. */
static void keep_promises(unsigned n, apr_uint64_t segments, bool disk_fills_up)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(segments));
    apr_uint64_t lost;
    unsigned others;
    found_t found;

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(promise(spool, (i * 97) % 5000), MCPA_OK);
    }
    atomic_store(&disk_full, disk_fills_up);
    others = fill(spool);
    lost = mod_mcp_spool_lost(spool);
    assert_true(lost > 0);
    assert_int_equal(promise(spool, 0), MCPA_EFULL);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), lost);
    found = read_all(spool, 0);
    assert_int_equal(found.decisions, n);
    assert_int_equal(found.requests, others + n);
    assert_true(count_files() <= segments);
    apr_pool_clear(test_pool);
    remove_tree(test_dir);
    assert_int_equal(mkdir(test_dir, 0700), 0);
    atomic_store(&disk_full, false);
}

static void promised_records_of_the_greatest_size_find_room_in_a_spool_at_its_cap(void **state)
{
    static const unsigned numbers[] = { 1, 41, 42, 43, 84, 85, 200 };

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        keep_promises(numbers[i], 8, false);
    }
}

static void promised_records_find_room_on_a_full_disk(void **state)
{
    static const unsigned numbers[] = { 1, 42, 43, 130 };

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        keep_promises(numbers[i], 64, true);
    }
}

static void a_promise_that_cannot_be_kept_is_not_made_and_loses_nothing(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));
    unsigned n = 0;

    (void)state;
    while (promise(spool, 500) == MCPA_OK) {
        n++;
        assert_true(n < 1000);
    }
    /* As many as there is room for at the greatest size, and not many fewer. */
    assert_in_range(n, 3 * 40, 3 * 42);
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
    assert_int_equal(mod_mcp_spool_newest(spool), n);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
    }
    assert_int_equal(read_all(spool, 0).requests, n);
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
}

static void a_released_promise_gives_its_room_back(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(2));
    unsigned n = 0;

    (void)state;
    while (promise(spool, 0) == MCPA_OK) {
        n++;
    }
    (void)fill(spool);
    for (unsigned i = 0; i < n; i++) {
        mod_mcp_spool_release(spool);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(commit(spool, 12000), MCPA_OK);
    }
    /* For ever: no count is left over. */
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(promise(spool, 0), MCPA_OK);
        mod_mcp_spool_release(spool);
        mod_mcp_spool_acked(spool, mod_mcp_spool_newest(spool));
        mod_mcp_spool_tend(spool);
    }
}

static void a_kept_promise_leaves_its_room_to_the_next(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(4));

    (void)state;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(promise(spool, 300), MCPA_OK);
        assert_int_equal(commit(spool, 300), MCPA_OK);
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
        mod_mcp_spool_acked(spool, mod_mcp_spool_newest(spool));
        mod_mcp_spool_tend(spool);
        assert_true(count_files() <= 4);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), 0);
}

static void losses_are_told_without_touching_what_is_promised(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(2));
    apr_uint64_t lost, told, sent;
    unsigned n = 0;

    (void)state;
    while (promise(spool, 0) == MCPA_OK) {
        n++;
    }
    (void)fill(spool);
    lost = mod_mcp_spool_lost(spool);
    assert_true(lost > 0);
    for (unsigned i = 0; i < n; i++) {
        mod_mcp_spool_tend(spool);
        assert_int_equal(fulfil_greatest(spool), MCPA_OK);
    }
    assert_int_equal(mod_mcp_spool_lost(spool), lost);
    sent = mod_mcp_spool_newest(spool);
    told = read_all(spool, 0).gap_lost; /* where a record was smaller than its slot */
    mod_mcp_spool_acked(spool, sent);
    usleep(1100000); /* the directory is asked once a second */
    mod_mcp_spool_tend(spool);
    assert_int_equal(told + read_all(spool, sent).gap_lost, lost);
}

static void the_next_segments_are_made_ahead_for_what_is_promised(void **state)
{
    mod_mcp_spool_t *spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(64));
    unsigned files;

    (void)state;
    for (int i = 0; i < 30; i++) {
        assert_int_equal(promise(spool, 0), MCPA_OK);
    }
    files = count_files();
    mod_mcp_spool_tend(spool);
    assert_int_equal(count_files(), files + 1);
    /* No more than needed. */
    mod_mcp_spool_tend(spool);
    mod_mcp_spool_tend(spool);
    assert_int_equal(count_files(), files + 1);
    atomic_store(&disk_full, true);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(promise(spool, 0), MCPA_OK);
    }
}

/* ---- threads at the cap ---- */

#define THREADS 6
#define EACH    3000

static mod_mcp_spool_t *shared_spool;
static atomic_uint kept, refused, broken, working;

static void *promise_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < EACH; i++) {
        if (promise(shared_spool, (size_t)(i * 31) % 3000) != MCPA_OK) {
            atomic_fetch_add(&refused, 1);
        } else if (i % 7 == 0) {
            mod_mcp_spool_release(shared_spool);
        } else {
            atomic_fetch_add(fulfil_greatest(shared_spool) == MCPA_OK ? &kept : &broken, 1);
        }
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static void *commit_many(void *unused)
{
    (void)unused;
    while (atomic_load(&working) > 0) {
        (void)!commit(shared_spool, 8000);
    }
    return NULL;
}

static void promises_of_many_threads_are_kept_while_others_fill_the_spool(void **state)
{
    pthread_t threads[THREADS], other;
    apr_uint64_t acked = 0;

    (void)state;
    atomic_store(&kept, 0);
    atomic_store(&refused, 0);
    atomic_store(&broken, 0);
    atomic_store(&working, THREADS);
    shared_spool = mod_mcp_spool_new(test_pool, test_dir, SEGMENTS(3));
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, promise_many, NULL), 0);
    }
    assert_int_equal(pthread_create(&other, NULL, commit_many, NULL), 0);
    /* A daemon that is slow: there is room now and then. */
    while (atomic_load(&working) > 0) {
        mod_mcp_spool_tend(shared_spool);
        if (mod_mcp_spool_newest(shared_spool) - acked > 300) {
            acked = mod_mcp_spool_newest(shared_spool);
            mod_mcp_spool_acked(shared_spool, acked);
        }
        usleep(2000);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(other, NULL);
    print_message("%u kept, %u refused\n", atomic_load(&kept), atomic_load(&refused));
    assert_int_equal(atomic_load(&broken), 0);
    assert_true(atomic_load(&kept) > 0);
    assert_true(atomic_load(&refused) > 0);
    assert_true(count_files() <= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE_TEST(promised_records_of_the_greatest_size_find_room_in_a_spool_at_its_cap),
        PROMISE_TEST(promised_records_find_room_on_a_full_disk),
        PROMISE_TEST(a_promise_that_cannot_be_kept_is_not_made_and_loses_nothing),
        PROMISE_TEST(a_released_promise_gives_its_room_back),
        PROMISE_TEST(a_kept_promise_leaves_its_room_to_the_next),
        PROMISE_TEST(losses_are_told_without_touching_what_is_promised),
        PROMISE_TEST(the_next_segments_are_made_ahead_for_what_is_promised),
        PROMISE_TEST(promises_of_many_threads_are_kept_while_others_fill_the_spool),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
