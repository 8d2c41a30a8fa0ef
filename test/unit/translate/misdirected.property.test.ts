/**
 * Which listener an HTTPS request belongs to, over the whole bind (digest section 2.6): A by the
 * SNI, B by the authority; B exists and differs: 421. Against a naive reading, with listeners of
 * several Gateways and TLS passthrough between them.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { HostTable } from '../../../src/match/hostname.ts'
import { SniTable } from '../../../src/match/sni.ts'
import type { Chain } from '../../../src/model/snapshot.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { translate } from '../../../src/translate/translate.ts'
import { resourceSetOf, withCertificates } from '../../golden/load.ts'

const PATTERNS = ['', '*.test', '*.a.test', 'a.test', 'b.a.test', 'x.y'] as const
const NAMES = [undefined, 'test', 'a.test', 'b.a.test', 'c.b.a.test', 'x.y', 'other.example']

interface ListenerSpec {
  readonly gateway: 'one' | 'two'
  readonly hostname: string
  readonly isHttps: boolean
}

const listeners = fc.uniqueArray(
  fc.record({
    gateway: fc.constantFrom('one' as const, 'two' as const),
    hostname: fc.constantFrom(...PATTERNS),
    isHttps: fc.boolean(),
  }),
  // Distinct over both Gateways: twins are a conflict, which has tests of its own.
  { minLength: 1, maxLength: 6, selector: ({ hostname }) => hostname },
)

describe('an HTTPS request on a port of several Gateways', () => {
  let secret = ''
  before(async () => {
    secret = await withCertificates(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'cert' },
        type: 'kubernetes.io/tls',
        data: { 'tls.crt': '{{cert any.test}}', 'tls.key': '{{key any.test}}' },
      }),
    )
  })

  it('goes to the listener of its SNI or is misdirected', () => {
    fc.assert(
      fc.property(listeners, (specs) => {
        const decide = compile(specs, secret)
        for (const sni of NAMES) {
          for (const host of NAMES) {
            assert.equal(decide(sni, host), naive(specs, sni, host), `SNI ${sni}, host ${host}`)
          }
        }
      }),
      { numRuns: 100 },
    )
  })
})

type Decide = (sni: string | undefined, host: string | undefined) => string

function naive(specs: readonly ListenerSpec[], ...[sni, host]: Parameters<Decide>): string {
  const own = best(specs, sni)
  if (own === undefined) return 'closed'
  if (!own.isHttps) return `${own.gateway} ${own.hostname}: encrypted`
  const other = best(specs, host)
  if (other !== undefined && other !== own) return '421'
  return other === undefined ? '404' : `${own.gateway} ${own.hostname}`
}

function best(specs: readonly ListenerSpec[], name: string | undefined): ListenerSpec | undefined {
  const score = ({ hostname }: ListenerSpec): number => {
    if (hostname === '') return 1
    if (name === undefined) return 0
    if (hostname === name) return 1000
    return hostname.startsWith('*') && name.endsWith(hostname.slice(1)) ? hostname.length : 0
  }
  const [first] = specs.toSorted((a, b) => score(b) - score(a))
  return first !== undefined && score(first) > 0 ? first : undefined
}

/** The two lookups that the data plane makes, on the translated table. */
function compile(specs: readonly ListenerSpec[], secret: string): Decide {
  const names = [...new Set(specs.map(({ gateway }) => gateway))]
  const texts = names.map((name) => gatewayText(name, specs))
  const { manifest, parts } = translate(resourceSetOf([...texts, secret]), DEFAULT_OPTIONS)
  const [digest] = manifest.binds
  const bind = digest === undefined ? undefined : parts.get(digest)
  assert.equal(bind?.kind, 'bind')
  const [table] = bind.tables
  assert.ok(table !== undefined && manifest.binds.length === 1 && bind.tables.length === 1)
  const chains = new SniTable<Chain>([
    {
      localAddresses: ['*'],
      entries: table.chains.map((chain) => [chain.hostname, chain] as const),
    },
  ])
  const hosts = new HostTable(table.listeners.map((entry) => [entry.hostname, entry] as const))
  return (sni, host) => {
    const choice = chains.choose('192.0.2.1', sni)
    if (choice.kind !== 'found') return 'closed'
    const { listener, action } = choice.value
    // `Gateway/default/one/l0`
    const [, , gateway, name] = listener.split('/')
    const hostname = specs[Number(name?.slice(1))]?.hostname
    if (action.kind !== 'tls-terminate') return `${gateway} ${hostname}: encrypted`
    const target = hosts.lookup(host)
    if (target !== undefined && target.listener !== listener) return '421'
    return target?.routes === undefined ? '404' : `${gateway} ${hostname}`
  }
}

function gatewayText(name: string, specs: readonly ListenerSpec[]): string {
  return JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name },
    spec: {
      gatewayClassName: 'gwproxy',
      listeners: specs.flatMap(({ gateway, hostname, isHttps }, index) =>
        gateway === name
          ? [
              {
                name: `l${index}`,
                port: 443,
                protocol: isHttps ? 'HTTPS' : 'TLS',
                tls: isHttps ? { certificateRefs: [{ name: 'cert' }] } : { mode: 'Passthrough' },
                ...(hostname === '' ? {} : { hostname }),
              },
            ]
          : [],
      ),
    },
  })
}
