/* SPDX-License-Identifier: Apache-2.0 */
/* explain: the very function that decides requests in httpd, run offline with the policy and the keys that httpd has. */
#include "ctl/explain.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/host.h"
#include "base/text.h"
#include "files.h"
#include "keys/keyfile.h"

/* ---- keys, where children take them from */

/* httpd reads the file before it writes its policy. By the time of its inode, which no copying or moving sets back. */
static bool is_changed_since(const char *path, int64_t written_us)
{
    struct stat st;

    return stat(path, &st) != 0 || (int64_t)st.st_ctim.tv_sec * 1000000 + st.st_ctim.tv_nsec / 1000 > written_us;
}

static mcpa_jwks_t *read_file_set(ctl_explained_t *explained, const char *path)
{
    mcpa_jwks_report_t report = { 0 };
    mcpa_jwks_t *set = NULL;
    mcpa_str_t text = MCPA_STR_NONE;
    mcpa_status_t status = admind_file_read(&text, path, MCPA_JWKS_MAX_BYTES);

    if (status == MCPA_OK) {
        status = mcpa_jwks_parse(&set, text, &report);
        free((char *)(uintptr_t)text.ptr);
    }
    snprintf(explained->keys_note, sizeof(explained->keys_note), "%.180s%s%s", path, status == MCPA_OK ? "" : ": ",
             status == MCPA_OK ? "" : mcpa_status_word(status));
    if (status == MCPA_OK && is_changed_since(path, explained->snapshot->written_us)) {
        snprintf(explained->keys_note, sizeof(explained->keys_note),
                 "%.150s was changed after httpd had read it, so that the keys it has are not known: reload httpd", path);
        mcpa_jwks_release(&set);
    }
    return status == MCPA_OK ? set : NULL;
}

static mcpa_jwks_t *read_published(ctl_explained_t *explained, const mcpa_issuer_t *issuer)
{
    admind_keyfile_t file = { 0 };
    char dir[4096];
    mcpa_status_t status;

    snprintf(dir, sizeof(dir), "%s%s", explained->ctl->keys != NULL ? explained->ctl->keys : explained->ctl->state_dir,
             explained->ctl->keys != NULL ? "" : "/" ADMIND_KEYFILE_DIR);
    status = admind_keyfile_read(&file, dir, issuer->url);
    if (status != MCPA_OK) {
        snprintf(explained->keys_note, sizeof(explained->keys_note), "no keys of %.100s in %.100s (%s)", issuer->url, dir,
                 mcpa_status_word(status));
        return NULL;
    }
    if (file.expires_s <= explained->now_us / 1000000) {
        snprintf(explained->keys_note, sizeof(explained->keys_note), "the keys of %.120s in %.100s are too old", issuer->url,
                 dir);
        mcpa_jwks_release(&file.set);
        return NULL;
    }
    snprintf(explained->keys_note, sizeof(explained->keys_note), "%zu keys in %.180s", mcpa_jwks_count(file.set), dir);
    return file.set;
}

static mcpa_jwks_t *find_keys(void *ctx, const mcpa_issuer_t *issuer)
{
    ctl_explained_t *explained = ctx;

    mcpa_jwks_release(&explained->keys);
    switch (issuer->key_source) {
    case MCPA_KEYS_FILE:
        explained->keys = read_file_set(explained, issuer->jwks);
        break;
    case MCPA_KEYS_SECRET:
        snprintf(explained->keys_note, sizeof(explained->keys_note),
                 "the secret of this issuer is httpd's alone: its tokens cannot be explained");
        break;
    case MCPA_KEYS_DISCOVER:
    case MCPA_KEYS_URL:
        explained->keys = read_published(explained, issuer);
        break;
    }
    return explained->keys != NULL ? mcpa_jwks_retain(explained->keys) : NULL;
}

static void on_stage(void *ctx, const char *stage, mcpa_reason_t reason, const struct mcpa_decision *decision)
{
    ctl_explained_t *explained = ctx;

    (void)decision;
    if (explained->n_stages < CTL_STAGES_MAX) {
        explained->stages[explained->n_stages].name = stage;
        explained->stages[explained->n_stages].reason = reason;
        explained->n_stages++;
    }
}

/* ---- what was asked for */

static mcpa_snapshot_t *read_policy(const ctl_t *ctl)
{
    char path[4096], error[512] = "";
    mcpa_snapshot_t *snapshot = ctl_policy_read(ctl, path, error, sizeof(error));

    if (snapshot == NULL) {
        ctl_complain("%s: %s", path, error);
    }
    return snapshot;
}

static bool is_vhost(const ctl_t *ctl, const mcpa_policy_t *policy)
{
    return ctl->vhost == NULL || (policy->vhost != NULL && strcmp(policy->vhost, ctl->vhost) == 0);
}

