import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type BackendObject, resolveBackendRefs } from '../../../src/translate/backends.ts'
import { ref, resolve, route, web, webPort } from './backend-fixture.ts'
import { contextOf, grant, type Manifest, onlyRoute, service, slice } from './fixture.ts'

describe('ExternalName', () => {
  const external = service('web', { type: 'ExternalName', externalName: 'web.example.com.' })

  it('needs no ports: the port of the reference is used', () => {
    const { upstream, findings } = resolve([external], { port: 8443 })
    assert.deepEqual(upstream().endpoints, [{ kind: 'name', name: 'web.example.com', port: 8443 }])
    assert.equal(upstream().name, 'Service/default/web:8443')
    assert.match(findings[0] ?? '', /^note portability Service default\/web spec\.type: /)
  })

  it('uses the port of the reference even where ports map it elsewhere', () => {
    const mapped = service('web', {
      type: 'ExternalName',
      externalName: 'web.example.com',
      ports: [{ port: 80, targetPort: 8080, appProtocol: 'kubernetes.io/h2c' }],
    })
    const { upstream } = resolve([mapped], {}, 'http')
    assert.deepEqual(upstream().endpoints, [{ kind: 'name', name: 'web.example.com', port: 80 }])
    assert.equal(upstream().protocol, 'h2c')
  })

  it('takes an IP literal as the address that it is', () => {
    const literal = service('web', { type: 'ExternalName', externalName: '10.0.0.1' })
    assert.deepEqual(resolve([literal]).endpoints(), ['10.0.0.1:80'])
  })

  for (const externalName of ['169.254.169.254', '2852039166', '0x7f.1']) {
    it(`never connects to ${externalName}`, () => {
      const { endpoints, findings } = resolve([
        service('web', { type: 'ExternalName', externalName }),
      ])
      assert.deepEqual(endpoints(), [])
      assert.match(findings.join('\n'), /error address Service default\/web spec\.externalName/)
    })
  }
})

describe('--service-dns', () => {
  it('names a Service that no file declares', () => {
    const { upstream } = resolve([], {}, 'http', { serviceDns: '{name}.{namespace}.internal' })
    assert.deepEqual(upstream(), {
      kind: 'upstream',
      name: 'Service/default/web:80',
      protocol: 'http/1.1',
      endpoints: [{ kind: 'name', name: 'web.default.internal', port: 80 }],
    })
  })

  it('leaves declared Services alone', () => {
    assert.deepEqual(resolve([web], {}, 'tcp', { serviceDns: '{name}' }).endpoints(), [])
  })

  it('never stands in for a grant', () => {
    const { problem } = resolve([], { namespace: 'other' }, 'tcp', { serviceDns: '{name}' })
    assert.equal(problem?.reason, 'RefNotPermitted')
  })

  it('refuses a template that makes no DNS name', () => {
    const { problem } = resolve([], {}, 'tcp', { serviceDns: '{name} {namespace}' })
    assert.equal(problem?.reason, 'BackendNotFound')
  })
})

describe('appProtocol', () => {
  const slices = slice('web', { ...webPort, endpoints: [{ addresses: ['10.0.0.1'] }] })
  const withProtocol = (appProtocol: string | undefined) =>
    service('web', { ports: [{ name: 'http', port: 80, appProtocol }] })

  const table: readonly (readonly [string | undefined, string])[] = [
    [undefined, 'http/1.1'],
    ['http', 'http/1.1'],
    ['HTTPS', 'http/1.1'],
    ['kubernetes.io/ws', 'http/1.1'],
    ['kubernetes.io/wss', 'http/1.1'],
    ['kubernetes.io/h2c', 'h2c'],
    ['grpc', 'h2c'],
  ]
  for (const [appProtocol, expected] of table) {
    it(`speaks ${expected} for ${JSON.stringify(appProtocol)}`, () => {
      const { upstream } = resolve([withProtocol(appProtocol), slices], {}, 'http')
      assert.equal(upstream().protocol, expected)
    })
  }

  it('refuses an unknown one for HTTP and ignores it for streams', () => {
    const manifests = [withProtocol('example.com/custom'), slices]
    assert.equal(resolve(manifests, {}, 'http').problem?.reason, 'UnsupportedProtocol')
    assert.equal(resolve(manifests, {}, 'tcp').upstream().protocol, 'tcp')
  })
})

