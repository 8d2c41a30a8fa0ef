/**
 * Properties of the translation over random directories: the order of files and documents changes
 * nothing, unrelated objects change nobody's status, equal input gives equal digests.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { buildResourceSet } from '../../../src/api/resource-set.ts'
import { ownAddressesOf } from '../../../src/control/own-addresses.ts'
import { keyText } from '../../../src/model/resource-key.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { type Translation, translate } from '../../../src/translate/translate.ts'
import { loadTexts } from '../../golden/load.ts'
import { renderTranslation } from '../../golden/render.ts'

const API = 'gateway.networking.k8s.io/v1'
const RUNS = { numRuns: 60 }

const hostname = fc.constantFrom('a.test', '*.test', 'b.a.test', '*.a.test', 'other.example')
const created = fc.option(fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'), {
  nil: undefined,
})
const gatewayName = fc.constantFrom('gw-a', 'gw-b', 'gw-c')

const listener = fc.oneof(
  fc.record({
    protocol: fc.constantFrom('HTTP', 'HTTPS', 'TCP', 'INVALID'),
    port: fc.constantFrom(80, 443),
  }),
  fc.record({
    protocol: fc.constant('TLS'),
    port: fc.constantFrom(80, 443),
    hostname,
    tls: fc.constant({ mode: 'Passthrough' }),
  }),
  fc.record({ protocol: fc.constant('HTTP'), port: fc.constantFrom(80, 443), hostname }),
)

const gateway = fc.record({
  name: gatewayName,
  created,
  listeners: fc.uniqueArray(listener, {
    minLength: 1,
    maxLength: 4,
    selector: (entry) =>
      `${entry.port} ${entry.protocol} ${'hostname' in entry ? entry.hostname : ''}`,
  }),
  address: fc.constantFrom(undefined, '127.0.0.9', '0.0.0.0'),
})

const route = fc.record({
  kind: fc.constantFrom('HTTPRoute', 'TLSRoute', 'TCPRoute'),
  name: fc.constantFrom('r1', 'r2', 'r3'),
  created,
  parent: gatewayName,
  hostname,
  backend: fc.constantFrom('web', 'missing'),
})

const directory = fc
  .record({
    gateways: fc.uniqueArray(gateway, { minLength: 1, maxLength: 3, selector: ({ name }) => name }),
    routes: fc.uniqueArray(route, {
      maxLength: 6,
      selector: ({ kind, name }) => `${kind}/${name}`,
    }),
  })
  .map(({ gateways, routes }) => [
    ...gateways.map(gatewayText),
    ...routes.map(routeText),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { type: 'ExternalName', externalName: 'web.example' },
    }),
  ])

/** Objects that share no name, port, hostname or reference with those of `directory`. */
const UNRELATED = [
  gatewayText({
    name: 'unrelated',
    created: '2020-01-01T00:00:00Z',
    listeners: [{ protocol: 'HTTP', port: 9999 }],
    address: undefined,
  }),
  routeText({
    kind: 'HTTPRoute',
    name: 'unrelated',
    created: '2020-01-01T00:00:00Z',
    parent: 'unrelated',
    hostname: 'unrelated.example',
    backend: 'nowhere',
  }),
  JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'unrelated' } }),
]

describe('translate', () => {
  it('does not depend on the order of files', () => {
    fc.assert(
      fc.property(
        directory.chain((texts) =>
          fc.tuple(fc.constant(texts), fc.shuffledSubarray(texts, { minLength: texts.length })),
        ),
        ([texts, shuffled]) => {
          const left = run(texts)
          const right = run(shuffled)
          assert.equal(right.manifest.digest, left.manifest.digest)
          assert.equal(renderTranslation(right), renderTranslation(left))
        },
      ),
      RUNS,
    )
  })

  it('gives other objects the status they had without an unrelated one', () => {
    fc.assert(
      fc.property(directory, fc.constantFrom(...UNRELATED), (texts, unrelated) => {
        const after = new Map(bodies(run([...texts, unrelated])))
        for (const [key, body] of bodies(run(texts))) assert.equal(after.get(key), body)
      }),
      RUNS,
    )
  })

  it('serves no listener that is not accepted, and every listener that waits for sockets', () => {
    fc.assert(
      fc.property(directory, (texts) => {
        const { pending, manifest, parts, statuses } = run(texts)
        const keys = new Set(
          manifest.binds.flatMap((digest) => {
            const part = parts.get(digest)
            return part?.kind === 'bind' ? [part.key, ...ownAddressesOf(part).keys()] : []
          }),
        )
        for (const { owner, listener: name, binds } of pending) {
          assert.ok(binds.length > 0 && binds.every((bind) => keys.has(bind)))
          const status = statuses.find(({ key }) => keyText(key) === keyText(owner))
          assert.equal(status?.body.kind, 'gateway')
          const conditions = status.body.listeners.find((entry) => entry.name === name)?.conditions
          assert.equal(conditions?.find(({ type }) => type === 'Accepted')?.status, 'True')
        }
      }),
      RUNS,
    )
  })
})

function run(texts: readonly string[]): Translation {
  return translate(buildResourceSet(loadTexts(texts)), DEFAULT_OPTIONS)
}

function bodies({ statuses }: Translation): readonly (readonly [string, string])[] {
  return statuses.map(({ key, body }) => [keyText(key), JSON.stringify(body)])
}

function gatewayText({ name, created, listeners, address }: GatewayInput): string {
  return JSON.stringify({
    apiVersion: API,
    kind: 'Gateway',
    metadata: { name, creationTimestamp: created },
    spec: {
      gatewayClassName: 'gwproxy',
      ...(address === undefined ? {} : { addresses: [{ value: address }] }),
      listeners: listeners.map((entry, index) => ({ name: `l${index}`, ...entry })),
    },
  })
}

interface GatewayInput {
  readonly name: string
  readonly created: string | undefined
  readonly listeners: readonly object[]
  readonly address: string | undefined
}

function routeText({ kind, name, created, parent, hostname: host, backend }: RouteInput): string {
  return JSON.stringify({
    apiVersion: API,
    kind,
    metadata: { name, creationTimestamp: created },
    spec: {
      parentRefs: [{ name: parent }],
      ...(kind === 'TCPRoute' ? {} : { hostnames: [host] }),
      rules: [{ backendRefs: [{ name: backend, port: 80 }] }],
    },
  })
}

interface RouteInput {
  readonly kind: string
  readonly name: string
  readonly created: string | undefined
  readonly parent: string
  readonly hostname: string
  readonly backend: string
}
