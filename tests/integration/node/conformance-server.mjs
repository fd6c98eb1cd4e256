// SPDX-License-Identifier: Apache-2.0
// node conformance-server.mjs '{"port": N, "careless": false}'   The server behind the gate when the MCP conformance tool calls: /mcp on 127.0.0.1, both
// eras: sessions and resumable streams up to 2025-11-25, none in 2026-07-28. A careless one looks neither at Host and Origin nor at the mirrored headers.
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler, createRequestStateCodec, hostHeaderValidationResponse, isLegacyRequest, localhostAllowedHostnames, localhostAllowedOrigins,
  originValidationResponse, WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { makeServer } from './conformance-features.mjs';

const { port, careless = false } = JSON.parse(process.argv[2]);
const state = createRequestStateCodec({ key: randomBytes(32) });
const modern = createMcpHandler(() => makeServer(state, () => modern.notify), { legacy: 'reject' });
const sessions = new Map();

/** What a client missed, for its Last-Event-ID: `<stream>/<number>`. */
class Events {
  all = new Map();

  async storeEvent(stream, message) {
    const id = `${stream}/${this.all.size}`;
    this.all.set(id, message);
    return id;
  }

  async replayEventsAfter(last, { send }) {
    const stream = last.slice(0, last.lastIndexOf('/'));
    const ids = [...this.all.keys()];
    for (const id of ids.slice(ids.indexOf(last) + 1)) {
      // A priming event is stored as an empty message; it is no news.
      if (id.startsWith(`${stream}/`) && this.all.get(id).jsonrpc) await send(id, this.all.get(id));
    }
    return stream;
  }
}

async function begin(request) {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID, eventStore: new Events(), retryInterval: 100,
    onsessioninitialized: (id) => { sessions.set(id, transport); }, onsessionclosed: (id) => { sessions.delete(id); },
  });
  await makeServer(state, () => modern.notify).connect(transport);
  return transport.handleRequest(request);
}

function legacy(request) {
  const id = request.headers.get('mcp-session-id');
  if (id === null) return begin(request);
  const error = { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } };
  return sessions.get(id)?.handleRequest(request) ?? Response.json(error, { status: 404 });
}

/** The request with mirrored headers that agree with its body, whatever the client sent. */
async function agree(request) {
  if (request.method !== 'POST') return request;
  const body = await request.text();
  const { method, params = {} } = JSON.parse(body);
  const headers = new Headers(request.headers);
  headers.set('Mcp-Method', method);
  headers.set('Mcp-Name', params.name ?? params.uri ?? '');
  return new Request(request.url, { method: 'POST', headers, body });
}

async function serve(request) {
  const refused = careless ? undefined : hostHeaderValidationResponse(request, localhostAllowedHostnames())
    ?? originValidationResponse(request, localhostAllowedOrigins());
  if (refused) return refused;
  if (await isLegacyRequest(request)) return legacy(request);
  return modern.fetch(careless ? await agree(request) : request);
}

createServer(toNodeHandler({ fetch: serve })).listen(port, '127.0.0.1');
