/* SPDX-License-Identifier: Apache-2.0 */
#include "http/views.h"

#include <stdlib.h>
#include <unistd.h>

#include "admind.h"
#include "base/json.h"
#include "base/text.h"
#include "issuer/keyring.h"

#define NUMBER_TEXT(n)   #n
#define NUMBER(n)        NUMBER_TEXT(n)
#define BODY_FIRST_BYTES 8192
#define BODY_MAX_BYTES   (16 * 1024 * 1024) /* 256 issuers of 64 keys, or 1024 children, are a fraction */

/* Writes into ever larger memory until it fits. */
static bool render(admind_answer_t *answer, void (*write)(mcpa_jsonw_t *w, struct admind *admind), struct admind *admind)
{
    for (size_t cap = BODY_FIRST_BYTES; cap <= BODY_MAX_BYTES; cap *= 4) {
        char *memory = malloc(cap);
        mcpa_jsonw_t w;
        mcpa_out_t out;

        if (memory == NULL) {
            return false;
        }
        mcpa_out_init(&out, memory, cap);
        mcpa_jsonw_init(&w, &out);
        write(&w, admind);
        if (mcpa_out_status(&out) == MCPA_OK) {
            answer->body = memory;
            answer->len = out.len;
            return true;
        }
        free(memory);
    }
    return false;
}

/* null for a moment that never was. */
static void put_time(mcpa_jsonw_t *w, const char *name, int64_t us)
{
    char stamp[25];

    if (us == 0) {
        mcpa_jsonw_raw(w, name, MCPA_STR("null"));
        return;
    }
    mcpa_text_rfc3339(stamp, us);
    mcpa_jsonw_z(w, name, stamp);
}

/* An array with what 'put' writes for each i from 0 on, until it says false: there is no i-th. */
static void write_list(mcpa_jsonw_t *w, const char *name, bool (*put)(mcpa_jsonw_t *w, const struct admind *admind, size_t i),
                       const struct admind *admind)
{
    mcpa_jsonw_open_array(w, name);
    for (size_t i = 0; put(w, admind, i); i++) {
    }
    mcpa_jsonw_close_array(w);
}

bool admind_view_health(struct admind *admind, const admind_request_t *request, admind_answer_t *answer)
{
    (void)admind;
    (void)request;
    answer->type = "text/plain; charset=utf-8";
    answer->body = strdup("ok");
    answer->len = 2;
    return answer->body != NULL;
}

static void write_components(mcpa_jsonw_t *w, const admind_facts_t *facts)
{
    for (admind_component_t component = 0; component < ADMIND_COMPONENTS; component++) {
        mcpa_jsonw_z(w, admind_health_name(component), admind_health_word(facts, component));
    }
}

static void write_ready(mcpa_jsonw_t *w, struct admind *admind)
{
    admind_facts_t facts;

    admind_facts(admind, &facts);
    mcpa_jsonw_open_object(w, NULL);
    write_components(w, &facts);
    put_time(w, "timestamp", admind_loop_wall_us(admind->loop));
    mcpa_jsonw_close_object(w);
}

bool admind_view_ready(struct admind *admind, const admind_request_t *request, admind_answer_t *answer)
{
    admind_facts_t facts;

    (void)request;
    admind_facts(admind, &facts);
    answer->status = admind_health_is_ready(&facts) ? 200 : 503;
    return render(answer, write_ready, admind);
}

bool admind_view_metrics(struct admind *admind, const admind_request_t *request, admind_answer_t *answer)
{
    bool open = admind_routes_wants_openmetrics(request->accept);

    admind_refresh_metrics(admind);
    answer->type =
        open ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8";
    answer->body = mcpa_metrics_print(admind->metrics, open, &answer->len);
    return answer->body != NULL;
}

bool admind_view_alerts(struct admind *admind, const admind_request_t *request, admind_answer_t *answer)
{
    (void)request;
    answer->body = admind_alerts_print(admind->alerts);
    answer->len = answer->body == NULL ? 0 : strlen(answer->body);
    return answer->body != NULL;
}

