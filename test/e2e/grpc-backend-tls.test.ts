/** gRPC to backends behind TLS: the policy holds for GRPCRoutes too, and failures are UNAVAILABLE. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ServerUnaryCall } from '@grpc/grpc-js'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { caConfigMap } from '../support/client-certificates.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { GrpcClient, type GrpcOrigin, pathOf, startGrpcOrigin } from '../support/grpc.ts'
import {
  backendRef,
  gateway,
  type Manifest,
  service,
  tlsListener,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

const UNAVAILABLE = 14

/** A GRPCRoute for `NAME.test`, its Service, and the policy that wants `hostname` of it. */
function backend(name: string, port: number, hostname: string): readonly Manifest[] {
  return [
    ...service(name, 9000, [{ address: '127.0.0.1', port }]),
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GRPCRoute',
      metadata: { name },
      spec: {
        parentRefs: [{ name: 'gw' }],
        hostnames: [`${name}.test`],
        rules: [{ backendRefs: [backendRef(name, 9000)] }],
      },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'BackendTLSPolicy',
      metadata: { name },
      spec: {
        targetRefs: [{ group: '', kind: 'Service', name }],
        validation: { hostname, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
      },
    },
  ]
}

describe('gRPC to backends behind TLS', () => {
  let origin: GrpcOrigin
  let daemon: Daemon
  let caPem = ''

  before(async () => {
    caPem = (await testAuthority()).certPem
    const unary = (
      call: ServerUnaryCall<Buffer, Buffer>,
      reply: (error: null, value: Buffer) => void,
    ) => reply(null, call.request)
    origin = await startGrpcOrigin({ Unary: unary }, await testCertificate(['app.internal']))
    daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          gateway([tlsListener('https', 8443, undefined, ['cert'], 'HTTPS')]),
          tlsSecret('cert', await testCertificate(['good.test', 'wrong.test'])),
          caConfigMap('ca', caPem),
          ...backend('good', origin.port, 'app.internal'),
          ...backend('wrong', origin.port, 'other.internal'),
        ),
      },
    })
  })

  after(async () => {
    await daemon.stop()
    origin[Symbol.dispose]()
  })

  const ask = async (name: string): Promise<string | number> => {
    using client = new GrpcClient(`${daemon.address}:8443`, { caPem, name })
    const answer = await client.unary(Buffer.from('hello'), { path: pathOf('Unary') })
    return Buffer.isBuffer(answer) ? answer.toString() : answer.code
  }

  it('calls the one that the policy wants, and no other', async () => {
    assert.equal(await ask('good.test'), 'hello')
    assert.equal(await ask('wrong.test'), UNAVAILABLE)
    const line = await daemon.line((entry) => entry['reason'] === 'upstream-tls-failed')
    assert.match(String(line['connection_termination_details']), /not for other\.internal/)
  })
})
