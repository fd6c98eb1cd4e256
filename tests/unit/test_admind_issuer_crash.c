/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon that is killed before any one of the calls that a rotation makes leaves the keys from before or those behind it, whole, and the next start
 * finds nothing else. */
#include "test_admind_issuer.h"

#include <dlfcn.h>
#include <sys/wait.h>

/* ---- calls that end the process when it is their turn */

static int calls_left; /* 0: nobody counts */

static void count(void)
{
    if (calls_left > 0 && --calls_left == 0) {
        _exit(9);
    }
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *bytes, size_t len)
{
    count();
    return REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, bytes, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    count();
    return REAL(ssize_t(*)(int, const void *, size_t, off_t), "pwrite")(fd, bytes, len, at);
}

int fsync(int fd)
{
    count();
    return REAL(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd)
{
    count();
    return REAL(int (*)(int), "fdatasync")(fd);
}

int rename(const char *from, const char *to)
{
    count();
    return REAL(int (*)(const char *, const char *), "rename")(from, to);
}

int unlink(const char *path)
{
    count();
    return REAL(int (*)(const char *), "unlink")(path);
}

/* ---- */

/* Whether the child was killed before it was done. */
static bool rotate_and_die(const admind_keyring_t *ring, int at_call)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        calls_left = at_call;
        _exit(admind_keystore_save(ring, test_dir) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    return WEXITSTATUS(status) == 9;
}

static void a_rotation_is_all_or_nothing(void **state)
{
    admind_keyring_t before, behind, found;
    admind_keytime_t now = at(DAY_US);
    int calls = 1, old = 0, new = 0;
    bool killed = true;

    (void)state;
    begin(&before);
    admind_keyring_copy(&behind, &before);
    assert_true(admind_keyring_turn(&behind, &plan, true, &now));
    put_next(&behind, now);
    for (; killed; calls++) {
        const char *kid;

        assert_true(admind_keystore_save(&before, test_dir));
        killed = rotate_and_die(&behind, calls);
        admind_keystore_sweep(test_dir);
        assert_int_not_equal(access(in_dir(ADMIND_KEYSTORE_FILE ".tmp"), F_OK), 0);
        assert_int_equal(admind_keystore_load(&found, test_dir), MCPA_OK);
        kid = kid_of(&found, ADMIND_STAGE_CURRENT);
        old += strcmp(kid, kid_of(&before, ADMIND_STAGE_CURRENT)) == 0 && found.count == before.count;
        new += strcmp(kid, kid_of(&behind, ADMIND_STAGE_CURRENT)) == 0 && found.count == behind.count;
        assert_int_equal(old + new, calls);
        admind_keyring_clear(&found);
    }
    assert_true(old >= 3 && new >= 3); /* at the least before write, sync, rename, and before the sync of the directory and the wiping */
    admind_keyring_clear(&before);
    admind_keyring_clear(&behind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rotation_is_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