static void write_key(mcpa_jsonw_t *w, const mcpa_key_t *key)
{
    mcpa_str_t kid = mcpa_key_kid(key);

    mcpa_jsonw_open_object(w, NULL);
    if (kid.ptr != NULL) {
        mcpa_jsonw_str(w, "kid", kid);
    }
    if (mcpa_key_alg(key) != MCPA_ALG_NONE) {
        mcpa_jsonw_z(w, "alg", mcpa_alg_name(mcpa_key_alg(key)));
    }
    mcpa_jsonw_z(w, "kty", mcpa_kty_name(mcpa_key_kty(key)));
    mcpa_jsonw_u64(w, "bits", mcpa_key_bits(key));
    mcpa_jsonw_close_object(w);
}

static bool put_issuer(mcpa_jsonw_t *w, const struct admind *admind, size_t i)
{
    admind_issuer_view_t view;

    if (!admind_keys_view(admind->keys, i, &view)) {
        return false;
    }
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "issuer", view.issuer);
    mcpa_jsonw_z(w, "source", mcpa_key_source_word(view.source));
    mcpa_jsonw_open_array(w, "keys");
    for (size_t k = 0; view.set != NULL && k < mcpa_jwks_count(view.set); k++) {
        write_key(w, mcpa_jwks_at(view.set, k));
    }
    mcpa_jsonw_close_array(w);
    put_time(w, "fetched", view.fetched_us);
    put_time(w, "expires", view.expires_us);
    put_time(w, "next_refresh", view.next_refresh_us);
    mcpa_jsonw_z(w, "last_error", view.last_error == NULL ? "" : view.last_error);
    mcpa_jsonw_u64(w, "refreshes", view.refreshes);
    mcpa_jsonw_u64(w, "failures", view.failures);
    mcpa_jsonw_u64(w, "unknown_kids", view.unknown_kids);
    mcpa_jsonw_close_object(w);
    return true;
}

static void write_keys(mcpa_jsonw_t *w, struct admind *admind)
{
    mcpa_jsonw_open_object(w, NULL);
    write_list(w, "issuers", put_issuer, admind);
    mcpa_jsonw_close_object(w);
}

bool admind_view_keys(struct admind *admind, const admind_request_t *request, admind_answer_t *answer)
{
    (void)request;
    return render(answer, write_keys, admind);
}

static void put_generation(mcpa_jsonw_t *w, const char *name, uint64_t generation)
{
    char text[20];
    mcpa_out_t out;

    mcpa_out_init(&out, text, sizeof(text));
    mcpa_out_printf(&out, "%016llx", (unsigned long long)generation);
    mcpa_jsonw_z(w, name, text);
}

static void write_policy(mcpa_jsonw_t *w, const struct admind *admind)
{
    admind_policy_view_t view;

    admind_policyfile_view(admind->policy, &view);
    mcpa_jsonw_open_object(w, "policy");
    if (view.loaded_us != 0) {
        put_generation(w, "generation", view.generation);
    }
    put_time(w, "written", view.written_us);
    put_time(w, "loaded", view.loaded_us);
    mcpa_jsonw_u64(w, "locations", view.locations);
    mcpa_jsonw_u64(w, "issuers", view.issuers);
    mcpa_jsonw_z(w, "error", view.error);
    mcpa_jsonw_close_object(w);
}

static bool put_child(mcpa_jsonw_t *w, const struct admind *admind, size_t i)
{
    char hex[2 * MCPA_INSTANCE_BYTES + 1];
    admind_peer_view_t view;

    if (!admind_peers_view(admind->peers, i, &view)) {
        return false;
    }
    mcpa_hex(hex, view.instance, MCPA_INSTANCE_BYTES);
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_int(w, "pid", view.pid);
    mcpa_jsonw_z(w, "instance", hex);
    mcpa_jsonw_u64(w, "acked", view.acked);
    put_generation(w, "policy", view.policy);
    mcpa_jsonw_u64(w, "issuers_with_keys", view.issuers_with_keys);
    mcpa_jsonw_int(w, "linked_s", (admind_loop_mono_us(admind->loop) - view.linked_us) / 1000000);
    mcpa_jsonw_close_object(w);
    return true;
}

