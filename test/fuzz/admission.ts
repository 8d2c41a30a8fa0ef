/**
 * Fuzz target: admission. Mutated manifests and random bytes go all the way from text to resources
 * and places; whatever comes in, nothing may throw, hang, pollute a prototype or give a place that
 * is not in the file.
 */
import assert from 'node:assert/strict'
import { admitDocument, type UnknownFields } from '../../src/config/admit.ts'
import { parseWithLibrary, splitDocuments } from '../../src/config/documents.ts'
import { settle } from '../../src/config/identity.ts'
import { readPlainYaml } from '../../src/config/plain-yaml.ts'
import { resourceOf } from '../../src/config/resources.ts'
import { decodeText } from '../../src/config/source-cache.ts'
import type { FuzzTarget } from './campaign.ts'
import type { FuzzRandom } from './random.ts'

export const admission: FuzzTarget = { name: 'admission', prepare }

const SEEDS: readonly string[] = [
  `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, labels: {a: b}}
spec:
  gatewayClassName: gwproxy
  listeners:
  - name: https
    port: 443
    protocol: HTTPS
    tls: {mode: Terminate, certificateRefs: [{name: cert}]}
`,
  `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: web}]
  hostnames: ["a.example"]
  rules:
  - matches: [{path: {type: PathPrefix, value: /}, headers: [{name: x, value: "1"}]}]
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}]
    backendRefs: [{name: app, port: 80, weight: 1}]
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {type: ExternalName, externalName: app.example}
`,
  `{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret",
 "metadata": {"name": "s"}, "stringData": {"a": "b"}}]}`,
  'a: &a {x: 1}\nb: {<<: *a}\n? [k]\n: |\n  text\n...\n%YAML 1.2\n--- !!map\n{}\n',
]

const TOKENS: readonly string[] = [
  ...[
    '---\n',
    '...\n',
    '\n',
    '  ',
    '\t',
    ': ',
    '- ',
    '? ',
    '#',
    '&a ',
    '*a ',
    '<<: *a\n',
    '!!x ',
    '!<y> ',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '|',
    '>',
    '%',
    '\uFEFF',
    '\u2028',
    '\r',
    '__proto__: ',
    'constructor: ',
  ],
  ...[
    'null',
    'true',
    '1e999',
    '-0',
    '0x7fffffffffffffff',
    '.nan',
    'kind: List\n',
    'items:\n',
    '\u{1F600}',
  ],
]

async function prepare(): Promise<(random: FuzzRandom) => void> {
  return (random) => {
    const text = input(random)
    try {
      judge(text, random.below(2) === 0 ? 'reject' : 'warn')
    } catch (error) {
      throw new Error(`input ${JSON.stringify(text)}`, { cause: error })
    }
  }
}

/** The invariants, for one text. */
export function judge(text: string, unknownFields: UnknownFields = 'reject'): void {
  const lines = text.split('\n').length
  const documents = splitDocuments(text).map((document) => ({
    document,
    admitted: admitDocument(document, unknownFields),
  }))
  for (const { document } of documents) {
    const plain = readPlainYaml(document.text)
    if (plain === undefined) continue
    assert.deepEqual({ kind: 'value', value: plain.value }, parseWithLibrary(document.text))
  }
  const given = { files: [{ path: 'x.yaml', documents }], unreadable: [] }
  const { held, diagnostics } = settle(new Map(), given, { now: 0 })
  for (const { origin, message } of diagnostics) {
    assert.ok(origin.line >= 1 && origin.line <= lines && origin.column >= 1, message)
  }
  for (const one of held.values()) {
    const place = resourceOf(one, true).locate(['spec', 'listeners', 0, 'nowhere'])
    assert.ok(place.line >= 1 && place.line <= lines)
    JSON.stringify(one.admitted.object)
  }
  assert.equal(Object.keys(Object.prototype).length, 0)
  assert.equal('polluted' in {}, false)
}

function input(random: FuzzRandom): string {
  if (random.below(10) === 0) return noise(random)
  let text = pick(SEEDS, random)
  for (let i = 1 + random.below(7); i > 0; i--) text = mutate(text, random)
  return text
}

function noise(random: FuzzRandom): string {
  const bytes = Uint8Array.from({ length: random.below(64) }, () => 1 + random.below(255))
  return decodeText(bytes) ?? Buffer.from(bytes).toString('latin1')
}

function mutate(text: string, random: FuzzRandom): string {
  const at = random.below(text.length + 1)
  const end = Math.min(text.length, at + 1 + random.below(19))
  switch (random.below(5)) {
    case 0:
      return text.slice(0, at) + pick(TOKENS, random) + text.slice(at)
    case 1:
      return text.slice(0, at) + text.slice(end)
    case 2:
      return text.slice(0, end) + text.slice(at)
    case 3:
      return text.slice(0, at) + pick(TOKENS, random) + text.slice(end)
    default:
      return text.slice(0, at) + pick(SEEDS, random).slice(0, random.below(80)) + text.slice(at)
  }
}

function pick(list: readonly string[], random: FuzzRandom): string {
  return list[random.below(list.length)] ?? ''
}
