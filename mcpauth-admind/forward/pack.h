/* SPDX-License-Identifier: Apache-2.0 */
/* Journal lines put together to one batch, in the form that the receiver takes: syslog messages, or one OTLP request. Pure but for its memory,
 * which is bounded and had once. */
#ifndef ADMIND_FORWARD_PACK_H
#define ADMIND_FORWARD_PACK_H

#include "config.h"
#include "forward/otlp.h"

typedef struct admind_pack {
    const admind_forward_config_t *config; /* borrowed */
    const char *host;                      /* this machine's name; borrowed */
    char *memory;
    mcpa_out_t out;     /* syslog */
    admind_otlp_t body; /* OTLP */
    size_t lines;       /* in the batch */
    int64_t first_us;   /* when the first of them was made, as far as it says; lines must not be 0 */
} admind_pack_t;

/* false: no memory. */
bool admind_pack_init(admind_pack_t *pack, const admind_forward_config_t *config, const char *host) MCPA_MUST_CHECK;
void admind_pack_clear(admind_pack_t *pack);
void admind_pack_begin(admind_pack_t *pack);
/* false: it does not fit; the batch is as before. Any one line of a journal fits into an empty one. */
bool admind_pack_add(admind_pack_t *pack, mcpa_str_t text, int64_t now_us) MCPA_MUST_CHECK;
/* The batch, which stays in place until the next begin. */
mcpa_str_t admind_pack_end(admind_pack_t *pack);

#endif
