/* SPDX-License-Identifier: Apache-2.0 */
/* status, keys, alerts: what the daemon's HTTP says, as tables. */
#include <stdlib.h>
#include <time.h>

#include "ctl/ctl.h"

#define LATE_S 60 /* how old a line may be that a receiver of the journal does not have, before that is told */

static mcpa_str_t text_of(const mcpa_json_t *json, const char *name)
{
    return mcpa_json_string(mcpa_json_member(json, name));
}

static int64_t number_of(const mcpa_json_t *json, const char *name)
{
    int64_t value = 0;

    return mcpa_json_integer(mcpa_json_member(json, name), &value) ? value : 0;
}

static void number_cell(ctl_table_t *table, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    ctl_table_cell(table, mcpa_str(text), CTL_PLAIN);
}

/* An RFC 3339 member, as time from now. */
static void time_cell(ctl_table_t *table, const mcpa_json_t *json, const char *name)
{
    mcpa_str_t text = text_of(json, name);
    char memory[40];
    int64_t at_us;
    int64_t now_s = (int64_t)time(NULL);

    snprintf(memory, sizeof(memory), "%.*s", (int)(text.len < 32 ? text.len : 32), text.ptr != NULL ? text.ptr : "");
    if (text.len == 0 || !ctl_parse_time(memory, now_s * 1000000, &at_us)) {
        ctl_table_cell(table, MCPA_STR_NONE, CTL_PLAIN);
        return;
    }
    ctl_print_ago(memory, at_us / 1000000, now_s);
    ctl_table_cell(table, mcpa_str(memory), CTL_PLAIN);
}

static void print_json(const char *body)
{
    fputs(body, stdout);
    if (body[0] == '\0' || body[strlen(body) - 1] != '\n') {
        putchar('\n');
    }
}

/* One line "name  value". */
static void pair(const char *name, mcpa_str_t value)
{
    printf("%-16s ", name);
    ctl_print_text(stdout, value.len > 0 ? value : MCPA_STR("-"));
    putchar('\n');
}

static void pair_number(const char *name, int64_t value)
{
    printf("%-16s %lld\n", name, (long long)value);
}

typedef struct component_ctx {
    bool print, colour, all_ok;
} component_ctx_t;

static bool on_component(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    component_ctx_t *component = ctx;
    mcpa_str_t word = mcpa_json_string(value);
    bool ok = mcpa_str_eqz(word, "ok");

    component->all_ok = component->all_ok && ok;
    if (component->print) {
        printf("  %-14.*s %s", MCPA_STR_ARG(name), ctl_colour_on(component->colour, ok ? CTL_GREEN : CTL_RED));
        ctl_print_text(stdout, word);
        printf("%s\n", ctl_colour_off(component->colour));
    }
    return true;
}

static void print_children(const ctl_t *ctl, const mcpa_json_t *children)
{
    static const char *const titles[] = { "PID", "LINKED FOR (s)", "ACKNOWLEDGED", "POLICY", NULL };
    ctl_table_t *table = ctl_table_new(titles);

    for (size_t i = 0; table != NULL && i < mcpa_json_size(children); i++) {
        const mcpa_json_t *child = mcpa_json_at(children, i);

        number_cell(table, number_of(child, "pid"));
        number_cell(table, number_of(child, "linked_s"));
        number_cell(table, number_of(child, "acked"));
        ctl_table_cell(table, text_of(child, "policy"), CTL_PLAIN);
    }
    if (table != NULL && mcpa_json_size(children) > 0) {
        putchar('\n');
        ctl_table_print(table, ctl->colour);
    }
    ctl_table_free(&table);
}

static void forward_state_cell(ctl_table_t *table, const mcpa_json_t *forward)
{
    mcpa_str_t error = text_of(forward, "last_error");
    int64_t lag_s = number_of(forward, "lag_s");
    char behind[40];

    if (error.len > 0) {
        ctl_table_cell(table, error, CTL_RED);
    } else if (lag_s >= LATE_S) {
        snprintf(behind, sizeof(behind), "%lld s behind", (long long)lag_s);
        ctl_table_cell(table, mcpa_str(behind), CTL_YELLOW);
    } else {
        ctl_table_cell(table, MCPA_STR("ok"), CTL_GREEN);
    }
}

