/** TLS sessions and connections over reloads and workers, through the whole data plane. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import type { Digest } from '../../src/base/brand.ts'
import type { Chain } from '../../src/model/snapshot.ts'
import type { TicketRoots } from '../../src/model/tls.ts'
import { chain, DataPlane, ip, tcpForward } from '../support/data-plane.ts'
import { type Listening, listenTcp } from '../support/sockets.ts'
import { Material, terminate, visit } from '../support/tls-domains.ts'

const ROOTS: TicketRoots = [{ id: '0a0b0c0d', secret: Buffer.alloc(32, 3).toString('base64') }]
const A: ConnectionOptions = { servername: 'a.test' }

describe('TLS over reloads and workers', () => {
  const material = new Material()
  const planes: DataPlane[] = []
  let backend: Listening

  before(async () => {
    backend = await listenTcp()
    backend.server.on('connection', (socket) => socket.pipe(socket))
  })
  after(async () => {
    for (const plane of planes) await plane.stop()
    backend.close()
  })

  async function startWorker(): Promise<{ plane: DataPlane; port: number }> {
    const plane = await DataPlane.start()
    planes.push(plane)
    plane.send({ type: 'ticket-roots', roots: ROOTS })
    return { plane, port: plane.open('tls') }
  }

  function chainOf(plane: DataPlane, hostname: string, certificates: readonly Digest[]): Chain {
    const then = tcpForward(plane.upstream('backend', [ip(backend.port)]))
    assert.equal(then.kind, 'tcp-forward')
    const action = { ...terminate(hostname, certificates), then }
    return chain(hostname, action, hostname)
  }

  async function publish(plane: DataPlane, chains: readonly Chain[]): Promise<void> {
    const certificates = chains.flatMap(({ action }) =>
      action.kind === 'tls-terminate' ? action.certificates : [],
    )
    const keys = certificates.map((digest) => {
      const part = material.part(digest)
      plane.part(part)
      const { keyId } = part.kind === 'certificate' ? part : assert.fail()
      return { keyId, privateKeyPem: material.key(keyId) }
    })
    const answer = await plane.publish({ tls: { ingress: 'tls', chains } }, keys)
    assert.equal(answer.type, 'ack')
  }

  it('renews a certificate: sessions resume, connections live, new clients see it', async () => {
    const { plane, port } = await startWorker()
    await publish(plane, [chainOf(plane, 'a.test', [await material.issue(['a.test'])])])
    const held = connect({ ...A, port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(held, 'secureConnect')
    const { session, leaf } = await visit(port, A)
    assert.ok(session)
    await publish(plane, [chainOf(plane, 'a.test', [await material.issue(['a.test'])])])
    assert.equal((await visit(port, { ...A, session })).resumed, true)
    assert.notEqual((await visit(port, A)).leaf?.fingerprint256, leaf?.fingerprint256)
    held.write('still here')
    assert.equal(String((await once(held, 'data'))[0]), 'still here')
    held.destroy()
    const lines = plane.lines.map(({ tls }) => tls?.resumed)
    assert.ok(lines.includes(true), 'the access log tells a resumed handshake')
  })

  it('resumes in the other worker what one began, also after a listener came and went', async () => {
    const certificates = [await material.issue(['a.test'])]
    const [one, two] = [await startWorker(), await startWorker()]
    for (const { plane } of [one, two])
      await publish(plane, [chainOf(plane, 'a.test', certificates)])
    const { session } = await visit(one.port, A)
    assert.ok(session)
    const renewed = await visit(two.port, { ...A, session })
    assert.equal(renewed.resumed, true)
    await publish(one.plane, [chainOf(one.plane, 'b.test', [await material.issue(['b.test'])])])
    await assert.rejects(visit(one.port, A))
    await publish(one.plane, [chainOf(one.plane, 'a.test', certificates)])
    assert.ok(renewed.session)
    assert.equal((await visit(one.port, { ...A, session: renewed.session })).resumed, true)
  })

  it('a key that does not fit is refused to its own clients alone', async () => {
    const { plane, port } = await startWorker()
    const [good, bad] = [await material.issue(['a.test']), await material.issue(['b.test'])]
    const [goodKey, badKey] = [good, bad].map((digest) => {
      const part = material.part(digest)
      plane.part(part)
      return part.kind === 'certificate' ? part.keyId : assert.fail()
    })
    assert.ok(goodKey !== undefined && badKey !== undefined)
    const answer = await plane.publish(
      {
        tls: {
          ingress: 'tls',
          chains: [chainOf(plane, 'a.test', [good]), chainOf(plane, 'b.test', [bad])],
        },
      },
      [
        { keyId: goodKey, privateKeyPem: material.key(goodKey) },
        { keyId: badKey, privateKeyPem: 'no key' },
      ],
    )
    assert.equal(answer.type, 'ack')
    await assert.rejects(visit(port, { ...A, servername: 'b.test' }))
    assert.ok((await visit(port, A)).leaf)
  })
})