static const mcpa_policy_t *find_policy(const ctl_t *ctl, const mcpa_snapshot_t *snapshot)
{
    const mcpa_policy_t *found = NULL;

    for (size_t i = 0; snapshot->policies != NULL && snapshot->policies[i] != NULL; i++) {
        const mcpa_policy_t *policy = snapshot->policies[i];

        if (policy->location == NULL || strcmp(policy->location, ctl->location) != 0 || !is_vhost(ctl, policy)) {
            continue;
        }
        if (found != NULL) {
            ctl_complain("several vhosts have a Location %s: say --vhost %s or --vhost %s", ctl->location, found->vhost,
                         policy->vhost);
            return NULL;
        }
        found = policy;
    }
    if (found == NULL) {
        ctl_complain("the policy has no Location %s%s%s; it has:", ctl->location, ctl->vhost != NULL ? " in vhost " : "",
                     ctl->vhost != NULL ? ctl->vhost : "");
        for (size_t i = 0; snapshot->policies != NULL && snapshot->policies[i] != NULL; i++) {
            ctl_complain("  --vhost %s --location %s", snapshot->policies[i]->vhost, snapshot->policies[i]->location);
        }
    }
    return found;
}

/* A token in argv would stand in every process list: we take a file or standard input. */
char *ctl_read_token(const char *path)
{
    const char *first = strchr(path, '.');

    if (first != NULL && strchr(first + 1, '.') != NULL && strncmp(path, "ey", 2) == 0) {
        ctl_complain("that is a token, not a file: everybody on this machine can read the command line; write it to a file or "
                     "use --token-file -");
        return NULL;
    }
    return ctl_read_secret(path);
}

static bool read_token(const ctl_t *ctl, char **authorization)
{
    char *token;

    if (ctl->token_file == NULL) {
        return true; /* a request without a token can be explained, too */
    }
    token = ctl_read_token(ctl->token_file);
    if (token == NULL) {
        return false;
    }
    if (asprintf(authorization, "Bearer %s", token) < 0) {
        *authorization = NULL;
    }
    explicit_bzero(token, strlen(token));
    free(token);
    return *authorization != NULL;
}

static bool read_now(const ctl_t *ctl, int64_t *now_us)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    *now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    if (ctl->at != NULL && !ctl_parse_time(ctl->at, *now_us, now_us)) {
        ctl_complain("--at '%s' is no time; write 2026-11-21T09:00:00Z", ctl->at);
        return false;
    }
    return true;
}

/* ---- running it */

static void decide(ctl_explained_t *explained)
{
    const mcpa_env_t env = {
        .now_us = explained->now_us, .ctx = explained, .keys = find_keys, .read_message = ctl_explained_message, .trace = on_stage
    };

    explained->request.authorization = mcpa_str(explained->authorization);
    if (explained->request.host.ptr == NULL) { /* a client of this resource asks for it by its URL */
        explained->request.host = mcpa_authority_of(mcpa_str(explained->policy->resource));
    }
    mcpa_decide(&explained->decision, &explained->request, explained->policy, &env);
    if (explained->decision.token.ptr != NULL && mcpa_jws_split(&explained->jws, explained->decision.token) == MCPA_OK) {
        explained->has_jws = true;
        if (mcpa_jws_payload(&explained->claims, &explained->jws) != MCPA_OK) {
            explained->claims = NULL;
        }
    }
}

void ctl_explained_clear(ctl_explained_t *explained)
{
    mcpa_decision_clear(&explained->decision);
    ctl_explained_request_clear(explained);
    mcpa_json_free(&explained->claims);
    if (explained->has_jws) {
        mcpa_jws_clear(&explained->jws);
    }
    mcpa_jwks_release(&explained->keys);
    mcpa_snapshot_free(&explained->snapshot);
    if (explained->authorization != NULL) {
        explicit_bzero(explained->authorization, strlen(explained->authorization));
        free(explained->authorization);
    }
}

bool ctl_explained_decide(ctl_explained_t *explained)
{
    const ctl_t *ctl = explained->ctl;

    if (read_now(ctl, &explained->now_us) && ctl_explained_request(explained) && read_token(ctl, &explained->authorization)) {
        explained->snapshot = read_policy(ctl);
        explained->policy = explained->snapshot != NULL ? find_policy(ctl, explained->snapshot) : NULL;
    }
    if (explained->policy == NULL) {
        return false;
    }
    decide(explained);
    return true;
}

ctl_exit_t ctl_explain(const ctl_t *ctl)
{
    ctl_explained_t explained = { .ctl = ctl };
    ctl_exit_t result = CTL_USAGE;

    if (ctl->location == NULL) {
        ctl_complain("explain wants --location, as written in httpd's configuration, such as --location /mcp");
        return CTL_USAGE;
    }
    if (ctl_explained_decide(&explained)) {
        if (ctl->json) {
            ctl_explained_print_json(&explained);
        } else {
            ctl_explained_print(&explained);
        }
        result = mcpa_reason_row(explained.decision.reason)->outcome == MCPA_OUTCOME_ALLOW ? CTL_GOOD : CTL_BAD;
    }
    ctl_explained_clear(&explained);
    return result;
}
