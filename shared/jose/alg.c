/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/alg.h"

typedef struct row {
    const char *name;
    mcpa_kty_t kty;
    size_t hash_bytes;
    size_t ec_bits;
} row_t;

static const row_t rows[MCPA_ALG_COUNT] = {
    [MCPA_ALG_NONE] = { "", MCPA_KTY_NONE, 0, 0 },        [MCPA_ALG_RS256] = { "RS256", MCPA_KTY_RSA, 32, 0 },
    [MCPA_ALG_RS384] = { "RS384", MCPA_KTY_RSA, 48, 0 },  [MCPA_ALG_RS512] = { "RS512", MCPA_KTY_RSA, 64, 0 },
    [MCPA_ALG_PS256] = { "PS256", MCPA_KTY_RSA, 32, 0 },  [MCPA_ALG_PS384] = { "PS384", MCPA_KTY_RSA, 48, 0 },
    [MCPA_ALG_PS512] = { "PS512", MCPA_KTY_RSA, 64, 0 },  [MCPA_ALG_ES256] = { "ES256", MCPA_KTY_EC, 32, 256 },
    [MCPA_ALG_ES384] = { "ES384", MCPA_KTY_EC, 48, 384 }, [MCPA_ALG_ES512] = { "ES512", MCPA_KTY_EC, 64, 521 },
    [MCPA_ALG_EDDSA] = { "EdDSA", MCPA_KTY_OKP, 0, 0 },   [MCPA_ALG_HS256] = { "HS256", MCPA_KTY_OCT, 32, 0 },
    [MCPA_ALG_HS384] = { "HS384", MCPA_KTY_OCT, 48, 0 },  [MCPA_ALG_HS512] = { "HS512", MCPA_KTY_OCT, 64, 0 },
};

static const row_t *row_of(mcpa_alg_t alg)
{
    return &rows[(unsigned)alg < MCPA_ALG_COUNT ? alg : MCPA_ALG_NONE];
}

mcpa_alg_t mcpa_alg_find(mcpa_str_t name)
{
    for (unsigned i = MCPA_ALG_NONE + 1; i < MCPA_ALG_COUNT; i++) {
        if (mcpa_str_eqz(name, rows[i].name)) {
            return (mcpa_alg_t)i;
        }
    }
    /* RFC 9864 gives the fully specified name; Ed448, EdDSA's other curve, is not ours. */
    return mcpa_str_eqz(name, "Ed25519") ? MCPA_ALG_EDDSA : MCPA_ALG_NONE;
}

const char *mcpa_alg_name(mcpa_alg_t alg)
{
    return row_of(alg)->name;
}

mcpa_kty_t mcpa_alg_kty(mcpa_alg_t alg)
{
    return row_of(alg)->kty;
}

size_t mcpa_alg_hash_bytes(mcpa_alg_t alg)
{
    return row_of(alg)->hash_bytes;
}

size_t mcpa_alg_ec_bits(mcpa_alg_t alg)
{
    return row_of(alg)->ec_bits;
}

const char *mcpa_kty_name(mcpa_kty_t kty)
{
    switch (kty) {
    case MCPA_KTY_RSA:
        return "RSA";
    case MCPA_KTY_EC:
        return "EC";
    case MCPA_KTY_OKP:
        return "OKP";
    case MCPA_KTY_OCT:
        return "oct";
    case MCPA_KTY_NONE:
        break;
    }
    return "";
}
