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
} sink_t;

static sink_t sink;

/* What begins with "ok", or is the smiling face. */
static bool allowed(void *ctx, mcpa_str_t name)
{
    assert_ptr_equal(ctx, &sink);
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

static mcpa_status_t filter(const char *method, const char *document, bool add)
{
    mcpa_list_filter_t list = { .allowed = allowed, .keep = keep, .ctx = &sink, .add_cache_scope = add };

    sink.len = 0;
    sink.text[0] = '\0';
    return mcpa_list_filter(&list, mcpa_str(method), mcpa_str(document));
}

static void elements_are_cut_out_of_the_text(void **state)
{
    static const struct {
        const char *method, *before, *after;
    } rows[] = {
        { "tools/list", "{\"result\":{\"tools\":[{\"name\":\"ok1\"},{\"name\":\"no\"},{\"name\":\"ok2\"}]}}",
          "{\"result\":{\"tools\":[{\"name\":\"ok1\"},{\"name\":\"ok2\"}]}}" },
        { "tools/list",
          " { \"id\" : 1 , \"result\" : { \"tools\" : [ {\"name\":\"no\"} ,\n{\"x\":[1],\"name\" : \"ok\" , \"y\":{}} "
          ",{\"name\":\"no\"} ] , \"z\" : 1 } } \n",
          " { \"id\" : 1 , \"result\" : { \"tools\" : [{\"x\":[1],\"name\" : \"ok\" , \"y\":{}} ] , \"z\" : 1 } } \n" },
        { "tools/list", "{\"result\":{\"tools\":[{\"name\":\"no\"},{\"name\":\"no\"}]}}", "{\"result\":{\"tools\":[]}}" },
        { "tools/list", "{\"result\":{\"tools\":[ ]}}", "{\"result\":{\"tools\":[ ]}}" },
        { "prompts/list",
          "{\"result\":{\"prompts\":[{\"name\":\"\\ud83d\\ude00\"},{\"name\":\"\\u006eo\"}],\"tools\":[{\"name\":\"no\"}]}}",
          "{\"result\":{\"prompts\":[{\"name\":\"\\ud83d\\ude00\"}],\"tools\":[{\"name\":\"no\"}]}}" },
        { "resources/list",
          "{\"result\":{\"resources\":[{\"name\":\"ok\",\"uri\":\"file:x\"},{\"name\":\"no\",\"uri\":\"ok:x\"}]}}",
          "{\"result\":{\"resources\":[{\"name\":\"no\",\"uri\":\"ok:x\"}]}}" },
        { "resources/templates/list", "{\"result\":{\"resourceTemplates\":[{\"uriTemplate\":\"no\"}]}}",
          "{\"result\":{\"resourceTemplates\":[]}}" },
        { "tools/list", "{\"result\":{\"cacheScope\": \"public\" ,\"tools\":[],\"ttlMs\":5}}",
          "{\"result\":{\"cacheScope\": \"private\" ,\"tools\":[],\"ttlMs\":5}}" },
        { "tools/list", "{\"result\":{\"tools\":[],\"cacheScope\":{}}}",
          "{\"result\":{\"tools\":[],\"cacheScope\":\"private\"}}" },
        /* What is no list passes whole. */
        { "tools/list", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"message\":\"x\"}}",
          "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"message\":\"x\"}}" },
        { "tools/list", "{\"method\":\"notifications/message\",\"params\":{\"tools\":[{\"name\":\"no\"}]}}",
          "{\"method\":\"notifications/message\",\"params\":{\"tools\":[{\"name\":\"no\"}]}}" },
        { "tools/list", "{\"result\":{}}", "{\"result\":{}}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(filter(rows[i].method, rows[i].before, false), MCPA_OK);
        assert_string_equal(sink.text, rows[i].after);
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
        assert_int_equal(filter("tools/list", text, false), MCPA_OK);
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
        if (filter("tools/list", documents[i], true) == MCPA_OK) {
            print_error("let through: %s\n", documents[i]);
            fail();
        }
    }
    assert_int_equal(filter("tools/call", "{}", false), MCPA_EUNSUPPORTED);
}

static void a_cache_scope_is_added_where_it_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(filter("tools/list", "{\"result\":{\"tools\":[{\"name\":\"no\"}] }}", true), MCPA_OK);
    assert_string_equal(sink.text, "{\"result\":{\"tools\":[] ,\"cacheScope\":\"private\"}}");
    assert_int_equal(filter("tools/list", "{\"result\":{ }}", true), MCPA_OK);
    assert_string_equal(sink.text, "{\"result\":{ \"cacheScope\":\"private\"}}");
    assert_int_equal(filter("tools/list", "{\"result\":{\"cacheScope\":\"private\"}}", true), MCPA_OK);
    assert_string_equal(sink.text, "{\"result\":{\"cacheScope\":\"private\"}}");
    assert_int_equal(filter("tools/list", "{\"error\":{}}", true), MCPA_OK);
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
        assert_int_equal(filter("tools/list", before, false), MCPA_OK);
        assert_string_equal(sink.text, after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_cut_out_of_the_text),           cmocka_unit_test(unplain_elements_are_cut_out),
        cmocka_unit_test(what_cannot_be_understood_is_withheld),      cmocka_unit_test(a_cache_scope_is_added_where_it_is_wanted),
        cmocka_unit_test(every_choice_of_elements_gives_a_good_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
