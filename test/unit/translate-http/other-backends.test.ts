import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ref, resolve } from './backend-fixture.ts'
import { grant, type Manifest } from './fixture.ts'

type Spec = Readonly<Record<string, unknown>>

const envoy = { group: 'gateway.envoyproxy.io', kind: 'Backend' }
const x = { group: 'gateway.networking.x-k8s.io', kind: 'XBackend' }

const backend = (spec: Spec, namespace = 'default'): Manifest => ({
  apiVersion: 'gateway.envoyproxy.io/v1alpha1',
  kind: 'Backend',
  metadata: { name: ref.name, namespace },
  spec,
})
const xBackend = (spec: Spec): Manifest => ({
  apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
  kind: 'XBackend',
  metadata: { name: ref.name },
  spec: {
    type: 'ExternalHostname',
    externalHostname: { hostname: 'up.example' },
    port: { port: 8080 },
    ...spec,
  },
})
const TLS_PROTOCOLS = { http: 'HTTP', grpc: 'HTTP2', decrypted: 'TCP' } as const
const ip = (address: string) => ({ ip: { address, port: 8080 } })

describe('Backend of Envoy Gateway', () => {
  it('gives its ip and unix endpoints in the order they stand, with their own ports', () => {
    const { upstream, problem } = resolve(
      [
        backend({
          endpoints: [ip('10.0.0.2'), ip('10.0.0.1'), { unix: { path: '/run/app.sock' } }],
        }),
      ],
      envoy,
      'http',
    )
    assert.deepEqual(upstream(), {
      kind: 'upstream',
      name: 'Backend/default/web',
      protocol: 'http/1.1',
      endpoints: [
        { kind: 'ip', address: '10.0.0.2', port: 8080 },
        { kind: 'ip', address: '10.0.0.1', port: 8080 },
        { kind: 'unix', path: '/run/app.sock' },
      ],
    })
    assert.equal(problem, undefined)
  })

  it('gives its fqdn endpoints as names', () => {
    const endpoints = [{ fqdn: { hostname: 'up.example', port: 443 } }]
    assert.deepEqual(resolve([backend({ endpoints })], envoy).endpoints(), ['up.example:443'])
  })

  it('speaks h2c when it says so', () => {
    const spec = { endpoints: [ip('10.0.0.1')], appProtocols: ['gateway.envoyproxy.io/h2c'] }
    assert.equal(resolve([backend(spec)], envoy, 'http').upstream().protocol, 'h2c')
    assert.equal(resolve([backend(spec)], envoy, 'tcp').upstream().protocol, 'tcp')
  })

  it('leaves out a metadata address with an error at its place', () => {
    const { endpoints, findings } = resolve(
      [backend({ endpoints: [ip('169.254.169.254'), ip('10.0.0.1')] })],
      envoy,
    )
    assert.deepEqual(endpoints(), ['10.0.0.1:8080'])
    assert.match(
      findings[0] ?? '',
      /^error address Backend default\/web spec\.endpoints\[0\]\.ip\.address: /,
    )
  })

  it('needs a grant for its own kind in another namespace', () => {
    const from = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }
    const other = backend({ endpoints: [ip('10.0.0.1')] }, 'other')
    const reference = { ...envoy, namespace: 'other' }
    const forService = grant('other', from, { group: '', kind: 'Service' })
    assert.equal(resolve([other, forService], reference).problem?.reason, 'RefNotPermitted')
    assert.equal(resolve([other, grant('other', from, envoy)], reference).problem, undefined)
  })

  const endpoints = [ip('10.0.0.1')]
  const skipping = { insecureSkipVerify: true }
  const unsupported: readonly (readonly [string, Spec])[] = [
    ['spec.type', { type: 'DynamicResolver' }],
    ['spec.tls', { endpoints, tls: {} }],
    ['spec.tls.sni', { endpoints, tls: { wellKnownCACertificates: 'System' } }],
    ['spec.tls.minVersion', { endpoints, tls: { ...skipping, minVersion: '1.1' } }],
    ['spec.tls.maxVersion', { endpoints, tls: { ...skipping, maxVersion: '1.0' } }],
    [
      'spec.tls.maxVersion',
      { endpoints, tls: { ...skipping, minVersion: '1.3', maxVersion: '1.2' } },
    ],
    ['spec.tls.ciphers', { endpoints, tls: { ...skipping, ciphers: ['AES256-SHA'] } }],
    ['spec.tls.ecdhCurves', { endpoints, tls: { ...skipping, ecdhCurves: ['P-256'] } }],
    ['spec.tls.signatureAlgorithms', { endpoints, tls: { ...skipping, signatureAlgorithms: [] } }],
    ['spec.tls.alpnProtocols', { endpoints, tls: { ...skipping, alpnProtocols: ['h2'] } }],
    ['spec.tls.fingerprints', { endpoints, tls: { ...skipping, fingerprints: ['JA4'] } }],
    ['spec.fallback', { endpoints, fallback: true }],
    ['spec.endpoints[0].zone', { endpoints: [{ ...ip('10.0.0.1'), zone: 'a' }] }],
    ['spec.endpoints[0].hostname', { endpoints: [{ ...ip('10.0.0.1'), hostname: 'a.example' }] }],
  ]
  for (const [path, spec] of unsupported) {
    it(`is refused, naming the field, for ${path}`, () => {
      const { target, problem, findings } = resolve([backend(spec)], envoy, 'http')
      assert.equal(target.kind, 'invalid')
      assert.equal(problem?.reason, 'InvalidKind')
      assert.ok(problem?.message.includes(path))
      assert.ok(findings[0]?.startsWith(`error unsupported Backend default/web ${path}: `))
    })
  }

  it('that is not declared is not found', () => {
    assert.equal(resolve([], envoy).problem?.reason, 'BackendNotFound')
  })
})

