// SPDX-License-Identifier: Apache-2.0
// node sdk-v2-client.mjs URL [TOOL] [ARGUMENTS-JSON] [legacy|auto]   The official SDK, version 2, from nothing to a tool's answer.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { report, travel } from './login.mjs';

const [url, name = 'echo', json = '{"message":"hello"}', era = 'legacy'] = process.argv.slice(2);
report(travel({
  make: (login) => ({
    client: new Client({ name: 'sdk-v2', version: '1' }, era === 'auto' ? { versionNegotiation: { mode: 'auto' } } : {}),
    transport: new StreamableHTTPClientTransport(new URL(url), { authProvider: login }),
  }),
  finish: (transport, login) => transport.finishAuth(login.answer), // takes iss too (RFC 9207)
  UnauthorizedError,
  callTool: (client) => client.callTool({ name, arguments: JSON.parse(json) }),
}));
