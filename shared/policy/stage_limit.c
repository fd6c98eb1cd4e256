/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/stage.h"

#define NS_PER_S UINT64_C(1000000000)

static bool has_rule(const mcpa_work_t *w, const mcpa_ratetable_t *table, mcpa_limit_key_t key)
{
    for (size_t i = 0; table && i < w->policy->n_limits; i++) {
        if (w->policy->limits[i].key == key) {
            return true;
        }
    }
    return false;
}

/* Takes one request from every rule of this kind, in the order of the configuration. The first that is exceeded denies; the rules
 * before it stay charged: a client that hammers against one limit gains nothing from the others. */
static mcpa_reason_t charge(mcpa_work_t *w, mcpa_ratetable_t *table, mcpa_limit_key_t key, mcpa_str_t identity,
                            mcpa_reason_t exceeded)
{
    for (size_t i = 0; table && i < w->policy->n_limits; i++) {
        const mcpa_limit_t *limit = &w->policy->limits[i];
        uint64_t wait_ns = 0, wait_s;

        if (limit->key != key ||
            mcpa_ratetable_take(table, limit->id, identity, w->env->mono_ns, limit->interval_ns, limit->burst, &wait_ns)) {
            continue;
        }
        wait_s = wait_ns / NS_PER_S + (wait_ns % NS_PER_S != 0);
        w->decision->retry_after_s = wait_s > UINT32_MAX ? UINT32_MAX : wait_s < 1 ? 1 : (uint32_t)wait_s;
        w->decision->limit = limit;
        return exceeded;
    }
    return MCPA_REASON_PASS;
}

/* One household or host owns a /64 and can use all its addresses; IPv4 comes as ::ffff:a.b.c.d and counts whole. */
mcpa_reason_t mcpa_stage_charge_address(mcpa_work_t *w)
{
    static const unsigned char v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    unsigned char address[16];

    memcpy(address, w->request->address, sizeof(address));
    if (memcmp(address, v4_prefix, sizeof(v4_prefix)) != 0) {
        memset(address + 8, 0, 8);
    }
    return charge(w, w->env->address_limits, MCPA_LIMIT_ADDRESS, (mcpa_str_t){ (const char *)address, sizeof(address) },
                  MCPA_REASON_ADDRESS_LIMIT);
}

/* issuer LF kind name [LF tool]. No issuer's URL, subject or client id has a line feed, and the kind keeps a client whose id was
 * chosen to equal a user's apart from that user (RFC 9700 section 4.15). */
#define IDENTITY_BYTES (2 * MCPA_CLAIM_MAX_BYTES + MCPA_RPC_NAME_MAX_BYTES + 4)

static mcpa_reason_t charge_identity(mcpa_work_t *w, mcpa_limit_key_t key, bool prefer_subject, mcpa_str_t tool,
                                     mcpa_reason_t exceeded)
{
    const mcpa_principal_t *principal = &w->decision->principal;
    bool by_subject = principal->subject.ptr && (prefer_subject || !principal->client_id.ptr);
    char memory[IDENTITY_BYTES];
    mcpa_out_t identity;

    if (!has_rule(w, w->env->identity_limits, key)) {
        return MCPA_REASON_PASS;
    }
    mcpa_out_init(&identity, memory, sizeof(memory));
    mcpa_out_str(&identity, principal->issuer);
    mcpa_out_z(&identity, by_subject ? "\ns" : "\nc");
    mcpa_out_str(&identity, by_subject ? principal->subject : principal->client_id);
    if (tool.ptr) {
        mcpa_out_char(&identity, '\n');
        mcpa_out_str(&identity, tool);
    }
    if (mcpa_out_status(&identity) != MCPA_OK) {
        return MCPA_REASON_UNDECIDED;
    }
    return charge(w, w->env->identity_limits, key, mcpa_out_get(&identity), exceeded);
}

mcpa_reason_t mcpa_stage_charge_subject(mcpa_work_t *w)
{
    return charge_identity(w, MCPA_LIMIT_SUBJECT, true, MCPA_STR_NONE, MCPA_REASON_SUBJECT_LIMIT);
}

mcpa_reason_t mcpa_stage_charge_client(mcpa_work_t *w)
{
    return charge_identity(w, MCPA_LIMIT_CLIENT, false, MCPA_STR_NONE, MCPA_REASON_CLIENT_LIMIT);
}

/* Who may call whatever he names could fill the table with names, for everybody. So tools that no rule names share so many
 * buckets of a subject, and two of them now and then the same one. No tool's own name begins with a line feed. */
#define FOLDED_TOOLS 4096

static mcpa_str_t fold(char memory[8], mcpa_str_t name)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a: who makes names collide, takes from his own share */
    mcpa_out_t out;

    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (unsigned char)name.ptr[i]) * UINT32_C(16777619);
    }
    mcpa_out_init(&out, memory, 8);
    mcpa_out_printf(&out, "\n%u", hash % FOLDED_TOOLS);
    return mcpa_out_get(&out);
}

/* Last of all: only a call that goes upstream takes from the tool's share. */
mcpa_reason_t mcpa_stage_charge_tool(mcpa_work_t *w)
{
    const mcpa_operation_t *rule = w->decision->ruling.rule;
    mcpa_str_t name = w->decision->operation_name;
    char folded[8];

    if (!mcpa_str_eqz(w->decision->operation, "tools/call")) {
        return MCPA_REASON_PASS;
    }
    if (rule == NULL || rule->name == NULL || strpbrk(rule->name, "*?") != NULL) {
        name = fold(folded, name);
    }
    return charge_identity(w, MCPA_LIMIT_TOOL, true, name, MCPA_REASON_TOOL_LIMIT);
}
