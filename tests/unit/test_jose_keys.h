/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys for the tests of key sets. */
#ifndef MCPA_TEST_JOSE_KEYS_H
#define MCPA_TEST_JOSE_KEYS_H

/* Public numbers made for these tests; nobody holds the private halves. */
#define N2048                                                                                                                    \
    "ql7H6-6x1HNVx8cB_S1sFJFVS_le5GH40qnRZZMoSg-dpqxAWtRWPzC5dwCKtPCLMrBUAricidE_"                                               \
    "UqdMEtB2jdy3l2jWHMi2xRcJaib6Bd4EcwmNByXzEL5Ux6n"                                                                            \
    "WeIV9WTY9LxzEa228B5WnDUBkIjlHGYpR8pTQII5wqlKJZALANbQpu8fGUyv0FnogDBqaXU4HbahZPtX9LR4JcEZQV82d3Y60batj7D31iDSoX6b3ilRiY4nU8" \
    "9J"                                                                                                                         \
    "S84UyCjwBUFvbVrwJdxbKRpzeDWj1WW-76pduMztKjIivNIKe6ep4mT9DZ6OmlCaqRlnE68Bima3YEtfpCSuT0SIKf9rLrw"
#define N2047                                                                                                                    \
    "RR9xLiEQ4ngNMxMSwv-pIBwD4fKO_0-qgv-0zk6W3gL4FmQz_GKfGbWxOQSeWHCFdkhCCu2mBMyHJkyTHXjejxfoh_szZhdq-lzK_8n1Cdf-"               \
    "Iusu2gvYuMjg3mt"                                                                                                            \
    "oRElvjDrgQ2h9qJD7SjW1NhXwv71-C9D4MdSg5Ueevhy3-8ha53Lc9P4nLtn4t57aCrBpAPcdCjGNCWgy1TR21LG-u_"                                \
    "P00eTLwxsHTsDWAOSzwtIkd8ttWXSHBD"                                                                                           \
    "_8_g069R1XyBsH9rAtmxz6mj6w0tUdRenJ435pP6TwV7csIJ1RGAoKImvI5MiCEOtxr8-smn-6nwVu_YXOe48zhZZ4Lmoenw"
#define N1024                                                                                                                    \
    "ziho_fFTLkBcQEvl4mnRN4_yyWPRaNUdOBcqKrv1y9v_U_XnFbQItvJgWZY-uQ3y963UYSMuxidaVLDmxCVgy3FOrXXVPnKIqRx36shrB6KCpNzKVdAZ_"      \
    "4cF9CV"                                                                                                                     \
    "fP370lqX_zH0U_q14SHL4BnPzlAJrl3OjoMN2lBv_9hmaChs"
/* Two 1024-bit primes of the form k*M + (65537^a mod M), M the product of the first 126 primes. */
#define N_ROCA                                                                                                                   \
    "su-wRNs20ub2BiozpNmjYBJv06uCviCsU5wVbZqc-bW8x9uCdsqkD0hsjB8AcY4h-"                                                          \
    "ErB9NNt5TWIDR1IuxYXMUf7lBi6LAfqGiAQl1PXLLTA03KFeUzI4VxjNYy"                                                                 \
    "cNACU8fnREFbgLlxWSSDSzZ0t9SRMBOkyBkOUkp0HKfK0fUWrweYR3Qs4wctANUEEHeeajVm3RoZhVHXjNYb-"                                      \
    "474qywIGgxNKEKii4xl8EAnaIQZ1DigB0gGpmQg"                                                                                    \
    "iA_cedjNmeIy27ZnPR5oc0TGzCoKVOTtgr1cNRKjZDKJIB5Q6V7GGN5X374XE81aEaJqhjlCrNQtqGzTgiKBRAdCNY3rFlw"
#define X256 "A_ojMYJCNzDXUkryPqi-8ssZjqbaGrhXL4risICdrFQ"
#define Y256 "8Km8t13rOQiLgSA_EvsiH34isARJ368SFpQttLTmsaM"
#define X384 "6-Jj6xzwbHf-PIjBrzIbkabD6ZSEwVSwbl2eOZVxRcLS0CiI7zww3ZafDQ0XLA3i"
#define Y384 "X7CjgZAkQ6zOD1G21YwWzJE6nnyk9RE6CkC8wA7ifkLSxiSizEvh0GYbeT8ErO9v"
#define X521 "ADod2skQLMHN807jxI8apGUc-sh1okKt3bKuR6QV9wR6BY7ovLuFrE-Xe-ItLmSo7IkyVRRKHd192NAI6HNFvE9N"
#define Y521 "AGoJC4TxzVZwEerQFgLTkwI-bcHeYSjMCIfxlVtBt5qkctHbfEMTjFuo2RHe9Gc-LEAmRV4-PPL-JUZ2V00xIcW1"
#define X_ED "32upievrfdQKlFoLuCR9HWsabsayQtHmoO9-f5hkykA"

#define RSA   "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N2048 "\""
#define EC256 "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\""
#define EC384 "\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X384 "\",\"y\":\"" Y384 "\""
#define EC521 "\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"" X521 "\",\"y\":\"" Y521 "\""
#define ED    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X_ED "\""

#endif
