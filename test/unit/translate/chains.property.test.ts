/**
 * The flat chain table against a naive reading of the specification: the SNI picks the listener,
 * exact before longer wildcard before shorter before none; then the best hostname among the routes
 * of that listener alone, the oldest route for equal hostnames (digest sections 2.5 and 7).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { translate } from '../../../src/translate/translate.ts'
import { resourceSetOf } from '../../golden/load.ts'

const PATTERNS = ['*.test', '*.a.test', 'a.test', 'b.a.test', '*.b.a.test', 'c.b.a.test', 'x.y']
const NAMES = [
  undefined,
  'test',
  'a.test',
  'b.a.test',
  'c.b.a.test',
  'd.c.b.a.test',
  'z.a.test',
  'x.y',
]

interface RouteSpec {
  readonly name: string
  readonly hostnames: readonly string[]
  /** Index of a listener, or undefined for the whole Gateway. */
  readonly section: number | undefined
}

const listeners = fc.uniqueArray(fc.constantFrom('', ...PATTERNS), { minLength: 1, maxLength: 5 })
const routes = fc.array(
  fc.record({
    hostnames: fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 3 }),
    section: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
  }),
  { maxLength: 5 },
)

describe('the chain table', () => {
  it('leads every name where the specification leads it', () => {
    fc.assert(
      fc.property(listeners, routes, (hostnames, list) => {
        // Names ascend with the index, and without ages the name decides who is older.
        const specs = list.map((spec, index): RouteSpec => ({ ...spec, name: `r${index}` }))
        const lookup = compile(hostnames, specs)
        for (const name of NAMES) {
          assert.equal(lookup(name), naive(hostnames, specs, name), `SNI ${name}`)
        }
      }),
      { numRuns: 300 },
    )
  })
})

/** `listener/route`, `listener/none` or `none`. */
function naive(
  hostnames: readonly string[],
  specs: readonly RouteSpec[],
  name: string | undefined,
): string {
  const listener = best(hostnames, name)
  if (listener === undefined) return 'none'
  const index = hostnames.indexOf(listener)
  const attached = specs.filter(({ section }) => section === undefined || section === index)
  const candidates = attached.flatMap((spec) =>
    spec.hostnames.map((hostname) => ({ spec, hostname })),
  )
  const hostname = best(
    candidates.map((candidate) => candidate.hostname),
    name,
  )
  const winner = candidates.find((candidate) => candidate.hostname === hostname)
  return `l${index}/${winner?.spec.name ?? 'none'}`
}

function best(patterns: readonly string[], name: string | undefined): string | undefined {
  const matching = patterns.filter((pattern) => {
    if (pattern === '') return true
    if (name === undefined) return false
    return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern
  })
  const score = (pattern: string): number =>
    pattern === '' ? 0 : pattern.startsWith('*') ? pattern.length : 1000
  return matching.toSorted((a, b) => score(b) - score(a))[0]
}

/** Reads the table as the data plane does: the first chain in its order that matches. */
function compile(
  hostnames: readonly string[],
  specs: readonly RouteSpec[],
): (name: string | undefined) => string {
  const texts = [gatewayText(hostnames), SERVICE, ...specs.map(routeText)]
  const { manifest, parts } = translate(resourceSetOf(texts), DEFAULT_OPTIONS)
  const [digest] = manifest.binds
  const bind = digest === undefined ? undefined : parts.get(digest)
  assert.equal(bind?.kind, 'bind')
  const [table] = bind.tables
  assert.ok(table)
  return (name) => {
    const pattern = best(
      table.chains.map((chain) => chain.hostname),
      name,
    )
    const chain = table.chains.find(({ hostname }) => hostname === pattern)
    if (chain === undefined) return 'none'
    const { action, listener } = chain
    const route = 'route' in action ? action.route?.name : undefined
    return `${listener.slice(listener.lastIndexOf('/') + 1)}/${route ?? 'none'}`
  }
}

const SERVICE = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { type: 'ExternalName', externalName: 'web.example' },
})

function gatewayText(hostnames: readonly string[]): string {
  return JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gw' },
    spec: {
      gatewayClassName: 'gwproxy',
      listeners: hostnames.map((hostname, index) => ({
        name: `l${index}`,
        port: 443,
        protocol: 'TLS',
        tls: { mode: 'Passthrough' },
        ...(hostname === '' ? {} : { hostname }),
      })),
    },
  })
}

function routeText({ name, hostnames, section }: RouteSpec): string {
  return JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'TLSRoute',
    metadata: { name },
    spec: {
      parentRefs: [
        { name: 'gw', ...(section === undefined ? {} : { sectionName: `l${section}` }) },
      ],
      hostnames,
      rules: [{ backendRefs: [{ name: 'web', port: 80 }] }],
    },
  })
}
