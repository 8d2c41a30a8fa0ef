/** PROXY protocol in manifests: what binds take, what upstreams are sent, and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Condition } from '../../../src/model/status.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { translate } from '../../../src/translate/translate.ts'
import { resourceSetOf } from '../../golden/load.ts'
import {
  backendRef,
  gateway,
  grpcRoute,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  tcpRoute,
  udpListener,
  udpRoute,
  udpService,
} from '../../support/manifests.ts'

const ACCEPT = 'gwproxy.dev/accept-proxy-protocol'
const SEND = 'gwproxy.dev/send-proxy-protocol'
const TCP_LISTENER = { name: 'tcp', port: 9000, protocol: 'TCP' }

function annotated(object: Manifest | undefined, key: string, value: string): Manifest {
  const metadata = object?.['metadata'] as Manifest
  return { ...object, metadata: { ...metadata, annotations: { [key]: value } } }
}

function sent(version: string, [object, ...rest]: readonly Manifest[]): readonly Manifest[] {
  return [annotated(object, SEND, version), ...rest]
}

function at(address: string, listeners: readonly Manifest[], name = 'gw'): Manifest {
  return gateway(listeners, { name, addresses: [{ value: address }] })
}

function outcome(...objects: readonly Manifest[]) {
  const documents = objects.map((object) => JSON.stringify(object))
  const { parts, statuses, diagnostics } = translate(resourceSetOf(documents), DEFAULT_OPTIONS)
  const all = [...parts.values()]
  return {
    binds: all.filter((part) => part.kind === 'bind'),
    upstreams: all.filter((part) => part.kind === 'upstream'),
    diagnostics,
    conditions(kind: string, name: string, type: string): readonly Condition[] {
      const status = statuses.find(({ key }) => key.kind === kind && key.name === name)
      const bodies =
        status?.body.kind === 'gateway'
          ? [status.body, ...status.body.listeners]
          : status?.body.kind === 'route'
            ? status.body.parents
            : []
      return bodies.flatMap(({ conditions }) => conditions.filter((one) => one.type === type))
    },
  }
}

describe('accept-proxy-protocol', () => {
  for (const [value, mode] of [
    ['off', undefined],
    ['optional', 'optional'],
    ['required', 'required'],
  ] as const) {
    it(`${value} is the mode of every TCP bind of the Gateway`, () => {
      const { binds, diagnostics } = outcome(
        annotated(at('127.0.0.5', [httpListener('http', 80), TCP_LISTENER]), ACCEPT, value),
      )
      assert.deepEqual(
        binds.map(({ proxyProtocol }) => proxyProtocol),
        [mode, mode],
      )
      assert.deepEqual(diagnostics, [])
    })
  }

  it('any other value serves nothing, and the annotation is named', () => {
    for (const value of ['', 'Required', 'true', '__proto__']) {
      const { binds, conditions, diagnostics } = outcome(
        annotated(at('127.0.0.5', [TCP_LISTENER]), ACCEPT, value),
      )
      assert.deepEqual(binds, [])
      const [accepted] = conditions('Gateway', 'gw', 'Accepted')
      assert.equal(accepted?.status, 'False')
      assert.equal(accepted?.reason, 'Invalid')
      assert.match(accepted?.message ?? '', /gwproxy\.dev\/accept-proxy-protocol/)
      assert.equal(diagnostics[0]?.code, 'unsupported')
    }
  })

  it('Gateways of one socket must agree: the holder serves, the other says why not', () => {
    const older = { creationTimestamp: '2026-01-01T00:00:00Z' }
    const first = annotated(
      at('0.0.0.0', [httpListener('a', 80, 'a.test')], 'one'),
      ACCEPT,
      'required',
    )
    const holder = { ...first, metadata: { ...(first['metadata'] as Manifest), ...older } }
    for (const address of ['0.0.0.0', '127.0.0.5']) {
      const { binds, conditions } = outcome(
        holder,
        at(address, [httpListener('b', 80, 'b.test'), httpListener('c', 81)], 'two'),
      )
      const on80 = binds.filter(({ port }) => port === 80)
      assert.deepEqual(
        on80.map(({ proxyProtocol }) => proxyProtocol),
        ['required'],
      )
      const refused = conditions('Gateway', 'two', 'Accepted').find(
        ({ reason }) => reason === 'PortUnavailable',
      )
      assert.match(refused?.message ?? '', /PROXY protocol is off here and required there/)
      const other = binds.find(({ port }) => port === 81)
      assert.equal(other?.proxyProtocol, undefined)
    }
  })

  it('Gateways that agree share the socket', () => {
    const one = annotated(
      at('127.0.0.5', [httpListener('a', 80, 'a.test')], 'one'),
      ACCEPT,
      'optional',
    )
    const two = annotated(
      at('127.0.0.5', [httpListener('b', 80, 'b.test')], 'two'),
      ACCEPT,
      'optional',
    )
    const { binds, diagnostics } = outcome(one, two)
    assert.equal(binds.length, 1)
    assert.equal(binds[0]?.tables[0]?.listeners.length, 2)
    assert.deepEqual(diagnostics, [])
  })

  it('UDP listeners of such a Gateway are not accepted', () => {
    const { binds, conditions } = outcome(
      annotated(at('127.0.0.5', [udpListener('dns', 53), TCP_LISTENER]), ACCEPT, 'required'),
    )
    assert.deepEqual(
      binds.map(({ transport }) => transport),
      ['tcp'],
    )
    const refused = conditions('Gateway', 'gw', 'Accepted').find(
      ({ reason }) => reason === 'UnsupportedValue',
    )
    assert.match(refused?.message ?? '', /not taken in datagrams/)
  })
})

describe('send-proxy-protocol', () => {
  const place = [{ address: '192.0.2.1', port: 7000 }]
  const tcp = at('127.0.0.5', [TCP_LISTENER])
  const web = at('127.0.0.5', [httpListener('http', 80)])

  for (const version of ['v1', 'v2'] as const) {
    it(`${version} reaches the upstream, for connections and HTTP/1.1`, () => {
      const app = sent(version, service('app', 80, place))
      const rules = [{ backendRefs: [backendRef('app')] }]
      for (const objects of [
        [tcp, tcpRoute('r', [backendRef('app')])],
        [web, httpRoute('r', undefined, rules)],
      ]) {
        const { upstreams, diagnostics } = outcome(...objects, ...app)
        assert.equal(upstreams.length, 1)
        assert.equal(upstreams[0]?.proxyProtocol, version)
        assert.deepEqual(diagnostics, [])
      }
    })
  }

  it('of a Backend and an XBackend counts as well', () => {
    const metadata = { name: 'app', annotations: { [SEND]: 'v2' } }
    const backends = [
      {
        apiVersion: 'gateway.envoyproxy.io/v1alpha1',
        kind: 'Backend',
        metadata,
        spec: { endpoints: [{ ip: { address: '127.0.0.1', port: 7000 } }] },
      },
      {
        apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
        kind: 'XBackend',
        metadata,
        spec: {
          type: 'ExternalHostname',
          protocol: 'HTTP',
          port: { port: 80 },
          externalHostname: { hostname: 'app.test' },
        },
      },
    ]
    for (const backend of backends) {
      const group = backend.apiVersion.split('/')[0]
      const ref = { group, kind: backend.kind, name: 'app', port: 80 }
      const { upstreams } = outcome(tcp, tcpRoute('r', [ref]), backend)
      assert.equal(upstreams[0]?.proxyProtocol, 'v2', backend.kind)
    }
  })

  const refused: readonly [string, RegExp, readonly Manifest[]][] = [
    [
      'TCPRoute',
      /write v1 or v2/,
      [tcp, tcpRoute('r', [backendRef('app')]), ...sent('V2', service('app', 80, place))],
    ],
    [
      'HTTPRoute',
      /does not go together with HTTP\/2/,
      [
        web,
        httpRoute('r', undefined, [{ backendRefs: [backendRef('app')] }]),
        ...sent('v2', service('app', 80, place, 'kubernetes.io/h2c')),
      ],
    ],
    [
      'GRPCRoute',
      /does not go together with HTTP\/2/,
      [
        web,
        grpcRoute('r', undefined, [{ backendRefs: [backendRef('app')] }]),
        ...sent('v2', service('app', 80, place)),
      ],
    ],
    [
      'UDPRoute',
      /not for datagrams/,
      [
        at('127.0.0.5', [udpListener('dns', 53)]),
        udpRoute('r', [backendRef('app', 53)]),
        ...sent('v2', udpService('app', 53, 7000)),
      ],
    ],
  ]
  for (const [kind, why, objects] of refused) {
    it(`is refused, never left out: ${kind}, ${why.source}`, () => {
      const { upstreams, conditions, diagnostics } = outcome(...objects)
      assert.deepEqual(upstreams, [])
      const [resolved] = conditions(kind, 'r', 'ResolvedRefs')
      assert.equal(resolved?.status, 'False')
      assert.equal(resolved?.reason, 'UnsupportedProtocol')
      assert.match(resolved?.message ?? '', why)
      assert.match(resolved?.message ?? '', /gwproxy\.dev\/send-proxy-protocol/)
      assert.ok(diagnostics.some(({ message }) => why.test(message)))
    })
  }
})
