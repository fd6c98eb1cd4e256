/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts as JSON: for people and programs, and for the checkpoint. */
#include <stdio.h>
#include <stdlib.h>

#include "alerts/alertset.h"
#include "base/text.h"

#define ALERT_BYTES 8192 /* one alert in JSON, with every byte of its texts escaped */

static void print_time(mcpa_jsonw_t *w, const char *name, int64_t unix_us)
{
    char text[25];

    mcpa_text_rfc3339(text, unix_us);
    mcpa_jsonw_z(w, name, text);
}

static void print_labels(mcpa_jsonw_t *w, const admind_alert_id_t *id)
{
    const struct {
        const char *name, *value;
    } labels[] = { { "address", id->address }, { "location", id->location }, { "issuer", id->issuer } };

    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (labels[i].value[0] != '\0') {
            mcpa_jsonw_z(w, labels[i].name, labels[i].value);
        }
    }
}

void admind_alert_print(mcpa_jsonw_t *w, const admind_alert_t *alert)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "name", alert->id.name);
    mcpa_jsonw_z(w, "state", alert->firing ? "firing" : "resolved");
    mcpa_jsonw_z(w, "severity", alert->id.severity);
    mcpa_jsonw_open_object(w, "labels");
    print_labels(w, &alert->id);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_z(w, "summary", alert->summary);
    mcpa_jsonw_int(w, "value", alert->value);
    print_time(w, "startsAt", alert->starts_us);
    if (alert->firing) {
        mcpa_jsonw_raw(w, "endsAt", MCPA_STR("null"));
    } else {
        print_time(w, "endsAt", alert->ends_us);
    }
    mcpa_jsonw_z(w, "fingerprint", alert->fingerprint);
    if (alert->flapping) {
        mcpa_jsonw_bool(w, "flapping", true);
    }
    mcpa_jsonw_close_object(w);
}

void admind_alert_print_alertmanager(mcpa_jsonw_t *w, const admind_alert_t *alert, const char *instance, int64_t ends_us)
{
    char value[24];

    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_open_object(w, "labels");
    mcpa_jsonw_z(w, "alertname", alert->id.name);
    mcpa_jsonw_z(w, "severity", alert->id.severity);
    mcpa_jsonw_z(w, "service", "mcpauth");
    mcpa_jsonw_z(w, "instance", instance);
    print_labels(w, &alert->id);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_open_object(w, "annotations");
    mcpa_jsonw_z(w, "summary", alert->summary);
    snprintf(value, sizeof(value), "%lld", (long long)alert->value);
    mcpa_jsonw_z(w, "value", value);
    if (alert->flapping) {
        mcpa_jsonw_z(w, "flapping", "true");
    }
    mcpa_jsonw_close_object(w);
    print_time(w, "startsAt", alert->starts_us);
    print_time(w, "endsAt", ends_us);
    mcpa_jsonw_close_object(w);
}

/* ---- bodies */

static char *room_for(mcpa_out_t *out, size_t alerts)
{
    size_t cap = (alerts + 1) * ALERT_BYTES;
    char *memory = alerts > 0 ? malloc(cap) : NULL;

    if (memory != NULL) {
        mcpa_out_init(out, memory, cap);
    }
    return memory;
}

static bool is_to_be_told(const admind_alert_t *alert, int64_t now_us)
{
    return alert->firing || now_us - alert->ends_us <= ADMIND_ALERTS_TELL_US;
}

static bool is_news(const admind_alert_t *alert, int64_t now_us)
{
    return alert->changed && is_to_be_told(alert, now_us);
}

char *admind_alertset_print_changes(const admind_alertset_t *set, mcpa_out_t *out, int64_t now_us)
{
    size_t total = admind_alertset_count(set), changed = 0;
    mcpa_jsonw_t w;
    char *memory;

    for (size_t i = 0; i < total; i++) {
        changed += is_news(admind_alertset_at(set, i), now_us) ? 1 : 0;
    }
    memory = room_for(out, changed);
    if (memory == NULL) {
        return NULL;
    }
    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_object(&w, NULL);
    mcpa_jsonw_open_array(&w, "alerts");
    for (size_t i = 0; i < total; i++) {
        if (is_news(admind_alertset_at(set, i), now_us)) {
            admind_alert_print(&w, admind_alertset_at(set, i));
        }
    }
    mcpa_jsonw_close_array(&w);
    mcpa_jsonw_close_object(&w);
    return memory;
}