static void print_forwards(const ctl_t *ctl, const mcpa_json_t *forwards)
{
    static const char *const titles[] = { "FORWARD", "ADDRESS", "RECORDS", "WAITING (bytes)", "LAST SUCCESS", "STATE", NULL };
    ctl_table_t *table = ctl_table_new(titles);

    for (size_t i = 0; table != NULL && i < mcpa_json_size(forwards); i++) {
        const mcpa_json_t *forward = mcpa_json_at(forwards, i);

        ctl_table_cell(table, text_of(forward, "name"), CTL_PLAIN);
        ctl_table_cell(table, text_of(forward, "address"), CTL_PLAIN);
        number_cell(table, number_of(forward, "records"));
        number_cell(table, number_of(forward, "backlog_bytes"));
        time_cell(table, forward, "last_success");
        forward_state_cell(table, forward);
    }
    if (table != NULL && mcpa_json_size(forwards) > 0) {
        putchar('\n');
        ctl_table_print(table, ctl->colour);
    }
    ctl_table_free(&table);
}

static void print_status(const ctl_t *ctl, const mcpa_json_t *json, component_ctx_t *component)
{
    const mcpa_json_t *policy = mcpa_json_member(json, "policy");
    int64_t now_s = (int64_t)time(NULL);
    char uptime[40];

    ctl_print_ago(uptime, now_s - number_of(json, "uptime_s"), now_s);
    pair("version", text_of(json, "version"));
    pair("started", mcpa_str(uptime));
    printf("health\n");
    mcpa_json_each(mcpa_json_member(json, "health"), on_component, component);
    pair_number("children", number_of(json, "links"));
    pair_number("records", number_of(json, "records"));
    pair_number("lost", number_of(json, "lost"));
    pair_number("backlog bytes", number_of(json, "backlog_bytes"));
    pair("journal", text_of(mcpa_json_member(json, "journal"), "file"));
    pair("policy", text_of(policy, "generation"));
    pair("  written", text_of(policy, "written"));
    pair_number("  locations", number_of(policy, "locations"));
    pair_number("  issuers", number_of(policy, "issuers"));
    if (text_of(policy, "error").len > 0) {
        pair("  error", text_of(policy, "error"));
    }
    print_forwards(ctl, mcpa_json_member(json, "forwards"));
    print_children(ctl, mcpa_json_member(json, "children"));
}

ctl_exit_t ctl_status(const ctl_t *ctl)
{
    component_ctx_t component = { !ctl->json, ctl->colour, true };
    mcpa_json_t *json = NULL;
    char *body = NULL;
    ctl_exit_t result = ctl_get_json(ctl, "/status", "health", &body, &json);

    if (result != CTL_GOOD) {
        return result;
    }
    if (ctl->json) {
        print_json(body);
        mcpa_json_each(mcpa_json_member(json, "health"), on_component, &component);
    } else {
        print_status(ctl, json, &component);
    }
    mcpa_json_free(&json);
    free(body);
    return component.all_ok ? CTL_GOOD : CTL_BAD;
}

static void issuer_rows(ctl_table_t *table, const mcpa_json_t *issuer)
{
    const mcpa_json_t *keys = mcpa_json_member(issuer, "keys");
    mcpa_str_t error = text_of(issuer, "last_error");

    ctl_table_cell(table, text_of(issuer, "issuer"), CTL_PLAIN);
    ctl_table_cell(table, text_of(issuer, "source"), CTL_PLAIN);
    number_cell(table, (int64_t)mcpa_json_size(keys));
    time_cell(table, issuer, "fetched");
    time_cell(table, issuer, "expires");
    time_cell(table, issuer, "next_refresh");
    ctl_table_cell(table, error.len > 0 ? error : MCPA_STR("ok"), error.len > 0 ? CTL_RED : CTL_GREEN);
}

static void key_rows(ctl_table_t *table, const mcpa_json_t *issuer)
{
    const mcpa_json_t *keys = mcpa_json_member(issuer, "keys");

    for (size_t i = 0; i < mcpa_json_size(keys); i++) {
        const mcpa_json_t *key = mcpa_json_at(keys, i);

        ctl_table_cell(table, text_of(issuer, "issuer"), CTL_PLAIN);
        ctl_table_cell(table, text_of(key, "kid"), CTL_PLAIN);
        ctl_table_cell(table, text_of(key, "alg"), CTL_PLAIN);
        ctl_table_cell(table, text_of(key, "kty"), CTL_PLAIN);
        number_cell(table, number_of(key, "bits"));
    }
}

