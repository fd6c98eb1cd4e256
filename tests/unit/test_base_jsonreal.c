/* SPDX-License-Identifier: Apache-2.0 */
/* A number is the same number whatever locale the process runs in (httpd's modules may set any), and want of memory is no fault of a text. */
#include <dlfcn.h>
#include <locale.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"

extern char **environ;

static bool without_memory;

/* In the place of the C library's. */
locale_t newlocale(int mask, const char *name, locale_t base)
{
    locale_t (*real)(int, const char *, locale_t);

    if (without_memory) {
        return (locale_t)0;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "newlocale");
    return real(mask, name, base);
}

static mcpa_status_t parse(mcpa_json_t **json)
{
    return mcpa_json_parse(json, MCPA_STR("[1.5,-2.25e1 ,0.1E+1]"), 1, 4);
}

static void must_be_the_numbers(const mcpa_json_t *json)
{
    static const double expected[] = { 1.5, -22.5, 1.0 };
    int64_t integer = 0;
    double real = 0;
    char *text;

    for (size_t i = 0; i < 3; i++) {
        assert_true(mcpa_json_number(mcpa_json_at(json, i), &real));
        assert_true(real >= expected[i] && real <= expected[i]);
    }
    assert_false(mcpa_json_integer(mcpa_json_at(json, 0), &integer));
    assert_true(mcpa_json_integer(mcpa_json_at(json, 2), &integer));
    assert_int_equal(integer, 1);
    text = mcpa_json_print(json);
    assert_string_equal(text, "[1.5,-2.25e1,0.1E+1]");
    free(text);
}

static bool is_run(char *const argv[])
{
    int ended = -1;
    pid_t pid;

    return posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0 && waitpid(pid, &ended, 0) == pid && ended == 0;
}

static void numbers_are_read_alike_where_the_point_is_a_comma(void **state)
{
    char folder[] = "/tmp/mcpa-locale-XXXXXX", path[64];
    char *const make[] = { "localedef", "-i", "de_DE", "-f", "UTF-8", path, NULL }, *const clean[] = { "rm", "-rf", folder, NULL };
    mcpa_json_t *json = NULL;
    bool is_made;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/de_DE.UTF-8", folder);
    is_made = is_run(make) && setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    assert_true(is_run(clean));
    if (!is_made) {
        print_error("NOT TESTED: numbers where the point is a comma; no locale can be made (Debian: package locales)\n");
        skip();
    }
    assert_string_equal(localeconv()->decimal_point, ",");
    assert_int_equal(parse(&json), MCPA_OK);
    must_be_the_numbers(json);
    assert_string_equal(localeconv()->decimal_point, ","); /* the thread has its own back */
    mcpa_json_free(&json);
    assert_non_null(setlocale(LC_ALL, "C"));
}

static void want_of_memory_is_told_as_such_and_only_by_the_parser(void **state)
{
    mcpa_json_t *json = NULL, *none = NULL;

    (void)state;
    assert_int_equal(parse(&json), MCPA_OK);
    without_memory = true;
    assert_int_equal(parse(&none), MCPA_ENOMEM);
    assert_null(none);
    must_be_the_numbers(json);
    without_memory = false;
    mcpa_json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_alike_where_the_point_is_a_comma),
        cmocka_unit_test(want_of_memory_is_told_as_such_and_only_by_the_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
