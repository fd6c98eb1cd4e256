/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint: what is saved is loaded, what is damaged is not believed, and a failed save leaves the old one. */
#include "admind_support.h"

#include "audit/checkpoint.h"

static admind_marks_t *marks;
static admind_checkpoint_t checkpoint;

static int set_up(void **state)
{
    marks = admind_marks_new(ADMIND_MARKS_MAX);
    return marks == NULL ? -1 : make_dir(state);
}

static int tear_down(void **state)
{
    admind_checkpoint_clear(&checkpoint);
    admind_marks_free(&marks);
    return drop_dir(state);
}

static mcpa_status_t save(const admind_position_t *position, const char *metrics, const char *alerts)
{
    const admind_checkpoint_parts_t parts = { .position = *position, .marks = marks, .metrics = metrics, .alerts = alerts };

    return admind_checkpoint_save(test_dir, &parts, NOON_US);
}

static void add_mark(unsigned who, uint64_t durable, uint64_t lost)
{
    instance_t instance = instance_of(who);
    admind_mark_t *mark = admind_marks_get(marks, instance.bytes, NOON_US + who);

    assert_non_null(mark);
    mark->accepted = mark->durable = durable;
    mark->lost = lost;
}

static void empty_marks(void)
{
    admind_marks_forget(marks, INT64_MAX);
    assert_int_equal(admind_marks_count(marks), 0);
}

static void what_was_saved_is_loaded(void **state)
{
    const admind_position_t position = { "audit-2026-11-21.3.jsonl", 123456789 };
    instance_t seven = instance_of(7);
    const admind_mark_t *mark;
    char *text;

    (void)state;
    add_mark(7, 42, 3);
    add_mark(8, UINT64_C(1) << 62, 0);
    assert_int_equal(save(&position, "{\"m\":1}", "{\"a\":[]}"), MCPA_OK);
    empty_marks();
    assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_OK);
    assert_string_equal(checkpoint.position.file, position.file);
    assert_int_equal(checkpoint.position.offset, position.offset);
    assert_int_equal(admind_marks_count(marks), 2);
    mark = admind_marks_find(marks, seven.bytes);
    assert_non_null(mark);
    assert_true(mark->durable == 42 && mark->accepted == 42 && mark->lost == 3 && mark->seen_us == NOON_US + 7);
    text = mcpa_json_print(checkpoint.metrics);
    assert_string_equal(text, "{\"m\":1}");
    free(text);
    assert_non_null(checkpoint.alerts);
}

static void the_seals_come_back_as_they_were(void **state)
{
    admind_checkpoint_parts_t parts = { .marks = marks, .seals = { .known = true } };
    admind_seal_key_t key;

    (void)state;
    assert_int_equal(admind_checkpoint_save(test_dir, &parts, NOON_US), MCPA_OK);
    assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_OK);
    assert_true(checkpoint.seals.known && !checkpoint.seals.sealed && checkpoint.seals.chain.lines == 0);
    admind_checkpoint_clear(&checkpoint);
    assert_true(admind_chain_add(&parts.seals.chain, "audit-2026-11-21.3.jsonl", 77, MCPA_STR("line")));
    parts.seals.sealed = true;
    parts.seals.last.ts = NOON_US;
    parts.seals.last.block = parts.seals.chain;
    admind_seal_key_begin(&key, parts.seals.chain.hash);
    admind_seal_make(&parts.seals.last, &key);
    assert_int_equal(admind_checkpoint_save(test_dir, &parts, NOON_US), MCPA_OK);
    assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_OK);
    assert_true(checkpoint.seals.known && checkpoint.seals.sealed);
    assert_true(checkpoint.seals.chain.lines == 1 && checkpoint.seals.chain.offset == 77);
    assert_string_equal(checkpoint.seals.chain.file, "audit-2026-11-21.3.jsonl");
    assert_memory_equal(checkpoint.seals.chain.hash, parts.seals.chain.hash, ADMIND_SEAL_BYTES);
    assert_true(admind_seal_is_by(&checkpoint.seals.last, &key));
}

