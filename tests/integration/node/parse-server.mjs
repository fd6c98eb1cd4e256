// SPDX-License-Identifier: Apache-2.0
// node parse-server.mjs PORT   Answers each POST with what Node's own parser finds in its body: the method, and what is named.
import { createServer } from 'node:http';

const port = Number(process.argv[2]);

createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const bytes = Buffer.concat(parts);
    let found;
    try {
      // Bytes that are no UTF-8 become other characters, as they do in the SDK.
      const message = JSON.parse(bytes.toString('utf8'));
      found = { batch: Array.isArray(message), method: message?.method ?? null, name: message?.params?.name ?? null, uri: message?.params?.uri ?? null, id: message?.id ?? null };
    } catch (error) {
      found = { error: String(error) };
    }
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ ...found, bytes: bytes.length }));
  });
}).listen(port, '127.0.0.1');
