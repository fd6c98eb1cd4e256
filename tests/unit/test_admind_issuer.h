/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the local issuer's keys share: a plan, a ring as the daemon begins it, and moments. Included once, by the test program's one source
 * file. */
#ifndef TEST_ADMIND_ISSUER_H
#define TEST_ADMIND_ISSUER_H

#include "admind_support.h"

#include "issuer/keystore.h"

static const admind_keyplan_t plan = { MCPA_ALG_ES256, 2048, 7 * DAY_US, DAY_US };

static inline admind_signkey_t make(mcpa_alg_t alg)
{
    admind_signkey_t key;

    assert_true(admind_signkey_make(&key, alg, 2048));
    return key;
}

static inline admind_keytime_t at(int64_t us)
{
    return (admind_keytime_t){ NOON_US + us, us };
}

static inline void begin(admind_keyring_t *ring)
{
    admind_signkey_t current = make(MCPA_ALG_ES256), next = make(MCPA_ALG_ES256);
    admind_keytime_t now = at(0);

    *ring = (admind_keyring_t){ .count = 0 };
    admind_keyring_begin(ring, &current, &next, &now);
    assert_null(current.pkey);
}

static inline const char *kid_of(const admind_keyring_t *ring, admind_stage_t stage)
{
    const admind_ringkey_t *key = admind_keyring_find(ring, stage);

    return key != NULL ? key->key.kid : "";
}

static inline void put_next(admind_keyring_t *ring, admind_keytime_t now)
{
    admind_signkey_t next = make(MCPA_ALG_ES256);

    assert_true(admind_keyring_wants_next(ring, &plan));
    assert_true(admind_keyring_put_next(ring, &next, &now));
    assert_false(admind_keyring_wants_next(ring, &plan));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

#endif
