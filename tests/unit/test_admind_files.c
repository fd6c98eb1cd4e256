/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are replaced as a whole leave no second copy of what they hold: not when it fails, not when the daemon was killed in between. */
#include "admind_support.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>

#include "audit/sealer.h"
#include "files.h"

/* ---- a rename and a sync that fail when told, and show what stood in the temporary file */

static bool fail_rename, fail_sync;
static int seen = -1; /* the temporary file, whatever becomes of its name */

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");

    if (!fail_rename) {
        return real(from, to);
    }
    seen = open(from, O_RDONLY | O_CLOEXEC);
    errno = EIO;
    return -1;
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    char path[64];

    if (!fail_sync) {
        return real(fd);
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    seen = open(path, O_RDONLY | O_CLOEXEC);
    errno = EIO;
    return -1;
}

#define SECRET "secret secret secret"

/* ---- memory that looks at what is given back to it; the linker's --wrap leads here */

void *__real_malloc(size_t len);
void __real_free(void *memory);
void *__wrap_malloc(size_t len);
void *__wrap_realloc(void *memory, size_t len);
void __wrap_free(void *memory);

static bool is_watching;
static unsigned secrets_freed, blocks_freed;

void *__wrap_malloc(size_t len)
{
    void *memory = __real_malloc(len);

    if (is_watching && memory != NULL) {
        memset(memory, 0, len);
    }
    return memory;
}

void __wrap_free(void *memory)
{
    if (is_watching && memory != NULL) {
        blocks_freed++;
        secrets_freed += memmem(memory, malloc_usable_size(memory), SECRET, sizeof(SECRET) - 1) != NULL;
    }
    __real_free(memory);
}

/* Always to another place. */
void *__wrap_realloc(void *memory, size_t len)
{
    void *other = __wrap_malloc(len);
    size_t have = memory != NULL ? malloc_usable_size(memory) : 0;

    if (other != NULL && memory != NULL) {
        memcpy(other, memory, have < len ? have : len);
        __wrap_free(memory);
    }
    return other;
}

/* What the blocks of 'seen' hold. */
static void assert_wiped(void)
{
    char text[64] = "", zeroes[64] = "";

    assert_true(seen >= 0);
    assert_int_equal(pread(seen, text, sizeof(text), 0), sizeof(SECRET) - 1);
    assert_memory_equal(text, zeroes, sizeof(SECRET) - 1);
    close(seen);
    seen = -1;
}

static int setup(void **state)
{
    fail_rename = fail_sync = false;
    return make_dir(state);
}

static void what_cannot_be_finished_leaves_the_old_file_and_no_copy(void **state)
{
    (void)state;
    put_file("key", "old", 3);
    for (int i = 0; i < 2; i++) {
        fail_rename = i == 0;
        fail_sync = i == 1;
        errno = 0;
        assert_int_equal(admind_file_replace(in_dir("key"), MCPA_STR(SECRET), 0600), MCPA_EIO);
        assert_int_equal(errno, EIO);
        assert_string_equal(get_file("key"), "old");
        assert_false(is_there("key.tmp"));
        assert_wiped();
    }
    fail_sync = false;
    assert_int_equal(admind_file_replace(in_dir("key"), MCPA_STR("new"), 0600), MCPA_OK);
    assert_string_equal(get_file("key"), "new");
}

static void nothing_that_was_read_is_left_in_memory_that_was_given_back(void **state)
{
    static char text[20 * 1024];
    mcpa_str_t got;

    (void)state;
    for (size_t at = 0; at + sizeof(SECRET) < sizeof(text); at += sizeof(SECRET)) {
        memcpy(text + at, SECRET, sizeof(SECRET));
    }
    put_file("key", text, sizeof(text));
    secrets_freed = blocks_freed = 0;
    is_watching = true;
    assert_int_equal(admind_file_read(&got, in_dir("key"), 65536), MCPA_OK); /* in a memory that grew */
    is_watching = false;
    assert_true(got.len == sizeof(text) && memcmp(got.ptr, text, sizeof(text)) == 0);
    assert_true(blocks_freed > 0);
    assert_int_equal(secrets_freed, 0);
    free((char *)(uintptr_t)got.ptr);
    blocks_freed = 0;
    is_watching = true;
    assert_int_equal(admind_file_read(&got, in_dir("key"), 10000), MCPA_ETOOBIG);
    is_watching = false;
    assert_true(blocks_freed > 0);
    assert_int_equal(secrets_freed, 0);
}

static void what_a_killed_daemon_left_is_wiped_before_it_is_replaced(void **state)
{
    (void)state;
    put_file("key.tmp", SECRET, sizeof(SECRET) - 1);
    seen = open(in_dir("key.tmp"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(admind_file_replace(in_dir("key"), MCPA_STR("new"), 0600), MCPA_OK);
    assert_string_equal(get_file("key"), "new");
    assert_wiped();
}

static void a_link_is_removed_and_what_it_leads_to_is_not_touched(void **state)
{
    (void)state;
    put_file("other", SECRET, sizeof(SECRET) - 1);
    assert_int_equal(symlink(in_dir("other"), in_dir("a.tmp")), 0);
    assert_int_equal(link(in_dir("other"), in_dir("b.tmp")), 0);
    assert_true(admind_file_erase(in_dir("a.tmp")) && admind_file_erase(in_dir("b.tmp")) && admind_file_erase(in_dir("c.tmp")));
    assert_false(is_there("a.tmp") || is_there("b.tmp"));
    assert_string_equal(get_file("other"), SECRET);
}

static void start_sealing(void)
{
    admind_sealer_t *sealer = admind_sealer_new(test_dir);

    assert_non_null(sealer);
    admind_sealer_start(sealer, NOON_US);
    admind_sealer_free(&sealer);
}

static void a_start_leaves_no_key_of_an_interrupted_one(void **state)
{
    (void)state;
    start_sealing();
    put_file("seal.key.tmp", SECRET, sizeof(SECRET) - 1);
    seen = open(in_dir("seal.key.tmp"), O_RDONLY | O_CLOEXEC);
    start_sealing(); /* its key fits, so nothing is replaced */
    assert_false(is_there("seal.key.tmp"));
    assert_wiped();
}

static void an_origin_key_that_is_not_safe_on_disk_is_wiped(void **state)
{
    char text[ADMIND_SEAL_KEY_BYTES] = "", zeroes[ADMIND_SEAL_KEY_BYTES] = "";

    (void)state;
    fail_sync = true;
    start_sealing();
    assert_false(is_there("seal-origin.key") || is_there("seal.key"));
    assert_true(pread(seen, text, sizeof(text), 0) > 64);
    assert_memory_equal(text, zeroes, sizeof(text));
    close(seen);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_finished_leaves_the_old_file_and_no_copy),
        TEST(nothing_that_was_read_is_left_in_memory_that_was_given_back),
        TEST(what_a_killed_daemon_left_is_wiped_before_it_is_replaced),
        TEST(a_link_is_removed_and_what_it_leads_to_is_not_touched),
        TEST(a_start_leaves_no_key_of_an_interrupted_one),
        TEST(an_origin_key_that_is_not_safe_on_disk_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
