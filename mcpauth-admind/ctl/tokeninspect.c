/* SPDX-License-Identifier: Apache-2.0 */
/* token inspect: what a token says of itself. Nothing of it is believed, and neither it nor its signature is shown. */
#include "ctl/token.h"

#include <stdlib.h>
#include <time.h>

#include "base/b64url.h"
#include "base/limits.h"
#include "base/text.h"

typedef struct inspected {
    mcpa_json_t *header, *claims;
    int64_t now_s;
} inspected_t;

static mcpa_json_t *read_part(mcpa_str_t part)
{
    unsigned char memory[MCPA_TOKEN_MAX_BYTES];
    mcpa_json_t *json = NULL;
    size_t len;

    if (mcpa_b64url_decode(memory, sizeof(memory), &len, part) != MCPA_OK ||
        mcpa_json_parse(&json, (mcpa_str_t){ (const char *)memory, len }, MCPA_JSON_MAX_DEPTH, MCPA_JSON_MAX_VALUES) != MCPA_OK) {
        json = NULL;
    }
    explicit_bzero(memory, sizeof(memory));
    if (!mcpa_json_is(json, MCPA_JSON_OBJECT)) {
        mcpa_json_free(&json);
    }
    return json;
}

/* NULL, or why it is no token to look into. */
static const char *split(inspected_t *inspected, const char *token)
{
    const char *first = strchr(token, '.'), *second = first != NULL ? strchr(first + 1, '.') : NULL;

    if (strlen(token) > MCPA_TOKEN_MAX_BYTES) {
        return "it is longer than 16 KiB";
    }
    if (second == NULL) {
        return "it is no JWT: it has no three parts, and only its issuer can tell what it means";
    }
    if (strchr(second + 1, '.') != NULL) {
        return "it has more than three parts: an encrypted token can be read by whom it is for alone";
    }
    inspected->header = read_part((mcpa_str_t){ token, (size_t)(first - token) });
    inspected->claims = read_part((mcpa_str_t){ first + 1, (size_t)(second - first) - 1 });
    if (inspected->header == NULL || inspected->claims == NULL) {
        return inspected->header == NULL ? "its header is no base64url of one JSON object" : "its claims are no base64url of one JSON object";
    }
    return NULL;
}

static bool is_time(mcpa_str_t name, const mcpa_json_t *value, int64_t *seconds)
{
    static const char *const times[] = { "exp", "iat", "nbf", "auth_time", "updated_at" };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (mcpa_str_eqz(name, times[i])) {
            return mcpa_json_integer(value, seconds) && *seconds >= 0 && *seconds <= MCPA_TIME_MAX_S;
        }
    }
    return false;
}

static bool print_member(void *ctx, mcpa_str_t name, const mcpa_json_t *value)
{
    const inspected_t *inspected = ctx;
    char stamp[25], ago[40], *text = mcpa_json_print(value);
    int64_t seconds;

    fputs("  ", stdout);
    ctl_print_text(stdout, name);
    fputs(": ", stdout);
    if (mcpa_json_is(value, MCPA_JSON_STRING)) {
        ctl_print_text(stdout, mcpa_json_string(value));
    } else if (text != NULL) {
        ctl_print_text(stdout, mcpa_str(text));
    }
    if (is_time(name, value, &seconds)) {
        mcpa_text_rfc3339(stamp, seconds * 1000000);
        ctl_print_ago(ago, seconds, inspected->now_s);
        printf(" (%s, %s)", stamp, ago);
    }
    putchar('\n');
    free(text);
    return true;
}

static void print_times(mcpa_jsonw_t *w, const mcpa_json_t *claims)
{
    static const char *const names[] = { "iat", "nbf", "exp" };
    char stamp[25];
    int64_t seconds;

    mcpa_jsonw_open_object(w, "times");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_time(mcpa_str(names[i]), mcpa_json_member(claims, names[i]), &seconds)) {
            mcpa_text_rfc3339(stamp, seconds * 1000000);
            mcpa_jsonw_z(w, names[i], stamp);
        }
    }
    mcpa_jsonw_close_object(w);
}

static bool print_json(const inspected_t *inspected)
{
    char *header = mcpa_json_print(inspected->header), *claims = mcpa_json_print(inspected->claims);
    const size_t cap = 8 * MCPA_TOKEN_MAX_BYTES; /* escapes included */
    char *memory = malloc(cap);
    bool ok = header != NULL && claims != NULL && memory != NULL;
    mcpa_jsonw_t w;
    mcpa_out_t out;

    if (ok) {
        mcpa_out_init(&out, memory, cap);
        mcpa_jsonw_init(&w, &out);
        mcpa_jsonw_open_object(&w, NULL);
        mcpa_jsonw_bool(&w, "verified", false);
        mcpa_jsonw_raw(&w, "header", mcpa_str(header));
        mcpa_jsonw_raw(&w, "claims", mcpa_str(claims));
        print_times(&w, inspected->claims);
        mcpa_jsonw_close_object(&w);
        ok = mcpa_out_status(&out) == MCPA_OK;
        if (ok) {
            printf("%s\n", memory);
        }
    }
    free(memory);
    free(header);
    free(claims);
    return ok;
}

ctl_exit_t ctl_token_inspect(const ctl_t *ctl)
{
    inspected_t inspected = { .now_s = time(NULL) };
    char *token = ctl->token_file != NULL ? ctl_read_token(ctl->token_file) : NULL;
    const char *why;
    bool shown = true;

    if (ctl->token_file == NULL) {
        ctl_complain("token inspect wants --token-file FILE, or - for standard input");
    }
    if (token == NULL) {
        return CTL_USAGE;
    }
    why = split(&inspected, token);
    explicit_bzero(token, strlen(token));
    free(token);
    if (why != NULL) {
        ctl_complain("%s: %s", ctl->token_file, why);
    } else if (ctl->json) {
        shown = print_json(&inspected);
    } else {
        printf("not verified: anybody can write this; see token verify\nheader\n");
        mcpa_json_each(inspected.header, print_member, &inspected);
        printf("claims\n");
        mcpa_json_each(inspected.claims, print_member, &inspected);
    }
    mcpa_json_free(&inspected.header);
    mcpa_json_free(&inspected.claims);
    return why == NULL && shown ? CTL_GOOD : CTL_BAD;
}
