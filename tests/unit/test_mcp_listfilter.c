/* SPDX-License-Identifier: Apache-2.0 */
/* Lists show what may be called, byte for byte as the server wrote it; what is not plain is withheld. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mcp/listfilter.h"

typedef struct sink {
    char text[4096];
    size_t len;
    mcpa_str_t operation; /* of the element that was asked for last */
} sink_t;

static sink_t sink;

/* What begins with "ok", or is the smiling face. */
static bool allowed(void *ctx, mcpa_str_t operation, mcpa_str_t name)
{
    assert_ptr_equal(ctx, &sink);
    sink.operation = operation;
    return mcpa_str_starts(name, MCPA_STR("ok")) || mcpa_str_eqz(name, "\xf0\x9f\x98\x80");
}

static void keep(void *ctx, mcpa_str_t bytes)
{
    sink_t *to = ctx;

    assert_true(to->len + bytes.len < sizeof(to->text));
    memcpy(to->text + to->len, bytes.ptr, bytes.len);
    to->len += bytes.len;
    to->text[to->len] = '\0';
}

static mcpa_status_t filter(const char *document, bool add)
{
    mcpa_list_filter_t list = { .allowed = allowed, .keep = keep, .ctx = &sink, .add_cache_scope = add };

    sink.len = 0;
    sink.operation = MCPA_STR_NONE;
    sink.text[0] = '\0';
    return mcpa_list_filter(&list, mcpa_str(document));
}

static void elements_are_cut_out_of_the_text(void **state)
{
    static const struct {
        const char *operation, *before, *after; /* NULL: nothing is asked */
    } rows[] = {
        { "tools/call", "{\"result\":{\"tools\":[{\"name\":\"ok1\"},{\"name\":\"no\"},{\"name\":\"ok2\"}]}}",
          "{\"result\":{\"tools\":[{\"name\":\"ok1\"},{\"name\":\"ok2\"}]}}" },
        { "tools/call",
          " { \"id\" : 1 , \"result\" : { \"tools\" : [ {\"name\":\"no\"} ,\n{\"x\":[1],\"name\" : \"ok\" , \"y\":{}} "
          ",{\"name\":\"no\"} ] , \"z\" : 1 } } \n",
          " { \"id\" : 1 , \"result\" : { \"tools\" : [{\"x\":[1],\"name\" : \"ok\" , \"y\":{}} ] , \"z\" : 1 } } \n" },
        { "tools/call", "{\"result\":{\"tools\":[{\"name\":\"no\"},{\"name\":\"no\"}]}}", "{\"result\":{\"tools\":[]}}" },
        { NULL, "{\"result\":{\"tools\":[ ]}}", "{\"result\":{\"tools\":[ ]}}" },
        { "prompts/get",
          "{\"result\":{\"prompts\":[{\"name\":\"\\ud83d\\ude00\"},{\"name\":\"\\u006eo\"}],\"x\":[{\"name\":\"no\"}]}}",
          "{\"result\":{\"prompts\":[{\"name\":\"\\ud83d\\ude00\"}],\"x\":[{\"name\":\"no\"}]}}" },
        { "resources/read",
          "{\"result\":{\"resources\":[{\"name\":\"ok\",\"uri\":\"file:x\"},{\"name\":\"no\",\"uri\":\"ok:x\"}]}}",
          "{\"result\":{\"resources\":[{\"name\":\"no\",\"uri\":\"ok:x\"}]}}" },
        { "resources/read", "{\"result\":{\"resourceTemplates\":[{\"uriTemplate\":\"no\"}]}}",
          "{\"result\":{\"resourceTemplates\":[]}}" },
        { NULL, "{\"result\":{\"cacheScope\": \"public\" ,\"tools\":[],\"ttlMs\":5}}",
          "{\"result\":{\"cacheScope\": \"private\" ,\"tools\":[],\"ttlMs\":5}}" },
        { NULL, "{\"result\":{\"tools\":[],\"cacheScope\":{}}}", "{\"result\":{\"tools\":[],\"cacheScope\":\"private\"}}" },
        { "tools/call", "{\"result\":{\"resources\":[{\"uri\":\"no\"}],\"tools\":[{\"name\":\"no\"},{\"name\":\"ok\"}]}}",
          "{\"result\":{\"resources\":[],\"tools\":[{\"name\":\"ok\"}]}}" },
        /* What is no list passes whole. */
        { NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"message\":\"x\"}}",
          "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"message\":\"x\"}}" },
        { NULL, "{\"method\":\"notifications/message\",\"params\":{\"tools\":[{\"name\":\"no\"}]}}",
          "{\"method\":\"notifications/message\",\"params\":{\"tools\":[{\"name\":\"no\"}]}}" },
        { NULL, "{\"result\":{}}", "{\"result\":{}}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(filter(rows[i].before, false), MCPA_OK);
        assert_string_equal(sink.text, rows[i].after);
        assert_true(mcpa_str_eqz(sink.operation, rows[i].operation));
    }
}

static void these_methods_are_answered_with_lists(void **state)
{
    static const char *const others[] = { "", "tools/call", "tools/list/", "Tools/list", "tasks/list", "resources/read", "GET" };

    (void)state;
    assert_true(mcpa_list_filter_wants(MCPA_STR("tools/list")));
    assert_true(mcpa_list_filter_wants(MCPA_STR("prompts/list")));
    assert_true(mcpa_list_filter_wants(MCPA_STR("resources/list")));
    assert_true(mcpa_list_filter_wants(MCPA_STR("resources/templates/list")));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(mcpa_list_filter_wants(mcpa_str(others[i])));
    }
}