static void none_is_the_first_start(void **state)
{
    (void)state;
    assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_ENOTFOUND);
    assert_string_equal(checkpoint.position.file, "");
    assert_null(checkpoint.metrics);
}

static void thousands_of_instances_fit(void **state)
{
    const admind_position_t position = { "", 0 };

    (void)state;
    for (unsigned n = 0; n < ADMIND_MARKS_MAX; n++) {
        add_mark(n, UINT64_C(1) << 62, UINT64_C(1) << 62);
    }
    assert_int_equal(save(&position, NULL, NULL), MCPA_OK);
    empty_marks();
    assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_OK);
    assert_int_equal(admind_marks_count(marks), ADMIND_MARKS_MAX);
}

static void damage_is_not_believed(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"version\":2,\"file\":\"\",\"offset\":0,\"instances\":[]}",
        "{\"version\":1,\"file\":\"\",\"offset\":-1,\"instances\":[]}",
        "{\"version\":1,\"file\":\"\",\"offset\":0}",
        "{\"version\":1,\"file\":\"../x\",\"offset\":0,\"instances\":[]}",
        "{\"version\":1,\"file\":\"audit-2026-11-21.jsonl\",\"offset\":0,\"instances\":[[\"00\",1,1,1]]}",
        "{\"version\":1,\"file\":\"\",\"offset\":0,\"instances\":[[\"00112233445566778899aabbccddeeff\",1,1]]}",
        ("{\"version\":1,\"file\":\"\",\"offset\":0,\"instances\":[[\"00112233445566778899aabbccddeeff\",1,1,1],["
         "\"00112233445566778899aabbccddeefe\",-1,1,1]]}"), /* one string of two: clang asks */
        "{\"version\":1,\"file\":\"\",\"offset\":0,\"instances\":[],\"block\":null}",
        "{\"version\":1,\"file\":\"\",\"offset\":0,\"instances\":[],\"block\":null,\"seal\":{}}",
        "{\"version\":1,\"file\":\"\",\"offset\":0,\"instances\":[],\"block\":{\"lines\":1},\"seal\":null}",
        "{\"version\":1,\"version\":1,\"file\":\"\",\"offset\":0,\"instances\":[]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_file("checkpoint.json", bad[i], strlen(bad[i]));
        assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_EMALFORMED);
        assert_string_equal(checkpoint.position.file, "");
        assert_null(checkpoint.metrics);
        assert_int_equal(admind_marks_count(marks), 0);
    }
}

static void a_save_that_fails_leaves_the_old_one(void **state)
{
    const admind_position_t first = { "audit-2026-11-21.jsonl", 1 }, second = { "audit-2026-11-22.jsonl", 2 };

    (void)state;
    assert_int_equal(save(&first, NULL, NULL), MCPA_OK);
    assert_int_equal(mkdir(in_dir("checkpoint.json.tmp"), 0700), 0); /* stands in the way of the temporary file */
    assert_int_equal(save(&second, NULL, NULL), MCPA_EIO);
    assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_OK);
    assert_string_equal(checkpoint.position.file, first.file);
}

static void a_killed_save_is_no_hindrance(void **state)
{
    const admind_position_t position = { "audit-2026-11-21.jsonl", 1 };

    (void)state;
    put_file("checkpoint.json.tmp", "half", 4);
    assert_int_equal(save(&position, NULL, NULL), MCPA_OK);
    assert_false(is_there("checkpoint.json.tmp"));
    assert_int_equal(admind_checkpoint_load(&checkpoint, test_dir, marks), MCPA_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),
        TEST(the_seals_come_back_as_they_were),
        TEST(none_is_the_first_start),
        TEST(thousands_of_instances_fit),
        TEST(damage_is_not_believed),
        TEST(a_save_that_fails_leaves_the_old_one),
        TEST(a_killed_save_is_no_hindrance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