describe('a reference that does not resolve', () => {
  const foreign = { ...web, metadata: { name: 'web', namespace: 'other' } }
  const table: Readonly<
    Record<string, readonly [Manifest[], Partial<BackendObject>, string, string]>
  > = {
    'an unknown kind': [[web], { kind: 'Pod' }, 'InvalidKind', 'reference'],
    'an unknown group': [[web], { group: 'example.com' }, 'InvalidKind', 'reference'],
    'a missing Service': [[], {}, 'BackendNotFound', 'reference'],
    'a missing port': [[web], { port: 81 }, 'BackendNotFound', 'reference'],
    'no grant': [[foreign], { namespace: 'other' }, 'RefNotPermitted', 'grant-missing'],
    'no grant and no target': [[], { namespace: 'other' }, 'RefNotPermitted', 'grant-missing'],
  }
  for (const [what, [manifests, backend, reason, code]] of Object.entries(table)) {
    it(`is reported at its place and gives an invalid target: ${what}`, () => {
      const { target, problem, findings } = resolve(manifests, backend)
      assert.equal(target.kind, 'invalid')
      assert.equal(problem?.reason, reason)
      assert.deepEqual(findings, [
        `error ${code} HTTPRoute default/web spec.rules[0].backendRefs[0]: ${problem?.message}`,
      ])
    })
  }

  it('comes with the grant to paste', () => {
    const { help } = resolve([foreign], { namespace: 'other' })
    assert.match(help, /kind: ReferenceGrant/)
    assert.match(help, /namespace: other/)
  })

  it('resolves once the grant is there', () => {
    const from = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }
    const { problem, upstream } = resolve(
      [foreign, grant('other', from, { group: '', kind: 'Service' })],
      { namespace: 'other' },
    )
    assert.equal(problem, undefined)
    assert.equal(upstream().name, 'Service/other/web:80')
  })
})

describe('resolveBackendRefs', () => {
  it('keeps weights and order, and each bad reference spoils its own share', () => {
    const context = contextOf([route, web])
    const refs = [
      { ...ref, weight: 3 },
      { ...ref, name: 'absent', weight: 2 },
      { ...ref, kind: 'Pod', weight: 0 },
    ]
    const path = ['spec', 'rules', 0, 'backendRefs']
    const { backends, problem } = resolveBackendRefs(context, onlyRoute(context), refs, path, 'tcp')
    assert.deepEqual(
      backends.map(({ weight, target, filters }) => [weight, target.kind, filters.length]),
      [
        [3, 'upstream', 0],
        [2, 'invalid', 0],
        [0, 'invalid', 0],
      ],
    )
    assert.equal(problem?.reason, 'BackendNotFound')
  })
})

describe('BackendTLSPolicy', () => {
  const policy = (targetRef: Readonly<Record<string, unknown>>): Manifest => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name: 'tls' },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: 'web', ...targetRef }],
      validation: { wellKnownCACertificates: 'System', hostname: 'web.example.com' },
    },
  })

  it('is never answered with plaintext', () => {
    for (const target of [{}, { sectionName: 'http' }]) {
      for (const use of ['http', 'decrypted'] as const) {
        const { upstream, problem } = resolve([web, policy(target)], {}, use)
        assert.equal(upstream().tls?.hostname, 'web.example.com')
        assert.equal(problem, undefined)
      }
    }
  })

  it('holds for a Service that only --service-dns knows', () => {
    for (const target of [{}, { sectionName: 'x' }]) {
      const { upstream } = resolve([policy(target)], {}, 'http', { serviceDns: '{name}' })
      assert.ok(upstream().tls)
    }
  })

  it('holds for every kind of backend', () => {
    const group = { envoy: 'gateway.envoyproxy.io', x: 'gateway.networking.x-k8s.io' }
    const backends: readonly Manifest[] = [
      {
        apiVersion: `${group.envoy}/v1alpha1`,
        kind: 'Backend',
        metadata: { name: 'web' },
        spec: { endpoints: [{ ip: { address: '10.0.0.1', port: 80 } }] },
      },
      {
        apiVersion: `${group.x}/v1alpha1`,
        kind: 'XBackend',
        metadata: { name: 'web' },
        spec: {
          type: 'ExternalHostname',
          externalHostname: { hostname: 'up.example' },
          port: { port: 80 },
        },
      },
    ]
    for (const backend of backends) {
      const of = { group: backend.apiVersion.replace('/v1alpha1', ''), kind: backend.kind }
      const without = resolve([backend], of, 'http')
      assert.equal(without.upstream().tls, undefined)
      for (const section of [{}, { sectionName: 'x' }]) {
        const { upstream } = resolve([backend, policy({ ...of, ...section })], of, 'http')
        assert.ok(upstream().tls, backend.kind)
      }
      assert.equal(resolve([backend, policy({})], of, 'http').upstream().tls, undefined)
    }
  })

  it('does not hide that its target does not exist', () => {
    assert.equal(resolve([policy({})], {}, 'http').problem?.reason, 'BackendNotFound')
  })

  it('leaves other Services, other ports and streams that stay encrypted alone', () => {
    assert.equal(resolve([web, policy({ name: 'other' })], {}, 'http').upstream().tls, undefined)
    assert.equal(resolve([web, policy({ sectionName: 'x' })], {}, 'http').upstream().tls, undefined)
    assert.equal(resolve([web, policy({})], {}, 'tcp').upstream().tls, undefined)
  })
})
