/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

#define MINUTE_US     INT64_C(60000000)
#define WINDOW_MAX_US (24 * 60 * MINUTE_US)
#define THRESHOLD_MAX 1000000

/* The built-in alerts: what they start from and which options mean something for them. */
static const struct builtin {
    const char *name;
    int64_t threshold;
    int64_t window_us;
    bool by;
    const char *severity;
    const char *options;
} builtins[ADMIND_RULE_COUNT] = {
    [ADMIND_RULE_AUTH_FAILURES] = { "auth_failures", 10, 5 * MINUTE_US, true, "warning", "threshold= window= by= severity=" },
    [ADMIND_RULE_KEYS_STALE] = { "keys_stale", 0, 60 * MINUTE_US, false, "critical", "window= severity=" },
    [ADMIND_RULE_AUDIT_LOST] = { "audit_lost", 0, 10 * MINUTE_US, false, "critical", "threshold= window= severity=" },
    [ADMIND_RULE_MODULE_SILENT] = { "module_silent", 0, 2 * MINUTE_US, false, "critical", "window= severity=" },
    [ADMIND_RULE_ROTATION_DUE] = { "rotation_due", 0, 1440 * MINUTE_US, false, "warning", "window= severity=" },
};

bool admind_config_alert_defaults(admind_config_t *config)
{
    for (size_t i = 0; i < ADMIND_RULE_COUNT; i++) {
        char *severity = strdup(builtins[i].severity);

        if (severity == NULL) {
            return false;
        }
        config->rules[i] = (admind_rule_t){ .name = builtins[i].name,
                                            .enabled = true,
                                            .threshold = builtins[i].threshold,
                                            .window_us = builtins[i].window_us,
                                            .by_address = builtins[i].by,
                                            .by_location = builtins[i].by,
                                            .severity = severity };
    }
    return true;
}

static bool complain(char *why, size_t cap, const char *name, const char *word, const char *mend)
{
    snprintf(why, cap, "Alert %s: '%.80s' is not possible; write %s", name, word, mend);
    return false;
}

static bool set_by(admind_rule_t *rule, const char *list, char *why, size_t cap)
{
    bool address = false, location = false;
    char copy[64];
    char *rest = copy;

    if ((size_t)snprintf(copy, sizeof(copy), "%s", list) >= sizeof(copy)) {
        return complain(why, cap, rule->name, list, "by=address,location");
    }
    while (rest != NULL) {
        const char *word = strsep(&rest, ",");

        if (strcmp(word, "address") == 0 && !address) {
            address = true;
        } else if (strcmp(word, "location") == 0 && !location) {
            location = true;
        } else {
            return complain(why, cap, rule->name, list, "by=address, by=location or by=address,location");
        }
    }
    rule->by_address = address;
    rule->by_location = location;
    return true;
}

static bool set_severity(admind_rule_t *rule, const char *word, char *why, size_t cap)
{
    char *copy;

    if (strcmp(word, "critical") != 0 && strcmp(word, "warning") != 0 && strcmp(word, "info") != 0) {
        return complain(why, cap, rule->name, word, "severity=critical, severity=warning or severity=info");
    }
    copy = strdup(word);
    if (copy == NULL) {
        return complain(why, cap, rule->name, word, "it again when there is memory");
    }
    free(rule->severity);
    rule->severity = copy;
    return true;
}

static bool set_option(admind_rule_t *rule, const struct builtin *builtin, const char *word, char *why, size_t cap)
{
    const char *value = strchr(word, '=');
    char name[16];
    uint64_t number;
    int64_t us;

    if (value == NULL || (size_t)(value + 2 - word) > sizeof(name)) {
        return complain(why, cap, rule->name, word, builtin->options);
    }
    value++;
    memcpy(name, word, (size_t)(value - word));
    name[value - word] = '\0';
    if (strstr(builtin->options, name) == NULL) {
        return complain(why, cap, rule->name, word, builtin->options);
    }
    if (strcmp(name, "threshold=") == 0) {
        if (!mcpa_text_u64(mcpa_str(value), &number) || number > THRESHOLD_MAX) {
            return complain(why, cap, rule->name, word, "threshold=N, N up to 1000000: more than N raise the alert");
        }
        rule->threshold = (int64_t)number;
        return true;
    }
    if (strcmp(name, "window=") == 0) {
        if (!mcpa_text_duration(mcpa_str(value), &us) || us < 1000000 || us > WINDOW_MAX_US) {
            return complain(why, cap, rule->name, word, "window= with a duration from 1s to 24h");
        }
        rule->window_us = us;
        return true;
    }
    if (strcmp(name, "by=") == 0) {
        return set_by(rule, value, why, cap);
    }
    return set_severity(rule, value, why, cap);
}

bool admind_config_alert(admind_config_t *config, char *const *words, size_t n_words, char *why, size_t cap)
{
    for (size_t i = 0; i < ADMIND_RULE_COUNT; i++) {
        admind_rule_t *rule = &config->rules[i];

        if (strcmp(words[0], rule->name) != 0) {
            continue;
        }
        if (n_words == 1) {
            snprintf(why, cap, "Alert %s says nothing; write off or some of: %s", rule->name, builtins[i].options);
            return false;
        }
        if (n_words == 2 && strcmp(words[1], "off") == 0) {
            rule->enabled = false;
            return true;
        }
        for (size_t k = 1; k < n_words; k++) {
            if (!set_option(rule, &builtins[i], words[k], why, cap)) {
                return false;
            }
        }
        return true;
    }
    snprintf(why, cap, "Alert '%.64s' is not built in; write auth_failures, keys_stale, audit_lost, module_silent or rotation_due",
             words[0]);
    return false;
}
