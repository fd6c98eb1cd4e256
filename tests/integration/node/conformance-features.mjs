// SPDX-License-Identifier: Apache-2.0
// What the server scenarios of the MCP conformance tool call: tools, prompts and resources under the names that they ask for. A tool that needs the
// client's input returns inputRequired(): the SDK hands it out as it is to a client of 2026-07-28 and makes requests of it to a client before.
import { setTimeout as sleep } from 'node:timers/promises';
import { fromJsonSchema, inputRequired, inputResponse, McpServer, ResourceTemplate } from '@modelcontextprotocol/server';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8Dwn4EIAAhRAQEL6aTaAAAAAElFTkSuQmCC';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

const text = (words) => ({ type: 'text', text: words });
const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const said = (...content) => ({ content });
const embedded = (uri, mimeType, words) => ({ type: 'resource', resource: { uri, mimeType, text: words } });
const messages = (...content) => ({ messages: content.map((one) => ({ role: 'user', content: one })) });
const object = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });
const string = { type: 'string' };

// ---- input from the client ------------------------------------------------------------------------------------------------------------------

const elicit = (message, properties) => inputRequired.elicit({ message, requestedSchema: object(properties) });
const sample = (prompt, maxTokens = 100) => inputRequired.createMessage({ messages: [{ role: 'user', content: text(prompt) }], maxTokens });
const capitals = () => ({ capital_question: sample('What is the capital of France?') });
const confirm = () => ({ confirm: elicit('Please confirm', { ok: { type: 'boolean' } }) });
const everyKind = () => ({
  user_name: elicit('What is your name?', { name: string }), greeting: sample('Generate a greeting', 50), client_roots: inputRequired.listRoots(),
});

/** Asks until every request has an answer of its kind, then finishes. */
const asking = (requests, finish, state) => async (args, ctx) => {
  const wanted = requests(args, ctx);
  const answers = Object.keys(wanted).map((key) => inputResponse(ctx.mcpReq.inputResponses, key));
  if (answers.some((answer) => answer.kind === 'missing') || (state && ctx.mcpReq.requestState() === undefined)) {
    return inputRequired({ inputRequests: wanted, ...(state && { requestState: await state.mint({}) }) });
  }
  return finish(...answers);
};
const repeat = (...answers) => said(text(`Answers: ${JSON.stringify(answers)}`));

/** Only what the client says that it can answer. */
function offered(ctx) {
  const able = ctx.mcpReq.envelope?.[CAPABILITIES] ?? {};
  const each = everyKind();
  const kinds = { elicitation: 'user_name', sampling: 'greeting', roots: 'client_roots' };
  return Object.fromEntries(Object.entries(kinds).filter(([kind]) => able[kind]).map(([, key]) => [key, each[key]]));
}

const ROUNDS = [
  { step1: () => elicit('Step 1: What is your name?', { name: string }) },
  { step2: () => elicit('Step 2: What is your favorite color?', { color: string }) },
];

const severalRounds = (state) => async (_args, ctx) => {
  const round = ctx.mcpReq.requestState()?.round ?? 0;
  if (round >= ROUNDS.length) return said(text('Two rounds done'));
  const inputRequests = Object.fromEntries(Object.entries(ROUNDS[round]).map(([key, make]) => [key, make()]));
  return inputRequired({ inputRequests, requestState: await state.mint({ round: round + 1 }) });
};

// Default values of each simple type, and the five ways to write a choice.
const DEFAULTS = {
  name: { type: 'string', default: 'John Doe' }, age: { type: 'integer', default: 30 }, score: { type: 'number', default: 95.5 },
  status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' }, verified: { type: 'boolean', default: true },
};
const titled = (...titles) => titles.map((title, i) => ({ const: `value${i + 1}`, title }));
const plain = ['option1', 'option2', 'option3'];
const CHOICES = {
  untitledSingle: { type: 'string', enum: plain },
  titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
  legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
  untitledMulti: { type: 'array', items: { type: 'string', enum: plain } },
  titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
};

// ---- tools ----------------------------------------------------------------------------------------------------------------------------------

async function tellProgress(_args, ctx) {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  for (const progress of [0, 50, 100]) {
    if (progressToken !== undefined) await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    await sleep(20);
  }
  return said(text('Done'));
}

async function log(_args, ctx) {
  for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
    await ctx.mcpReq.log('info', line);
    await sleep(20);
  }
  return said(text('Logged'));
}

/** Ends its stream in the middle of the call: the client comes back with Last-Event-ID for the rest. */
async function reconnect(_args, ctx) {
  await sleep(20);
  ctx.http?.closeSSE?.();
  // The answer shall come when the stream has ended. Too early would fail the scenario, at the server and at the gate alike.
  await sleep(50);
  return said(text('After the reconnection'));
}

const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
  properties: { name: string, address: { $ref: '#/$defs/address' }, contactMethod: { type: 'string', enum: ['phone', 'email'] }, phone: string, email: string },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] }, else: { required: ['email'] }, additionalProperties: false,
};