/* An element that does not say plainly what it is called is none that may be shown. */
static void unplain_elements_are_cut_out(void **state)
{
    static const char *const elements[] = { "1",
                                            "\"ok\"",
                                            "null",
                                            "[{\"name\":\"ok\"}]",
                                            "{}",
                                            "{\"Name\":\"ok\"}",
                                            "{\"name\":1}",
                                            "{\"name\":null}",
                                            "{\"name\":[\"ok\"]}",
                                            "{\"name\":\"ok\",\"name\":\"no\"}",
                                            "{\"name\":\"no\",\"name\":\"ok\"}",
                                            "{\"name\":\"ok\",\"n\\u0061me\":\"no\"}",
                                            "{\"x\":{\"name\":\"ok\"}}",
                                            "{\"name\":\"Ok\"}",
                                            "{\"name\":\"\"}" };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        snprintf(text, sizeof(text), "{\"result\":{\"tools\":[%s,{\"name\":\"ok\"},%s]}}", elements[i], elements[i]);
        assert_int_equal(filter(text, false), MCPA_OK);
        assert_string_equal(sink.text, "{\"result\":{\"tools\":[{\"name\":\"ok\"}]}}");
    }
}

static void what_cannot_be_understood_is_withheld(void **state)
{
    static const char *const documents[] = {
        "",
        "{",
        "[]",
        "[{\"result\":{\"tools\":[{\"name\":\"ok\"}]}}]",
        "\xef\xbb\xbf{\"result\":{\"tools\":[]}}",
        "{\"result\":{\"tools\":[]}} {\"result\":{\"tools\":[{\"name\":\"no\"}]}}",
        "{\"result\":{\"tools\":[]},\"result\":{\"tools\":[{\"name\":\"no\"}]}}",
        "{\"result\":{\"tools\":[],\"tools\":[{\"name\":\"no\"}]}}",
        "{\"result\":{\"tools\":[],\"too\\u006cs\":[{\"name\":\"no\"}]}}",
        "{\"result\":{\"tools\":[]},\"r\\u0065sult\":{\"tools\":[{\"name\":\"no\"}]}}",
        "{\"result\":{\"tools\":{\"name\":\"no\"}}}",
        "{\"result\":{\"tools\":null}}",
        "{\"result\":[{\"tools\":[{\"name\":\"no\"}]}]}",
        "{\"result\":null}",
        "{\"result\":{\"tools\":[{\"name\":\"ok\"},]}}",
        "{\"result\":{\"tools\":[{\"name\":\"ok\"} {\"name\":\"no\"}]}}",
        "{\"result\":{\"tools\":[{\"name\":\"\xff\"}]}}",
        "{\"result\":{\"tools\":[]},\"method\":\"x\"}",
        "{\"result\":{\"tools\":[],\"cacheScope\":\"a\",\"cacheScope\":\"public\"}}",
        "event: x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        if (filter(documents[i], true) == MCPA_OK) {
            print_error("let through: %s\n", documents[i]);
            fail();
        }
    }
}

static void a_cache_scope_is_added_where_it_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(filter("{\"result\":{\"tools\":[{\"name\":\"no\"}] }}", true), MCPA_OK);
    assert_string_equal(sink.text, "{\"result\":{\"tools\":[] ,\"cacheScope\":\"private\"}}");
    assert_int_equal(filter("{\"result\":{ }}", true), MCPA_OK);
    assert_string_equal(sink.text, "{\"result\":{ \"cacheScope\":\"private\"}}");
    assert_int_equal(filter("{\"result\":{\"cacheScope\":\"private\"}}", true), MCPA_OK);
    assert_string_equal(sink.text, "{\"result\":{\"cacheScope\":\"private\"}}");
    assert_int_equal(filter("{\"error\":{}}", true), MCPA_OK);
    assert_string_equal(sink.text, "{\"error\":{}}");
}

/* Every list of five, each element allowed or not, keeps exactly those allowed. */
static void every_choice_of_elements_gives_a_good_list(void **state)
{
    char before[512], after[512];

    (void)state;
    for (unsigned choice = 0; choice < 32; choice++) {
        size_t b = (size_t)snprintf(before, sizeof(before), "{\"result\":{\"tools\":["), a = b;
        bool any = false;

        memcpy(after, before, b + 1);
        for (unsigned i = 0; i < 5; i++) {
            bool shown = (choice >> i & 1) != 0;

            b += (size_t)snprintf(before + b, sizeof(before) - b, "%s{\"name\":\"%s%u\"}", i > 0 ? "," : "", shown ? "ok" : "no",
                                  i);
            if (shown) {
                a += (size_t)snprintf(after + a, sizeof(after) - a, "%s{\"name\":\"ok%u\"}", any ? "," : "", i);
                any = true;
            }
        }
        snprintf(before + b, sizeof(before) - b, "]}}");
        snprintf(after + a, sizeof(after) - a, "]}}");
        assert_int_equal(filter(before, false), MCPA_OK);
        assert_string_equal(sink.text, after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_cut_out_of_the_text),           cmocka_unit_test(unplain_elements_are_cut_out),
        cmocka_unit_test(what_cannot_be_understood_is_withheld),      cmocka_unit_test(a_cache_scope_is_added_where_it_is_wanted),
        cmocka_unit_test(every_choice_of_elements_gives_a_good_list), cmocka_unit_test(these_methods_are_answered_with_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
