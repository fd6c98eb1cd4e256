/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/pack.h"

#include <stdlib.h>
#include <unistd.h>

#include "audit/line.h"
#include "forward/syslog.h"

#ifndef MCPA_VERSION
#define MCPA_VERSION "0"
#endif
#define BATCH_BYTES ((size_t)1024 * 1024) /* holds any one line in either form */

bool admind_pack_init(admind_pack_t *pack, const admind_forward_config_t *config, const char *host)
{
    *pack = (admind_pack_t){ .config = config, .host = host, .memory = malloc(BATCH_BYTES) };
    return pack->memory != NULL;
}

void admind_pack_clear(admind_pack_t *pack)
{
    free(pack->memory);
    pack->memory = NULL;
}

void admind_pack_begin(admind_pack_t *pack)
{
    pack->lines = 0;
    if (pack->config->is_otlp) {
        /* Cannot fail: BATCH_BYTES. */
        (void)admind_otlp_begin(&pack->body, pack->memory, BATCH_BYTES, pack->host, MCPA_VERSION);
    } else {
        mcpa_out_init(&pack->out, pack->memory, BATCH_BYTES);
    }
}

bool admind_pack_add(admind_pack_t *pack, mcpa_str_t text, int64_t now_us)
{
    const admind_syslog_origin_t origin = { pack->host, getpid(), pack->config->facility };
    mcpa_out_t before = pack->out;
    admind_line_t line;
    const admind_line_t *parsed = admind_line_parse(&line, text) == MCPA_OK ? &line : NULL;
    int64_t made_us = parsed != NULL && parsed->record.ts != MCPA_RECORD_ABSENT ? parsed->record.ts : now_us;
    bool fits;

    if (pack->config->is_otlp) {
        fits = pack->lines < ADMIND_OTLP_RECORDS_MAX && admind_otlp_add(&pack->body, text, parsed, now_us);
    } else {
        admind_syslog_print(&pack->out, &origin, text, parsed);
        fits = mcpa_out_status(&pack->out) == MCPA_OK;
        pack->out = fits ? pack->out : before;
    }
    if (parsed != NULL) {
        admind_line_clear(&line);
    }
    if (fits) {
        pack->first_us = pack->lines == 0 ? made_us : pack->first_us;
        pack->lines++;
    }
    return fits;
}

mcpa_str_t admind_pack_end(admind_pack_t *pack)
{
    return pack->config->is_otlp ? admind_otlp_end(&pack->body) : mcpa_out_get(&pack->out);
}
