// SPDX-License-Identifier: Apache-2.0
// kubernetes.mjs FILE   Objects of Kubernetes, as a JSON array in FILE, against the schemas of its API. Prints {"problems": [...]}. The schemas let through members
// that they do not know, which Kubernetes refuses or drops; so what no schema ever asked for is a problem, too.
import { readFileSync } from 'node:fs';

const OPERATOR = 'monitoring.coreos.com/';
const from = (apiVersion) => (apiVersion.startsWith(OPERATOR) ? '@kubernetes-models/prometheus-operator/' : 'kubernetes-models/') + apiVersion;

// The value, telling asked() of each member that is looked at, by its path.
function watched(value, path, asked) {
  if (value === null || typeof value !== 'object') return value;
  return new Proxy(value, {
    get(target, name) {
      const found = Reflect.get(target, name);
      if (typeof name === 'symbol' || !Object.hasOwn(target, name)) return found;
      asked(`${path}/${name}`);
      return watched(found, `${path}/${name}`, asked);
    },
  });
}

function* members(value, path) {
  if (value === null || typeof value !== 'object') return;
  for (const [name, inner] of Object.entries(value)) {
    yield `${path}/${name}`;
    yield* members(inner, `${path}/${name}`);
  }
}

const problems = [];
for (const object of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const title = `${object.kind} ${object.metadata?.name}`;
  const seen = new Set(['', '/apiVersion', '/kind']);
  try {
    const Kind = (await import(`${from(object.apiVersion)}/${object.kind}`))[object.kind];
    Kind.prototype.validate.call(watched(object, '', (path) => seen.add(path)));
  } catch (error) {
    problems.push(`${title}: ${error.message}`);
    if (error.code === 'ERR_MODULE_NOT_FOUND') continue;
  }
  for (const path of members(object, '')) {
    // What lies in an unknown member is as unknown; the topmost tells enough.
    if (!seen.has(path) && seen.has(path.slice(0, path.lastIndexOf('/')))) problems.push(`${title}: ${path}: no schema knows it`);
  }
}
console.log(JSON.stringify({ problems }));
