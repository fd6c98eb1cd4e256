/* SPDX-License-Identifier: Apache-2.0 */
#include "issuer/keymaker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct admind_keymaker {
    pthread_t thread;
    mcpa_alg_t alg;
    unsigned bits;
    admind_signkey_t key; /* the thread's until done is set, which it does last (release); then the owner's (acquire) */
    atomic_bool done;
};

static void *run(void *ctx)
{
    admind_keymaker_t *maker = ctx;

    if (!admind_signkey_make(&maker->key, maker->alg, maker->bits)) {
        maker->key = (admind_signkey_t){ 0 };
    }
    atomic_store_explicit(&maker->done, true, memory_order_release);
    return NULL;
}

admind_keymaker_t *admind_keymaker_new(mcpa_alg_t alg, unsigned bits)
{
    admind_keymaker_t *maker = calloc(1, sizeof(*maker));

    if (maker == NULL) {
        return NULL;
    }
    maker->alg = alg;
    maker->bits = bits;
    atomic_init(&maker->done, false);
    if (pthread_create(&maker->thread, NULL, run, maker) != 0) {
        free(maker);
        return NULL;
    }
    return maker;
}

bool admind_keymaker_take(admind_keymaker_t *maker, admind_signkey_t *key)
{
    if (!atomic_load_explicit(&maker->done, memory_order_acquire)) {
        return false;
    }
    *key = maker->key;
    maker->key = (admind_signkey_t){ 0 };
    return true;
}

void admind_keymaker_free(admind_keymaker_t **slot)
{
    admind_keymaker_t *maker = *slot;

    if (maker == NULL) {
        return;
    }
    *slot = NULL;
    pthread_join(maker->thread, NULL);
    admind_signkey_clear(&maker->key);
    free(maker);
}