char *admind_alertset_print_state(const admind_alertset_t *set, mcpa_out_t *out, const char *instance, int64_t now_us,
                                  int64_t ahead_us)
{
    size_t total = admind_alertset_count(set), n = 0;
    mcpa_jsonw_t w;
    char *memory;

    for (size_t i = 0; i < total; i++) {
        n += is_to_be_told(admind_alertset_at(set, i), now_us) ? 1 : 0;
    }
    memory = room_for(out, n);
    if (memory == NULL) {
        return NULL;
    }
    mcpa_jsonw_init(&w, out);
    mcpa_jsonw_open_array(&w, NULL);
    for (size_t i = 0; i < total; i++) {
        const admind_alert_t *alert = admind_alertset_at(set, i);

        if (is_to_be_told(alert, now_us)) {
            admind_alert_print_alertmanager(&w, alert, instance, alert->firing ? ahead_us : alert->ends_us);
        }
    }
    mcpa_jsonw_close_array(&w);
    return memory;
}

/* ---- the checkpoint */

static void save_one(mcpa_jsonw_t *w, const admind_alert_t *alert)
{
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "name", alert->id.name);
    mcpa_jsonw_z(w, "severity", alert->id.severity);
    print_labels(w, &alert->id);
    mcpa_jsonw_z(w, "summary", alert->summary);
    mcpa_jsonw_int(w, "value", alert->value);
    mcpa_jsonw_bool(w, "firing", alert->firing);
    mcpa_jsonw_bool(w, "flapping", alert->flapping);
    mcpa_jsonw_bool(w, "changed", alert->changed);
    mcpa_jsonw_int(w, "starts", alert->starts_us);
    mcpa_jsonw_int(w, "ends", alert->ends_us);
    mcpa_jsonw_int(w, "raised", alert->raised_us);
    mcpa_jsonw_int(w, "low_since", alert->low_since_us);
    mcpa_jsonw_int(w, "flap_window", alert->flap_window_us);
    mcpa_jsonw_open_array(w, "changes");
    for (size_t i = 0; i < ADMIND_ALERTS_FLAPS; i++) { /* oldest first */
        mcpa_jsonw_int(w, NULL, alert->changes_us[(alert->next_change + i) % ADMIND_ALERTS_FLAPS]);
    }
    mcpa_jsonw_close_array(w);
    mcpa_jsonw_close_object(w);
}

void admind_alertset_save(const admind_alertset_t *set, mcpa_jsonw_t *w, const char *name)
{
    mcpa_jsonw_open_array(w, name);
    for (size_t i = 0; i < admind_alertset_count(set); i++) {
        save_one(w, admind_alertset_at(set, i));
    }
    mcpa_jsonw_close_array(w);
}

static void load_text(char *memory, size_t cap, const mcpa_json_t *json, const char *name)
{
    mcpa_str_t text = mcpa_json_string(mcpa_json_member(json, name));

    snprintf(memory, cap, "%.*s", MCPA_STR_ARG(text));
}

static int64_t load_int(const mcpa_json_t *json, const char *name)
{
    int64_t value = 0;

    return mcpa_json_integer(mcpa_json_member(json, name), &value) ? value : 0;
}

static void load_one(admind_alertset_t *set, const mcpa_json_t *json)
{
    const mcpa_json_t *changes = mcpa_json_member(json, "changes");
    admind_alert_id_t id = { 0 };
    admind_alert_t *alert;

    load_text(id.name, sizeof(id.name), json, "name");
    load_text(id.severity, sizeof(id.severity), json, "severity");
    load_text(id.address, sizeof(id.address), json, "address");
    load_text(id.location, sizeof(id.location), json, "location");
    load_text(id.issuer, sizeof(id.issuer), json, "issuer");
    if (id.name[0] == '\0' || id.severity[0] == '\0') {
        return;
    }
    alert = admind_alertset_restore(set, &id, mcpa_json_true(mcpa_json_member(json, "firing")));
    if (alert == NULL) {
        return;
    }
    load_text(alert->summary, sizeof(alert->summary), json, "summary");
    alert->value = load_int(json, "value");
    alert->flapping = mcpa_json_true(mcpa_json_member(json, "flapping"));
    alert->changed = mcpa_json_true(mcpa_json_member(json, "changed"));
    alert->starts_us = load_int(json, "starts");
    alert->ends_us = load_int(json, "ends");
    alert->raised_us = load_int(json, "raised");
    alert->low_since_us = load_int(json, "low_since");
    alert->flap_window_us = load_int(json, "flap_window");
    for (size_t i = 0; i < ADMIND_ALERTS_FLAPS; i++) {
        int64_t at_us = 0;

        alert->changes_us[i] = mcpa_json_integer(mcpa_json_at(changes, i), &at_us) ? at_us : 0;
    }
}

void admind_alertset_load(admind_alertset_t *set, const mcpa_json_t *saved)
{
    for (size_t i = 0; i < mcpa_json_size(saved); i++) {
        load_one(set, mcpa_json_at(saved, i));
    }
}
