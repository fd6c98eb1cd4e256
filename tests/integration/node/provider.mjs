// SPDX-License-Identifier: Apache-2.0
// A certified OpenID provider on loopback: JWT access tokens by resource indicators, dynamic registration, logins that need nobody.
//   node provider.mjs '{"port":N,"control":N,"scopes":["mcp:tools.read"]}'
// Control (GET): /rotate?overlap=1|0  a new key signs; the old one stays published or is gone at once
//                /behave?delay=MS&status=N&redirect=URL&size=N&body=TEXT&maxAge=S  how /jwks answers from now on; none: well
//                /state               {"jwks":requests so far,"kids":[…]}
import http from 'node:http';
import * as jose from 'jose';
import Provider from 'oidc-provider';

const { port, control, scopes = ['mcp:tools.read', 'mcp:tools.exec', 'mcp:admin'], alg = 'RS256', ttl = 600 } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const state = { jwks: 0, behave: {}, keys: [] };

async function newKey() {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = await jose.exportJWK(privateKey);
  return { ...jwk, alg, use: 'sig', kid: await jose.calculateJwkThumbprint(jwk) };
}

// The provider reads its keys once, so a rotation makes a new provider; its in-memory storage is shared by all of a process.
function makeProvider() {
  const provider = new Provider(issuer, {
    jwks: { keys: state.keys },
    cookies: { keys: ['not a secret: loopback only'] },
    scopes: ['openid', 'offline_access', ...scopes],
    // A client registers with the scope of the first challenge it met, and may ask for more when it meets another.
    extraClientMetadata: { properties: ['may_step_up'], validator(ctx, key, value, metadata) { if (metadata.scope) metadata.scope = ['openid', 'offline_access', ...scopes].join(' '); } },
    pkce: { required: () => true },
    clients: [{
      client_id: 'machine', client_secret: 'machine-secret-of-a-test-only-provider', grant_types: ['client_credentials'],
      response_types: [], redirect_uris: [], token_endpoint_auth_method: 'client_secret_basic', scope: scopes.join(' '),
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      registration: { enabled: true, initialAccessToken: false },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: scopes.join(' '), audience: resource, accessTokenTTL: ttl, accessTokenFormat: 'jwt', jwt: { sign: { alg } },
        }),
      },
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    // Everybody consents to everything that the client asks for.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope(['openid', 'offline_access', ...scopes].join(' '));
      for (const resource of Object.keys(ctx.oidc.resourceServers ?? {})) grant.addResourceScope(resource, scopes.join(' '));
      await grant.save();
      return grant;
    },
    clientBasedCORS: () => true,
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  provider.on('authorization.error', (ctx, error) => console.error('authorization:', error.message, error.error_description ?? ''));
  provider.on('grant.error', (ctx, error) => console.error('grant:', error.message, error.error_description ?? ''));
  provider.on('registration_create.error', (ctx, error) => console.error('registration:', error.message, error.error_description ?? ''));
  return { provider, answer: provider.callback() };
}

// What a person would have done at this prompt. The grant itself is made by loadExistingGrant.
async function submission(request, response) {
  const { prompt, session, params } = await current.provider.interactionDetails(request, response);
  if (prompt.name === 'login') return { login: { accountId: 'alice' } };
  const grant = new current.provider.Grant({ clientId: params.client_id, accountId: session.accountId });
  grant.addOIDCScope(['openid', 'offline_access', ...scopes].join(' '));
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, scopes.join(' '));
  return { consent: { grantId: await grant.save() } };
}

let current;
async function rotate(overlap) {
  state.keys = [await newKey(), ...(overlap ? state.keys : [])];
  current = makeProvider();
}

function publicKeys() {
  return state.keys.map(({ d, p, q, dp, dq, qi, ...open }) => open);
}

async function answerKeys(response) {
  state.jwks += 1;
  const how = state.behave;
  if (how.delay) await new Promise((resolve) => setTimeout(resolve, Number(how.delay)));
  if (how.redirect) return response.writeHead(302, { location: how.redirect }).end();
  let body = how.body ?? JSON.stringify({ keys: publicKeys() });
  if (how.size) body += ' '.repeat(Math.max(0, Number(how.size) - body.length));
  const headers = { 'content-type': 'application/jwk-set+json' };
  if (how.maxAge) headers['cache-control'] = `max-age=${how.maxAge}`;
  return response.writeHead(Number(how.status ?? 200), headers).end(body);
}

await rotate(false);
http.createServer(async (request, response) => {
  const path = request.url.split('?')[0];
  if (path === '/jwks') return answerKeys(response);
  if (path.startsWith('/interaction/')) {
    try {
      return await current.provider.interactionFinished(request, response, await submission(request, response), { mergeWithLastSubmission: true });
    } catch (error) {
      return response.writeHead(400).end(String(error));
    }
  }
  return current.answer(request, response);
}).listen(port, '127.0.0.1');

http.createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname === '/rotate') await rotate(url.searchParams.get('overlap') !== '0');
  else if (url.pathname === '/behave') state.behave = Object.fromEntries(url.searchParams);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jwks: state.jwks, kids: state.keys.map((k) => k.kid), behave: state.behave }));
}).listen(control, '127.0.0.1', () => console.log('ready'));
