// SPDX-License-Identifier: Apache-2.0
// What both SDK clients need from their user: a place for tokens, and a browser that logs in by itself.

// Follows the redirects of the authorization server, keeping its cookies, until it sends us back; returns the answer's parameters.
export async function browse(start, redirectUri) {
  const cookies = new Map();
  let url = new URL(start);
  for (let hop = 0; hop < 20; hop += 1) {
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie: [...cookies].map(([k, v]) => `${k}=${v}`).join('; ') } });
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair] = cookie.split(';');
      const at = pair.indexOf('=');
      cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const location = answer.headers.get('location');
    if (!location) throw new Error(`the login stopped at ${url.pathname} with ${answer.status}: ${(await answer.text()).slice(0, 500)}`);
    url = new URL(location, url);
    if (url.href.startsWith(redirectUri)) return url.searchParams;
  }
  throw new Error('the login goes round in circles');
}

// OAuthClientProvider of either SDK. It starts with nothing: no token, no client id, no idea where the authorization server is.
export class Login {
  redirectUrl = 'http://127.0.0.1:9/callback';

  steps = [];

  asked = [];

  get clientMetadata() {
    return {
      client_name: 'mcpauth integration test', redirect_uris: [this.redirectUrl], grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'], token_endpoint_auth_method: 'none',
    };
  }

  clientInformation() { return this.client; }

  saveClientInformation(client) { this.steps.push('registered'); this.client = client; }

  tokens() { return this.saved; }

  saveTokens(tokens) { this.steps.push('token'); this.saved = tokens; }

  saveCodeVerifier(verifier) { this.verifier = verifier; }

  codeVerifier() { return this.verifier; }

  saveDiscoveryState(state) { this.discovery = state; }

  discoveryState() { return this.discovery; }

  async redirectToAuthorization(url) {
    this.steps.push('authorize');
    this.asked.push({ scope: url.searchParams.get('scope'), resource: url.searchParams.get('resource') });
    this.answer = await browse(url, this.redirectUrl);
  }

  get code() {
    const code = this.answer?.get('code');
    if (!code) throw new Error(`no code came back: ${this.answer}`);
    return code;
  }
}

// The whole way: 401, metadata, registration, login, token, tool call; and where the token is not enough for the call, login and token once more. make(login) returns {client, transport}; finish(transport, login) hands
// over what the authorization server sent back.
export async function travel({ make, finish, UnauthorizedError, callTool }) {
  const login = new Login();
  let { client, transport } = make(login);
  try {
    await client.connect(transport);
    login.steps.push('connected without a token');
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    login.steps.push('401');
    await finish(transport, login);
    ({ client, transport } = make(login));
    await client.connect(transport);
  }
  const { tools } = await client.listTools();
  let result;
  try {
    result = await callTool(client);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    login.steps.push('403');
    await finish(transport, login);
    result = await callTool(client);
  }
  await client.close();
  return {
    steps: login.steps, asked: login.asked, tools: tools.map((t) => t.name), result, server: client.getServerVersion(), scope: login.saved?.scope,
    token: login.saved?.access_token,
  };
}

export function report(promise) {
  promise.then((result) => { console.log(JSON.stringify({ ok: true, ...result })); process.exit(0); })
    .catch((error) => {
      console.log(JSON.stringify({ ok: false, error: String(error), name: error?.constructor?.name, stack: error?.stack, cause: String(error?.cause ?? '') }));
      process.exit(1);
    });
}
