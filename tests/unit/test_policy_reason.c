/* SPDX-License-Identifier: Apache-2.0 */
#include "test_policy.h"

static void words_are_unique_and_found_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MCPA_REASON_COUNT; i++) {
        const char *word = mcpa_reason_word((mcpa_reason_t)i);

        assert_true(strlen(word) > 0);
        assert_true(strspn(word, "abcdefghijklmnopqrstuvwxyz_") == strlen(word));
        assert_reason((mcpa_reason_t)i, mcpa_reason_find(mcpa_str(word)), word);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(word, mcpa_reason_word((mcpa_reason_t)k));
        }
    }
    assert_reason(MCPA_REASON_UNDECIDED, mcpa_reason_find(MCPA_STR("no such word")), "unknown word");
    assert_reason(MCPA_REASON_UNDECIDED, mcpa_reason_find(MCPA_STR_NONE), "no word");
}

static void descriptions_can_stand_in_a_quoted_string(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MCPA_REASON_COUNT; i++) {
        const char *text = mcpa_reason_row((mcpa_reason_t)i)->description;

        assert_true(strlen(text) > 0);
        assert_null(strpbrk(text, "\"\\"));
        for (const char *c = text; *c; c++) {
            assert_true(*c >= ' ' && *c <= '~');
        }
    }
}

static void zero_denies_and_so_does_what_is_no_reason(void **state)
{
    (void)state;
    assert_int_equal(MCPA_REASON_UNDECIDED, 0);
    assert_int_equal(mcpa_reason_row(MCPA_REASON_UNDECIDED)->outcome, MCPA_OUTCOME_ERROR);
    assert_int_equal(mcpa_reason_row(MCPA_REASON_UNDECIDED)->status, 500);
    assert_ptr_equal(mcpa_reason_row((mcpa_reason_t)MCPA_REASON_COUNT), mcpa_reason_row(MCPA_REASON_UNDECIDED));
    assert_ptr_equal(mcpa_reason_row((mcpa_reason_t)-1), mcpa_reason_row(MCPA_REASON_UNDECIDED));
}

static void only_pass_and_preflight_allow(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MCPA_REASON_COUNT; i++) {
        bool allows = mcpa_reason_row((mcpa_reason_t)i)->outcome == MCPA_OUTCOME_ALLOW;

        assert_int_equal(allows, i == MCPA_REASON_PASS || i == MCPA_REASON_PREFLIGHT);
    }
}

/* Attack 94: a prober must not learn from the answer why a token was refused. */
static void every_invalid_token_answer_is_the_same(void **state)
{
    const mcpa_reason_row_t *first = mcpa_reason_row(MCPA_REASON_SIGNATURE_BAD);

    (void)state;
    for (unsigned i = 0; i < MCPA_REASON_COUNT; i++) {
        const mcpa_reason_row_t *row = mcpa_reason_row((mcpa_reason_t)i);

        if (row->bearer_error && strcmp(row->bearer_error, "invalid_token") == 0) {
            assert_int_equal(row->status, first->status);
            assert_string_equal(row->error, first->error);
            assert_string_equal(row->description, first->description);
        }
    }
}

static void rows_hold_together(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MCPA_REASON_COUNT; i++) {
        const mcpa_reason_row_t *row = mcpa_reason_row((mcpa_reason_t)i);

        assert_int_equal(row->outcome == MCPA_OUTCOME_LIMIT, row->status == 429);
        assert_int_equal(row->outcome == MCPA_OUTCOME_ALLOW, row->error == NULL);
        assert_true(row->status != 401 || !row->bearer_error || row->bearer_error[0]); /* every 401 has a challenge */
        assert_true(row->status != 503 || row->outcome == MCPA_OUTCOME_ERROR);
    }
}

static void outcomes_have_the_journals_words(void **state)
{
    (void)state;
    assert_string_equal(mcpa_outcome_word(MCPA_OUTCOME_ALLOW), "allow");
    assert_string_equal(mcpa_outcome_word(MCPA_OUTCOME_DENY), "deny");
    assert_string_equal(mcpa_outcome_word(MCPA_OUTCOME_LIMIT), "limit");
    assert_string_equal(mcpa_outcome_word(MCPA_OUTCOME_ERROR), "error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_unique_and_found_again),          cmocka_unit_test(descriptions_can_stand_in_a_quoted_string),
        cmocka_unit_test(zero_denies_and_so_does_what_is_no_reason), cmocka_unit_test(only_pass_and_preflight_allow),
        cmocka_unit_test(every_invalid_token_answer_is_the_same),    cmocka_unit_test(rows_hold_together),
        cmocka_unit_test(outcomes_have_the_journals_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
