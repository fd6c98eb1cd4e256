/* SPDX-License-Identifier: Apache-2.0 */
/* A spool that a restart of the machine empties is told from one on a disk: by real mounts, and by lines of mountinfo, hostile ones among them. */
#include "mod_support.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "medium.h"

#define NOT_TESTED 77
#define OVERLAY    "36 30 0:40 / /merged rw,relatime shared:1 master:2 - overlay over "

/* What stands for device 0:40; NULL: nothing. */
static const char *upper_of(const char *mountinfo, size_t cap)
{
    static char upper[4096];
    FILE *file = fmemopen((void *)(uintptr_t)mountinfo, strlen(mountinfo), "r");
    bool is_told;

    assert_non_null(file);
    is_told = mod_mcp_medium_find_upper(upper, cap, file, 0, 40);
    (void)fclose(file);
    return is_told ? upper : NULL;
}

static void the_upper_layer_is_found_by_the_overlays_device(void **state)
{
    (void)state;
    assert_string_equal(upper_of("22 27 0:21 / /proc rw - proc proc rw\n"
                                 "35 30 0:39 / /other rw - overlay over rw,lowerdir=/l,upperdir=/wrong,workdir=/w\n" OVERLAY
                                 "rw,lowerdir=/a:/b,upperdir=/right,workdir=/w,uuid=on\n",
                                 4096),
                        "/right");
    assert_string_equal(upper_of(OVERLAY "upperdir=/last", 4096), "/last");
}

static void a_name_is_read_as_the_kernel_and_overlayfs_write_it(void **state)
{
    (void)state;
    assert_string_equal(upper_of(OVERLAY "rw,upperdir=/a\\040b\\011c,workdir=/w\n", 4096), "/a b\tc");
    assert_string_equal(upper_of(OVERLAY "rw,upperdir=/a\\134\\054b,workdir=/w\n", 4096), "/a,b");
    assert_string_equal(upper_of(OVERLAY "rw,upperdir=/a\\134\\134b,workdir=/w\n", 4096), "/a\\b");
    assert_string_equal(upper_of(OVERLAY "rw,upperdir=/a\\134:b,workdir=/w\n", 4096), "/a:b");
}

static void what_names_no_upper_layer_finds_none(void **state)
{
    static const char *const lines[] = {
        OVERLAY "ro,lowerdir=/a:/b\n",
        OVERLAY "ro,lowerdir=/a,xupperdir=/b\n",
        OVERLAY "rw,upperdir=,workdir=/w\n",
        OVERLAY "rw,upperdir=/a\\134",
        OVERLAY "rw,upperdir=/a\\000b\n",
        OVERLAY "rw,lowerdir=/a\\054upperdir=/b\n",
        "36 30 0:40 / /merged rw - overlay upperdir=/source\n",
        "36 30 0:40 / /merged rw - overlay2 x rw,upperdir=/a\n",
        "36 30 0:40 / /merged rw overlay x rw,upperdir=/a\n",
        "36 30 0:400 / /merged rw - overlay x rw,upperdir=/a\n",
        "36 30 8:40 / /merged rw - overlay x rw,upperdir=/a\n",
        "x y z - overlay x rw,upperdir=/a\n",
        "\n\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_null(upper_of(lines[i], 4096));
    }
    assert_null(upper_of(OVERLAY "rw,upperdir=/12345,workdir=/w\n", 6));
    assert_string_equal(upper_of(OVERLAY "rw,upperdir=/12345,workdir=/w\n", 7), "/12345");
}

/* A line that is too long is passed over whole: what looks like a line in the middle of it is none. */
static void a_line_of_any_length_hides_neither_itself_nor_others(void **state)
{
    size_t len = 100000;
    char *text = apr_palloc(test_pool, len + 1000);

    (void)state;
    for (size_t at = 0; at < len; at += strlen(OVERLAY "upperdir=/wrong,")) {
        memcpy(text + at, OVERLAY "upperdir=/wrong,", strlen(OVERLAY "upperdir=/wrong,") + 1);
    }
    text[len] = '\0';
    assert_null(upper_of(text, 4096));
    strncpy(text + len, "\n" OVERLAY "upperdir=/right\n", 999);
    text[len + 999] = '\0';
    assert_string_equal(upper_of(text, 4096), "/right");
}

static void a_directory_that_cannot_be_looked_at_is_told_so(void **state)
{
    (void)state;
    assert_int_equal(mod_mcp_medium_of(in_test_dir("missing")), MOD_MCP_MEDIUM_HIDDEN);
    assert_int_equal(errno, ENOENT);
    close(open(in_test_dir("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(mod_mcp_medium_of(in_test_dir("file")), MOD_MCP_MEDIUM_HIDDEN);
    assert_int_equal(errno, ENOTDIR);
}

/* ---- real mounts ---- */

static bool mount_at(const char *name, const char *type, const char *options)
{
    return mkdir(in_test_dir(name), 0700) == 0 && mount(type, in_test_dir(name), type, 0, options) == 0;
}

/* Of a memory file system and its overlays, in a mount namespace of its own: an exit status. */
static int look_at_mounts(const char *type)
{
    const char *lower = in_test_dir("lower");
    const char *options;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0 || !mount_at("base", type, NULL)) {
        return NOT_TESTED;
    }
    if (mod_mcp_medium_of(in_test_dir("base")) != MOD_MCP_MEDIUM_MEMORY) {
        return 1;
    }
    options = apr_pstrcat(test_pool, "lowerdir=", lower, ",upperdir=", in_test_dir("base/up\\, per"), ",workdir=", in_test_dir("base/work"), NULL);
    if (mkdir(lower, 0700) != 0 || mkdir(in_test_dir("base/up, per"), 0700) != 0 || mkdir(in_test_dir("base/work"), 0700) != 0 ||
        !mount_at("over", "overlay", options)) {
        return NOT_TESTED;
    }
    if (mkdir(in_test_dir("over/spool"), 0700) != 0 || mod_mcp_medium_of(in_test_dir("over/spool")) != MOD_MCP_MEDIUM_MEMORY) {
        return 2;
    }
    /* As from inside a container: the path of the upper layer leads nowhere. */
    if (umount2(in_test_dir("base"), MNT_DETACH) != 0 || mod_mcp_medium_of(in_test_dir("over/spool")) != MOD_MCP_MEDIUM_OVERLAY) {
        return 3;
    }
    return 0;
}

static void what_lies_in_memory_is_found_below_an_overlay_too(void **state)
{
    int status = 0;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        _exit(look_at_mounts("tmpfs"));
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_TESTED) {
        /* The tables of mounts above are tested everywhere; what a kernel says of real ones, only where it lets us make some. CI does. */
        print_message("NOT TESTED: real mounts need root, a mount namespace and overlayfs\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOD_TEST(the_upper_layer_is_found_by_the_overlays_device),
        MOD_TEST(a_name_is_read_as_the_kernel_and_overlayfs_write_it),
        MOD_TEST(what_names_no_upper_layer_finds_none),
        MOD_TEST(a_line_of_any_length_hides_neither_itself_nor_others),
        MOD_TEST(a_directory_that_cannot_be_looked_at_is_told_so),
        MOD_TEST(what_lies_in_memory_is_found_below_an_overlay_too),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