/** name -> [what it does, input schema]; the first is called without arguments by the scenarios about headers. */
const tools = (state, notify) => ({
  test_simple_text: [() => said(text('This is a simple text response for testing.'))],
  test_image_content: [() => said(image)],
  test_audio_content: [() => said({ type: 'audio', data: WAV, mimeType: 'audio/wav' })],
  test_embedded_resource: [() => said(embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'))],
  test_multiple_content_types: [() => said(text('Multiple content types test:'), image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'))],
  test_tool_with_logging: [log],
  test_logging_tool: [log],
  test_tool_with_progress: [tellProgress],
  test_error_handling: [() => ({ isError: true, content: [text('This tool intentionally returns an error for testing')] })],
  test_reconnection: [reconnect],
  test_sampling: [asking(({ prompt }) => ({ answer: sample(prompt) }), repeat), object({ prompt: string })],
  test_elicitation: [asking(({ message }) => ({ answer: elicit(message, { username: string, email: string }) }), repeat), object({ message: string })],
  test_elicitation_sep1034_defaults: [asking(() => ({ answer: inputRequired.elicit({ message: 'Defaults', requestedSchema: object(DEFAULTS, []) }) }), repeat)],
  test_elicitation_sep1330_enums: [asking(() => ({ answer: inputRequired.elicit({ message: 'Choices', requestedSchema: object(CHOICES, []) }) }), repeat)],
  json_schema_2020_12_tool: [repeat, SCHEMA_2020_12],
  test_custom_header: [repeat, object({ region: { type: 'string', 'x-mcp-header': 'Region' } })],
  test_missing_capability: [asking(capitals, repeat)],
  test_streaming_elicitation: [asking(confirm, repeat)],
  test_trigger_tool_change: [() => { notify().toolsChanged(); return said(text('changed')); }],
  test_trigger_prompt_change: [() => { notify().promptsChanged(); return said(text('changed')); }],
  test_input_required_result_elicitation: [asking(() => ({ user_name: elicit('What is your name?', { name: string }) }), repeat)],
  test_input_required_result_sampling: [asking(capitals, repeat)],
  test_input_required_result_list_roots: [asking(() => ({ client_roots: inputRequired.listRoots() }), repeat)],
  test_input_required_result_request_state: [asking(confirm, () => said(text('state-ok')), state)],
  test_input_required_result_multiple_inputs: [asking(everyKind, repeat, state)],
  test_input_required_result_multi_round: [severalRounds(state)],
  test_input_required_result_tampered_state: [asking(confirm, repeat, state)],
  test_input_required_result_capabilities: [asking((_args, ctx) => offered(ctx), repeat)],
});

// ---- prompts and resources --------------------------------------------------------------------------------------------------------------------

/** name -> [what it does, schema of its arguments] */
const PROMPTS = {
  test_simple_prompt: [() => messages(text('This is a simple prompt for testing.'))],
  test_prompt_with_arguments: [({ arg1, arg2 }) => messages(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)), object({ arg1: string, arg2: string })],
  test_prompt_with_embedded_resource: [({ resourceUri }) => messages(embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
    text('Please process the embedded resource above.')), object({ resourceUri: string })],
  test_prompt_with_image: [() => messages(image, text('Please analyze the image above.'))],
  test_input_required_result_prompt: [asking(() => ({ user_context: elicit('What context should the prompt use?', { context: string }) }),
    () => messages(text('With context')))],
};

/** URI -> MIME type and content */
const RESOURCES = {
  'test://static-text': ['text/plain', { text: 'This is the content of the static text resource.' }],
  'test://static-binary': ['image/png', { blob: PNG }],
  'test://watched-resource': ['text/plain', { text: 'Watched' }],
};

// A callback has no first argument where there is no schema.
const called = (run, schema) => (schema ? run : (ctx) => run({}, ctx));

/** A server with all of it. state: the codec for requestState; notify: a function that gives the notifier of open subscriptions. */
export function makeServer(state, notify) {
  const capabilities = { completions: {}, logging: {}, prompts: { listChanged: true }, resources: { listChanged: true, subscribe: true }, tools: { listChanged: true } };
  const mcp = new McpServer({ name: 'conformance-fixture', version: '1' }, { capabilities, requestState: { verify: state.verify } });
  for (const [name, [run, schema]] of Object.entries(tools(state, notify))) {
    mcp.registerTool(name, { description: name, ...(schema && { inputSchema: fromJsonSchema(schema) }) }, called(run, schema));
  }
  for (const [name, [run, schema]] of Object.entries(PROMPTS)) {
    mcp.registerPrompt(name, { description: name, ...(schema && { argsSchema: fromJsonSchema(schema) }) }, called(run, schema));
  }
  for (const [uri, [mimeType, content]] of Object.entries(RESOURCES)) {
    mcp.registerResource(uri, uri, { description: uri, mimeType }, () => ({ contents: [{ uri, mimeType, ...content }] }));
  }
  mcp.registerResource('template', new ResourceTemplate('test://template/{id}/data', {}), { description: 'By id', mimeType: 'application/json' },
    (uri, { id }) => ({ contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }] }));
  mcp.server.setRequestHandler('completion/complete', () => ({ completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false } }));
  mcp.server.setRequestHandler('resources/subscribe', () => ({}));
  mcp.server.setRequestHandler('resources/unsubscribe', () => ({}));
  return mcp;
}