ctl_exit_t ctl_keys(const ctl_t *ctl)
{
    static const char *const issuer_titles[] = { "ISSUER",  "SOURCE",     "KEYS",       "FETCHED",
                                                 "EXPIRES", "NEXT FETCH", "LAST FETCH", NULL };
    static const char *const key_titles[] = { "ISSUER", "KID", "ALG", "KTY", "BITS", NULL };
    ctl_table_t *issuers = ctl_table_new(issuer_titles), *keys = ctl_table_new(key_titles);
    const mcpa_json_t *list;
    mcpa_json_t *json = NULL;
    char *body = NULL;
    ctl_exit_t result = ctl_get_json(ctl, "/keys", "issuers", &body, &json);

    if (result == CTL_GOOD && ctl->json) {
        print_json(body);
    } else if (result == CTL_GOOD && issuers != NULL && keys != NULL) {
        list = mcpa_json_member(json, "issuers");
        for (size_t i = 0; i < mcpa_json_size(list); i++) {
            issuer_rows(issuers, mcpa_json_at(list, i));
            key_rows(keys, mcpa_json_at(list, i));
        }
        ctl_table_print(issuers, ctl->colour);
        putchar('\n');
        ctl_table_print(keys, ctl->colour);
    }
    ctl_table_free(&issuers);
    ctl_table_free(&keys);
    mcpa_json_free(&json);
    free(body);
    return result;
}

typedef struct joined {
    char text[256];
    size_t len;
} joined_t;

static bool join_label(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    joined_t *joined = ctx;
    mcpa_str_t text = mcpa_json_string(value);
    int n = snprintf(joined->text + joined->len, sizeof(joined->text) - joined->len, "%s%.*s=%.*s", joined->len > 0 ? " " : "",
                     MCPA_STR_ARG(name), MCPA_STR_ARG(text));

    joined->len += n > 0 ? (size_t)n : 0;
    joined->len = joined->len < sizeof(joined->text) ? joined->len : sizeof(joined->text) - 1;
    return joined->len + 1 < sizeof(joined->text);
}

static void alert_row(ctl_table_t *table, const mcpa_json_t *alert)
{
    bool firing = mcpa_str_eqz(text_of(alert, "state"), "firing");
    joined_t labels = { 0 };

    mcpa_json_each(mcpa_json_member(alert, "labels"), join_label, &labels);
    ctl_table_cell(table, text_of(alert, "name"), CTL_PLAIN);
    ctl_table_cell(table, text_of(alert, "state"), firing ? CTL_RED : CTL_GREEN);
    ctl_table_cell(table, text_of(alert, "severity"), CTL_PLAIN);
    time_cell(table, alert, "startsAt");
    number_cell(table, number_of(alert, "value"));
    ctl_table_cell(table, mcpa_str(labels.text), CTL_PLAIN);
    ctl_table_cell(table, text_of(alert, "summary"), CTL_PLAIN);
}

ctl_exit_t ctl_alerts(const ctl_t *ctl)
{
    static const char *const titles[] = { "ALERT", "STATE", "SEVERITY", "SINCE", "VALUE", "LABELS", "SUMMARY", NULL };
    const mcpa_json_t *list;
    mcpa_json_t *json = NULL;
    char *body = NULL;
    ctl_exit_t result = ctl_get_json(ctl, "/alerts", "alerts", &body, &json);
    ctl_table_t *table = result == CTL_GOOD ? ctl_table_new(titles) : NULL;

    list = mcpa_json_member(json, "alerts");
    if (result == CTL_GOOD && ctl->json) {
        print_json(body);
    } else if (table != NULL && mcpa_json_size(list) == 0) {
        printf("no alerts\n");
    } else if (table != NULL) {
        for (size_t i = 0; i < mcpa_json_size(list); i++) {
            alert_row(table, mcpa_json_at(list, i));
        }
        ctl_table_print(table, ctl->colour);
    }
    ctl_table_free(&table);
    mcpa_json_free(&json);
    free(body);
    return result;
}
