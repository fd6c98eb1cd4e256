/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/issuer.h"

#include "policy/preset.h"

/* Printing: each option that differs from what its preset, or no preset, would give. */
typedef struct printer {
    mcpa_out_t *out;
    const char *separator;
} printer_t;

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(const char *const *a, const char *const *b)
{
    while (a && b && *a && same(*a, *b)) {
        a++;
        b++;
    }
    return (a ? *a : NULL) == (b ? *b : NULL);
}

static void print_option(printer_t *p, const char *name, const char *value)
{
    mcpa_out_printf(p->out, "%s%s%s", p->separator, name, value);
    p->separator = " ";
}

static void print_claim(printer_t *p, const char *name, const char *claim, const char *base)
{
    if (claim && !same(claim, base)) {
        print_option(p, name, claim);
    }
}

static void print_keys(printer_t *p, const mcpa_issuer_t *issuer, const mcpa_issuer_t *base)
{
    if (issuer->key_source == MCPA_KEYS_SECRET) {
        print_option(p, "secret=", "file"); /* where it lies stays on the server */
    } else if (issuer->key_source == MCPA_KEYS_FILE) {
        print_option(p, "jwks=file:", issuer->jwks);
    } else if (issuer->key_source == MCPA_KEYS_URL) {
        print_option(p, "jwks=", issuer->jwks);
    } else if (base->key_source != MCPA_KEYS_DISCOVER) {
        print_option(p, "jwks=", "discover");
    }
}

static void print_algs(printer_t *p, mcpa_algs_t algs)
{
    const char *comma = "";

    print_option(p, "alg=", "");
    for (unsigned alg = MCPA_ALG_NONE + 1; alg < MCPA_ALG_COUNT; alg++) {
        if (algs & MCPA_ALG_BIT(alg)) {
            mcpa_out_printf(p->out, "%s%s", comma, mcpa_alg_name((mcpa_alg_t)alg));
            comma = ",";
        }
    }
}

static void print_require(printer_t *p, const char *const *names)
{
    const char *comma = "";

    print_option(p, "require=", "");
    for (; names && *names; names++) {
        mcpa_out_printf(p->out, "%s%s", comma, *names);
        comma = ",";
    }
}

void mcpa_issuer_print(mcpa_out_t *out, const mcpa_issuer_t *issuer)
{
    printer_t p = { out, "" };
    mcpa_issuer_t base;

    mcpa_issuer_set_defaults(&base);
    if (issuer->preset && mcpa_preset_apply(&base, mcpa_str(issuer->preset))) {
        print_option(&p, "preset=", issuer->preset);
    }
    print_keys(&p, issuer, &base);
    if (issuer->algs != (issuer->key_source == MCPA_KEYS_SECRET ? MCPA_ALGS_HMAC : base.algs)) {
        print_algs(&p, issuer->algs);
    }
    if (issuer->any_typ != base.any_typ) {
        print_option(&p, "typ=", issuer->any_typ ? "any" : "at+jwt");
    }
    if (issuer->skew_s != base.skew_s) {
        print_option(&p, "skew=", "");
        mcpa_out_printf(out, "%d", issuer->skew_s);
    }
    print_claim(&p, "scope-claim=", issuer->scope_claim, base.scope_claim);
    print_claim(&p, "subject-claim=", issuer->subject_claim, base.subject_claim);
    print_claim(&p, "client-claim=", issuer->client_claim, base.client_claim);
    print_claim(&p, "audience-claim=", issuer->audience_claim, base.audience_claim);
    print_claim(&p, "roles-claim=", issuer->roles_claim, base.roles_claim);
    if (!same_list(issuer->require, base.require)) {
        print_require(&p, issuer->require);
    }
}
