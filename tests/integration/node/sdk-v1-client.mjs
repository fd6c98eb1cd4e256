// SPDX-License-Identifier: Apache-2.0
// node sdk-v1-client.mjs URL [TOOL] [ARGUMENTS-JSON]   The official SDK, version 1, from nothing to a tool's answer. Prints one JSON object.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { report, travel } from './login.mjs';

const [url, name = 'echo', json = '{"message":"hello"}'] = process.argv.slice(2);
report(travel({
  make: (login) => ({
    client: new Client({ name: 'sdk-v1', version: '1' }),
    transport: new StreamableHTTPClientTransport(new URL(url), { authProvider: login }),
  }),
  finish: (transport, login) => transport.finishAuth(login.code),
  UnauthorizedError,
  callTool: (client) => client.callTool({ name, arguments: JSON.parse(json) }),
}));
