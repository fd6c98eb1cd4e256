/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash that an attacker without the key cannot aim. */
#ifndef MCPA_STATE_SIPHASH_H
#define MCPA_STATE_SIPHASH_H
#include <stddef.h>
#include <stdint.h>
uint64_t mcpa_siphash(const unsigned char key[16], const void *bytes, size_t len);
#endif