describe('XBackend', () => {
  const table: readonly (readonly [Spec, string])[] = [
    [{}, 'http/1.1'],
    [{ protocol: 'HTTP11', tls: { mode: 'None' } }, 'http/1.1'],
    [{ protocol: 'H2C' }, 'h2c'],
    [{ protocol: 'HTTP2' }, 'h2c'],
  ]
  for (const [spec, protocol] of table) {
    it(`gives its name and port with ${JSON.stringify(spec)}`, () => {
      assert.deepEqual(resolve([xBackend(spec)], x, 'http').upstream(), {
        kind: 'upstream',
        name: 'XBackend/default/web',
        protocol,
        endpoints: [{ kind: 'name', name: 'up.example', port: 8080 }],
      })
    })
  }

  it('refuses protocols that HTTP cannot be sent in', () => {
    for (const protocol of ['TCP', 'MCP']) {
      const { problem } = resolve([xBackend({ protocol })], x, 'http')
      assert.equal(problem?.reason, 'UnsupportedProtocol')
    }
    assert.equal(resolve([xBackend({ protocol: 'TCP' })], x, 'tcp').problem, undefined)
  })

  it('that asks for TLS is never spoken to in plaintext', () => {
    const tls = { mode: 'ServerOnly' }
    for (const use of ['http', 'grpc', 'decrypted'] as const) {
      const own = resolve([xBackend({ tls, protocol: TLS_PROTOCOLS[use] })], x, use).upstream().tls
      assert.deepEqual([own?.hostname, own?.authorities], ['up.example', { kind: 'system' }])
    }
    const { target, problem } = resolve([xBackend({ tls, protocol: 'TCP' })], x, 'tcp')
    assert.equal(target.kind, 'invalid')
    assert.match(problem?.message ?? '', /asks for TLS \(spec\.tls\)/)
  })

  it('that is not declared is not found', () => {
    assert.equal(resolve([], x).problem?.reason, 'BackendNotFound')
  })
})
