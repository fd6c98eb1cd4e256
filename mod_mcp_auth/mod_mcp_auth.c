/* SPDX-License-Identifier: Apache-2.0 */
/* The module record and, in the order in which a request meets them, its hooks. */
#include "mod_mcp_auth.h"

#include "http_connection.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_status.h"
#include "mpm_common.h"

#include "answer.h"
#include "audit.h"
#include "authz.h"
#include "body.h"
#include "checks.h"
#include "child.h"
#include "config.h"
#include "gate.h"
#include "lists.h"
#include "loose.h"
#include "session.h"
#include "status.h"
#include "streamcap.h"
#include "watch.h"
#include "wellknown.h"

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog __attribute__((unused)), apr_pool_t *ptemp __attribute__((unused)))
{
    mod_mcp_global_reset(pconf);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    static const char *const before_log[] = { "mod_log_config.c", NULL };
    static const char *const before_cache[] = { "mod_cache.c", NULL };

    /* Start. */
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(mod_mcp_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(mod_mcp_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(mod_mcp_child_init, NULL, NULL, APR_HOOK_MIDDLE);
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
    ap_hook_child_stopping(mod_mcp_child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
#endif

    /* A request. Between these two httpd logs its headers at trace4. */
    ap_hook_pre_connection(mod_mcp_watch_upstream, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(mod_mcp_watch_forget, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_read_request(mod_mcp_hide_credential, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_quick_handler(mod_mcp_wellknown_handle, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(mod_mcp_gate_translate, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_header_parser(mod_mcp_gate_header_parser, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_check_access(mod_mcp_gate_access_checker, NULL, NULL, APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_fixups(mod_mcp_gate_fixups, NULL, NULL, APR_HOOK_REALLY_FIRST);
    mod_mcp_authz_register(pool);
    ap_hook_handler(mod_mcp_gate_handler, NULL, before_cache, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(mod_mcp_loose_handler, NULL, before_cache, APR_HOOK_REALLY_FIRST);

    /* Its answer. */
    ap_hook_insert_filter(mod_mcp_lists_insert_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_filter(mod_mcp_streamcap_insert_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_filter(mod_mcp_session_insert_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_filter(mod_mcp_answer_insert_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_filter(mod_mcp_audit_insert_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_error_filter(mod_mcp_answer_insert_error_filter, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_insert_error_filter(mod_mcp_audit_insert_error_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_log_transaction(mod_mcp_audit_log, NULL, before_log, APR_HOOK_FIRST);
    mod_mcp_answer_register(pool);
    mod_mcp_audit_register(pool);
    mod_mcp_body_register();
    mod_mcp_watch_register();
    mod_mcp_streamcap_register();
    mod_mcp_session_register();
    mod_mcp_lists_register();
    APR_OPTIONAL_HOOK(ap, status_hook, mod_mcp_status, NULL, NULL, APR_HOOK_MIDDLE);
}

module mcp_auth_module = {
    STANDARD20_MODULE_STUFF, mod_mcp_dir_create, mod_mcp_dir_merge, mod_mcp_server_create,
    mod_mcp_server_merge,    mod_mcp_commands,   register_hooks,    AP_MODULE_FLAG_NONE,
};
