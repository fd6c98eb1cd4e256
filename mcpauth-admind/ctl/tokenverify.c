/* SPDX-License-Identifier: Apache-2.0 */
/* token verify: explain's decision, of which only what concerns the token counts: whether it is good for that Location, whatever its scopes are enough
 * for. */
#include "ctl/explain.h"
#include "ctl/token.h"

#include <stdlib.h>

#include "base/text.h"

#define TEXT_BYTES 65536

static void print_line(void *ctx, const char *name, mcpa_str_t value)
{
    (void)ctx;
    printf("  %s: ", name);
    ctl_print_text(stdout, value);
    putchar('\n');
}

static void put_member(void *ctx, const char *name, mcpa_str_t value)
{
    mcpa_jsonw_str(ctx, name, value.ptr != NULL ? value : MCPA_STR(""));
}

static void tell_principal(const mcpa_principal_t *principal, void (*tell)(void *ctx, const char *name, mcpa_str_t value), void *ctx)
{
    char scopes[MCPA_SCOPE_TEXT_MAX_BYTES + 1], stamp[25];
    mcpa_out_t out;

    mcpa_out_init(&out, scopes, sizeof(scopes));
    mcpa_scopes_print(&out, &principal->scopes);
    mcpa_text_rfc3339(stamp, principal->expires_s * 1000000);
    tell(ctx, "issuer", principal->issuer);
    tell(ctx, "subject", principal->subject);
    tell(ctx, "client_id", principal->client_id);
    tell(ctx, "scopes", mcpa_out_get(&out));
    tell(ctx, "expires", mcpa_str(stamp));
}

/* The word for what was found; of a good token its later fate does not count. */
static const char *word_of(const ctl_explained_t *explained)
{
    return explained->decision.authenticated ? "pass" : mcpa_reason_word(explained->decision.reason);
}

static void print(const ctl_explained_t *explained)
{
    bool good = explained->decision.authenticated, colour = explained->ctl->colour;

    printf("%s%s%s", ctl_colour_on(colour, good ? CTL_GREEN : CTL_RED), good ? "good" : "bad", ctl_colour_off(colour));
    printf(" for Location %s%s%s\n", explained->policy->location, good ? "" : ": ", good ? "" : word_of(explained));
    if (good) {
        tell_principal(&explained->decision.principal, print_line, NULL);
    } else {
        ctl_explained_why(explained, print_line, NULL);
    }
}

static bool print_json(const ctl_explained_t *explained)
{
    char *memory = malloc(TEXT_BYTES);
    mcpa_jsonw_t w;
    mcpa_out_t out;
    bool ok = false;

    if (memory != NULL) {
        mcpa_out_init(&out, memory, TEXT_BYTES);
        mcpa_jsonw_init(&w, &out);
        mcpa_jsonw_open_object(&w, NULL);
        mcpa_jsonw_bool(&w, "good", explained->decision.authenticated);
        mcpa_jsonw_z(&w, "location", explained->policy->location);
        mcpa_jsonw_z(&w, "reason", word_of(explained));
        if (explained->decision.authenticated) {
            tell_principal(&explained->decision.principal, put_member, &w);
        } else {
            mcpa_jsonw_open_object(&w, "why");
            ctl_explained_why(explained, put_member, &w);
            mcpa_jsonw_close_object(&w);
        }
        mcpa_jsonw_close_object(&w);
        ok = mcpa_out_status(&out) == MCPA_OK;
        if (ok) {
            printf("%s\n", memory);
        }
    }
    free(memory);
    return ok;
}

ctl_exit_t ctl_token_verify(const ctl_t *ctl)
{
    ctl_explained_t explained = { .ctl = ctl };
    ctl_exit_t result = CTL_USAGE;

    if (ctl->token_file == NULL || ctl->location == NULL) {
        ctl_complain("token verify wants --token-file FILE, or - for standard input, and --location, as written in httpd's configuration");
        return CTL_USAGE;
    }
    if (ctl_explained_decide(&explained)) {
        result = explained.decision.authenticated ? CTL_GOOD : CTL_BAD;
        if (!ctl->json) {
            print(&explained);
        } else if (!print_json(&explained)) {
            result = CTL_BAD;
        }
    }
    ctl_explained_clear(&explained);
    return result;
}
