/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's configuration: any text is taken with every value in its bounds, or refused with a message that names the file and
 * fits. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define ERROR_BYTES 1024
#define NAME        "fuzz.conf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_values(const admind_config_t *config)
{
    struct sockaddr_storage address;
    socklen_t len;

    must(admind_config_address(config->listen, &address, &len));
    must(config->socket[0] == '/' && config->state_dir[0] == '/' && config->spool_dir[0] == '/' && config->journal_dir[0] == '/');
    must(config->journal_retention_days >= 1 && config->key_refresh_us >= 1000000 &&
         config->key_max_stale_us >= config->key_refresh_us);
    must(config->n_alertmanagers <= ADMIND_LIST_MAX && config->n_webhooks <= ADMIND_LIST_MAX);
    for (size_t i = 0; i < config->n_webhooks; i++) {
        must(config->webhooks[i].url != NULL && config->webhooks[i].secret_file[0] == '/');
    }
    must(config->n_forwards <= ADMIND_FORWARDS_MAX);
    for (size_t i = 0; i < config->n_forwards; i++) {
        must(config->forwards[i].url != NULL && config->forwards[i].name[0] != '\0' && config->forwards[i].facility < 24);
    }
    for (size_t i = 0; i < ADMIND_RULE_COUNT; i++) {
        must(config->rules[i].severity != NULL && config->rules[i].window_us >= 1000000 && config->rules[i].threshold >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[ERROR_BYTES] = "";
    char *text = malloc(size + 1);
    admind_config_t *config;

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    config = admind_config_parse(NAME, text, size, error, sizeof(error));
    if (config != NULL) {
        check_values(config);
        admind_config_free(&config);
    } else {
        must(strncmp(error, NAME ":", sizeof(NAME)) == 0 && strchr(error, '\n') == NULL);
    }
    free(text);
    return 0;
}
