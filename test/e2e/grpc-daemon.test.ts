/** gRPC on a real daemon: over TLS, by the legacy protocol name, and after an edit. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import tls from 'node:tls'
import type { Metadata, ServerUnaryCall } from '@grpc/grpc-js'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { GrpcClient, type GrpcOrigin, pathOf, startGrpcOrigin } from '../support/grpc.ts'
import { backendRef, gateway, service, tlsListener, tlsSecret, yaml } from '../support/manifests.ts'

function grpcRoute(name: string, hostname: string, service: string, backend = 'grpc') {
  const rule = {
    matches: [{ method: { service } }],
    backendRefs: [backendRef(backend, 9000)],
  }
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GRPCRoute',
    metadata: { name },
    spec: { parentRefs: [{ name: 'gw' }], hostnames: [hostname], rules: [rule] },
  }
}

function tlsPolicy(service: string, hostname: string) {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name: service },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: service }],
      validation: { hostname, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
    },
  }
}

describe('gRPC on a daemon', () => {
  let origin: GrpcOrigin
  let secure: GrpcOrigin
  let daemon: Daemon
  let caPem = ''

  before(async () => {
    const calls = {
      Unary: (
        call: ServerUnaryCall<Buffer, Buffer>,
        reply: (error: null, value: Buffer, trailer?: Metadata) => void,
      ) => reply(null, call.request),
    }
    origin = await startGrpcOrigin(calls)
    secure = await startGrpcOrigin(calls, await testCertificate(['backend.test']))
    caPem = (await testAuthority()).certPem
    daemon = await startDaemon({
      workers: 1,
      files: {
        'gateway.yaml': yaml(
          gateway([
            tlsListener('new', 8443, 'new.test', ['cert'], 'HTTPS'),
            tlsListener('old', 8443, 'old.test', ['cert'], 'GRPC'),
            tlsListener('tls', 8443, 'tls.test', ['cert'], 'HTTPS'),
          ]),
          tlsSecret('cert', await testCertificate(['new.test', 'old.test', 'tls.test'])),
          ...service('secure', 9000, [{ address: '127.0.0.1', port: secure.port }]),
          {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            metadata: { name: 'ca' },
            data: { 'ca.crt': caPem },
          },
          ...service('grpc', 9000, [{ address: '127.0.0.1', port: origin.port }]),
        ),
        'new.yaml': yaml(grpcRoute('new', 'new.test', 'test.Echo')),
        'policy.yaml': yaml(tlsPolicy('secure', 'backend.test')),
        'tls.yaml': yaml(grpcRoute('tls', 'tls.test', 'test.Echo', 'secure')),
        'old.yaml': yaml(grpcRoute('old', 'old.test', 'test.Echo')),
      },
    })
  })

  after(async () => {
    await daemon.stop()
    origin[Symbol.dispose]()
    secure[Symbol.dispose]()
  })

  const ask = async (name: string): Promise<string> => {
    using client = new GrpcClient(`${daemon.address}:8443`, { caPem, name })
    const answer = await client.unary(Buffer.from('hello'), { path: pathOf('Unary') })
    return Buffer.isBuffer(answer) ? answer.toString() : String(answer.code)
  }

  it('serves HTTPS listeners and the alias GRPC, which offers HTTP/2 alone', async () => {
    assert.equal(await ask('new.test'), 'hello')
    assert.equal(await ask('old.test'), 'hello')
    const offered = async (servername: string): Promise<string | false | null> => {
      const socket = tls.connect({
        host: daemon.address,
        port: 8443,
        servername,
        ca: caPem,
        ALPNProtocols: ['http/1.1'],
      })
      // `error` when no protocol is common.
      const [event] = await Promise.race([
        once(socket, 'secureConnect').then(() => ['connected']),
        once(socket, 'close').then(() => ['closed']),
      ]).catch(() => ['refused'])
      const protocol = event === 'connected' ? socket.alpnProtocol : null
      socket.destroy()
      return protocol
    }
    assert.equal(await offered('new.test'), 'http/1.1')
    assert.notEqual(await offered('old.test'), 'http/1.1')
  })

  it('goes on over TLS where a BackendTLSPolicy says so, verified', async () => {
    assert.equal(await ask('tls.test'), 'hello')
    await daemon.apply({ 'policy.yaml': yaml(tlsPolicy('secure', 'wrong.test')) })
    assert.equal(await ask('tls.test'), '14')
  })

  it('follows an edit of the route', async () => {
    await daemon.apply({ 'new.yaml': yaml(grpcRoute('new', 'new.test', 'test.Other')) })
    assert.equal(await ask('new.test'), '12')
    await daemon.apply({ 'new.yaml': yaml(grpcRoute('new', 'new.test', 'test.Echo')) })
    assert.equal(await ask('new.test'), 'hello')
  })
})
