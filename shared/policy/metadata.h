/* SPDX-License-Identifier: Apache-2.0 */
/* Protected resource metadata (RFC 9728): its address and its document. */
#ifndef MCPA_POLICY_METADATA_H
#define MCPA_POLICY_METADATA_H

#include "policy/policy.h"

#define MCPA_METADATA_PREFIX "/.well-known/oauth-protected-resource"

/* Checks MCPAuthResource: absolute, https (http on loopback only with development), host, no user info, no fragment, no '"', '\\', blank or
 * control character; a query is refused (RFC 9728 section 1.2 says SHOULD NOT). error: a static sentence. */
bool mcpa_resource_check(mcpa_str_t resource, bool development, const char **error);
/* The metadata URL of section 3.1: the well-known segment between host and path, a path of "/" dropped. */
void mcpa_metadata_url_print(mcpa_out_t *out, mcpa_str_t resource);
/* The path part of that URL ("/.well-known/oauth-protected-resource/mcp"): what the server answers at. */
void mcpa_metadata_path_print(mcpa_out_t *out, mcpa_str_t resource);
/* Appends to 'out', a space-delimited list, what every client needs here and what is not in it yet: the Location's own scopes, and those that opening a
 * connection and listing tools need by its rules, in the revisions that are let in. Not what further operations need: clients that are told of no scope by
 * a challenge ask for all of these, and for more when a challenge says so. */
void mcpa_metadata_scopes_add(mcpa_out_t *out, const mcpa_policy_t *policy);
/* The document: resource, authorization_servers (the issuers), scopes_supported (policy->scopes; omitted when none; never offline_access),
 * bearer_methods_supported ["header"]. No resource_signing_alg_values_supported: that is about signed answers of the resource, of which there are
 * none, not about its tokens. */
void mcpa_metadata_print(mcpa_out_t *out, const mcpa_policy_t *policy);

#endif
