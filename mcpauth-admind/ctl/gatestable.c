/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/gates.h"

/* What later gates need is found out by earlier ones. */
const ctl_gate_t ctl_gates_all[] = {
    /* what httpd was told, by its policy snapshot */
    { "policy-snapshot", ctl_gate_snapshot,
      "start httpd with mod_mcp_auth; --policy names the file where MCPAuthStateDir is not the daemon's StateDir" },
    { "policy-complete", ctl_gate_complete, "every guarded Location has MCPAuthResource, MCPAuthIssuer and MCPAuthScope" },
    { "enforced", ctl_gate_enforced, "MCPAuth On in place of Shadow" },
    { "production-mode", ctl_gate_production, "MCPAuthMode production, or no such line" },
    { "no-basic-fallback", ctl_gate_no_basic, "take the AuthType out, or write AuthType None into the guarded Location" },
    { "tls", ctl_gate_tls, "MCPAuthResource is the https URL that clients use" },
    { "rate-limits", ctl_gate_limits, "MCPAuthRateLimit in every guarded Location, or in one around it" },
    { "audit", ctl_gate_audit, "MCPAuthAudit Required, or On" },
    /* what the daemon says */
    { "metrics", ctl_gate_metrics,
      "start mcpauth-admind; --url or --config says where it listens, --token-file has its admin token" },
    { "policy-current", ctl_gate_current,
      "reload httpd; MCPAuthStateDir and MCPAuthSocket are the daemon's StateDir and Socket" },
    { "keys", ctl_gate_keys, "mcpauthctl keys shows each issuer's last fetch: mend what it says" },
    { "rules", ctl_gate_rules, "load the alert rules of mcpauth into that Prometheus (rule_files) and reload it" },
    /* what clients meet */
    { "tls-hsts", ctl_gate_hsts,
      "a certificate that clients trust; MCPAuthSecurityHeaders On, and no Header unset Strict-Transport-Security" },
    { "probe", ctl_gate_probe, "mcpauthctl probe URL shows each check with its mend" },
};
const size_t ctl_gates_n = sizeof(ctl_gates_all) / sizeof(ctl_gates_all[0]);
_Static_assert(sizeof(ctl_gates_all) / sizeof(ctl_gates_all[0]) <= CTL_GATES_MAX, "findings have room");
