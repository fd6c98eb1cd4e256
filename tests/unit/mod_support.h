/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the module's own parts need in httpd's place: a log that is remembered, a module symbol, an MPM of 16
 * threads; and a directory of their own. Included once, by the test program's one source file. */
#ifndef TEST_MOD_SUPPORT_H
#define TEST_MOD_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_general.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "httpd.h"

module AP_MODULE_DECLARE_DATA mcp_auth_module;

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static char log_text[65536];

void ap_log_error_(const char *file, int line, int module_index, int level, apr_status_t status, const server_rec *s,
                   const char *fmt, ...)
{
    va_list args;
    size_t len;

    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)s;
    pthread_mutex_lock(&log_mutex);
    len = strlen(log_text);
    va_start(args, fmt);
    (void)apr_vsnprintf(log_text + len, sizeof(log_text) - len, fmt, args);
    va_end(args);
    len = strlen(log_text);
    (void)snprintf(log_text + len, sizeof(log_text) - len, "\n");
    pthread_mutex_unlock(&log_mutex);
}

static int mpm_start = 1;

apr_status_t ap_mpm_query(int query_code, int *result)
{
    *result = query_code == AP_MPMQ_GENERATION ? mpm_start : 16;
    return APR_SUCCESS;
}

/* How often a word stands in the log. */
static inline unsigned log_count(const char *word)
{
    unsigned count = 0;

    pthread_mutex_lock(&log_mutex);
    for (const char *at = log_text; (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    pthread_mutex_unlock(&log_mutex);
    return count;
}

static char test_dir[256];
static apr_pool_t *test_pool;

static inline const char *in_test_dir(const char *name)
{
    return apr_pstrcat(test_pool, test_dir, "/", name, NULL);
}

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int support_setup(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    log_text[0] = '\0';
    mpm_start = 1;
    (void)snprintf(test_dir, sizeof(test_dir), "%s/mcpa-unit-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(test_dir) == NULL || apr_pool_create(&test_pool, NULL) != APR_SUCCESS;
}

static inline int support_teardown(void **state)
{
    (void)state;
    if (test_pool != NULL) {
        apr_pool_destroy(test_pool);
        test_pool = NULL;
    }
    remove_tree(test_dir);
    return 0;
}

#define MOD_TEST(function) cmocka_unit_test_setup_teardown(function, support_setup, support_teardown)

#endif