/* The newest one, as an anchor to be kept elsewhere. */
static void write_seal(mcpa_jsonw_t *w, const struct admind *admind)
{
    char anchor[ADMIND_SEAL_ANCHOR_BYTES], id[2 * ADMIND_SEAL_ID_BYTES + 1];
    admind_seal_state_t seals;

    admind_sealer_state(admind->sealer, &seals);
    if (seals.sealed) {
        admind_seal_anchor_print(anchor, &seals.last);
        mcpa_hex(id, seals.last.key, sizeof(seals.last.key));
        mcpa_jsonw_z(w, "seal", anchor);
        mcpa_jsonw_z(w, "seal_key", id);
        put_time(w, "sealed", seals.last.ts);
    }
    mcpa_jsonw_u64(w, "unsealed_lines", seals.chain.lines);
}

static void write_journal(mcpa_jsonw_t *w, const struct admind *admind)
{
    admind_position_t position;

    admind_journal_position(admind->journal, &position);
    mcpa_jsonw_open_object(w, "journal");
    mcpa_jsonw_z(w, "file", position.file);
    mcpa_jsonw_u64(w, "bytes", position.offset);
    mcpa_jsonw_bool(w, "failing", admind->disk_failed);
    write_seal(w, admind);
    mcpa_jsonw_close_object(w);
}

static bool put_forward(mcpa_jsonw_t *w, const struct admind *admind, size_t i)
{
    admind_forward_view_t view;

    if (!admind_forward_view(admind->forward, i, &view)) {
        return false;
    }
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "name", view.name);
    mcpa_jsonw_z(w, "protocol", view.protocol);
    mcpa_jsonw_z(w, "address", view.address);
    mcpa_jsonw_u64(w, "records", view.records);
    mcpa_jsonw_u64(w, "backlog_bytes", view.backlog_bytes);
    mcpa_jsonw_int(w, "lag_s", view.lag_s);
    mcpa_jsonw_u64(w, "failures", view.failures);
    put_time(w, "last_success", view.last_success_us);
    mcpa_jsonw_z(w, "last_error", view.last_error);
    mcpa_jsonw_close_object(w);
    return true;
}

static void write_status(mcpa_jsonw_t *w, struct admind *admind)
{
    admind_peers_gauges_t gauges;
    admind_facts_t facts;

    admind_peers_gauges(admind->peers, &gauges);
    admind_facts(admind, &facts);
    mcpa_jsonw_open_object(w, NULL);
    mcpa_jsonw_z(w, "version", MCPA_VERSION);
    mcpa_jsonw_int(w, "pid", getpid());
    put_time(w, "started", admind->born_us);
    mcpa_jsonw_int(w, "uptime_s", (admind_loop_wall_us(admind->loop) - admind->born_us) / 1000000);
    mcpa_jsonw_open_object(w, "health");
    write_components(w, &facts);
    mcpa_jsonw_close_object(w);
    mcpa_jsonw_u64(w, "links", gauges.links);
    mcpa_jsonw_u64(w, "connections_refused", gauges.refused);
    mcpa_jsonw_u64(w, "backlog_bytes", admind_backlog_bytes(admind));
    mcpa_jsonw_u64(w, "records", (uint64_t)mcpa_metrics_get(admind->metrics, MCPA_METRIC_AUDIT_RECORDS, NULL));
    mcpa_jsonw_u64(w, "lost", (uint64_t)mcpa_metrics_get(admind->metrics, MCPA_METRIC_AUDIT_LOST, NULL));
    write_journal(w, admind);
    write_list(w, "forwards", put_forward, admind);
    write_policy(w, admind);
    write_list(w, "children", put_child, admind);
    mcpa_jsonw_close_object(w);
}

bool admind_view_status(struct admind *admind, const admind_request_t *request, admind_answer_t *answer)
{
    (void)request;
    return render(answer, write_status, admind);
}

/* Public by its nature: other programs verify with it, browsers' too. */
bool admind_view_jwks(struct admind *admind, const admind_request_t *request, admind_answer_t *answer)
{
    mcpa_str_t set = admind->issuer != NULL ? admind_issuer_published(admind->issuer) : MCPA_STR_NONE;

    (void)request;
    if (set.ptr == NULL) {
        answer->status = admind->issuer != NULL ? 503 : 404;
        return true;
    }
    answer->cache = "public, max-age=" NUMBER(ADMIND_KEYRING_MAX_AGE_S);
    answer->any_origin = true;
    answer->body = strndup(set.ptr, set.len);
    answer->len = set.len;
    return answer->body != NULL;
}
